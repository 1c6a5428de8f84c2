"""The key window: what it holds, how it is joined and forgotten, and that processes see each other's keys."""

import multiprocessing
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from pilot.database import Database
from pilot.network.model import Store
from pilot.outcomes.inbox import key_window
from pilot.outcomes.inbox.accept import Reception
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.key_window import (
    FANOUT,
    KeyWindow,
    Run,
    Segment,
    contains,
    day_number,
    hashes_of,
    joined,
    tidy,
)
from pilot.outcomes.inbox.model import InboxKeys
from pilot.outcomes.inbox.work import Call
from pilot.outcomes.receipt_model import receipt_texts
from pilot.settings import Settings
from tests.pilot.outcomes.inlet import Inlet, correction, receipt

HASH = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 40), st.integers(2**64 - 40, 2**64 - 1))
TODAY = date(2026, 3, 2)


@pytest.fixture
def inbox(database: Database) -> Iterator[InboxDatabase]:
    opened = InboxDatabase(database.settings)
    yield opened
    opened.dispose()


def sorted_hashes(values: Any) -> Any:
    return np.unique(np.array(sorted(values), np.uint64))


def put(inbox: InboxDatabase, arrival: int, day: date, hashes: Any) -> None:
    days = np.full(len(hashes), day_number(day), np.int64)
    rows = key_window.by_day(f"batch-{arrival}", days, np.array(hashes, np.uint64))
    with inbox.unit_of_work() as session:
        session.execute(insert(InboxKeys), [{"arrival": arrival, **row} for row in rows])


def held(inbox: InboxDatabase, window: KeyWindow, today: date = TODAY) -> set[int]:
    with inbox.glancing() as connection:
        window.refresh(connection, today)
    return {int(value) for run in window.runs for value in run.hashes}


def test_the_hash_of_a_key_is_the_same_on_every_machine() -> None:
    assert [hex(value) for value in hashes_of([b"iR-1", b"n31\x1f1\x1f17\x1f20480"]).tolist()] == [
        "0xc95123fa81cbe831", "0x4c95b89788dec537",
    ]  # fmt: skip


@given(st.lists(HASH, max_size=300), st.lists(HASH, max_size=60))
def test_a_run_holds_exactly_its_hashes(stored: list[int], asked: list[int]) -> None:
    hashes, wanted = sorted_hashes(stored), np.array([*asked, *stored[:20]], np.uint64)
    truth = [value in set(stored) for value in wanted.tolist()]
    assert contains(hashes, wanted).tolist() == truth
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_window, "_SMALL", 0)
        assert Run.of(hashes).holds(wanted).tolist() == truth if stored else not any(truth)


@given(st.lists(st.lists(HASH, max_size=50), min_size=1, max_size=8))
def test_joined_runs_hold_each_hash_once(parts: list[list[int]]) -> None:
    assert joined([sorted_hashes(part) for part in parts]).tolist() == sorted({v for part in parts for v in part})


def test_a_large_run_is_searched_by_its_leading_bits() -> None:
    generator = np.random.default_rng(1)
    hashes = np.unique(generator.integers(0, 2**64, 400_000, dtype=np.uint64))
    run, wanted = Run.of(hashes), generator.integers(0, 2**64, 2_000, dtype=np.uint64)
    wanted[::2] = generator.choice(hashes, 1_000)
    assert run.holds(wanted).tolist() == np.isin(wanted, hashes).tolist()
    assert run.steps < 8


def test_a_process_reads_only_what_is_new_and_loses_nothing_when_segments_are_joined(inbox: InboxDatabase) -> None:
    early, idle = KeyWindow(), KeyWindow()
    put(inbox, 1, TODAY, [1])
    assert held(inbox, early) == held(inbox, idle) == {1}
    for arrival in range(2, 2 + 3 * FANOUT):
        put(inbox, arrival, TODAY - timedelta(days=arrival % 2), [arrival, 1000 + arrival])
        if arrival % 5 == 0:
            with inbox.unit_of_work() as session:
                tidy(session.connection(), TODAY)
            held(inbox, early)
    everything = {1, *range(2, 2 + 3 * FANOUT), *(1000 + n for n in range(2, 2 + 3 * FANOUT))}
    assert held(inbox, early) == held(inbox, idle) == held(inbox, KeyWindow()) == everything
    with inbox.glancing() as connection:
        assert connection.scalar(select(func.count()).select_from(InboxKeys)) < 2 * FANOUT


def test_days_that_left_the_window_are_forgotten(inbox: InboxDatabase) -> None:
    put(inbox, 1, TODAY - timedelta(days=35), [1])
    put(inbox, 2, TODAY - timedelta(days=36), [2])
    with inbox.unit_of_work() as session:
        tidy(session.connection(), TODAY)
    assert held(inbox, KeyWindow()) == {1}


def test_a_process_forgets_the_days_that_left_the_window(inbox: InboxDatabase) -> None:
    window = KeyWindow()
    put(inbox, 1, TODAY, [1, 2])
    put(inbox, 2, TODAY + timedelta(days=20), [3])
    assert held(inbox, window, TODAY) == {1, 2, 3}
    later = TODAY + timedelta(days=40)
    with inbox.unit_of_work() as session:
        tidy(session.connection(), later)
    put(inbox, 3, later, [4])
    assert held(inbox, window, later) == {3, 4}
    assert window.arrival == 3
    window.take([Segment(4, day_number(TODAY), "late", np.array([9], np.uint64))])
    assert (held(inbox, window, later), window.arrival) == ({3, 4}, 4)


def test_a_call_is_shown_what_came_after_it_looked_however_much_that_was(inbox: InboxDatabase) -> None:
    window = KeyWindow()
    put(inbox, 1, TODAY, [1])
    held(inbox, window)
    wanted = np.array([7, 1000], np.uint64)
    _, arrival = window.probe(wanted)
    assert not window.met_since(arrival, wanted)
    window.take([Segment(2, day_number(TODAY), "b", np.array([7], np.uint64))])
    assert window.met_since(arrival, wanted)
    assert not window.met_since(2, wanted)
    for number in range(3, 200):
        window.take([Segment(number, day_number(TODAY), "c", np.array([number + 5000], np.uint64))])
    assert window.met_since(arrival, wanted)  # too long ago to say: perhaps
    assert not window.met_since(199, wanted)
    assert window.probe(wanted)[0].tolist() == [True, False]


def test_segments_of_waiting_batches_go_on_naming_them(database: Database, now: datetime) -> None:
    """A process that starts late finds the receipts of what waits, also where many batches of one day do."""
    inlet, at = Inlet(database, now), f"{now:%Y-%m-%d} 09:00"
    for n in range(FANOUT):
        inlet.send(receipt(f"r{n}", at=at, number=f"{n}"))
    with inlet.inbox.unit_of_work() as session:
        tidy(session.connection(), now.date())
    late = Reception(database.settings, inlet.inbox)
    with database.reading() as session:
        texts = receipt_texts([receipt("r1", at=at, number="1"), receipt("r2", at=at, number="2", net="11.00")])
        again = late.accept(session, Call(texts, "tills", "1" * 64, now), head=None)
    inlet.inbox.dispose()
    assert (again.n_accepted, again.n_known, again.n_conflict) == (0, 1, 1)


def test_the_number_of_a_batch_is_not_given_twice(inbox: InboxDatabase) -> None:
    """What other processes have read up to must never come again as something new."""
    put(inbox, 1, TODAY, [1])
    with inbox.unit_of_work() as session:
        first = session.scalar(select(func.max(InboxKeys.id)))
        session.execute(InboxKeys.__table__.delete())
    put(inbox, 2, TODAY, [2])
    with inbox.glancing() as connection:
        assert connection.scalar(select(func.max(InboxKeys.id))) > first


def send_all(settings: Settings, now: datetime, calls: list[list[dict[str, Any]]], ready: Any, answers: Any) -> None:
    """A web worker: the same calls as the other one, at the same time."""
    database, inbox = Database(settings), InboxDatabase(settings)
    reception = Reception(settings, inbox)
    ready.wait(60)
    for n, rows in enumerate(calls):
        with database.reading() as session:
            done = reception.accept(session, Call(receipt_texts(rows), "tills", "0" * 64, now), head=None)
        answers.put((n, done.n_accepted, done.n_known, done.n_conflict))


def test_of_two_processes_with_the_same_receipts_exactly_one_is_told_accepted(
    database: Database, now: datetime
) -> None:
    inlet = Inlet(database, now)
    calls = [[receipt(f"r{n}-{k}", at="2026-02-27 12:00") for k in range(20)] for n in range(25)]
    spawned = multiprocessing.get_context("spawn")
    ready, answers = spawned.Barrier(2), spawned.Queue()
    workers = [spawned.Process(target=send_all, args=(database.settings, now, calls, ready, answers)) for _ in range(2)]
    for worker in workers:
        worker.start()
    told = [answers.get(timeout=90) for _ in range(2 * len(calls))]
    for worker in workers:
        worker.join(30)
    by_call = [[(a, k, c) for m, a, k, c in told if m == n] for n in range(len(calls))]
    assert [sorted(both) for both in by_call] == [[(0, 20, 0), (20, 0, 0)]] * len(calls)
    inlet.drain()
    assert sorted(inlet.stored()) == sorted(row["receipt"] for rows in calls for row in rows)
    inlet.inbox.dispose()


def test_the_keys_of_receipts_stay_what_stored_segments_hold(database: Database, now: datetime) -> None:
    """The texts and their hash are written in 35 days of segments: neither may ever change."""
    inlet = Inlet(database, now)
    inlet.send(
        receipt("r1", till="2", number="n7", customer="c"),
        receipt("ü2", number=None),
        correction("r3", "r1", "1.00"),
    )
    with inlet.inbox.reading() as session:
        stored = [key for row in session.scalars(select(InboxKeys)) for key in np.frombuffer(row.hashes, "<u8")]
    with database.reading() as session:
        (store,) = session.scalars(select(Store.id).where(Store.code == "31"))
    inlet.inbox.dispose()
    texts = [f"n{store}\x1f2\x1fn7\x1f{day_number(date(2026, 1, 10))}", "ir1", "iü2", "ir3"]
    expected = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") for text in texts]
    assert sorted(map(int, stored)) == sorted(expected)
