"""Week by week: the treated and the control units side by side, for the picture of a pilot over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from experiments.measure.metrics import Metric
from experiments.measure.moments import unit_moments
from experiments.measure.windows import Window, Windows

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
    """The mean over units of ``metric`` in each of ``weeks``, per variant; weeks and variants in order.

    Metrics with days of their own have no weekly value: pass a total, a rate, a spend or a frequency. A unit whose
    denominator is zero in a week is left out of that week's mean.
    """
    points = []
    for week in weeks:
        moments = unit_moments(
            receipts, metric, Windows(week, None), units=list(assignment), stores=stores, homes=homes
        )
        values: dict[str, list[float]] = {}
        for unit in moments:
            if unit.n:
                values.setdefault(assignment[unit.unit], []).append(metric.value(unit))
        points += [
            WeekPoint(week.first, variant, sum(values[variant]) / len(values[variant]), len(values[variant]))
            for variant in sorted(values)
        ]
    return tuple(points)
