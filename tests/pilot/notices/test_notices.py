"""Notices reach one person, who alone marks them read."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.audit.queries import history_of
from pilot.errors import NotFound
from pilot.notices import queries
from pilot.notices.service import NotYourNotice, mark_read, notify
from pilot.words import Message
from tests.builders import a_user

HELLO = Message("hello", "Hello {name}.", {"name": "store 7"})


def test_a_notice_waits_until_its_reader_has_read_it(session: Session, now: datetime) -> None:
    anna = a_user(session, Role.MANAGER)
    notice = notify(session, user_id=anna.id, message=HELLO, link="/pilots/points", at=now)
    (row,) = queries.unread(session, anna.id)
    assert (row.message, row.link, row.created_at) == (HELLO, "/pilots/points", now)
    mark_read(session, notice.id, actor=anna, now=now)
    assert queries.unread(session, anna.id) == []
    assert queries.unread_count(session, anna.id) == 0
    assert [row.read_at for row in queries.recent(session, anna.id)] == [now]


def test_nobody_reads_another_persons_notice(session: Session, now: datetime) -> None:
    anna, boris = a_user(session, Role.MANAGER), a_user(session, Role.MANAGER)
    notice = notify(session, user_id=anna.id, message=HELLO, link="", at=now)
    assert queries.unread(session, boris.id) == []
    with pytest.raises(NotYourNotice):
        mark_read(session, notice.id, actor=boris, now=now)


def test_reading_is_recorded_once(session: Session, now: datetime) -> None:
    anna = a_user(session, Role.MANAGER)
    notice = notify(session, user_id=anna.id, message=HELLO, link="", at=now)
    mark_read(session, notice.id, actor=anna, now=now)
    mark_read(session, notice.id, actor=anna, now=now)
    assert [e.verb for e in history_of(session, "notice", str(notice.id))] == ["notice.read"]


def test_a_notice_that_is_not_there_is_named(session: Session, now: datetime) -> None:
    with pytest.raises(NotFound, match="7"):
        mark_read(session, 7, actor=a_user(session, Role.MANAGER), now=now)


def test_the_newest_notice_comes_first(session: Session, now: datetime) -> None:
    anna = a_user(session, Role.MANAGER)
    for name in ("first", "second"):
        notify(session, user_id=anna.id, message=Message("hello", "Hello {name}.", {"name": name}), link="", at=now)
    assert [str(row.message) for row in queries.unread(session, anna.id)] == ["Hello second.", "Hello first."]
    assert len(queries.recent(session, anna.id, limit=1)) == 1
