"""Corrections and late identifications end in the sums of a history that was right in the first place."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.measure.days import DayFacts
from pilot.imports.importer import Published
from pilot.imports.model import ImportKind
from pilot.outcomes import key_index
from pilot.outcomes.inbox.drain import Drained
from pilot.outcomes.key_index import KeyIndex
from pilot.outcomes.lake import SCHEMA, Lake
from pilot.outcomes.receipt_store import OnClash, append_new, compare_with_lake
from pilot.settings import Settings
from tests.pilot.outcomes.inlet import Inlet, correction, identification, receipt


def sent(inlet: Inlet, *receipts: dict[str, Any]) -> Drained:
    inlet.send(*receipts)
    done = inlet.drain()
    assert done is not None
    return done


def test_a_correction_stands_on_the_originals_store_and_day_with_its_customer(inlet: Inlet) -> None:
    sent(inlet, receipt("a", customer="101", store="309"))
    sent(inlet, correction("k", "a", "-2.50"))
    stored = inlet.stored()
    for name in ("store_id", "business_date", "customer_key"):
        assert stored["k"][name] == stored["a"][name]
    assert stored["k"]["net_minor"] == -250
    assert stored["k"]["at"] == datetime(2026, 2, 20, 7, tzinfo=UTC)


def test_a_late_identification_repeats_the_original_with_its_corrections_so_far(inlet: Inlet) -> None:
    sent(inlet, receipt("a", store="309", vat="2.00", n_items=3))
    sent(inlet, correction("k", "a", "-2.50", vat="-0.50", n_items=-1))
    sent(inlet, identification("i", "a", "101"))
    sent(inlet, correction("k2", "a", "1.00"))
    stored = inlet.stored()
    for name in ("store_id", "business_date", "at", "till"):
        assert stored["i"][name] == stored["a"][name]
    found = stored["i"]
    assert (found["net_minor"], found["vat_minor"], found["n_items"], found["cost_minor"]) == (750, 150, 2, None)
    assert found["number"] is None
    assert stored["k"]["customer_key"] is None
    assert stored["k2"]["customer_key"] == found["customer_key"]


def test_original_and_facts_may_come_in_one_batch_in_any_order(inlet: Inlet) -> None:
    done = sent(inlet, identification("i", "a", "101"), correction("k", "a", "-1.00"), receipt("a"))
    assert done.n_new == 3
    stored = inlet.stored()
    assert (stored["i"]["net_minor"], stored["k"]["net_minor"]) == (1000, -100)
    assert stored["k"]["customer_key"] == stored["i"]["customer_key"] is not None


@pytest.mark.parametrize("name", ["k", "i"])
def test_what_refers_to_an_unknown_receipt_waits_in_quarantine_and_goes_in_once_that_is_there(
    inlet: Inlet, name: str
) -> None:
    fact = {"k": correction("k", "a", "-1.00"), "i": identification("i", "a", "101")}[name]
    assert sent(inlet, fact, receipt("b")).n_quarantined == 1
    [row] = inlet.quarantine()
    assert (row.reason_code, row.field, row.row["refers_to"]) == ("refers_to_unknown", "refers_to", "a")
    assert set(inlet.stored()) == {"b"}


def test_a_fact_about_a_fact_refers_to_nothing(inlet: Inlet) -> None:
    sent(inlet, receipt("a"), correction("k", "a", "-1.00"))
    assert sent(inlet, correction("k2", "k", "0.50")).n_quarantined == 1


def test_a_second_identification_is_known_for_the_same_customer_and_waits_for_another(inlet: Inlet) -> None:
    sent(inlet, receipt("a"), receipt("own", customer="55"), identification("i", "a", "101"))
    again = sent(inlet, identification("i2", "a", "101"), identification("i3", "own", "55"))
    assert (again.n_new, again.n_known, again.n_quarantined) == (0, 2, 0)
    other = sent(inlet, identification("i4", "a", "55"), identification("i5", "own", "101"))
    assert (other.n_new, other.n_quarantined) == (0, 2)
    assert {row.reason_code for row in inlet.quarantine()} == {"identified_already"}


def test_of_two_identifications_in_a_batch_the_first_counts(inlet: Inlet) -> None:
    rows = [identification("i", "a", "101"), identification("j", "a", "101"), identification("k", "a", "55")]
    done = sent(inlet, receipt("a"), *rows)
    assert (done.n_new, done.n_known, done.n_quarantined) == (2, 1, 1)


def test_a_correction_may_not_turn_a_sale_into_a_return(inlet: Inlet) -> None:
    sent(inlet, receipt("a"))
    done = sent(inlet, correction("k", "a", "-6.00"), correction("l", "a", "-6.00"))
    assert (done.n_new, done.n_quarantined) == (1, 1)
    assert [row.reason_code for row in inlet.quarantine()] == ["correction_too_large"]
    assert sent(inlet, correction("m", "a", "-4.00")).n_new == 1


def test_a_return_that_was_taken_back_is_nobodys_purchase(inlet: Inlet) -> None:
    sent(inlet, receipt("r", kind="return", net="-5.00"), correction("k", "r", "5.00"))
    sent(inlet, identification("i", "r", "101"))
    assert [row.reason_code for row in inlet.quarantine()] == ["nothing_to_identify"]


def test_a_fact_sent_again_is_known_whatever_came_in_between(inlet: Inlet) -> None:
    first = [correction("k", "a", "-1.00"), identification("i", "a", "101")]
    sent(inlet, receipt("a"), *first)
    sent(inlet, correction("k2", "a", "-2.00"))
    file = (
        "receipt,store,till,at,kind,refers_to,customer,net\n"
        "k,31,1,2026-02-20 09:00,correction,a,,-1.00\n"
        "i,31,1,2026-02-21 09:00,identification,a,101,\n"
    )
    run = inlet.chain.take_in(ImportKind.RECEIPTS, file)
    assert (run.n_new, run.n_known) == (0, 2)
    assert len(inlet.stored()) == 4


def test_a_file_with_a_reference_to_nothing_is_refused_or_parks_the_row(inlet: Inlet) -> None:
    file = "receipt,store,at,kind,refers_to,net\nk,31,2026-02-20 09:00,correction,nobody,-1.00\n"
    run = inlet.chain.stage(ImportKind.RECEIPTS, file, quarantine=True)
    assert run.n_quarantined == 1
    assert [row.reason_code for row in inlet.quarantine()] == ["refers_to_unknown"]


@pytest.mark.parametrize("way", ["drain", "file"])
def test_what_names_the_id_of_a_retry_waits_and_goes_in_once_it_names_the_stored_one(inlet: Inlet, way: str) -> None:
    sent(inlet, receipt("a", number="7"))
    if way == "drain":  # the original is older than the key window: the door lets the retry through
        done = sent(inlet, receipt("a#", number="7"), correction("k", "a#", "-3.00"), identification("i", "a#", "101"))
    else:
        file = (
            "receipt,store,till,number,at,kind,refers_to,customer,net\n"
            "a#,31,1,7,2026-01-10 12:00,sale,,,10.00\n"
            "k,31,1,,2026-02-20 09:00,correction,a#,,-3.00\n"
            "i,31,1,,2026-02-21 09:00,identification,a#,101,\n"
        )
        done = inlet.chain.take_in(ImportKind.RECEIPTS, file, quarantine=True)
    assert (done.n_new, done.n_quarantined) == (0, 2)
    assert [(row.reason_code, row.field) for row in inlet.quarantine()] == [("refers_to_other_id", "refers_to")] * 2
    assert set(inlet.stored()) == {"a"}
    assert sent(inlet, correction("k", "a", "-3.00"), identification("i", "a", "101")).n_new == 2
    stored = inlet.stored()
    assert (stored["k"]["net_minor"], stored["i"]["net_minor"]) == (-300, 1000)
    assert stored["k"]["customer_key"] == stored["i"]["customer_key"] is not None


def test_what_names_a_receipt_that_clashes_by_its_number_waits_with_it(inlet: Inlet) -> None:
    sent(inlet, receipt("a", number="7"))
    file = (
        "receipt,store,till,number,at,kind,refers_to,net\n"
        "b,31,1,7,2026-01-10 12:00,sale,,99.00\n"
        "k,31,1,,2026-02-20 09:00,correction,b,-3.00\n"
    )
    run = inlet.chain.take_in(ImportKind.RECEIPTS, file, quarantine=True)
    assert (run.n_new, run.n_quarantined) == (0, 2)
    assert {row.reason_code for row in inlet.quarantine()} == {"stored_under_other_id", "refers_to_other_id"}


# --- random histories -------------------------------------------------------------------------------------------------


KEYS = {str(number): number for number in range(1, 4)}
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Truth:
    """A receipt as it should have been written: what the history says once all facts are known."""

    name: str
    store: int
    day: int
    net: int
    customer: int | None
    late_customer: int | None
    corrections: list[int] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return "sale" if self.net >= 0 else "return"


def row(name: str, kind: str, store: int, day: int, net: int, **values: Any) -> dict[str, Any]:
    """A staged receipt of January."""
    at = datetime(2026, 1, 1 + day, 12, tzinfo=UTC)
    return {
        "receipt_id": name, "store_id": store, "till": "", "number": None, "kind": kind, "refers_to": None, "at": at,
        "business_date": at.date(), "customer": None, "net_minor": net, "vat_minor": 0, "discount_minor": 0,
        "cost_minor": None, "reward_minor": 0, "n_items": 1, "offer_id": None, "business_month": "2026-01", **values,
    }  # fmt: skip


def text(customer: int | None) -> str | None:
    return None if customer is None else str(customer)


@st.composite
def truths(draw: st.DrawFn) -> list[Truth]:
    found = []
    for number in range(draw(st.integers(1, 6))):
        net = draw(st.integers(-900, 2000).filter(bool))
        known = draw(st.none() | st.integers(1, 3))
        late = None if known is not None else draw(st.none() | st.integers(1, 3))
        truth = Truth(f"r{number}", draw(st.integers(1, 2)), draw(st.integers(0, 5)), net, known, late)
        half = abs(net) // 3  # so that no order of the corrections turns a sale into a return
        truth.corrections += draw(st.lists(st.integers(-half, half), max_size=2))
        found.append(truth)
    return found


def facts_of(truth: Truth) -> list[dict[str, Any]]:
    """Everything that was ever sent about the receipt: the original, its corrections, who it was."""
    own = row(truth.name, truth.kind, truth.store, truth.day, truth.net, customer=text(truth.customer))
    said = [
        # sent from another store on another day, as late facts are
        row(f"{truth.name}-k{n}", "correction", 2, 20, change, refers_to=truth.name)
        for n, change in enumerate(truth.corrections)
    ]
    if truth.late_customer is not None:
        who = {"refers_to": truth.name, "customer": text(truth.late_customer), "n_items": 0}
        said.append(row(f"{truth.name}-i", "identification", 1, 21, 0, **who))
    return [own, *said]


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_index, "_LARGE_BYTES", 1)


class Scratch:
    """A lake of its own."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.lake = Lake(self.settings)
        self.n = 0

    def take(self, rows: list[dict[str, Any]]) -> Published:
        """As a drain does: what clashes is set aside."""
        return append_new(self.lake, self._staged(rows), KEYS, f"batch-{self.n}", NOW, on_clash=OnClash.SET_ASIDE)

    def take_file(self, rows: list[dict[str, Any]]) -> Published:
        """As an import does: compared first, and published without what clashes."""
        staged = self._staged(rows)
        compared, seen = compare_with_lake(self.lake, staged, KEYS)
        done = append_new(self.lake, staged, KEYS, f"batch-{self.n}", NOW, seen=seen)
        assert (done.n_new, done.clashes) == (compared.n_new, ())
        return Published(done.n_new, done.lake_version, done.known_lines, compared.clashes)

    def _staged(self, rows: list[dict[str, Any]]) -> Path:
        self.n += 1
        staged = self.settings.home / f"staged-{self.n}" / "rows.parquet"
        staged.parent.mkdir()
        schema = pa.schema([("line", pa.int64()), *((f.name, f.type) for f in _staged_schema())])
        pq.write_table(pa.Table.from_pylist([{"line": n, **r} for n, r in enumerate(rows)], schema), staged)
        return staged

    def sums(self) -> tuple[set[Any], set[Any]]:
        """By customer and day, and by store and day, what is measured."""
        facts = DayFacts.of_receipts(self.lake.receipts())
        people = facts.customers.group_by("customer_key", "business_date").aggregate(
            net=facts.customers.net_minor.sum(),
            sales=facts.customers.sales.sum(),
            bought=facts.customers.purchase_days.max(),
        )
        stores = facts.stores.group_by("store_id", "business_date").aggregate(
            net=facts.stores.net_minor.sum(),
            sales=facts.stores.sales.sum(),
            identified=facts.stores.identified_sales.sum(),
        )
        return tuple({tuple(found.values()) for found in t.to_pyarrow().to_pylist()} for t in (people, stores))  # type: ignore[return-value] # two of them


def _staged_schema() -> pa.Schema:
    without = [f for f in SCHEMA if f.name not in ("customer_key", "received_at", "batch_id")]
    return pa.schema([*without, pa.field("customer", pa.string()), pa.field("business_month", pa.string())])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(truths(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_every_order_and_cut_of_a_history_gives_the_sums_of_the_one_written_right(
    tmp_path_factory: pytest.TempPathFactory, history: list[Truth], chance: Any, n_batches: int
) -> None:
    batches: list[list[dict[str, Any]]] = [[] for _ in range(n_batches)]
    for truth in history:
        own, *said = facts_of(truth)
        first = chance.randrange(n_batches)
        batches[first].append(own)
        for fact in said:
            batches[chance.randrange(first, n_batches)].append(fact)
    told = Scratch(tmp_path_factory.mktemp("told"))
    for batch in batches:
        chance.shuffle(batch)
        if chance.random() < 0.5:  # with an index of some files or of all, the answers are those without
            KeyIndex(told.lake).keep_up()
        if batch:
            done = told.take(batch)
            assert done.clashes == ()
            again = told.take(batch)
            assert (again.n_new, again.clashes) == (0, ())
    assert told.sums() == sums_written_right(tmp_path_factory, history)


def sums_written_right(tmp_path_factory: pytest.TempPathFactory, history: list[Truth]) -> tuple[set[Any], set[Any]]:
    right = Scratch(tmp_path_factory.mktemp("right"))
    right.take([
        row(t.name, t.kind, t.store, t.day, t.net + sum(t.corrections), customer=text(t.customer or t.late_customer))
        for t in history
    ])  # fmt: skip
    return right.sums()


@pytest.mark.parametrize("way", ["drain", "file"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(truths(), st.randoms(use_true_random=False), st.integers(2, 4))
def test_nothing_in_the_lake_refers_to_the_id_of_a_retry(
    tmp_path_factory: pytest.TempPathFactory, way: str, history: list[Truth], chance: Any, n_batches: int
) -> None:
    """Receipts are sent again under new ids and facts name either; what waits is sent again with the right one."""
    batches: list[list[dict[str, Any]]] = [[] for _ in range(n_batches)]
    misled = set()
    for truth in history:
        own, *said = facts_of(truth)
        own["number"] = truth.name
        first = chance.randrange(n_batches)
        batches[first].append(own)
        for again in range(first + 1, n_batches):
            batches[again].append({**own, "receipt_id": f"{truth.name}#"})
        for fact in said:
            if chance.random() < 0.5:
                fact["refers_to"] = f"{truth.name}#"
                misled.add(fact["receipt_id"])
            batches[chance.randrange(first, n_batches)].append(fact)
    told = Scratch(tmp_path_factory.mktemp("told"))
    take = told.take if way == "drain" else told.take_file
    waiting = []
    for batch in batches:
        chance.shuffle(batch)
        if batch:
            done = take(batch)
            assert {clash.reason.code for clash in done.clashes} <= {"refers_to_other_id", "refers_to_unknown"}
            waiting += [batch[clash.line] for clash in done.clashes]
            receipts = told.lake.receipts().select("receipt_id", "refers_to").to_pyarrow().to_pydict()
            assert set(receipts["refers_to"]) - {None} <= set(receipts["receipt_id"])
    assert {fact["receipt_id"] for fact in waiting} == misled
    for fact in waiting:
        fact["refers_to"] = fact["refers_to"].removesuffix("#")
    if waiting:
        assert take(waiting).n_new == len(waiting)
    assert told.sums() == sums_written_right(tmp_path_factory, history)
