"""Sales outside the list and the full-price share: from the receipts, equal to the visits, whatever else is kept."""

from datetime import date, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings

from experiments import UnitMoments, Window, full_price_share, sales_outside_list, store_total, unit_moments
from experiments.errors import NotEstimable
from experiments.measure.days import DayFacts, customer_days, store_days
from experiments.measure.series import Weekly, weeks_around
from experiments.measure.stage import Asked, stage_moments, store_reach
from experiments.measure.store_moments import daily_sums
from experiments.measure.windows import Windows
from tests.experiments.building import homes, stores
from tests.experiments.measure.test_visits import _SCHEMA, BEFORE, HOME_OF, UNIT_OF, WINDOW, Fact, a_fact, sums, worlds

WINDOWS = Windows(WINDOW, BEFORE)
METRICS = (sales_outside_list(), full_price_share())
LISTED = homes({key: unit for key, unit in HOME_OF.items() if unit != "elsewhere"} | {4: "south"})


def _receipts(facts: list[Fact]) -> ibis.Table:
    return ibis.memtable(pa.Table.from_pylist(facts, _SCHEMA))


def _moments(facts: list[Fact], code: str) -> tuple[UnitMoments, ...]:
    asked = Asked([(metric, WINDOWS) for metric in METRICS])
    found = stage_moments(
        DayFacts.of_receipts(_receipts(facts)), asked, units=["north", "south"], stores=stores(UNIT_OF), homes=LISTED
    )
    return found.moments[code]


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_they_are_the_sums_of_the_visits(facts: list[Fact]) -> None:
    seen = sums(facts, home={1: "north", 2: "south", 3: "south", 4: "south"})

    def total(unit: str, period: str, name: str, *, outside: bool) -> int:
        cells = [row for (home, at, when), row in seen.items() if (at, when) == (unit, period)
                 and (home is None or not outside)]  # fmt: skip
        return sum(row[name] for row in cells)

    for m in _moments(facts, "sales_outside_list"):
        assert m.y == total(m.unit, "window", "net_minor", outside=True)
        assert m.x == total(m.unit, "before", "net_minor", outside=True)
        n_stores = list(UNIT_OF.values()).count(m.unit)
        assert (m.n, m.n_x) == (n_stores * WINDOW.days, n_stores * BEFORE.days)
    for m in _moments(facts, "full_price_share"):
        assert m.y == total(m.unit, "window", "full_price_net_minor", outside=False)
        assert m.n == max(0, total(m.unit, "window", "net_minor", outside=False))
        assert m.n_x == max(0, total(m.unit, "before", "net_minor", outside=False))


@settings(max_examples=20, deadline=None)
@given(worlds())
def test_days_that_somebody_keeps_give_the_same(facts: list[Fact]) -> None:
    receipts = _receipts(facts)
    week = Weekly(
        sales_outside_list(), weeks_around(WINDOW.first, first=BEFORE.first, last=WINDOW.first + timedelta(6))
    )
    asked = Asked([(metric, WINDOWS) for metric in (*METRICS, store_total())], weekly=week, activity=WINDOW)
    where: dict[str, Any] = {"units": ["north", "south"], "stores": stores(UNIT_OF), "homes": LISTED,
                             "assignment": {"north": "control", "south": "points"}}  # fmt: skip
    plain = stage_moments(DayFacts.of_receipts(receipts), asked, **where)
    derived = DayFacts(customer_days(receipts), store_days(receipts), receipts)
    reach = store_reach(asked)
    assert reach is not None
    kept = daily_sums(derived.stores, reach.first, reach.last).to_pyarrow()
    again = stage_moments(derived, asked, **where, days=kept)
    assert (again.moments, again.weekly, again.activity) == (plain.moments, plain.weekly, plain.activity)


def test_what_listed_customers_buy_is_not_outside_by_hand() -> None:
    day = WINDOW.first
    facts = [
        a_fact("s1", "sale", day, None, 1000),
        a_fact("s1", "sale", day, 1, 400, discount_minor=40),
        a_fact("s1", "sale", day, 6, 70),  # known, but on no list
        a_fact("s2", "sale", day, None, 300),
        a_fact("s2", "identification", day, 2, 300),  # it was a listed customer, at home in the south
        a_fact("s1", "return", day, None, -50),
    ]
    north = _moments(facts, "sales_outside_list")[0]
    assert north.y == 1000 + 70 - 50
    assert sales_outside_list().value(north) == 1020 / (2 * WINDOW.days) * 7
    share = _moments(facts, "full_price_share")[0]
    assert (share.y, share.n) == (1000 + 70 + 300 - 50, 1720)
    assert full_price_share().value(share) == 1320 / 1720


def test_sales_outside_the_list_need_the_list() -> None:
    windows = Windows(Window(date(2026, 1, 14), date(2026, 1, 18)), None)
    with pytest.raises(NotEstimable) as refused:
        unit_moments(_receipts([]), sales_outside_list(), windows, units=["north", "south"], stores=stores(UNIT_OF))
    assert refused.value.message.code == "no_home_list"


def test_days_without_their_receipts_cannot_be_asked_for_them() -> None:
    receipts = _receipts([a_fact("s1", "sale", WINDOW.first, None, 1)])
    facts = DayFacts(customer_days(receipts), store_days(receipts))
    with pytest.raises(ValueError, match="without their receipts"):
        stage_moments(facts, Asked([(full_price_share(), WINDOWS)]), units=["north", "south"], stores=stores(UNIT_OF))
