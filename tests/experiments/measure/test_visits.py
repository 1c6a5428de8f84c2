"""Visits: sums by home, visited unit and period, against Python receipt by receipt and the stores themselves."""

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import Window, store_total, unit_moments
from experiments.errors import DuplicateUnit
from experiments.measure.visits import AMOUNTS, COLUMNS, IDENTIFIED, visit_sums, visitors
from experiments.measure.windows import Windows
from tests.experiments.building import homes, stores

BEFORE, WINDOW = Window(date(2026, 1, 5), date(2026, 1, 11)), Window(date(2026, 1, 14), date(2026, 1, 18))
UNIT_OF = {"s1": "north", "s2": "north", "s3": "south"}  # s4 is in no unit
HOME_OF = {1: "north", 2: "south", 3: "south", 4: "elsewhere"}  # 5 and 6 are on no list
BIG = 4_000_000_000_000
_SCHEMA = pa.schema(
    [
        ("store_id", pa.string()),
        ("kind", pa.string()),
        ("business_date", pa.date32()),
        ("customer_key", pa.int64()),
        *((name, pa.int64()) for name in ("net_minor", "vat_minor", "discount_minor", "cost_minor", "reward_minor")),
    ]
)
Fact = dict[str, Any]


def a_fact(store: str, kind: str, day: date, customer: int | None, net: int, **more: int | None) -> Fact:
    rest = {"vat_minor": 0, "discount_minor": 0, "cost_minor": None, "reward_minor": 0} | more
    return {
        "store_id": store, "kind": kind, "business_date": day, "customer_key": customer, "net_minor": net, **rest
    }  # fmt: skip


def sums(facts: list[Fact], *, home: dict[int, str] | None = None) -> dict[tuple[Any, Any, str], dict[str, int]]:
    table = visit_sums(
        ibis.memtable(pa.Table.from_pylist(facts, _SCHEMA)),
        homes=homes(HOME_OF if home is None else home),
        stores=stores(UNIT_OF),
        window=WINDOW,
        before=BEFORE,
    )
    rows = table.to_pylist()
    keys = [(row["home"], row["at"], row["period"]) for row in rows]
    assert len(set(keys)) == len(keys)
    return {key: {name: row[name] for name in COLUMNS} for key, row in zip(keys, rows, strict=True)}


@st.composite
def worlds(draw: st.DrawFn) -> list[Fact]:
    """Sales and returns, some anonymous; some of those identified late; corrections of any, before or after that."""
    facts: list[Fact] = []
    days = st.integers(-2, 16).map(lambda n: BEFORE.first + timedelta(days=n))
    amount = st.integers(0, 900) | st.just(BIG)
    for _ in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["sale", "sale", "sale", "return"]))
        sign = -1 if kind == "return" else 1
        customer = draw(st.none() | st.integers(1, 6))
        receipt = a_fact(
            draw(st.sampled_from(["s1", "s2", "s3", "s4"])), kind, draw(days), customer, sign * draw(amount),
            vat_minor=sign * draw(st.integers(0, 9)), discount_minor=sign * draw(st.sampled_from([0, 0, 25])),
            cost_minor=draw(st.none() | st.integers(-40, 40)), reward_minor=draw(st.integers(0, 3)),
        )  # fmt: skip
        facts.append(receipt)
        if draw(st.booleans()):
            cost = None if receipt["cost_minor"] is None else draw(st.integers(-3, 3))
            changed = {"net_minor": draw(st.integers(-5, 5)), "cost_minor": cost}
            facts.append(receipt | {"kind": "correction", "discount_minor": 0, "reward_minor": 0} | changed)
        if customer is None and draw(st.booleans()):
            facts.append(receipt | {"kind": "identification", "customer_key": draw(st.integers(1, 6))})
    return facts


def _period(day: date) -> str | None:
    return "window" if WINDOW.contains(day) else "before" if BEFORE.contains(day) else None


def _amounts(fact: Fact, *, bought: bool, printed: bool) -> dict[str, int]:
    known = fact["cost_minor"] is not None
    return {
        **{name: fact[name] for name in ("net_minor", "vat_minor", "discount_minor", "reward_minor")},
        "cost_minor": fact["cost_minor"] if known else 0,
        "cost_known_net_minor": fact["net_minor"] if known else 0,
        "full_price_net_minor": fact["net_minor"] if fact["discount_minor"] == 0 else 0,
        "sales": int(bought),
        "receipts": int(printed),
    }


def _by_hand(facts: list[Fact]) -> dict[tuple[Any, Any, str], dict[str, int]]:
    found: dict[tuple[Any, Any, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
    who: dict[tuple[Any, Any, str], set[int]] = defaultdict(set)

    def put(home: str | None, fact: Fact, amounts: dict[str, int], sign: int = 1) -> None:
        period = _period(fact["business_date"])
        if period is not None:
            for name, value in amounts.items():
                found[home, UNIT_OF.get(fact["store_id"]), period][name] += sign * value

    for fact in facts:
        home, late = HOME_OF.get(fact["customer_key"]), fact["kind"] == "identification"
        bought = fact["kind"] == "sale" or (late and fact["net_minor"] >= 0)
        amounts = _amounts(fact, bought=bought, printed=fact["kind"] in ("sale", "return") or late)
        put(home, fact, amounts)
        if late:
            put(None, fact, amounts, -1)
        if fact["customer_key"] is not None:
            put(home, fact, {"identified_net_minor": fact["net_minor"]})
        if bought and fact["customer_key"] is not None:
            put(home, fact, {"identified_sales": 1})
            who[home, UNIT_OF.get(fact["store_id"]), str(_period(fact["business_date"]))].add(fact["customer_key"])
    for key, keys in who.items():
        if key[2] != "None":
            found[key]["customers"] = len(keys)
    return {key: row for key, row in found.items() if any(row.values())}


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_the_sums_are_those_of_the_receipts_one_by_one(facts: list[Fact]) -> None:
    found = sums(facts)
    assert {key: row for key, row in found.items() if any(row.values())} == _by_hand(facts)


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_over_all_homes_they_are_what_the_stores_counted(facts: list[Fact]) -> None:
    found = sums(facts)
    receipts = ibis.memtable(pa.Table.from_pylist(facts, _SCHEMA))
    counted = unit_moments(
        receipts, store_total(), Windows(WINDOW, BEFORE), units=["north", "south"], stores=stores(UNIT_OF)
    )
    for moments in counted:
        for period, total in (("window", moments.y), ("before", moments.x)):
            mine = [row["net_minor"] for (_, at, when), row in found.items() if (at, when) == (moments.unit, period)]
            assert sum(mine) == total
    without_list = sums(facts, home={})
    for name in (*AMOUNTS, *IDENTIFIED):
        totals: dict[tuple[Any, str], int] = defaultdict(int)
        for (_, at, period), row in found.items():
            totals[at, period] += row[name]
        alone = {(at, period): row[name] for (_, at, period), row in without_list.items()}
        assert {key: n for key, n in totals.items() if n} == {key: n for key, n in alone.items() if n}


def test_a_receipt_identified_late_moves_from_everybody_else_to_its_home() -> None:
    day = WINDOW.first
    anonymous = a_fact("s3", "sale", day, None, 1000, discount_minor=10, cost_minor=600)
    found = sums(
        [anonymous, anonymous | {"kind": "identification", "customer_key": 1}, a_fact("s3", "sale", day, 1, 5)]
    )
    listed, others = found["north", "south", "window"], found.get((None, "south", "window"), {})
    assert (listed["net_minor"], listed["sales"], listed["receipts"], listed["customers"]) == (1005, 2, 2, 1)
    assert (listed["full_price_net_minor"], listed["cost_minor"], listed["cost_known_net_minor"]) == (5, 600, 1000)
    assert not any(others.values())


def test_a_late_identification_of_somebody_who_is_not_listed_changes_no_money() -> None:
    anonymous = a_fact("s3", "sale", WINDOW.first, None, 1000)
    found = sums([anonymous, anonymous | {"kind": "identification", "customer_key": 6}])
    others = found[None, "south", "window"]
    assert (others["net_minor"], others["sales"], others["identified_sales"], others["customers"]) == (1000, 1, 1, 1)


@settings(max_examples=30, deadline=None)
@given(worlds())
def test_the_customers_of_units_are_those_of_the_visits(facts: list[Fact]) -> None:
    """One unit at a time the two count alike; over units together nobody is counted twice."""
    seen = {key: row["customers"] for key, row in sums(facts).items() if row["customers"] and key[0] is not None}
    where = {"homes": homes(HOME_OF), "window": WINDOW, "before": BEFORE}
    receipts = ibis.memtable(pa.Table.from_pylist(facts, _SCHEMA))
    assert visitors(receipts, stores=stores(UNIT_OF), **where) == seen
    everywhere = visitors(receipts, stores=stores(dict.fromkeys(["s1", "s2", "s3", "s4"], "all")), **where)
    for (home, _, period), n in everywhere.items():
        mine = [fact["customer_key"] for fact in facts if _buys(fact, home, period)]
        assert n == len(set(mine))


def _buys(fact: Fact, home: str, period: str) -> bool:
    bought = fact["kind"] == "sale" or (fact["kind"] == "identification" and fact["net_minor"] >= 0)
    return bought and HOME_OF.get(fact["customer_key"]) == home and _period(fact["business_date"]) == period


def test_stores_in_no_unit_are_elsewhere_and_days_between_the_periods_nowhere() -> None:
    between = BEFORE.last + timedelta(days=1)
    found = sums([a_fact("s4", "sale", BEFORE.last, 1, 700), a_fact("s1", "sale", between, 1, 900)])
    assert {key: row["net_minor"] for key, row in found.items()} == {("north", None, "before"): 700}


def test_somebody_or_something_listed_twice_is_refused() -> None:
    receipts = ibis.memtable(pa.Table.from_pylist([], _SCHEMA))
    twice = pa.concat_tables([homes({1: "north"}), homes({1: "south"})])
    with pytest.raises(DuplicateUnit):
        visit_sums(receipts, homes=twice, stores=stores(UNIT_OF), window=WINDOW, before=BEFORE)
    doubled = pa.concat_tables([stores(UNIT_OF), stores({"s1": "south"})])
    with pytest.raises(DuplicateUnit):
        visit_sums(receipts, homes=homes(HOME_OF), stores=doubled, window=WINDOW, before=BEFORE)
