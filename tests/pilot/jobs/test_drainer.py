"""The worker's rounds: what waited when a round began goes in, what comes meanwhile is for the next one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from pilot.database import Database
from pilot.jobs.drainer import Drainer
from pilot.outcomes.inbox import rounds
from pilot.outcomes.inbox.drain import Drained, drain
from pilot.outcomes.inbox.queries import backlog
from tests.pilot.outcomes.inlet import Inlet, receipt


class TurnsForEver(BaseException):
    """A round that does not end, as nothing else catches it."""


@pytest.fixture
def drained(monkeypatch: pytest.MonkeyPatch) -> list[Drained]:
    """What each drain did, as the rounds see it."""
    return watched(monkeypatch, drain)


@pytest.fixture
def drainer(inlet: Inlet) -> Iterator[Drainer]:
    made = Drainer(inlet.database, threading.Event())
    yield made
    made._inbox.dispose()


def watched(monkeypatch: pytest.MonkeyPatch, act: Any, then: Any = lambda: None) -> list[Drained]:
    found: list[Drained] = []

    def watch(*given: Any, **named: Any) -> Drained | None:
        done: Drained | None = act(*given, **named)
        if done is not None:
            found.append(done)
            then()
        return done

    monkeypatch.setattr(rounds, "drain", watch)
    return found


def test_tills_that_never_stop_do_not_make_a_drain_of_every_call(
    inlet: Inlet, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    arriving = iter(range(100))
    drained = watched(monkeypatch, drain, then=lambda: inlet.send(receipt(f"late-{next(arriving)}")))
    inlet.send(receipt("a"))
    inlet.send(receipt("b"))
    drainer.round()
    assert [(done.n_batches, done.n_new) for done in drained] == [(2, 2)]
    assert backlog(inlet.inbox).receipts == 1
    drainer.round()
    assert [(done.n_batches, done.n_new) for done in drained] == [(2, 2), (1, 1)]


def test_a_backlog_goes_in_within_one_round(inlet: Inlet, drainer: Drainer, monkeypatch: pytest.MonkeyPatch) -> None:
    def few(*given: Any, **named: Any) -> Drained | None:
        return drain(*given, **{**named, "limit": 2})

    drained = watched(monkeypatch, few)
    for number in range(5):
        inlet.send(receipt(f"r{number}"))
    drainer.round()
    assert [done.n_new for done in drained] == [2, 2, 1]
    assert [done.left_some for done in drained] == [True, True, False]
    assert backlog(inlet.inbox).receipts == 0


def test_a_round_goes_on_after_what_a_killed_drain_left(inlet: Inlet, drainer: Drainer, drained: list[Drained]) -> None:
    inlet.send(receipt("a"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pilot.outcomes.inbox.drain._finish", _stop)
        with pytest.raises(KeyboardInterrupt):
            inlet.drain()
    inlet.send(receipt("b"))
    drainer.round()
    assert [done.n_batches for done in drained] == [1, 1]
    assert backlog(inlet.inbox).receipts == 0
    assert inlet.lake.receipts().count().to_pyarrow().as_py() == 2


def test_a_database_that_takes_no_writes_any_more_ends_the_round_and_receipts_wait(
    postgres_inlet: Inlet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    inlet, drainer = postgres_inlet, Drainer(postgres_inlet.database, threading.Event())
    inlet.send(receipt("a"))
    with only_reading(inlet, drainer):
        turns = few_turns_of(monkeypatch)
        drainer.round()
        assert len(turns) == 1
        assert caplog.text.count("a drain broke; the next round tries again") == 1
        assert "read-only transaction" in caplog.text
    drainer.round()
    assert backlog(inlet.inbox).receipts == 0
    assert set(inlet.stored()) == {"a"}
    drainer._inbox.dispose()


@pytest.fixture
def postgres_inlet(postgres_database: Database, now: datetime) -> Iterator[Inlet]:
    opened = Inlet(postgres_database, now)
    yield opened
    opened.inbox.dispose()


@contextmanager
def only_reading(inlet: Inlet, drainer: Drainer) -> Iterator[None]:
    """The server refuses writes of every connection that is opened meanwhile, and no other is left."""

    def become(setting: str) -> None:
        with inlet.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET default_transaction_read_only = off"))
            name = connection.scalar(text("SELECT current_database()"))
            connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {setting}'))
        for database in (inlet.database, inlet.inbox, drainer._inbox):
            database.engine.dispose()

    become("on")
    try:
        yield
    finally:
        become("off")


def few_turns_of(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """A mark for each drain that a round begins; a round that does not end is stopped."""
    turns: list[None] = []

    def counted(*given: Any, **named: Any) -> Drained | None:
        turns.append(None)
        if len(turns) > 5:
            raise TurnsForEver
        return drain(*given, **named)

    monkeypatch.setattr(rounds, "drain", counted)
    return turns


def _stop(*_: Any) -> None:
    raise KeyboardInterrupt
