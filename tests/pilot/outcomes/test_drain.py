"""What the inbox acknowledged reaches the lake exactly once, wherever a drain stops; what cannot waits for a person."""

import json
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    ProgrammingError,
)

from pilot.network.queries import customer_keys
from pilot.outcomes.inbox import drain as draining
from pilot.outcomes.inbox import rounds
from pilot.outcomes.inbox.drain import drain
from pilot.outcomes.inbox.model import BatchState, InboxKeys, InboxParked, InboxPayload
from pilot.outcomes.inbox.rounds import empty, try_again
from pilot.outcomes.lake import Lake
from tests.pilot.imports.builders import RECEIPTS, ImportKind
from tests.pilot.outcomes.inlet import Inlet, receipt


class Killed(BaseException):
    """A process that ends in the middle."""


def test_a_drain_takes_the_receipts_to_the_lake_and_deletes_them_from_the_inbox(inlet: Inlet) -> None:
    sent = inlet.send(receipt("a", customer="101", net="12.50"), receipt("b", store="7", at="2025-12-31 23:00"))
    done = inlet.drain()
    assert done is not None
    assert (done.n_batches, done.n_new, done.n_known, done.n_quarantined) == (1, 2, 0, 0)
    stored = inlet.stored()
    assert stored["a"]["net_minor"] == 1250
    with inlet.database.reading() as session:
        assert stored["a"]["customer_key"] == customer_keys(session)["101"]
    assert {row["batch_id"] for row in stored.values()} == {sent.batch_id}
    assert {row["received_at"] for row in stored.values()} == {inlet.now}
    [batch] = inlet.batches(BatchState.DRAINED)
    assert (batch.batch_id, batch.lake_version, batch.drain_findings) == (sent.batch_id, done.lake_version, None)
    assert is_inbox_empty(inlet)


def test_an_empty_inbox_is_left_alone(inlet: Inlet) -> None:
    version = inlet.lake.version()
    assert inlet.drain() is None
    assert inlet.lake.version() == version
    assert not (inlet.settings.locks_dir / "drain.lock").exists()


def test_one_drain_is_one_entry_in_the_log_with_the_batches_and_the_hashes_of_their_bodies(inlet: Inlet) -> None:
    sent = [inlet.send(receipt("a")), inlet.send(receipt("b"), receipt("c"))]
    done = inlet.drain()
    [entry] = inlet.entries("receipts.drained")
    assert done is not None
    assert entry.subject == done.drain_id
    details = json.loads(entry.text)
    found = [(batch_id, key, n) for batch_id, key, _, n in details["batches"]]
    assert found == [(sent[0].batch_id, "tills", 1), (sent[1].batch_id, "tills", 2)]
    assert [len(digest) for _, _, digest, _ in details["batches"]] == [64, 64]
    assert (details["new"], details["known"], details["quarantined"]) == (3, 0, 0)


def test_a_round_takes_the_oldest_batches_up_to_its_limit_and_at_least_one(inlet: Inlet) -> None:
    for name in "abc":
        inlet.send(receipt(f"{name}1"), receipt(f"{name}2"))
    assert [done.n_batches for _ in range(3) if (done := inlet.drain(limit=4))] == [2, 1]
    inlet.send(receipt("d1"), receipt("d2"))
    done = inlet.drain(limit=1)
    assert done is not None
    assert done.n_batches == 1
    assert len(inlet.stored()) == 8


def test_what_a_file_brought_meanwhile_is_known_or_clashes_and_only_the_clash_waits_for_a_person(inlet: Inlet) -> None:
    sent = inlet.send(
        receipt("b2", store="309", at="2026-01-10 10:30:00", net="8.00", vat="1.60", n_items=1, number="1"),
        receipt("b4", store="7", at="2026-02-03 02:30:00", customer="77", net="41.00", till="2", number="1"),
        receipt("new", customer="55"),
    )
    inlet.chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    done = inlet.drain()
    assert done is not None
    assert (done.n_new, done.n_known, done.n_quarantined) == (1, 1, 1)
    assert inlet.stored()["b4"]["net_minor"] == 4000
    [batch] = inlet.batches(BatchState.DRAINED)
    assert [(index, status) for index, status, *_ in batch.drain_findings or []] == [(0, "known"), (1, "conflict")]
    [row] = inlet.quarantine()
    assert (row.batch_id, row.line, row.store, row.key_code) == (sent.batch_id, 1, "7", "tills")
    assert row.reason_code == "stored_with_other_content"
    assert row.received_at == inlet.now
    assert row.row == {
        "receipt": "b4", "store": "7", "at": "2026-02-03T00:30:00+00:00", "till": "2", "number": "1", "kind": "sale",
        "customer": "77", "net": "41.00", "vat": "0.00", "discount": "0.00", "reward": "0.00", "n_items": "0",
    }  # fmt: skip


def test_implausible_receipts_go_to_quarantine_as_the_till_sent_them(inlet: Inlet) -> None:
    sent = inlet.send(receipt("a"), receipt("u", store="999", number="5"), receipt("f", at="2031-01-01 10:00"))
    assert sent.n_quarantined == 2
    inlet.drain()
    assert set(inlet.stored()) == {"a"}
    rows = {row.row["receipt"]: row for row in inlet.quarantine()}
    assert {name: (row.line, row.reason_code) for name, row in rows.items()} == {
        "u": (1, "unknown_store"),
        "f": (2, "implausible_date"),
    }
    assert rows["u"].row == {
        "receipt": "u", "store": "999", "at": "2026-01-10 12:00", "net": "10.00", "till": "1", "number": "5",
    }  # fmt: skip
    assert is_inbox_empty(inlet)


def test_a_batch_of_parked_receipts_alone_needs_no_commit_of_the_lake(inlet: Inlet) -> None:
    version = inlet.lake.version()
    inlet.send(receipt("u", store="999"))
    done = inlet.drain()
    assert done is not None
    assert (done.n_new, done.n_quarantined, done.lake_version) == (0, 1, version)


def test_a_till_that_sends_a_parked_receipt_again_after_the_drain_does_not_double_it(inlet: Inlet) -> None:
    odd = receipt("u", store="999")
    inlet.send(odd)
    inlet.drain()
    inlet.send(odd)
    inlet.drain()
    assert len(inlet.quarantine()) == 1


def test_receipts_that_slip_past_the_door_twice_are_told_apart_in_the_drain(inlet: Inlet) -> None:
    first = receipt("a", number="1")
    inlet.send(first)
    forget_keys(inlet)
    inlet.send(first, receipt("b"))
    forget_keys(inlet)
    inlet.send(receipt("a", number="1", net="11.00"))
    forget_keys(inlet)
    inlet.send(receipt("again", number="1"))
    done = inlet.drain()
    assert done is not None
    assert (done.n_new, done.n_known, done.n_quarantined) == (2, 2, 1)
    assert set(inlet.stored()) == {"a", "b"}
    assert [row.reason_code for row in inlet.quarantine()] == ["doubled_in_drain"]


STEPS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {}


def step(function: Callable[[pytest.MonkeyPatch], None]) -> Callable[[pytest.MonkeyPatch], None]:
    STEPS[function.__name__] = function
    return function


def die(*_: Any, **__: Any) -> Any:
    raise Killed


def then_die(function: Callable[..., Any]) -> Callable[..., Any]:
    def done(*given: Any, **named: Any) -> Any:
        function(*given, **named)
        raise Killed

    return done


@step
def before_customers_get_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(draining, "allot_customer_keys", die)


@step
def before_the_lake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lake, "append", die)


@step
def after_the_lake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lake, "append", then_die(Lake.append))


@step
def before_quarantine(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(draining, "write_down", die)


@step
def before_the_inbox_is_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(draining, "_finish", die)


@step
def while_the_inbox_is_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(draining, "tidy", die)


@pytest.mark.parametrize("name", STEPS)
def test_a_drain_that_dies_at_any_step_is_finished_by_the_next_one_as_if_nothing_had_been(
    inlet: Inlet, name: str
) -> None:
    inlet.chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    inlet.send(receipt("a", customer="501"), receipt("odd", store="999"), receipt("b1", customer="502"))
    inlet.send(receipt("c", customer="502"))
    with pytest.MonkeyPatch.context() as patch:
        STEPS[name](patch)
        with pytest.raises(Killed):
            inlet.drain()
    inlet.send(receipt("later"))
    done = inlet.drain()
    assert done is not None
    assert (done.n_batches, done.n_new, done.n_known, done.n_quarantined) == (2, 2, 0, 2)
    assert sorted(inlet.stored()) == ["a", "b1", "b2", "b3", "b4", "c"]
    assert sorted(row.reason_code for row in inlet.quarantine()) == ["stored_with_other_content", "unknown_store"]
    assert len(inlet.entries("receipts.drained")) == 1
    with inlet.database.reading() as session:
        keys = customer_keys(session)
    assert len(set(keys.values())) == len(keys)
    assert inlet.stored()["c"]["customer_key"] == keys["502"]
    assert [batch.lake_version for batch in inlet.batches(BatchState.DRAINED)] == [done.lake_version] * 2
    after = inlet.drain()
    assert after is not None
    assert after.n_new == 1
    assert is_inbox_empty(inlet)


def test_two_drains_at_once_take_each_receipt_once(inlet: Inlet) -> None:
    for number in range(6):
        inlet.send(receipt(f"r{number}"))
    done: list[Any] = []

    def work() -> None:
        lake = Lake(inlet.settings)
        while (one := drain(inlet.database, inlet.inbox, lake, now=inlet.now, limit=1)) is not None:
            done.append(one)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(one.n_new for one in done) == 6
    assert len(inlet.stored()) == 6


def test_a_batch_that_breaks_alone_is_set_aside_with_a_notice_while_the_others_go_in(inlet: Inlet) -> None:
    inlet.send(receipt("a"))
    broken = inlet.send(receipt("b"))
    inlet.send(receipt("c"))
    whole = damage(inlet, broken.batch_id)
    done = list(empty(inlet.database, inlet.inbox, inlet.lake, clock=lambda: inlet.now))
    assert sum(one.n_new for one in done) == 2
    assert set(inlet.stored()) == {"a", "c"}
    [aside] = inlet.batches(BatchState.SET_ASIDE)
    assert aside.batch_id == broken.batch_id
    assert aside.problem is not None
    assert "UnreadablePayload" in aside.problem
    [entry] = inlet.entries("receipts.set_aside")
    assert entry.subject == broken.batch_id
    mend(inlet, broken.batch_id, whole)
    assert try_again(inlet.database, inlet.inbox) == 1
    assert inlet.drain() is not None
    assert set(inlet.stored()) == {"a", "b", "c"}


def test_where_everything_breaks_nothing_is_set_aside(inlet: Inlet, monkeypatch: pytest.MonkeyPatch) -> None:
    inlet.send(receipt("a"))
    inlet.send(receipt("b"))

    def breaks(*_: Any, **__: Any) -> Any:
        raise ValueError("not today")

    with monkeypatch.context() as patch:
        patch.setattr(draining, "append_new", breaks)
        with pytest.raises(ValueError, match="not today"):
            list(empty(inlet.database, inlet.inbox, inlet.lake, clock=lambda: inlet.now))
    assert len(inlet.batches(BatchState.WAITING)) == 2
    assert len(list(empty(inlet.database, inlet.inbox, inlet.lake, clock=lambda: inlet.now))) == 1
    assert set(inlet.stored()) == {"a", "b"}


def test_a_full_disk_is_nobodys_fault_and_all_batches_go_on_waiting(
    inlet: Inlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    inlet.send(receipt("a"))
    inlet.send(receipt("b"))

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(draining, "append_new", full)
    monkeypatch.setattr(rounds, "_in_halves", die)
    with pytest.raises(OSError, match="No space left"):
        list(empty(inlet.database, inlet.inbox, inlet.lake, clock=lambda: inlet.now))
    assert len(inlet.batches(BatchState.DRAINING)) == 2


def test_what_breaks_before_a_batch_is_taken_is_raised_and_not_tried_for_ever(
    inlet: Inlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    inlet.send(receipt("a"))
    with monkeypatch.context() as patch:
        patch.setattr(draining, "_claim", fails(ValueError("no claim today")))
        with pytest.raises(ValueError, match="no claim today"):
            list(empty(inlet.database, inlet.inbox, inlet.lake, clock=few_turns(inlet)))
    assert len(inlet.batches(BatchState.WAITING)) == 1
    assert len(list(empty(inlet.database, inlet.inbox, inlet.lake, clock=lambda: inlet.now))) == 1
    assert set(inlet.stored()) == {"a"}


@pytest.mark.parametrize("kind", [DataError, IntegrityError])
def test_what_a_database_says_of_values_is_the_fault_of_their_batch(
    inlet: Inlet, monkeypatch: pytest.MonkeyPatch, kind: type[DBAPIError]
) -> None:
    inlet.send(receipt("a"))
    broken = inlet.send(receipt("b"))
    stage_whole = draining._scratch

    def choosy(database: Any, drain_id: str, inbox: Any, batches: Any) -> Any:
        if broken.batch_id in {batch.batch_id for batch in batches}:
            raise kind("INSERT", {}, Exception("that value"))
        return stage_whole(database, drain_id, inbox, batches)

    monkeypatch.setattr(draining, "_scratch", choosy)
    assert [one.n_new for one in empty(inlet.database, inlet.inbox, inlet.lake, clock=few_turns(inlet))] == [1]
    assert [batch.batch_id for batch in inlet.batches(BatchState.SET_ASIDE)] == [broken.batch_id]


@pytest.mark.parametrize("kind", [InternalError, ProgrammingError, InterfaceError, DatabaseError])
def test_what_else_a_database_says_is_nobodys_fault(
    inlet: Inlet, monkeypatch: pytest.MonkeyPatch, kind: type[DBAPIError]
) -> None:
    inlet.send(receipt("a"))
    monkeypatch.setattr(draining, "write_down", fails(kind("INSERT", {}, Exception("not now"))))
    monkeypatch.setattr(rounds, "_in_halves", die)
    with pytest.raises(kind, match="not now"):
        list(empty(inlet.database, inlet.inbox, inlet.lake, clock=few_turns(inlet)))
    assert len(inlet.batches(BatchState.DRAINING)) == 1


def fails(error: Exception) -> Callable[..., Any]:
    """A function that raises ``error``."""

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def few_turns(inlet: Inlet) -> Callable[[], datetime]:
    """The tests' clock, which does not let a loop turn for ever."""
    looks = iter(range(10))

    def look() -> datetime:
        if next(looks, None) is None:
            raise Killed
        return inlet.now

    return look


def is_inbox_empty(inlet: Inlet) -> bool:
    """Whether the inbox holds no receipt any more; batches and the key window stay."""
    with inlet.inbox.reading() as session:
        counted = [session.scalar(select(func.count()).select_from(held)) for held in (InboxPayload, InboxParked)]
    return counted == [0, 0]


def forget_keys(inlet: Inlet) -> None:
    """As if the receipts so far were older than the key window."""
    with inlet.inbox.unit_of_work() as session:
        for segment in session.scalars(select(InboxKeys)):
            session.delete(segment)
    inlet.reception.window.runs.clear()
    inlet.reception.window.fresh.clear()


def damage(inlet: Inlet, batch_id: str) -> bytes:
    """Make a batch's payload unreadable; what it was before."""
    with inlet.inbox.unit_of_work() as session:
        payload = session.get_one(InboxPayload, batch_id)
        whole, payload.payload = payload.payload, b"not a stream"
    return whole


def mend(inlet: Inlet, batch_id: str, whole: bytes) -> None:
    with inlet.inbox.unit_of_work() as session:
        session.get_one(InboxPayload, batch_id).payload = whole
