"""A few rows are added up as arrays: the same digits as the engine's, however large they are."""

from collections.abc import Sequence
from datetime import date, timedelta

import ibis
import numpy as np
import pyarrow as pa
import pytest
from duckdb import ConversionException
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.measure.customer_sums import CustomerReach, customer_sums, few_customer_sums
from experiments.measure.day_bits import Calendar
from experiments.measure.days import DayFacts
from experiments.measure.exact import products_totals, sums_of_runs
from experiments.measure.kept_sums import KeptSums
from experiments.measure.metrics import (
    average_basket,
    purchase_frequency,
    repeat_purchase,
    retention,
    spend_per_customer,
)
from experiments.measure.series import Weekly, weeks_around
from experiments.measure.stage_arms import AskedOfArms, StageArms, arms_reach, stage_arms
from experiments.measure.windows import Window
from tests.experiments.measure.shelf import Shelf

FIRST = date(2026, 1, 1)
BEFORE, WINDOW = (
    Window(FIRST, FIRST + timedelta(days=69)),
    Window(FIRST + timedelta(days=70), FIRST + timedelta(days=139)),
)
REACH = CustomerReach((BEFORE, WINDOW), (WINDOW,), Calendar(BEFORE.first, WINDOW.last))  # three chunks of days
DAYS = pa.schema([(name, pa.int64()) for name in ("customer_key", "net_minor", "sales", "purchase_days")]).insert(
    1, pa.field("business_date", pa.date32())
)
day_rows = st.lists(
    st.tuples(
        st.integers(1, 9),
        st.dates(FIRST - timedelta(days=3), WINDOW.last + timedelta(days=3)),
        st.integers(-(2**58), 2**58),
        st.integers(0, 3),
        st.integers(0, 1),
    ),
    max_size=30,
)


def _table(rows: Sequence[tuple[int, date, int, int, int]]) -> pa.Table:
    names = ("customer_key", "business_date", "net_minor", "sales", "purchase_days")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=DAYS)


@settings(max_examples=40, deadline=None)
@given(day_rows)
def test_a_few_days_give_the_rows_that_the_engine_gives(rows: list[tuple[int, date, int, int, int]]) -> None:
    table = _table(rows)
    expected = customer_sums(ibis.memtable(table), REACH).order_by("customer_key").to_pyarrow()
    assert few_customer_sums(table, REACH).to_pylist() == expected.to_pylist()


def test_a_sum_beyond_64_bits_is_refused_by_both() -> None:
    most = [(1, BEFORE.first, 2**62, 1, 1), (1, BEFORE.last, 2**62 - 1, 1, 1), (2, BEFORE.first, -(2**63) + 1, 1, 1)]
    found = few_customer_sums(_table(most), REACH).to_pylist()
    assert [row["net_20260101_20260311"] for row in found] == [2**63 - 1, -(2**63) + 1]
    beyond = _table([*most, (1, BEFORE.last, 1, 1, 1)])
    with pytest.raises(OverflowError):
        few_customer_sums(beyond, REACH)
    with pytest.raises(ConversionException):
        customer_sums(ibis.memtable(beyond), REACH).to_pyarrow()


@given(st.lists(st.tuples(*[st.integers(-(2**63) + 1, 2**63 - 1)] * 2, st.integers(0, 3)), min_size=1, max_size=20))
def test_products_and_runs_are_those_of_plain_python(rows: list[tuple[int, int, int]]) -> None:
    rows.sort(key=lambda row: row[2])
    a, b, groups = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    expected = [sum(x * y for x, y, group in rows if group == wanted) for wanted in range(4)]
    assert list(products_totals(a, b, groups, 4)) == expected
    starts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
    sums = [sum(x for x, _, group in rows if group == wanted) for wanted in sorted({row[2] for row in rows})]
    if all(-(2**63) <= total < 2**63 for total in sums):
        assert sums_of_runs(a, starts).tolist() == sums
    else:
        with pytest.raises(OverflowError):
            sums_of_runs(a, starts)


@settings(max_examples=10, deadline=None)
@given(day_rows, day_rows, st.lists(st.one_of(st.none(), st.integers(0, 80)), min_size=8, max_size=8))
def test_arms_whose_customers_have_days_of_their_own_follow_the_news(
    rows: list[tuple[int, date, int, int, int]], more: list[tuple[int, date, int, int, int]], index: list[int | None]
) -> None:
    """Customers 1 to 8, each counted from an own day, some of them after the last day that is observed."""
    smaller = [[(*row[:2], row[2] >> 18, *row[3:]) for row in part] for part in (rows, more)]
    asked = AskedOfArms(
        (spend_per_customer(), average_basket(), purchase_frequency(), repeat_purchase(20), retention(5, 30)),
        WINDOW,
        BEFORE,
        WINDOW.last,
        ("young",),
        Weekly(purchase_frequency(), weeks_around(WINDOW.first, first=BEFORE.first, last=WINDOW.last)),
        risk=True,
    )
    reach = arms_reach(asked)
    assert reach is not None
    starts = [None if n is None else WINDOW.first + timedelta(days=n) for n in index]
    customers = pa.table(
        {
            "customer_key": pa.array([8, 1, 2, 3, 4, 5, 6, 7], pa.int64()),
            "variant": ["control", "offer"] * 4,
            "segment": ["young", "old", None, "young"] * 2,
            "index_date": pa.array(starts, pa.date32()),
        }
    )

    def arms(part: list[tuple[int, date, int, int, int]], sums: KeptSums | None = None) -> StageArms:
        facts = ibis.memtable(_table(part))
        return stage_arms(DayFacts(facts, facts), asked, customers=customers, sums=sums)

    kept = few_customer_sums(_table(smaller[0]), reach)
    shelf = Shelf()
    arms(smaller[0], KeptSums(ibis.memtable(kept), kept, reach, shelf))
    now = KeptSums(ibis.memtable(kept), kept, reach, shelf, few_customer_sums(_table(smaller[1]), reach))
    found, whole = arms(smaller[0] + smaller[1], now), arms(smaller[0] + smaller[1])
    assert (found.moments, found.segments, found.weekly) == (whole.moments, whole.segments, whole.weekly)
    assert found.risk == whole.risk
    everybody = now.everybody().order_by("customer_key").to_pyarrow().select(kept.schema.names)
    assert everybody.to_pylist() == few_customer_sums(_table(smaller[0] + smaller[1]), reach).to_pylist()
