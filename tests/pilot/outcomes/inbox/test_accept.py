"""What a call is answered: accepted, known, in conflict or rejected, and nothing counted twice."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from pilot.access.model import Role
from pilot.database import Database
from pilot.notices.queries import recent
from pilot.outcomes.inbox import work
from pilot.outcomes.inbox.accept import Reception
from pilot.outcomes.inbox.alarm import inbox_alarm
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.errors import IdempotencyKeyReused, InboxIsFull, NoSuchBatch
from pilot.outcomes.inbox.model import BatchState, InboxBatch, InboxParked, InboxPayload
from pilot.outcomes.inbox.payload import unpack
from pilot.outcomes.inbox.queries import backlog, batch_for, seconds_until_room
from pilot.outcomes.inbox.work import Accepted, Call
from pilot.outcomes.receipt_model import receipt_texts
from tests.builders import a_user
from tests.pilot.outcomes.inlet import Inlet, lately


def told(answer: Accepted) -> list[tuple[int, str, str]]:
    """(index, status, reason code) of what is not plainly accepted."""
    return [(index, str(status), reason["code"]) for index, status, reason, *_ in answer.verdicts]


def counts(answer: Accepted) -> tuple[int, int, int, int]:
    return answer.n_accepted, answer.n_known, answer.n_conflict, answer.n_rejected


def waiting_ids(inlet: Inlet) -> list[str]:
    with inlet.inbox.reading() as session:
        payloads = session.scalars(select(InboxPayload.payload)).all()
    return sorted(str(name) for payload in payloads for name in unpack(payload)["receipt_id"].to_pylist())


def test_an_accepted_receipt_is_in_the_inbox_when_the_answer_comes(inlet: Inlet) -> None:
    answer = inlet.send(lately("a", net="12.50", customer="C1"), lately("b"))
    assert (counts(answer), list(answer.verdicts)) == ((2, 0, 0, 0), [])
    other_process = InboxDatabase(inlet.settings)
    with other_process.reading() as session:
        batch = session.scalars(select(InboxBatch)).one()
        payload = session.scalars(select(InboxPayload)).one()
    other_process.dispose()
    assert (batch.batch_id, batch.state, batch.n_accepted, batch.store_codes) == (
        answer.batch_id, BatchState.WAITING, 2, ["31"],
    )  # fmt: skip
    rows = unpack(payload.payload).to_pylist()
    assert [(row["line"], row["receipt_id"], row["net_minor"], row["customer"]) for row in rows] == [
        (0, "a", 1250, "C1"), (1, "b", 1000, None),
    ]  # fmt: skip


def test_every_receipt_gets_its_own_verdict_and_the_good_ones_go_in(inlet: Inlet) -> None:
    inlet.send(lately("old"), lately("other", number="17"))
    answer = inlet.send(
        lately("good"),
        lately("bad", net="12,5,0"),
        {**lately("old"), "number": "n-other"},
        lately("far", at="2027-01-01 12:00"),
        lately("nowhere", store="S-unknown"),
        lately("nameless", net=None),
    )
    assert counts(answer) == (3, 0, 1, 2)
    assert told(answer) == [
        (1, "rejected", "not_an_amount"), (2, "conflict", "same_id_other_content"),
        (3, "quarantined", "implausible_date"), (4, "quarantined", "unknown_store"), (5, "rejected", "missing"),
    ]  # fmt: skip
    assert answer.n_quarantined == 2
    with inlet.inbox.reading() as session:
        parked = session.scalars(select(InboxParked).order_by(InboxParked.line)).all()
    assert [(row.receipt_id, row.field) for row in parked] == [("far", "at"), ("nowhere", "store")]
    assert parked[1].row["store"] == "S-unknown"


@pytest.mark.parametrize("is_drained", [False, True], ids=["waiting", "in the lake"])
def test_a_repeat_is_known_and_another_content_is_a_conflict(inlet: Inlet, is_drained: bool) -> None:
    inlet.send(lately("a", number="17", customer="C1"), lately("b", number=None))
    if is_drained:
        assert inlet.drain() is not None
    again = inlet.send(
        lately("a", number="17", customer="C1"),
        lately("new-id", number="17", customer="C1"),
        lately("third-id", number="17", customer="C2"),
        {**lately("a", number="17", customer="C1"), "net": "9.99"},
        lately("b", number=None),
        lately("fresh"),
    )
    assert told(again) == [
        (0, "known", "known"), (1, "known", "known_as"), (2, "conflict", "same_number_other_content"),
        (3, "conflict", "same_id_other_content"), (4, "known", "known"),
    ]  # fmt: skip
    assert again.verdicts[1][2]["values"] == {"other": "a"}
    assert again.verdicts[2][2]["values"] == {"other": "a", "columns": "customer"}
    assert again.verdicts[3][2]["values"] == {"columns": "net"}
    assert again.n_accepted == 1


def test_the_same_id_on_another_day_of_the_window_is_a_conflict_also_when_it_is_in_the_lake(inlet: Inlet) -> None:
    inlet.send(lately("a", at="2026-01-29 12:00"))
    inlet.drain()
    assert told(inlet.send(lately("a", number="x"))) == [(0, "conflict", "same_id_other_content")]


def test_repeats_inside_one_call_are_told_by_the_first_of_them(inlet: Inlet) -> None:
    same = lately("a", number="17")
    answer = inlet.send(
        same, same, {**same, "receipt": "b"}, {**same, "net": "1.00"}, {**same, "receipt": "c", "net": "2.00"}
    )
    assert counts(answer) == (1, 2, 2, 0)
    assert [status for _, status, _ in told(answer)] == ["known", "known", "conflict", "conflict"]
    parked = lately("p", store="S-unknown")
    assert counts(inlet.send(parked, parked)) == (1, 1, 0, 0)


def test_an_implausible_receipt_sent_again_is_known_and_corrected_it_is_new(inlet: Inlet) -> None:
    inlet.send(lately("a", store="S-unknown"))
    assert counts(inlet.send(lately("a", store="S-unknown", number="1"), lately("b"))) == (2, 0, 0, 0)
    first = lately("c", store="S-unknown")
    inlet.send(first)
    assert told(inlet.send(first)) == [(0, "known", "known")]
    assert counts(inlet.send({**first, "store": "31"})) == (1, 0, 0, 0)


def test_hashes_that_collide_never_make_a_new_receipt_known(inlet: Inlet, monkeypatch: pytest.MonkeyPatch) -> None:
    def few_bits(keys: Any) -> Any:
        return np.array([blake2b(key, digest_size=8).digest()[0] & 3 for key in keys], np.uint64)

    monkeypatch.setattr(work, "hashes_of", few_bits)
    for n in range(4):
        if n == 2:
            inlet.drain()
        answer = inlet.send(*(lately(f"r{n}-{k}") for k in range(20)))
        assert counts(answer) == (20, 0, 0, 0)
    once_more = {**lately("r0-0"), "number": "x"}
    assert counts(inlet.send(once_more, lately("last"))) == (1, 0, 1, 0)


def test_a_key_for_some_stores_sends_receipts_of_those_only(inlet: Inlet) -> None:
    rows = [lately("a"), lately("b", store="7"), lately("c", store="nowhere"), lately("d", store=None)]
    with inlet.database.reading() as session:
        call = Call(receipt_texts(rows), "tills", "0" * 64, inlet.now, store_codes=["31"])
        answer = inlet.reception.accept(session, call, head=None)
    assert told(answer) == [
        (1, "rejected", "store_not_yours"),
        (2, "rejected", "store_not_yours"),
        (3, "rejected", "missing"),
    ]


def test_an_idempotency_key_gives_the_same_answer_and_another_body_is_refused(inlet: Inlet) -> None:
    rows = [lately("a"), lately("b", net="x")]
    first = inlet.send(*rows, idempotency_key="k1")
    again = inlet.send(*rows, idempotency_key="k1")
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.batch_id, counts(again), told(again)) == (first.batch_id, counts(first), told(first))
    with pytest.raises(IdempotencyKeyReused, match="k1"):
        inlet.send(lately("c"), idempotency_key="k1")
    assert waiting_ids(inlet) == ["a"]


def test_of_two_calls_at_once_with_one_idempotency_key_one_wins_and_both_hear_the_same(inlet: Inlet) -> None:
    rows, answers = [lately(f"r{n}") for n in range(50)], []
    at_once(6, lambda: answers.append(inlet.send(*rows, idempotency_key="k1")))
    assert {answer.batch_id for answer in answers} == {answers[0].batch_id}
    assert [answer.replayed for answer in answers].count(False) == 1
    assert {counts(answer) for answer in answers} == {(50, 0, 0, 0)}


def test_of_calls_at_once_with_the_same_receipts_each_is_accepted_exactly_once(inlet: Inlet) -> None:
    rows, answers = [lately(f"r{n}") for n in range(40)], []
    at_once(6, lambda: answers.append(inlet.send(*rows)))
    assert sorted(counts(answer) for answer in answers) == [(0, 40, 0, 0)] * 5 + [(40, 0, 0, 0)]
    assert waiting_ids(inlet) == sorted(row["receipt"] for row in rows)


def test_a_full_inbox_refuses_with_a_time_and_keeps_what_it_has(database: Database, now: datetime) -> None:
    database.settings = database.settings.model_copy(update={"inbox_limit": 3})
    inlet = Inlet(database, now)
    inlet.send(lately("a"), lately("b"))
    second = [lately("c"), lately("d")]
    inlet.send(*second, idempotency_key="k")
    with pytest.raises(InboxIsFull) as refused:
        inlet.send(lately("e"))
    assert refused.value.seconds == 10  # two rounds of the drain, of five seconds
    assert inlet.send(*second, idempotency_key="k").replayed, "an answer that was given is given again"
    assert waiting_ids(inlet) == ["a", "b", "c", "d"]
    inlet.drain()
    assert inlet.send(lately("e")).n_accepted == 1
    inlet.inbox.dispose()


def test_the_time_to_wait_follows_the_pace_of_the_drain(inlet: Inlet) -> None:
    for n in range(3):
        inlet.send(*(lately(f"r{n}-{k}") for k in range(10)))
        inlet.now += timedelta(seconds=30)
        inlet.drain()
    with inlet.inbox.glancing() as connection:  # 30 receipts in 60 seconds
        assert seconds_until_room(connection, 100, inlet.settings) == 200
        assert seconds_until_room(connection, 100_000, inlet.settings) == 600


def test_only_who_sent_a_batch_or_is_for_all_its_stores_may_see_it(inlet: Inlet) -> None:
    batch_id = inlet.send(lately("a"), lately("b", store="7")).batch_id

    def may(key_code: str, *stores: str) -> bool:
        with inlet.inbox.reading() as session:
            try:
                return batch_for(session, batch_id, key_code=key_code, store_codes=stores).batch_id == batch_id
            except NoSuchBatch:
                return False

    assert [may("tills", "309"), may("other"), may("other", "31", "7", "309"), may("other", "31")] == [
        True,
        True,
        True,
        False,
    ]


def test_administrators_hear_once_that_the_inbox_is_behind_and_once_that_it_caught_up(inlet: Inlet) -> None:
    with inlet.database.unit_of_work() as session:
        admin = a_user(session, Role.ADMIN)
        a_user(session, Role.MANAGER)
    inlet.send(lately("a"))
    late = inlet.now + timedelta(minutes=16)

    def ring(at: datetime) -> tuple[bool, list[str]]:
        with inlet.database.unit_of_work() as session:
            behind = inbox_alarm(session, inlet.inbox, at)
            return behind, [notice.message.code for notice in reversed(recent(session, admin.id))]

    assert ring(inlet.now + timedelta(minutes=14)) == (False, [])
    assert ring(late) == (True, ["inbox_behind"])
    assert ring(late + timedelta(minutes=5)) == (True, ["inbox_behind"])
    assert backlog(inlet.inbox).lag_seconds(late) == 16 * 60
    inlet.drain()
    assert ring(late) == (False, ["inbox_behind", "inbox_caught_up"])
    assert ring(late) == (False, ["inbox_behind", "inbox_caught_up"])


def test_a_process_that_starts_later_knows_what_came_before(inlet: Inlet) -> None:
    inlet.send(lately("a"))
    inlet.drain()
    inlet.reception = Reception(inlet.settings, inlet.inbox)
    assert told(inlet.send(lately("b"), {**lately("a"), "number": "x"})) == [(1, "conflict", "same_id_other_content")]


def test_a_call_in_which_nothing_is_accepted_needs_no_drain(inlet: Inlet) -> None:
    answer = inlet.send(lately("a", net="x"))
    assert counts(answer) == (0, 0, 0, 1)
    assert inlet.drain() is None
    with inlet.inbox.reading() as session:
        assert session.scalars(select(InboxBatch.state)).one() == BatchState.DRAINED
        assert session.scalar(select(func.count()).select_from(InboxPayload)) == 0


def at_once(n: int, act: Any) -> None:
    """``act`` in ``n`` threads that begin together."""
    failures: list[BaseException] = []
    ready = threading.Barrier(n)

    def run() -> None:
        ready.wait()
        try:
            act()
        except BaseException as error:
            failures.append(error)

    threads: Sequence[threading.Thread] = [threading.Thread(target=run) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
