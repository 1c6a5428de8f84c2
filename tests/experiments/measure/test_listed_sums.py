"""Sums of listed customers by week and group: against Python receipt by receipt, and tenths by their definition."""

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidWindow
from experiments.measure.listed_sums import AMOUNTS, listed_sums, spend_tenths
from experiments.measure.windows import Window
from tests.experiments.measure.test_visits import _SCHEMA, a_fact

BEFORE, WINDOW = Window(date(2026, 1, 5), date(2026, 1, 18)), Window(date(2026, 1, 19), date(2026, 2, 8))
HOME_OF = {1: ("north", "a"), 2: ("north", "b"), 3: ("south", "a"), 4: ("south", None)}  # 5 is on no list
BIG = 4_000_000_000_000


def homes() -> pa.Table:
    return pa.table(
        {
            "customer_key": pa.array(list(HOME_OF), pa.int64()),
            "unit": pa.array([unit for unit, _ in HOME_OF.values()], pa.string()),
            "group": pa.array([group for _, group in HOME_OF.values()], pa.string()),
        }
    )


def lake(facts: list[dict[str, Any]]) -> Any:
    return ibis.memtable(pa.Table.from_pylist(facts, _SCHEMA))


@st.composite
def worlds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Sales, returns, corrections and late identifications of listed and other customers, also outside the windows."""
    days = st.integers(-3, 38).map(lambda n: BEFORE.first + timedelta(days=n))
    return [
        a_fact(
            "s1", draw(st.sampled_from(["sale", "return", "correction", "identification"])), draw(days),
            draw(st.none() | st.integers(1, 5)), draw(st.integers(-900, 900) | st.just(BIG)),
            discount_minor=draw(st.integers(0, 50)), reward_minor=draw(st.integers(0, 9)),
        )
        for _ in range(draw(st.integers(0, 15)))
    ]  # fmt: skip


@given(worlds())
@settings(max_examples=25, deadline=None)
def test_sums_are_those_of_every_receipt_that_carries_a_listed_customer(facts: list[dict[str, Any]]) -> None:
    found = listed_sums(lake(facts), homes=homes(), window=WINDOW, before=BEFORE)
    expected: dict[tuple[str, str, str | None, int], int] = defaultdict(int)
    for fact in facts:
        week = (fact["business_date"] - WINDOW.first).days // 7
        if fact["customer_key"] in HOME_OF and -2 <= week < 3:
            for name in AMOUNTS:
                expected[name, *HOME_OF[fact["customer_key"]], week] += fact[name]
    assert found.n_weeks == 3
    for unit in ("north", "south"):
        for name in AMOUNTS:
            weeks = [
                sum(v for (n, u, _, w), v in expected.items() if (n, u, w) == (name, unit, k)) for k in range(-2, 3)
            ]
            assert [found.amount(name, unit, first=k, last=k + 1) for k in range(-2, 3)] == weeks
            assert found.before(name, unit) == sum(weeks[:2])
            assert found.amount(name, unit) == sum(weeks[2:])
        groups = ["a", "b"]
        parts = sum(found.amount("net_minor", unit, group) for group in groups)
        rest = sum(v for (n, u, g, w), v in expected.items() if (n, u, g) == ("net_minor", unit, None) and w >= 0)
        assert parts + rest == found.amount("net_minor", unit)
        assert found.listed(unit) == 2


def test_weeks_that_are_not_whole_or_do_not_meet_are_refused() -> None:
    for window, before in (
        (Window(WINDOW.first, date(2026, 2, 7)), BEFORE),
        (WINDOW, Window(BEFORE.first, date(2026, 1, 11))),
    ):
        with pytest.raises(InvalidWindow):
            listed_sums(lake([]), homes=homes(), window=window, before=before)


def test_tenths_go_by_spend_before_the_start_and_equals_stay_together() -> None:
    facts = [a_fact("s1", "sale", BEFORE.first, key, 100 * key) for key in range(1, 18)]
    facts += [
        a_fact("s1", "sale", WINDOW.first, key, BIG // key) for key in range(1, 18)
    ]  # what comes later says nothing
    listed = pa.table({"customer_key": pa.array(range(1, 21), pa.int64()), "unit": ["u"] * 20})  # 18 to 20 never bought
    tenths = spend_tenths(lake(facts), homes=listed, before=BEFORE)
    assert tenths[17:] == ["1", "1", "1"]
    assert tenths[:17] == [str(1 + 10 * (2 + key) // 20) for key in range(1, 18)]
    assert tenths[16] == "10"
