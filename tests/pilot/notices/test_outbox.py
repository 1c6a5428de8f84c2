"""The outbox: claimed by one worker at a time, tried again on a schedule, given up at its end, never lost."""

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.audit.queries import history_of
from pilot.database import Database
from pilot.notices import outbox
from pilot.notices.errors import NothingToRetry
from pilot.notices.kinds import NoticeKind
from pilot.notices.model import Channel, Delivery, DeliveryState
from pilot.notices.outbox import letter_of, post_letter
from pilot.words import Message
from tests.builders import a_user

HELLO = Message("hello", "Hello.")
BROKEN = Message("broken", "It is broken.")


def a_letter(session: Session, now: datetime) -> Delivery:
    anna = a_user(session, Role.MANAGER)
    letter = letter_of(NoticeKind.PILOT_NEWS, HELLO, "/")
    return post_letter(session, user_id=anna.id, kind=NoticeKind.PILOT_NEWS, letter=letter, at=now)


def claimed(session: Session, now: datetime) -> Delivery | None:
    return outbox.claim(session, Channel.MAIL, now=now)


def again(session: Session, delivery: Delivery) -> Delivery:
    session.expire_all()
    return session.get_one(Delivery, delivery.id)


def test_a_delivery_is_claimed_once_and_is_done_when_it_has_arrived(session: Session, now: datetime) -> None:
    letter = a_letter(session, now)
    assert outbox.has_due(session, Channel.MAIL, now=now)
    mine = claimed(session, now)
    assert mine is not None
    assert (mine.id, mine.attempts, mine.state) == (letter.id, 1, DeliveryState.SENDING)
    assert claimed(session, now) is None
    outbox.mark_sent(session, mine, now=now)
    found = again(session, letter)
    assert (found.state, found.done_at, found.next_try_at) == (DeliveryState.SENT, now, None)
    assert claimed(session, now + timedelta(days=1)) is None


def test_the_channels_do_not_see_each_other(session: Session, now: datetime) -> None:
    a_letter(session, now)
    assert not outbox.has_due(session, Channel.WEBHOOK, now=now)
    assert outbox.claim(session, Channel.WEBHOOK, now=now) is None


def test_the_whole_schedule_of_a_receiver_that_never_answers(session: Session, now: datetime) -> None:
    """By hand: a minute, then four times as long each time, at most six hours; nine attempts in 23 h 41 min."""
    letter, waits = a_letter(session, now), []
    for attempt in range(1, outbox.MOST_ATTEMPTS + 1):
        mine = claimed(session, now)
        assert mine is not None, attempt
        assert mine.attempts == attempt
        gave_up = outbox.mark_failed(session, mine, BROKEN, is_final=False, now=now)
        found = again(session, letter)
        assert gave_up is (attempt == outbox.MOST_ATTEMPTS)
        if found.next_try_at is not None:
            waits.append(int((found.next_try_at - now).total_seconds() // 60))
            assert claimed(session, found.next_try_at - timedelta(seconds=1)) is None
            now = found.next_try_at
    assert waits == [1, 4, 16, 64, 256, 360, 360, 360]
    assert sum(waits) == 23 * 60 + 41
    found = again(session, letter)
    assert (found.state, found.last_error) == (DeliveryState.GAVE_UP, BROKEN.to_dict())
    assert claimed(session, now + timedelta(days=30)) is None


def test_what_would_fail_again_is_given_up_at_once(session: Session, now: datetime) -> None:
    letter = a_letter(session, now)
    mine = claimed(session, now)
    assert mine is not None
    assert outbox.mark_failed(session, mine, BROKEN, is_final=True, now=now)
    assert again(session, letter).state == DeliveryState.GAVE_UP


def test_a_worker_that_was_killed_while_sending_loses_nothing(session: Session, now: datetime) -> None:
    a_letter(session, now)
    killed = claimed(session, now)
    assert killed is not None
    assert claimed(session, now + outbox.CLAIM - timedelta(seconds=1)) is None
    second = claimed(session, now + outbox.CLAIM)
    assert second is not None
    assert (second.code, second.attempts) == (killed.code, 2)


def test_a_worker_that_comes_back_late_does_not_overwrite_what_the_next_one_found(
    session: Session, now: datetime
) -> None:
    letter = a_letter(session, now)
    slow = claimed(session, now)
    assert slow is not None
    session.expunge(slow)
    later = now + outbox.CLAIM
    quick = claimed(session, later)
    assert quick is not None
    outbox.mark_sent(session, quick, now=later)
    assert not outbox.mark_failed(session, slow, BROKEN, is_final=True, now=later)
    assert again(session, letter).state == DeliveryState.SENT


def test_a_person_tries_again_what_was_given_up_with_the_whole_schedule_before_it(
    session: Session, now: datetime
) -> None:
    letter = a_letter(session, now)
    mine = claimed(session, now)
    assert mine is not None
    outbox.mark_failed(session, mine, BROKEN, is_final=True, now=now)
    outbox.retry_now(session, again(session, letter), actor="admin@example.org", now=now)
    assert [entry.verb for entry in history_of(session, "delivery", letter.code)] == ["delivery.retry"]
    mine = claimed(session, now)
    assert mine is not None
    assert mine.attempts == 1
    with pytest.raises(NothingToRetry):
        outbox.retry_now(session, mine, actor="admin@example.org", now=now)


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(session: Session, now: datetime) -> None:
    done, waiting = a_letter(session, now), a_letter(session, now)
    mine = claimed(session, now)
    assert mine is not None
    outbox.mark_sent(session, mine, now=now)
    assert outbox.sweep_outbox(session, now=now + outbox.KEEP) == 0
    assert outbox.sweep_outbox(session, now=now + outbox.KEEP + timedelta(seconds=1)) == 1
    assert session.scalars(select(Delivery.id)).all() == [waiting.id]
    assert done.id != waiting.id


def test_workers_at_the_same_moment_never_take_the_same_delivery(database: Database, now: datetime) -> None:
    with database.unit_of_work() as session:
        codes = {a_letter(session, now).code for _ in range(24)}
    taken: list[str] = []
    start = threading.Barrier(4)

    def take() -> None:
        start.wait()
        while True:
            with database.unit_of_work() as session:
                mine = claimed(session, now)
            if mine is None:
                return
            taken.append(mine.code)

    workers = [threading.Thread(target=take) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert len(taken) == 24
    assert set(taken) == codes
