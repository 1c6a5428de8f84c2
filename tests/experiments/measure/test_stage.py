"""A stage in one pass: whatever happened, its moments are those of plain Python, receipt by receipt."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import DuplicateUnit, InvalidWindow, NotEstimable, UnknownUnit
from experiments.estimate.kaplan_meier import kaplan_meier
from experiments.measure.customer_sums import customer_sums, merge_customer_sums
from experiments.measure.days import DayFacts, customer_days, store_days
from experiments.measure.kept_sums import CustomerSums, KeptSums, ReadSums
from experiments.measure.metrics import (
    Metric,
    MetricLevel,
    average_basket,
    identification_rate,
    purchase_frequency,
    repeat_purchase,
    retention,
    spend_per_customer,
    store_total,
)
from experiments.measure.series import Weekly, weeks_around
from experiments.measure.stage import Asked, StageMoments, stage_moments, stage_reach
from experiments.measure.stage_arms import AskedOfArms, stage_arms
from experiments.measure.windows import Window, windows_for
from tests.experiments.measure.shelf import Shelf

Fact = tuple[int, str, date, int | None, int]  # store, kind, day, customer, net

BEFORE = Window(date(2025, 11, 10), date(2025, 12, 21))
WINDOW = Window(date(2025, 12, 22), date(2026, 2, 22))  # with the days before, more than one chunk of days
METRICS = (
    store_total(), average_basket(), identification_rate(), spend_per_customer(), purchase_frequency(),
    repeat_purchase(30), retention(5, 40),
)  # fmt: skip
UNIT_OF = {1: "a", 2: "a", 3: "b", 4: "c"}
HOME_OF = {key: "abc"[key % 3] for key in range(1, 9)}
SEGMENT_OF = {key: ("old", "young", None)[key % 4 % 3] for key in HOME_OF}

days = st.dates(BEFORE.first - timedelta(days=3), WINDOW.last + timedelta(days=3))
facts = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(["sale", "sale", "sale", "return", "correction", "identification"]),
        days,
        st.one_of(st.none(), st.integers(1, 10)),  # 9 and 10 are on no list
        st.integers(-(10**11), 10**11),  # squares far beyond 64 bits
    ).filter(lambda fact: fact[1] != "identification" or fact[3] is not None),
    max_size=40,
)


def _receipts(rows: Sequence[Fact]) -> ibis.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    types = {"store_id": pa.int64(), "kind": pa.string(), "business_date": pa.date32(), "customer_key": pa.int64(),
             "net_minor": pa.int64()}  # fmt: skip
    return ibis.memtable(
        pa.table({name: pa.array(column, kind) for (name, kind), column in zip(types.items(), columns, strict=True)})
    )


def _asked(metrics: Sequence[Metric] = METRICS) -> Asked:
    windows = [(m, windows_for(m, window=WINDOW, before=BEFORE, data_through=WINDOW.last)) for m in metrics]
    weeks = weeks_around(WINDOW.first, first=BEFORE.first, last=WINDOW.last)
    return Asked(windows, ("old", "young"), Weekly(purchase_frequency(), weeks), WINDOW, WINDOW)


def _homes() -> pa.Table:
    return pa.table(
        {"customer_key": list(HOME_OF), "unit": list(HOME_OF.values()), "segment": list(SEGMENT_OF.values())}
    )


def _stores() -> pa.Table:
    return pa.table({"store_id": list(UNIT_OF), "unit": list(UNIT_OF.values())})


def _stage(source: DayFacts, sums: CustomerSums | None = None) -> StageMoments:
    assignment = {"a": "control", "b": "points", "c": "points"}
    return stage_moments(
        source, _asked(), units="abc", stores=_stores(), homes=_homes(), assignment=assignment, sums=sums
    )


def _is_purchase(fact: Fact) -> bool:
    return fact[1] == "sale" or (fact[1] == "identification" and fact[4] >= 0)


def _purchase_days(rows: Sequence[Fact], key: int) -> set[date]:
    return {fact[2] for fact in rows if fact[3] == key and _is_purchase(fact)}


def _of_customer(metric: Metric, rows: Sequence[Fact], key: int, window: Window) -> int:
    if metric == spend_per_customer():
        return sum(fact[4] for fact in rows if fact[3] == key and window.contains(fact[2]))
    found = len({day for day in _purchase_days(rows, key) if window.contains(day)})
    if metric == purchase_frequency():
        return found
    return int(found >= (2 if metric == repeat_purchase(30) else 1))


def _store_sums(metric: Metric, rows: Sequence[Fact], unit: str, window: Window) -> tuple[int, int, int]:
    """n, y, yy of a unit's receipts."""
    mine = [fact for fact in rows if UNIT_OF[fact[0]] == unit and window.contains(fact[2])]
    sales = sum(fact[1] == "sale" for fact in mine)
    if metric == identification_rate():
        found = sum(_is_purchase(fact) and fact[3] is not None for fact in mine)
        return sales, found, found
    counted = [fact for fact in mine if fact[1] != "identification"]
    y = sum(fact[4] for fact in counted)
    if metric == average_basket():
        return sales, y, sum(fact[4] ** 2 for fact in counted)
    by_day: dict[tuple[int, date], int] = {}
    for store, _, day, _, net in counted:
        by_day[store, day] = by_day.get((store, day), 0) + net
    n_stores = sum(u == unit for u in UNIT_OF.values())
    return n_stores * window.days, y, sum(net**2 for net in by_day.values())


@settings(max_examples=12, deadline=None)
@given(facts)
def test_every_moment_is_that_of_plain_python(rows: list[Fact]) -> None:
    found = _stage(DayFacts.of_receipts(_receipts(rows)))
    for metric in METRICS:
        windows = windows_for(metric, window=WINDOW, before=BEFORE, data_through=WINDOW.last)
        assert windows.before is not None
        for row in found.moments[metric.code]:
            if metric.level is MetricLevel.STORE:
                n, y, yy = _store_sums(metric, rows, row.unit, windows.window)
                n_x, x, xx = _store_sums(metric, rows, row.unit, windows.before)
                assert (row.n, row.y, row.yy, row.n_x, row.x, row.xx, row.xy) == (n, y, yy, n_x, x, xx, 0)
        if metric.level is MetricLevel.STORE:
            continue
        for segment in (None, "old", "young"):
            for row in (found.moments if segment is None else found.segments[segment])[metric.code]:
                keys = [k for k, u in HOME_OF.items() if u == row.unit and segment in (None, SEGMENT_OF[k])]
                ys = [_of_customer(metric, rows, key, windows.window) for key in keys]
                xs = [_of_customer(metric, rows, key, windows.before) for key in keys]
                assert (row.n, row.n_x, row.y, row.x) == (len(keys), len(keys), sum(ys), sum(xs))
                assert (row.yy, row.xx) == (sum(y * y for y in ys), sum(x * x for x in xs))
                assert row.xy == sum(x * y for x, y in zip(xs, ys, strict=True))


@settings(max_examples=5, deadline=None)
@given(facts, st.integers(0, 40))
def test_days_parts_and_kept_sums_give_the_same_digits(rows: list[Fact], cut: int) -> None:
    whole = _receipts(rows)
    expected = _stage(DayFacts.of_receipts(whole))
    parts = [_receipts(rows[:cut]), _receipts(rows[cut:])]
    union = DayFacts(
        ibis.union(*(customer_days(part) for part in parts)), ibis.union(*(store_days(part) for part in parts))
    )
    reach = stage_reach(_asked())
    assert reach is not None
    kept = merge_customer_sums([customer_sums(DayFacts.of_receipts(part).customers, reach) for part in parts], reach)
    assert _stage(union) == expected
    assert _stage(union, ReadSums(kept)) == expected


@settings(max_examples=8, deadline=None)
@given(facts, facts)
def test_what_is_kept_and_the_news_give_the_digits_of_the_full_pass(rows: list[Fact], more: list[Fact]) -> None:
    reach = stage_reach(_asked())
    assert reach is not None

    def sums_of(part: list[Fact]) -> pa.Table:
        rows = customer_sums(DayFacts.of_receipts(_receipts(part)).customers, reach)
        return rows.order_by("customer_key").to_pyarrow()

    shelf = Shelf()
    then = KeptSums(ibis.memtable(sums_of(rows)), sums_of(rows), reach, shelf)
    assert _stage(DayFacts.of_receipts(_receipts(rows)), then) == _stage(DayFacts.of_receipts(_receipts(rows)))
    assert shelf.kept
    now = KeptSums(ibis.memtable(sums_of(rows)), sums_of(rows), reach, shelf, sums_of(more))
    whole = DayFacts.of_receipts(_receipts([*rows, *more]))
    names = set(shelf.kept)
    assert _stage(whole, now) == _stage(whole)
    assert set(shelf.kept) == names  # nothing was reduced again


def test_stages_are_the_same_only_where_every_number_is_risk_tables_included() -> None:
    """Days are those of the calendar: one purchase a day later changes nothing but when somebody came back."""
    first, later = ([(1, "sale", WINDOW.first + timedelta(days=n), 1, 100)] for n in (8, 9))
    one, same, other = (_stage(DayFacts.of_receipts(_receipts(rows))) for rows in (first, first, later))
    assert one == same
    assert one.risk != other.risk
    assert one != replace(same, risk=other.risk)


@settings(max_examples=8, deadline=None)
@given(facts)
def test_a_risk_table_gives_the_curve_of_its_rows(rows: list[Fact]) -> None:
    found = _stage(DayFacts.of_receipts(_receipts(rows)))
    through = (WINDOW.last - WINDOW.first).days
    for unit in "abc":
        keys = [key for key, home in HOME_OF.items() if home == unit]
        firsts = [
            min((d for d in _purchase_days(rows, k) if WINDOW.first < d <= WINDOW.last), default=None) for k in keys
        ]
        time = np.array([through if day is None else (day - WINDOW.first).days for day in firsts], dtype=np.float64)
        event = np.array([float(day is not None) for day in firsts])
        expected = kaplan_meier(time, event)
        parts = [table for (name, _), table in found.risk.items() if name == unit]
        together = parts[0]
        for part in parts[1:]:
            together += part
        curve = kaplan_meier(*together.rows)
        np.testing.assert_array_equal(curve.times, expected.times)
        np.testing.assert_array_equal(curve.at_risk, expected.at_risk)
        np.testing.assert_array_equal(curve.events, expected.events)
        np.testing.assert_allclose(curve.survival, expected.survival)
        assert together.at_risk[0] == len(keys) == together.events.sum() + together.censored.sum()


@settings(max_examples=8, deadline=None)
@given(facts)
def test_arms_are_read_from_each_customers_own_index_day(rows: list[Fact]) -> None:
    index_of = {key: WINDOW.first + timedelta(days=7 * key) for key in HOME_OF}
    customers = pa.table(
        {
            "customer_key": list(HOME_OF),
            "variant": ["control" if key % 2 else "points" for key in HOME_OF],
            "segment": list(SEGMENT_OF.values()),
            "index_date": list(index_of.values()),
        }
    )
    asked = AskedOfArms((retention(5, 25), repeat_purchase(30)), WINDOW, BEFORE, WINDOW.last, ("old",), risk=True)
    found = stage_arms(DayFacts.of_receipts(_receipts(rows)), asked, customers=customers)
    for code, first, last, needed in (("retention_5_25d", 5, 25, 1), ("repeat_purchase_30d", 0, 29, 2)):
        for segment, arms in ((None, found.moments[code]), ("old", found.segments["old"].get(code, ()))):
            for arm in arms:
                keys = [
                    key
                    for key in HOME_OF
                    if (key % 2 == 1) == (arm.variant == "control")
                    and segment in (None, SEGMENT_OF[key])
                    and index_of[key] + timedelta(days=last) <= WINDOW.last
                ]
                own = [{(day - index_of[key]).days for day in _purchase_days(rows, key)} for key in keys]
                assert (arm.n, arm.y) == (
                    len(keys),
                    sum(sum(first <= d <= last for d in each) >= needed for each in own),
                )
    for (variant, _, segment), table in found.risk.items():
        keys = [k for k in HOME_OF if (k % 2 == 1) == (variant == "control") and SEGMENT_OF[k] == segment]
        waits = [
            [(d - index_of[k]).days for d in _purchase_days(rows, k) if index_of[k] < d <= WINDOW.last] for k in keys
        ]
        events = sorted(min(wait) for wait in waits if wait)
        assert events == [int(d) for d, n in zip(table.days, table.events, strict=True) for _ in range(n)]
        assert int(table.at_risk[0]) == len(keys)


def test_the_picture_of_purchase_days_equals_moments_week_by_week() -> None:
    rows: list[Fact] = [(1, "sale", WINDOW.first + timedelta(days=3 * n), n % 8 + 1, 100) for n in range(20)]
    found = _stage(DayFacts.of_receipts(_receipts(rows)))
    assert len(found.weekly) == 15 * 2
    third = next(p for p in found.weekly if p.week == WINDOW.first + timedelta(days=14) and p.variant == "control")
    bought = sum(1 for _, _, day, key, _ in rows if HOME_OF[key or 0] == "a" and 14 <= (day - WINDOW.first).days < 21)
    assert third.value == bought / 2 * 28 / 7  # two customers are at home in a


def test_what_does_not_fit_is_refused() -> None:
    source = DayFacts.of_receipts(_receipts([]))
    with pytest.raises(DuplicateUnit):
        stage_moments(source, _asked(), units=["a", "a"], stores=_stores(), homes=_homes())
    with pytest.raises(UnknownUnit):
        stage_moments(source, _asked(), units=["a", "b"], stores=_stores(), homes=_homes())
    with pytest.raises(NotEstimable, match="home customers"):
        stage_moments(source, Asked((), risk=WINDOW), units=["a"], stores=_stores())
    with pytest.raises(InvalidWindow, match="follow one another"):
        Weekly(store_total(), (Window(date(2026, 1, 1), date(2026, 1, 7)), Window(date(2026, 1, 9), date(2026, 1, 15))))
