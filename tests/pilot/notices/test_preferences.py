"""What a person wants by mail, and the link that turns a kind off for whoever holds it, and for nobody else."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.audit.queries import history_of
from pilot.database import Database
from pilot.notices import preferences
from pilot.notices.errors import UnsubscribeLinkNotValid
from pilot.notices.kinds import CHOICES, NoticeKind
from pilot.settings import Settings
from tests.builders import a_user


def test_everything_comes_by_mail_until_a_person_chooses(session: Session, now: datetime) -> None:
    anna, boris = a_user(session, Role.MANAGER), a_user(session, Role.MANAGER)
    assert all(preferences.wants_mail(session, anna.id, kind) for kind in NoticeKind)
    preferences.choose_mail(session, anna, [NoticeKind.DIGEST], actor=anna.email, now=now)
    assert [kind for kind in CHOICES if preferences.wants_mail(session, anna.id, kind)] == [NoticeKind.DIGEST]
    assert preferences.wants_mail(session, anna.id, NoticeKind.TEST), "a test is asked for"
    assert all(preferences.wants_mail(session, boris.id, kind) for kind in NoticeKind)


def test_the_link_turns_one_kind_off_and_once_is_enough(session: Session, now: datetime) -> None:
    anna, settings = a_user(session, Role.MANAGER), session.info["settings"]
    token = preferences.unsubscribe_token(settings, anna.id, NoticeKind.DIGEST)
    assert preferences.read_unsubscribe_token(settings, token) == (anna.id, NoticeKind.DIGEST)
    for _ in range(2):
        preferences.unsubscribe(session, anna, NoticeKind.DIGEST, now=now)
    assert preferences.muted(session, anna.id) == {NoticeKind.DIGEST}
    assert [entry.verb for entry in history_of(session, "user", anna.email)] == ["user.mail_chosen"]


def test_a_link_is_no_good_for_another_person_or_another_kind(settings: Settings) -> None:
    token = preferences.unsubscribe_token(settings, 7, NoticeKind.DIGEST)
    for forged in (
        token.replace("7.", "8.", 1),
        token.replace("digest", "upkeep"),
        token[:-1],
        token + "0",
        "7.digest",
    ):
        with pytest.raises(UnsubscribeLinkNotValid):
            preferences.read_unsubscribe_token(settings, forged)


@given(st.text(max_size=80))
def test_no_text_is_mistaken_for_a_link(text: str) -> None:
    with pytest.raises(UnsubscribeLinkNotValid):
        preferences.read_unsubscribe_token(Settings(home=Path("/nowhere")), text)


def test_a_link_used_twice_at_once_turns_the_kind_off_once(database: Database, now: datetime) -> None:
    with database.unit_of_work() as session:
        anna = a_user(session, Role.MANAGER)
    ready = Barrier(2)

    def click(kind: NoticeKind) -> None:
        ready.wait(timeout=10)
        with database.unit_of_work() as opened:
            preferences.unsubscribe(opened, anna, kind, now=now)

    for kinds in ([NoticeKind.DIGEST, NoticeKind.DIGEST], [NoticeKind.UPKEEP, NoticeKind.GATE_REACHED]):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(click, kinds))
    with database.reading() as session:
        off = {NoticeKind.DIGEST, NoticeKind.UPKEEP, NoticeKind.GATE_REACHED}
        assert preferences.muted(session, anna.id) == off
