"""Week by week: the treated and the control units side by side, for the picture of a pilot over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import InvalidWindow, NotEstimable
from experiments.measure.customer_sums import CustomerReach
from experiments.measure.days import DayFacts
from experiments.measure.exact import exact_sum, totals, whole_sum, whole_totals
from experiments.measure.kept_sums import CustomerSums
from experiments.measure.listed import Listed
from experiments.measure.metrics import Metric, MetricKind
from experiments.measure.store_moments import DENOMINATORS, NUMERATORS, Daily
from experiments.measure.windows import Window
from experiments.messages import N_, Message

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

_WEEK = 7


@dataclass(frozen=True, slots=True)
class WeekPoint:
    """One variant in one week: ``week`` is its first day, ``value`` the mean of its ``n_units`` unit values."""

    week: date
    variant: str
    value: float
    n_units: int


@dataclass(frozen=True, slots=True)
class Weekly:
    """What the picture over time shows: the weekly means of ``metric`` in ``weeks``, which follow one another.

    Raises ``NotEstimable`` for a metric with days of its own, which has no weekly value, ``InvalidWindow`` for weeks
    with gaps or of other lengths.
    """

    metric: Metric
    weeks: tuple[Window, ...]

    def __post_init__(self) -> None:
        if self.metric.has_fixed_window:
            raise NotEstimable(
                Message(
                    "no_weekly_value",
                    N_("{metric} has days of its own and no weekly value"),
                    {"metric": self.metric.code},
                )
            )
        for number, week in enumerate(self.weeks):
            if week.days != _WEEK or week.first != self.weeks[0].first + timedelta(days=_WEEK * number):
                raise InvalidWindow(
                    first=str(week.first), last=str(week.last), must_be="weeks of seven days follow one another"
                )

    @property
    def days(self) -> Window:
        """All days of the weeks."""
        return Window(self.weeks[0].first, self.weeks[-1].last)


WeekSums = Mapping[tuple[int, Any], tuple[int, int]]  # (number of the week, group) → (numerator, denominator)


def weeks_around(start: date, *, first: date, last: date) -> tuple[Window, ...]:
    """The whole weeks between ``first`` and ``last``, cut so that one of them begins on ``start``."""
    begin = start - timedelta(days=7 * ((start - first).days // 7))
    weeks = []
    while begin + timedelta(days=6) <= last:
        weeks.append(Window(begin, begin + timedelta(days=6)))
        begin += timedelta(days=7)
    return tuple(weeks)


def week_sums_of_stores(daily: Daily, weekly: Weekly, units: Sequence[str], stores: pa.Table) -> WeekSums:
    """The sums of a store metric (numerator and denominator; of a total, sale receipts) by week and unit, from one row
    per store and day."""
    if not weekly.weeks:
        return {}
    unit_of, n_units = daily.units(stores, units), len(units)
    rows = np.flatnonzero((unit_of >= 0) & daily.inside(weekly.days))
    week = (daily.day[rows] - (weekly.days.first - daily.first).days) // _WEEK
    cell, n_cells = week * n_units + unit_of[rows], len(weekly.weeks) * n_units
    columns = (NUMERATORS[weekly.metric.kind], DENOMINATORS.get(weekly.metric.kind, "sales"))
    sums = [whole_totals(daily.column(name).to_numpy()[rows], cell, n_cells) for name in columns]
    keys = ((number, unit) for number in range(len(weekly.weeks)) for unit in units)
    return dict(zip(keys, zip(*sums, strict=True), strict=True))


def week_sums_of_customers(
    facts: DayFacts, sums: CustomerSums | None, reach: CustomerReach | None, weekly: Weekly, listed: Listed
) -> WeekSums:
    """The sums of a customer metric by week and cell of ``listed``: days from one row per customer, which has them;
    money from the facts."""
    import ibis

    if not weekly.weeks:
        return {}
    members = listed.table.select(["customer_key", "cell"])
    if weekly.metric.kind is MetricKind.PURCHASE_FREQUENCY and sums is not None and reach is not None and reach.days:
        calendar, places = reach.days, [reach.days.place(week.first) for week in weekly.weeks]

        def reduce(rows: ir.Table, some: ir.Table) -> ir.Table:
            t = rows.join(some, "customer_key")
            days = {
                f"week_{number}": whole_sum(calendar.count(t, place, place + _WEEK - 1))
                for number, place in enumerate(places)
            }
            return t.group_by("cell").aggregate(**days)

        found = sums.reduced(lambda: listed.key("days of weeks", reach, weekly.weeks), members, reduce)
        cells = found.column("cell").to_numpy().astype(np.int64)
        changed, n_cells = sums.changed(listed), len(listed.labels)
        by_cell: dict[tuple[int, Any], tuple[int, int]] = {}
        for number, place in enumerate(places):
            added = totals(found.column(f"week_{number}"), cells, n_cells)
            if changed is not None:
                had, has = (calendar.count(t, place, place + _WEEK - 1) for t in (changed.before, changed.now))
                added += whole_totals(has - had, changed.now["cell"], n_cells)
            by_cell |= {(number, cell): (days, 0) for cell, days in enumerate(added)}
        return by_cell
    t = facts.customers.filter(facts.customers.business_date.between(weekly.days.first, weekly.days.last))
    t = t.join(ibis.memtable(members), "customer_key")
    by_week = t.group_by("cell", start=_start(t, weekly)).aggregate(y=exact_sum(t.net_minor), sales=whole_sum(t.sales))
    return _fetched(by_week, "cell")


def points_of_units(
    weekly: Weekly, sums: WeekSums, *, sizes: Mapping[str, int], assignment: Mapping[str, str]
) -> tuple[WeekPoint, ...]:
    """The mean over units per variant; weeks and variants in order.

    ``sizes`` says how many customers (or stores) a unit has. A unit whose denominator is zero in a week is left out of
    that week's mean.
    """
    points, metric = [], weekly.metric
    scale, has_own = metric.scale(_WEEK), metric.kind in DENOMINATORS
    days = _WEEK if metric.is_total else 1
    units = [(unit, assignment[unit], sizes.get(unit, 0) * days) for unit in sorted(assignment)]
    for number, week in enumerate(weekly.weeks):
        values: dict[str, list[float]] = {variant: [] for _, variant, _ in units}
        for unit, variant, size in units:
            y, own = sums.get((number, unit), (0, 0))
            n = own if has_own else size
            if n > 0:
                values[variant].append(y / n * scale)
        points += [
            WeekPoint(week.first, variant, sum(found) / len(found), len(found))
            for variant, found in sorted(values.items())
            if found
        ]
    return tuple(points)


@dataclass(frozen=True, slots=True)
class UnitWeeks:
    """The sums of the picture by week and unit, and how many customers (or stores) each unit has."""

    weekly: Weekly
    sums: WeekSums
    sizes: Mapping[str, int]

    def points(self, assignment: Mapping[str, str]) -> tuple[WeekPoint, ...]:
        """The mean over the units of ``assignment`` per variant; weeks and variants in order.

        A unit whose denominator is zero in a week is left out of that week's mean.
        """
        return points_of_units(self.weekly, self.sums, sizes=self.sizes, assignment=assignment)


def points_of_arms(
    weekly: Weekly, sums: WeekSums, *, cells_of: Mapping[str, Iterable[int]], sizes: Mapping[str, int]
) -> tuple[WeekPoint, ...]:
    """The mean over customers per variant, whose ``cells_of`` and ``sizes`` are given; weeks and variants in order."""
    points = []
    for number, week in enumerate(weekly.weeks):
        for variant in sorted(cells_of):
            found = [sums.get((number, cell), (0, 0)) for cell in cells_of[variant]]
            y, sales = sum(y for y, _ in found), sum(sales for _, sales in found)
            d = sales if weekly.metric.is_ratio else sizes[variant]
            if d:
                points.append(WeekPoint(week.first, variant, y / d * weekly.metric.scale(week.days), sizes[variant]))
    return tuple(points)


def _start(t: ir.Table, weekly: Weekly) -> Any:
    """The first day of each row's week, counted from the first week's."""
    place: Any = t.business_date.delta(weekly.days.first, unit="day")
    return place - place % _WEEK


def _fetched(found: ir.Table, key: str) -> WeekSums:
    rows = found.to_pyarrow().to_pylist()
    return {(int(row["start"]) // _WEEK, row[key]): (int(row["y"]), int(row["sales"])) for row in rows}
