"""One pass over a stage of stores or regions: the moments of every metric, for everybody and by segment.

Customers are passed once and stores once, whatever is asked. Everything is exact and the same on every engine. The
facts are receipts as they are, or the days derived from them. Who keeps the rows of ``customer_sums`` for
``stage_reach`` gives them and what came since as ``sums`` (``kept_sums``) and gets the same digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.errors import DuplicateUnit, NotEstimable, UnknownUnit
from experiments.measure.customer_moments import Reading, cell_sums
from experiments.measure.customer_sums import CustomerReach, customer_reach, customer_sums
from experiments.measure.days import DayFacts
from experiments.measure.exact import whole_totals
from experiments.measure.kept_sums import CustomerSums, ReadSums
from experiments.measure.listed import Listed, Totals, listed_customers, require_once
from experiments.measure.metrics import AssignmentUnit, Metric, MetricKind, MetricLevel
from experiments.measure.receipt_days import beside, columns_of, receipt_days
from experiments.measure.risk import RiskTable, risk_tables
from experiments.measure.series import (
    UnitWeeks,
    Weekly,
    WeekPoint,
    week_sums_of_customers,
    week_sums_of_stores,
)
from experiments.measure.store_moments import Activity, Daily, activity_of, daily_sums, store_unit_moments
from experiments.measure.unit_moments import UnitMoments, unit_rows
from experiments.measure.windows import Window, Windows
from experiments.messages import N_, Message

if TYPE_CHECKING:
    import pyarrow as pa

Whole = npt.NDArray[np.int64]
Moments = Mapping[str, tuple[UnitMoments, ...]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a stage: ``metrics`` in their windows, the ``segments`` to show apart, the ``weekly`` picture,
    how active each store was in the window ``activity``, and the time to the next purchase after the first day of
    ``risk`` (day 0), seen to its last."""

    metrics: Sequence[tuple[Metric, Windows]]
    segments: Sequence[str] = ()
    weekly: Weekly | None = None
    activity: Window | None = None
    risk: Window | None = None

    def of_level(self, level: MetricLevel) -> list[tuple[Metric, Windows]]:
        """The metrics of customers or of stores."""
        return [(metric, windows) for metric, windows in self.metrics if metric.level is level]

    def weekly_of(self, level: MetricLevel) -> Weekly | None:
        """The picture, where its metric is one of customers (or of stores) and there are weeks."""
        return self.weekly if self.weekly and self.weekly.weeks and self.weekly.metric.level is level else None


@dataclass(frozen=True, slots=True)
class StageMoments:
    """``moments`` by metric code, ``segments`` by segment and the code of customer metrics: one row per unit, sorted.
    ``weekly`` are the points of the assignment that was given, ``weeks`` answers for another one.
    ``activity`` is by store id, ``risk`` by unit and segment (None: customers who are in none of those asked)."""

    moments: Moments
    segments: Mapping[str, Moments]
    weekly: tuple[WeekPoint, ...] = ()
    weeks: UnitWeeks | None = None
    activity: Mapping[Any, Activity] = field(default_factory=dict)
    risk: Mapping[tuple[str | None, ...], RiskTable] = field(default_factory=dict)


def stage_reach(asked: Asked) -> CustomerReach | None:
    """What the pass over customers keeps of each of them; None where nothing is asked that it would need."""
    days = [] if asked.risk is None else [asked.risk]
    weekly = asked.weekly_of(MetricLevel.CUSTOMER)
    if weekly is not None and weekly.metric.kind is MetricKind.PURCHASE_FREQUENCY:
        days.append(weekly.days)
    return customer_reach(asked.of_level(MetricLevel.CUSTOMER), days)


def store_reach(asked: Asked) -> Window | None:
    """The days that the pass over stores reads; None where nothing is asked of them."""
    read = [window for _, pair in asked.of_level(MetricLevel.STORE) for window in (pair.window, pair.before) if window]
    weekly = asked.weekly_of(MetricLevel.STORE)
    read += [asked.activity] if asked.activity else []
    read += [weekly.days] if weekly else []
    return Window(min(window.first for window in read), max(window.last for window in read)) if read else None


def stage_moments(
    facts: DayFacts,
    asked: Asked,
    *,
    units: Sequence[str],
    stores: pa.Table,
    homes: pa.Table | None = None,
    assignment: Mapping[str, str] | None = None,
    sums: CustomerSums | None = None,
    days: pa.Table | None = None,
) -> StageMoments:
    """Everything ``asked`` of a stage of ``units``.

    ``stores`` (``store_id``, ``unit``) says which stores make a unit: all shoppers there count in a store metric.
    ``homes`` (``customer_key``, ``unit`` and, if wanted, ``segment``) is the frozen list of home customers: a customer
    metric counts their receipts in *any* store. ``assignment`` (unit → variant) is for the weekly picture. Units
    without a receipt have zeros. ``days`` are the rows of ``daily_sums`` for ``store_reach``, where somebody keeps
    them. Sales outside the list are those of all but ``homes``, and are read from the receipts. Raises
    ``DuplicateUnit`` and ``UnknownUnit`` for a table that does not fit ``units``, ``NotEstimable`` for a metric of
    customers or outside their list without ``homes``.
    """
    names = sorted(units)
    for first, second in pairwise(names):
        if first == second:
            raise DuplicateUnit(unit=first)
    for metric, _ in asked.metrics:
        metric.require_measurable(AssignmentUnit.STORE)
    with ThreadPoolExecutor(1) as other:
        passed = other.submit(_pass_over_stores, facts, asked, names, stores, homes, days)
        if days is None or _of_receipts(asked):  # an engine is asked one thing at a time
            passed.result()
        of_customers = _pass_over_customers(facts, asked, names, homes, sums)
    of_stores = passed.result()
    weeks = of_stores.weeks or of_customers.weeks
    moments = {**of_stores.moments, **of_customers.moments}
    return StageMoments(
        {metric.code: moments[metric.code] for metric, _ in asked.metrics},
        of_customers.segments,
        weeks.points(assignment) if weeks and assignment else (),
        weeks,
        of_stores.activity,
        of_customers.risk,
    )


def no_home_list(metric: str) -> NotEstimable:
    """The refusal of a customer metric without the list of home customers."""
    return NotEstimable(Message("no_home_list", N_("{metric} needs the list of home customers"), {"metric": metric}))


@contextmanager
def customer_rows(
    facts: DayFacts, reach: CustomerReach | None, sums: CustomerSums | None, uses: int
) -> Iterator[CustomerSums | None]:
    """The sums per customer that somebody keeps; else they are read, and kept in the engine where they are used more
    than once. None where nobody asks for any."""
    if sums is not None or reach is None:
        yield sums
    elif uses < 2:
        yield ReadSums(customer_sums(facts.customers, reach))
    else:
        with customer_sums(facts.customers, reach).cache() as cached:
            yield ReadSums(cached)


def _of_receipts(asked: Asked) -> tuple[str, ...]:
    """What must be read from the receipts, for days do not hold it."""
    weekly = asked.weekly_of(MetricLevel.STORE)
    return columns_of([*(metric for metric, _ in asked.metrics), *([weekly.metric] if weekly else [])])


def _pass_over_stores(
    facts: DayFacts,
    asked: Asked,
    names: Sequence[str],
    stores: pa.Table,
    homes: pa.Table | None,
    days: pa.Table | None,
) -> StageMoments:
    metrics, weekly, reach = asked.of_level(MetricLevel.STORE), asked.weekly_of(MetricLevel.STORE), store_reach(asked)
    if reach is None:
        return StageMoments({}, {})
    require_once(stores.column("store_id").to_numpy(zero_copy_only=False), "store_id")
    sizes = Counter(str(unit) for unit in stores.column("unit").to_pylist())
    for unit in sorted(set(sizes) - set(names)):
        raise UnknownUnit(unit=unit)
    if days is None:
        days = daily_sums(facts.stores, reach.first, reach.last).to_pyarrow()
    if more := _of_receipts(asked):
        days = beside(days, receipt_days(facts.receipts, more, reach, homes))
    daily = Daily.of(days, reach.first)
    moments = store_unit_moments(daily, metrics, units=names, stores=stores, sizes=sizes)
    found = week_sums_of_stores(daily, weekly, names, stores) if weekly else {}
    activity = activity_of(daily, asked.activity) if asked.activity else {}
    weeks = UnitWeeks(weekly, found, sizes) if weekly else None
    return StageMoments(moments, {}, weeks=weeks, activity=activity)


def _pass_over_customers(
    facts: DayFacts,
    asked: Asked,
    names: Sequence[str],
    homes: pa.Table | None,
    sums: CustomerSums | None,
) -> StageMoments:
    metrics, weekly = asked.of_level(MetricLevel.CUSTOMER), asked.weekly_of(MetricLevel.CUSTOMER)
    reach = stage_reach(asked)
    if reach is None and weekly is None:
        return StageMoments({}, {segment: {} for segment in asked.segments})
    if homes is None:
        asking = [metric.code for metric, _ in metrics] + (
            [weekly.metric.code] if weekly else [MetricKind.RETENTION.value]
        )
        raise no_home_list(asking[0])
    members = _Members.of(homes, names)
    readings = [Reading(metric, windows) for metric, windows in metrics]
    risk: dict[int, RiskTable] = {}
    found: Mapping[tuple[int, Any], tuple[int, int]] = {}
    days_of_weeks = weekly is not None and weekly.metric.kind is MetricKind.PURCHASE_FREQUENCY
    with customer_rows(facts, reach, sums, bool(metrics) + bool(asked.risk) + days_of_weeks) as t:
        rows = cell_sums(t, reach, members.listed, readings) if reach and t else []
        if reach and reach.days and asked.risk and t:
            first, last = (reach.days.place(day) for day in (asked.risk.first, asked.risk.last))
            risk = risk_tables(t, reach, members.listed, first, last)
        if weekly is not None:
            found = week_sums_of_customers(facts, t, reach, weekly, members.listed)
    weeks = None
    if weekly is not None:
        unit_of, by_unit = members.unit_of, dict[tuple[int, Any], tuple[int, int]]()
        for (week, cell), (y, sales) in found.items():
            before = by_unit.get((week, unit_of[cell]), (0, 0))
            by_unit[week, unit_of[cell]] = (before[0] + y, before[1] + sales)
        weeks = UnitWeeks(weekly, by_unit, members.sizes(None))
    columns = [{name: _whole(column) for name, column in sums_of.items()} for sums_of in rows]
    pairs = list(zip(readings, columns, strict=True))
    return StageMoments(
        members.moments(None, pairs),
        {segment: members.moments(segment, pairs) for segment in asked.segments},
        weeks=weeks,
        risk={members.listed.labels[cell]: table for cell, table in risk.items()},
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Members:
    """The listed customers by unit and segment: which cells are whose, and how many customers each has."""

    listed: Listed
    names: Sequence[str]
    place: Whole  # (n_cells) the place of each cell's unit among the names
    counts: Whole  # (n_cells) the customers of each cell

    @classmethod
    def of(cls, homes: pa.Table, names: Sequence[str]) -> _Members:
        listed = listed_customers(homes, ("unit", "segment"))
        known = {unit: place for place, unit in enumerate(names)}
        counts = listed.counts()
        for (unit, *_), n in zip(listed.labels, counts, strict=True):
            if unit not in known and n:
                raise UnknownUnit(unit=str(unit))
        place = np.array([known.get(str(unit), 0) for unit, *_ in listed.labels], dtype=np.int64)  # no one is in others
        return cls(listed, names, place, np.array(counts, dtype=np.int64))

    @property
    def unit_of(self) -> list[str]:
        return [str(label[0]) for label in self.listed.labels]

    def sizes(self, segment: str | None) -> dict[str, int]:
        return dict(zip(self.names, self._by_unit(self.counts, self._cells(segment)), strict=True))

    def moments(
        self, segment: str | None, readings: Sequence[tuple[Reading, Mapping[str, npt.NDArray[Any]]]]
    ) -> dict[str, tuple[UnitMoments, ...]]:
        """One row per unit of every reading, of everybody or of the customers in a segment."""
        n, cells = list(self.sizes(segment).values()), self._cells(segment)
        nothing, found = [0] * len(self.names), {}
        for reading, sums in readings:
            windows = reading.windows
            days, days_x = windows.window.days, windows.before.days if windows.before else 0
            columns = {"n": n, "n_x": n if days_x else nothing}
            for name, summed in (("y", "y"), ("yy", "yy"), ("x", "x"), ("xx", "xx"), ("xy", "yx")):
                columns[name] = self._by_unit(sums[summed], cells) if summed in sums else nothing
            found[reading.metric.code] = unit_rows(self.names, days=days, days_x=days_x, **columns)
        return found

    def _cells(self, segment: str | None) -> Whole:
        """The cells of the segment; of None, all."""
        if segment is None:
            return np.arange(len(self.place))
        return np.flatnonzero([label[1] == segment for label in self.listed.labels])

    def _by_unit(self, column: npt.NDArray[Any], cells: Whole) -> list[int]:
        if column.dtype == np.int64:
            return list(whole_totals(column[cells], self.place[cells], len(self.names)))
        found = np.zeros(len(self.names), dtype=np.int64).astype(object)
        np.add.at(found, self.place[cells], column[cells])
        return list(found)


def _whole(column: Totals) -> npt.NDArray[Any]:
    """As 64-bit whole numbers, which are added faster, where they all are."""
    try:
        return column.astype(np.int64)
    except OverflowError:
        return column
