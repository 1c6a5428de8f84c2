"""A turn at the inbox: all that is written in it or nothing, in the order of arrival, and an error leaves no lock."""

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from pilot.database import Database
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.model import InboxBatch, InboxPayload
from pilot.outcomes.inbox.statements import Statement
from pilot.outcomes.inbox.turn import Line

_NAMES = ("batch_id", "key_code", "body_hash", "received_at", "state", "store_codes", "verdicts")
_COUNTS = ("n_accepted", "n_known", "n_conflict", "n_rejected", "n_quarantined")
BATCH = Statement(insert(InboxBatch).returning(InboxBatch.id), *_NAMES, *_COUNTS)
PAYLOAD = Statement(insert(InboxPayload), "batch_id", "payload")
NEWER = Statement(select(InboxBatch.id).where(InboxBatch.id > bindparam("after")).order_by(InboxBatch.id))


@pytest.fixture
def inbox(database: Database) -> Iterator[InboxDatabase]:
    opened = InboxDatabase(database.settings)
    yield opened
    opened.dispose()


def batch(name: str, now: datetime) -> dict[str, Any]:
    plain = {"batch_id": name, "key_code": "k", "body_hash": "0" * 64, "received_at": now, "state": "waiting"}
    return {**plain, "store_codes": ["31"], "verdicts": [], **dict.fromkeys(_COUNTS, 0)}


def stored(inbox: InboxDatabase) -> list[int]:
    with inbox.glancing() as connection:
        return list(connection.scalars(select(InboxBatch.id).order_by(InboxBatch.id)))


def test_what_is_written_is_there_when_the_turn_is_over_and_its_number_is_known(
    inbox: InboxDatabase, now: datetime
) -> None:
    with inbox.turn(NEWER, {"after": 0}) as turn:
        turn.write(BATCH, batch("a", now))
        turn.write(PAYLOAD, {"batch_id": "a", "payload": b"\x00\xff"})
        assert stored(inbox) == []
    assert turn.seen == []
    assert stored(inbox) == [turn.number]
    with inbox.turn(NEWER, {"after": 0}) as later:
        assert [tuple(row) for row in later.seen] == [(turn.number,)]
    assert stored(inbox) == [turn.number]


@pytest.mark.parametrize("wrong", ["in the block", "in a write"])
def test_an_error_leaves_nothing_and_no_lock(inbox: InboxDatabase, now: datetime, wrong: str) -> None:
    with inbox.turn(NEWER, {"after": 0}) as turn:
        turn.write(BATCH, batch("first", now))
    before = stored(inbox)

    def write_twice() -> None:
        with inbox.turn(NEWER, {"after": 0}) as turn:
            turn.write(BATCH, batch("second", now))
            turn.write(BATCH, batch("first", now))
            if wrong == "in the block":
                raise ZeroDivisionError

    with pytest.raises((ZeroDivisionError, IntegrityError)):
        write_twice()
    assert stored(inbox) == before
    with inbox.turn(NEWER, {"after": 0}) as turn:
        turn.write(BATCH, batch("third", now))
    assert stored(inbox) == [*before, turn.number]


def test_a_commit_that_fails_is_an_error(inbox: InboxDatabase, now: datetime) -> None:
    if inbox.engine.dialect.name == "postgresql":  # where the foreign key is asked at the commit only
        key = "fk_inbox_payload_batch_id"
        with inbox.unit_of_work() as session:
            session.execute(text(f"ALTER TABLE inbox_payload ALTER CONSTRAINT {key} DEFERRABLE INITIALLY DEFERRED"))

    def write() -> None:
        with inbox.turn(NEWER, {"after": 0}) as turn:
            turn.write(BATCH, batch("a", now))
            turn.write(PAYLOAD, {"batch_id": "of no batch", "payload": b""})

    with pytest.raises(IntegrityError):
        write()
    assert stored(inbox) == []


def test_what_the_driver_says_is_raised_as_by_every_other_way_in(inbox: InboxDatabase) -> None:
    with pytest.raises(DBAPIError), inbox.turn(Statement(text("SELECT no_such_column FROM inbox_batch")), {}):
        pass


def test_turns_follow_each_other_and_each_sees_all_before_it(inbox: InboxDatabase, now: datetime) -> None:
    seen: list[tuple[list[int], int | None]] = []

    def write(thread: int) -> None:
        for number in range(6):
            with inbox.turn(NEWER, {"after": 0}) as turn:
                turn.write(BATCH, batch(f"{thread}-{number}", now))
            seen.append(([row[0] for row in turn.seen], turn.number))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    numbers = stored(inbox)
    assert len(numbers) == 24
    assert sorted((number, before) for before, number in seen) == [
        (number, numbers[:place]) for place, number in enumerate(numbers)
    ]


def test_a_server_that_was_restarted_costs_one_turn_and_no_more(database: Database, now: datetime) -> None:
    inbox = InboxDatabase(database.settings)
    if inbox.engine.dialect.name == "postgresql":
        with inbox.engine.connect() as one, inbox.engine.connect() as other:  # two rest in the pool then
            pids = [each.scalar(select(func.pg_backend_pid())) for each in (one, other)]
        with database.engine.connect() as killer:
            for pid in pids:
                killer.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with pytest.raises(OperationalError) as lost, inbox.turn(NEWER, {"after": 0}):
            pass
        assert lost.value.connection_invalidated
    with inbox.turn(NEWER, {"after": 0}) as turn:
        turn.write(BATCH, batch("c", now))
    assert stored(inbox) == [turn.number]
    inbox.dispose()


def test_a_line_keeps_threads_and_files_apart(tmp_path: Path) -> None:
    lines = [Line(tmp_path / "locks" / "line"), Line(tmp_path / "locks" / "line")]  # as two processes have them
    inside, most = 0, 0

    def stand(line: Line) -> None:
        nonlocal inside, most
        for _ in range(200):
            with line.standing():
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=stand, args=(line,)) for line in lines * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == 1
    for line in lines:
        line.leave()
        with line.standing():
            pass
        line.leave()


def test_a_line_that_cannot_be_opened_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = Line(tmp_path / "file" / "line")
    with line.standing():
        pass
