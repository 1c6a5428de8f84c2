"""Moments: every metric by hand on a few receipts, the same on any threads, and equal to plain Python on many."""

import random
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest

from experiments import (
    ArmMoments,
    Metric,
    NotEstimable,
    UnitMoments,
    Window,
    arm_moments,
    average_basket,
    identification_rate,
    purchase_frequency,
    repeat_purchase,
    retention,
    spend_per_customer,
    store_total,
    unit_moments,
    windows_for,
)
from experiments.errors import DuplicateUnit, InvalidWindow, NotMeasurable, UnknownUnit
from tests.experiments.building import homes, receipts, stores

WINDOW = Window(date(2026, 1, 1), date(2026, 1, 28))
BEFORE = Window(date(2025, 12, 1), date(2025, 12, 31))
THROUGH = date(2026, 1, 28)
STORES = stores({"s1": "s1", "s2": "s2", "s3": "s3"})
HOMES = homes({1: "s1", 2: "s1", 3: "s2"})
FEW = [
    ("s1", "sale", date(2026, 1, 5), 1, 1000),
    ("s1", "sale", date(2026, 1, 5), 1, 400),  # the same day: one purchase day
    ("s2", "sale", date(2026, 1, 9), 1, 500),  # at home in s1, shops in s2
    ("s1", "return", date(2026, 1, 20), 1, -200),  # reduces sales, makes no purchase day
    ("s2", "sale", date(2026, 1, 7), None, 300),
    ("s2", "sale", date(2026, 1, 30), 3, 999),  # after the window
    ("s1", "sale", date(2025, 12, 30), 2, 700),
    ("s1", "sale", date(2025, 11, 30), 2, 70),  # before both windows
    ("s2", "sale", date(2026, 1, 8), 9, 50),  # first identified later: on nobody's list
]


def _measure(metric: Metric, units: tuple[str, ...] = ("s3", "s1", "s2")) -> dict[str, UnitMoments]:
    windows = windows_for(metric, window=WINDOW, before=BEFORE, data_through=THROUGH)
    found = unit_moments(receipts(FEW), metric, windows, units=units, stores=STORES, homes=HOMES)
    assert [m.unit for m in found] == sorted(units)
    return {m.unit: m for m in found}


def _short(m: UnitMoments) -> tuple[int, ...]:
    return m.n, m.y, m.yy, m.n_x, m.x, m.xx, m.xy


@pytest.mark.parametrize(
    ("metric", "s1", "s2", "s3"),
    [
        (
            store_total(),
            (28, 1200, 2000000, 31, 700, 490000, 0), (28, 850, 342500, 31, 0, 0, 0), (28, 0, 0, 31, 0, 0, 0),
        ),
        (purchase_frequency(), (2, 2, 4, 2, 1, 1, 0), (1, 0, 0, 1, 0, 0, 0), (0, 0, 0, 0, 0, 0, 0)),
        (repeat_purchase(28), (2, 1, 1, 2, 0, 0, 0), (1, 0, 0, 1, 0, 0, 0), (0, 0, 0, 0, 0, 0, 0)),
        (retention(5, 27), (2, 1, 1, 2, 1, 1, 0), (1, 0, 0, 1, 0, 0, 0), (0, 0, 0, 0, 0, 0, 0)),
        (spend_per_customer(), (2, 1700, 1700**2, 2, 700, 490000, 0), (1, 0, 0, 1, 0, 0, 0), (0, 0, 0, 0, 0, 0, 0)),
        (average_basket(), (2, 1200, 1200000, 1, 700, 490000, 0), (3, 850, 342500, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, 0)),
        (identification_rate(), (2, 2, 2, 1, 1, 1, 0), (3, 2, 2, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, 0)),
    ],
    ids=lambda value: value.code if isinstance(value, Metric) else "",
)  # fmt: skip
def test_moments_by_hand(metric: Metric, s1: tuple[int, ...], s2: tuple[int, ...], s3: tuple[int, ...]) -> None:
    found = _measure(metric)
    assert (_short(found["s1"]), _short(found["s2"]), _short(found["s3"])) == (s1, s2, s3)


def test_a_region_counts_the_days_of_all_its_stores() -> None:
    windows = windows_for(store_total(), window=WINDOW, before=None, data_through=THROUGH)
    (north, south) = unit_moments(
        receipts(FEW),
        store_total(),
        windows,
        units=["north", "south"],
        stores=stores({"s1": "north", "s2": "north", "s3": "south"}),
    )
    assert (north.n, north.y, north.n_x, north.days_x) == (56, 2050, 0, 0)
    assert (south.n, south.y) == (28, 0)


def test_shoppers_who_are_not_on_the_list_move_no_customer_metric() -> None:
    windows = windows_for(spend_per_customer(), window=WINDOW, before=BEFORE, data_through=THROUGH)
    more = [*FEW, *[("s1", "sale", date(2026, 1, 10), 50 + i, 10_000) for i in range(20)]]
    for metric in (spend_per_customer(), purchase_frequency()):
        arguments: dict[str, Any] = {"units": ["s1", "s2", "s3"], "stores": STORES, "homes": HOMES}
        assert unit_moments(receipts(FEW), metric, windows, **arguments) == unit_moments(
            receipts(more), metric, windows, **arguments
        )


def test_a_customer_metric_without_a_list_is_refused() -> None:
    windows = windows_for(spend_per_customer(), window=WINDOW, before=None, data_through=THROUGH)
    with pytest.raises(NotEstimable, match="home customers"):
        unit_moments(receipts(FEW), spend_per_customer(), windows, units=["s1"], stores=STORES)


def test_lists_that_do_not_fit_are_refused() -> None:
    windows = windows_for(store_total(), window=WINDOW, before=None, data_through=THROUGH)
    with pytest.raises(DuplicateUnit):
        unit_moments(receipts(FEW), store_total(), windows, units=["s1", "s1"], stores=STORES)
    with pytest.raises(UnknownUnit, match="s3"):
        unit_moments(receipts(FEW), store_total(), windows, units=["s1", "s2"], stores=STORES)
    twice = pa.table({"store_id": ["s1", "s1"], "unit": ["s1", "s2"]})
    with pytest.raises(DuplicateUnit):
        unit_moments(receipts(FEW), store_total(), windows, units=["s1", "s2"], stores=twice)


def _many(n: int) -> list[tuple[str, str, date, int | None, int]]:
    rng = random.Random(11)
    rows: list[tuple[str, str, date, int | None, int]] = []
    for _ in range(n):
        day = BEFORE.first + timedelta(days=rng.randrange(65))
        customer = rng.randrange(40) if rng.random() < 0.8 else None
        sale = rng.random() < 0.93
        net = rng.randrange(1, 10**10) if sale else -rng.randrange(1, 10**9)
        rows.append((f"s{rng.randrange(1, 4)}", "sale" if sale else "return", day, customer, net))
    return rows


def test_many_receipts_equal_plain_python_to_the_digit() -> None:
    rows, listed = _many(4000), {key: f"s{key % 3 + 1}" for key in range(30)}
    windows = windows_for(spend_per_customer(), window=WINDOW, before=BEFORE, data_through=THROUGH)
    after: dict[int, int] = defaultdict(int)
    earlier: dict[int, int] = defaultdict(int)
    for _, _, day, customer, net in rows:
        if customer is not None and WINDOW.contains(day):
            after[customer] += net
        if customer is not None and BEFORE.contains(day):
            earlier[customer] += net
    found = unit_moments(
        receipts(rows), spend_per_customer(), windows, units=["s1", "s2", "s3"], stores=STORES, homes=homes(listed)
    )
    for m in found:
        keys = [key for key, unit in listed.items() if unit == m.unit]
        assert (m.n, m.y, m.x) == (len(keys), sum(after[k] for k in keys), sum(earlier[k] for k in keys))
        assert (m.yy, m.xx) == (sum(after[k] ** 2 for k in keys), sum(earlier[k] ** 2 for k in keys))
        assert m.xy == sum(after[k] * earlier[k] for k in keys)
        assert m.yy > 2**63  # far beyond what a 64-bit sum or a double could hold exactly


@pytest.mark.parametrize("metric", [store_total(), spend_per_customer(), purchase_frequency(), average_basket()])
def test_the_number_of_threads_changes_nothing(metric: Metric) -> None:
    table = receipts(_many(20_000)).to_pyarrow()
    windows = windows_for(metric, window=WINDOW, before=BEFORE, data_through=THROUGH)
    found = []
    for threads in (1, 4):
        connection = ibis.duckdb.from_connection(duckdb.connect(config={"threads": threads}))
        try:
            source = connection.create_table("receipts", table)
            arguments: dict[str, Any] = {"units": ["s1", "s2", "s3"], "stores": STORES, "homes": HOMES}
            found.append(unit_moments(source, metric, windows, **arguments))
        finally:
            connection.disconnect()
    assert found[0] == found[1]


def test_moments_of_a_union_are_the_sum_of_moments() -> None:
    rows = _many(3000)
    windows = windows_for(purchase_frequency(), window=WINDOW, before=BEFORE, data_through=THROUGH)
    parts = [homes(dict.fromkeys(keys, "s1")) for keys in (range(15), range(15, 30))]
    one, two, both = (
        unit_moments(receipts(rows), purchase_frequency(), windows, units=["s1"], stores=stores({}), homes=h)[0]
        for h in (*parts, homes(dict.fromkeys(range(30), "s1")))
    )
    assert one + two == both


CUSTOMERS = {"customer_key": [1, 2, 3], "variant": ["control", "points", "points"]}


def _arms(metric: Metric, **columns: list[Any]) -> dict[str, ArmMoments]:
    table = pa.table(CUSTOMERS | columns)
    found = arm_moments(receipts(FEW), metric, customers=table, window=WINDOW, before=BEFORE, data_through=THROUGH)
    return {m.variant: m for m in found}


def test_arms_of_customers_by_hand() -> None:
    found = _arms(spend_per_customer())
    assert (found["control"].n, found["control"].y, found["control"].yy, found["control"].d) == (1, 1700, 1700**2, 1)
    assert (found["points"].n, found["points"].y, found["points"].x, found["points"].ee) == (2, 0, 700, 2)
    basket = _arms(average_basket())
    assert (basket["control"].y, basket["control"].d, basket["control"].yd, basket["control"].dd) == (1700, 3, 5100, 9)
    assert (basket["points"].x, basket["points"].e, basket["points"].xe) == (700, 1, 700)


def test_arms_are_kept_apart_by_stratum() -> None:
    table = pa.table(CUSTOMERS | {"stratum": ["young", "young", "old"]})
    found = arm_moments(
        receipts(FEW), spend_per_customer(), customers=table, window=WINDOW, before=None, data_through=THROUGH
    )
    assert [(m.variant, m.stratum, m.n) for m in found] == [
        ("control", "young", 1),
        ("points", "old", 1),
        ("points", "young", 1),
    ]


def test_a_later_customer_counts_from_the_own_index_day_once_its_days_have_passed() -> None:
    later = [date(2026, 1, 9), None, date(2026, 1, 27)]
    found = _arms(retention(1, 3), index_date=later)
    assert found["control"].y == 0  # the purchase on the index day itself is day 0
    assert found["points"].n == 1  # the third customer's days have not passed
    assert _arms(purchase_frequency(), index_date=later).keys() == {"points"}  # assigned after the window opened


def test_when_nobodys_days_have_passed_the_metric_is_refused() -> None:
    with pytest.raises(NotEstimable, match="observed"):
        _arms(repeat_purchase(60))


def test_store_metrics_and_doubled_customers_are_refused_for_customer_draws() -> None:
    with pytest.raises(NotMeasurable):
        _arms(store_total())
    with pytest.raises(DuplicateUnit):
        _arms(spend_per_customer(), customer_key=[1, 1, 3])
    with pytest.raises(InvalidWindow):
        arm_moments(
            receipts(FEW),
            spend_per_customer(),
            customers=pa.table(CUSTOMERS),
            window=WINDOW,
            before=WINDOW,
            data_through=THROUGH,
        )
