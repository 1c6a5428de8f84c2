"""Week by week: the treated and the control units side by side, for the picture of a pilot over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from experiments.errors import NotEstimable
from experiments.measure.metrics import Metric, MetricKind, MetricLevel
from experiments.measure.moments import exact_sum, no_home_list
from experiments.measure.windows import Window
from experiments.messages import N_, Message

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class WeekPoint:
    """One variant in one week: ``week`` is its first day, ``value`` the mean of its ``n_units`` unit values."""

    week: date
    variant: str
    value: float
    n_units: int


def weeks_around(start: date, *, first: date, last: date) -> tuple[Window, ...]:
    """The whole weeks between ``first`` and ``last``, cut so that one of them begins on ``start``."""
    begin = start - timedelta(days=7 * ((start - first).days // 7))
    weeks = []
    while begin + timedelta(days=6) <= last:
        weeks.append(Window(begin, begin + timedelta(days=6)))
        begin += timedelta(days=7)
    return tuple(weeks)


def weekly_series(
    receipts: ir.Table,
    metric: Metric,
    weeks: Sequence[Window],
    *,
    assignment: Mapping[str, str],
    stores: pa.Table,
    homes: pa.Table | None = None,
) -> tuple[WeekPoint, ...]:
    """The mean over units of ``metric`` in each of ``weeks`` (disjoint), per variant; weeks and variants in order.

    One pass over the receipts. A unit whose denominator is zero in a week is left out of that week's mean. Raises
    ``NotEstimable`` for a metric with days of its own, which has no weekly value, and for a customer metric without
    ``homes``.
    """
    if metric.has_fixed_window:
        raise NotEstimable(
            Message("no_weekly_value", N_("{metric} has days of its own and no weekly value"), {"metric": metric.code})
        )
    if metric.level is MetricLevel.CUSTOMER and homes is None:
        raise no_home_list(metric)
    members = stores if homes is None or metric.level is MetricLevel.STORE else homes
    sizes = Counter(str(unit) for unit in members.column("unit").to_pylist())
    sums = _weekly_sums(receipts, metric, weeks, members) if weeks else {}
    points = []
    for number, week in enumerate(weeks):
        values: dict[str, list[float]] = {}
        for unit in sorted(assignment):
            y, sales = sums.get((number, unit), (0, 0))
            n = _denominator(metric, sizes[unit], sales, week.days)
            if n:
                values.setdefault(assignment[unit], []).append(y / n * metric.scale(week.days))
        points += [
            WeekPoint(week.first, variant, sum(found) / len(found), len(found))
            for variant, found in sorted(values.items())
        ]
    return tuple(points)


def _denominator(metric: Metric, size: int, sales: int, days: int) -> int:
    if metric.kind is MetricKind.STORE_TOTAL:
        return size * days
    return size if metric.level is MetricLevel.CUSTOMER else sales


def _weekly_sums(
    receipts: ir.Table, metric: Metric, weeks: Sequence[Window], members: pa.Table
) -> dict[tuple[int, str], tuple[int, int]]:
    """(number of the week, unit) → (numerator, sale receipts), exact."""
    import ibis

    calendar = [(week.first + timedelta(days=d), number) for number, week in enumerate(weeks) for d in range(week.days)]
    days = ibis.memtable(_calendar_table(calendar))
    key = "customer_key" if metric.level is MetricLevel.CUSTOMER else "store_id"
    t = receipts.filter(receipts.business_date.between(calendar[0][0], calendar[-1][0]))
    t = t.select("store_id", "kind", "business_date", "customer_key", "net_minor")
    t = t.join(ibis.memtable(members.select([key, "unit"])), key).join(days, "business_date")
    sale = t.kind == "sale"
    if metric.kind is MetricKind.PURCHASE_FREQUENCY:
        t = t.group_by("week", "unit", "customer_key").aggregate(
            y=t.business_date.nunique(where=sale), sales=sale.cast("int64").sum()
        )
    elif metric.kind is MetricKind.IDENTIFICATION_RATE:
        t = t.mutate(y=(sale & t.customer_key.notnull()).cast("int64"), sales=sale.cast("int64"))
    else:
        t = t.mutate(y=t.net_minor, sales=sale.cast("int64"))
    rows = t.group_by("week", "unit").aggregate(y=exact_sum(t.y), sales=exact_sum(t.sales)).to_pyarrow().to_pylist()
    return {(row["week"], row["unit"]): (int(row["y"]), int(row["sales"])) for row in rows}


def _calendar_table(calendar: Sequence[tuple[date, int]]) -> pa.Table:
    """The days of all weeks with the number of their week."""
    import pyarrow as pa

    days, numbers = [day for day, _ in calendar], [number for _, number in calendar]
    return pa.Table.from_arrays(
        [pa.array(days, pa.date32()), pa.array(numbers, pa.int64())], names=["business_date", "week"]
    )
