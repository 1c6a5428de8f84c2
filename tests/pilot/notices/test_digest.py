"""When the weekly digest is due, in the network's time zone, and that it is put in once whatever happens."""

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from pilot.access.model import Role
from pilot.database import Database
from pilot.notices.digest import due_week, has_digest, post_digest
from pilot.notices.letters import Letter, Line, Part
from pilot.notices.model import Delivery
from pilot.words import Message
from tests.builders import a_user

HELLO = Message("hello", "Hello.")
LETTER = Letter(HELLO, (Part((Line(HELLO),)),))


@pytest.mark.parametrize(
    ("at", "timezone", "week"),
    [
        ("2026-03-02T06:59:59", "UTC", None),  # Monday, a second too early
        ("2026-03-02T07:00:00", "UTC", "2026-W10"),
        ("2026-03-02T04:59:00", "Europe/Helsinki", None),  # there it is two hours later
        ("2026-03-02T05:00:00", "Europe/Helsinki", "2026-W10"),
        ("2026-03-30T04:00:00", "Europe/Helsinki", "2026-W14"),  # the day after summer time began: three hours later
        ("2026-03-01T21:00:00", "Pacific/Auckland", "2026-W10"),  # Sunday in UTC, Monday morning there
        ("2026-03-03T23:59:59", "UTC", "2026-W10"),  # a worker that was away on Monday
        ("2026-03-04T00:00:00", "UTC", None),
        ("2026-03-07T12:00:00", "UTC", None),
        ("2024-12-30T08:00:00", "UTC", "2025-W01"),  # the week counts to the year that holds its Thursday
    ],
)
def test_the_digest_is_due_from_monday_at_seven_until_tuesday_night(at: str, timezone: str, week: str | None) -> None:
    found = due_week(datetime.fromisoformat(at).replace(tzinfo=UTC), timezone)
    assert (found[0] if found else None) == week


def test_a_digest_goes_into_the_outbox_once_a_week_and_person(database: Database, now: datetime) -> None:
    with database.unit_of_work() as session:
        anna, boris = a_user(session, Role.MANAGER), a_user(session, Role.MANAGER)
        assert post_digest(session, anna.id, "2026-W10", LETTER, at=now)
        assert not post_digest(session, anna.id, "2026-W10", LETTER, at=now)
        assert post_digest(session, anna.id, "2026-W11", LETTER, at=now)
        assert has_digest(session, anna.id, "2026-W10")
        assert not has_digest(session, boris.id, "2026-W10")


def test_workers_at_the_same_moment_put_one_in_between_them(database: Database, now: datetime) -> None:
    with database.unit_of_work() as session:
        people = [a_user(session, Role.MANAGER).id for _ in range(8)]
    put: list[bool] = []
    start = threading.Barrier(3)

    def work() -> None:
        start.wait()
        for person in people:
            with database.unit_of_work() as session:
                put.append(post_digest(session, person, "2026-W10", LETTER, at=now))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert (len(put), sum(put)) == (24, 8)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Delivery)) == 8
