"""One pass over a stage of drawn customers: the moments of every metric per variant and stratum, and by segment.

A metric with days of its own reads them from each customer's index day and takes only customers whose days have all
passed; the others read the whole window and take only customers assigned by its first day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.errors import InvalidWindow, NotEstimable
from experiments.measure.customer_moments import PAIRS, VALUES, Reading, cell_sums
from experiments.measure.customer_sums import CustomerReach, customer_reach
from experiments.measure.days import DayFacts
from experiments.measure.kept_sums import CustomerSums
from experiments.measure.listed import Listed, Totals, listed_customers, summed
from experiments.measure.metrics import AssignmentUnit, Metric, MetricKind
from experiments.measure.risk import RiskTable, risk_tables
from experiments.measure.series import Weekly, WeekPoint, points_of_arms, week_sums_of_customers
from experiments.measure.stage import customer_rows
from experiments.measure.unit_moments import ArmMoments
from experiments.measure.windows import Window, Windows, day_offsets, windows_for
from experiments.messages import N_, Message

if TYPE_CHECKING:
    import pyarrow as pa

Moments = Mapping[str, tuple[ArmMoments, ...]]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AskedOfArms:
    """What is asked of a stage of customers that is read in ``window`` and adjusted by ``before``; receipts are
    complete through ``data_through``. ``risk`` asks for the time from each index day to the next purchase."""

    metrics: Sequence[Metric]
    window: Window
    before: Window | None
    data_through: date
    segments: Sequence[str] = ()
    weekly: Weekly | None = None
    risk: bool = False

    def __post_init__(self) -> None:
        if self.before is not None and self.before.last >= self.window.first:
            raise InvalidWindow(
                first=str(self.before.first), last=str(self.before.last), must_be="it must end before the start"
            )

    @property
    def observed(self) -> date:
        """The last day that is read."""
        return min(self.window.last, self.data_through)


@dataclass(frozen=True, slots=True)
class StageArms:
    """``moments`` by metric code, ``segments`` by segment and metric code: one row per variant and stratum, sorted.
    ``refusals`` says why a metric has no moments; ``risk`` is by variant, stratum and segment."""

    moments: Moments
    refusals: Mapping[str, NotEstimable]
    segments: Mapping[str, Moments]
    weekly: tuple[WeekPoint, ...]
    risk: Mapping[tuple[str | None, ...], RiskTable]


def arms_reach(asked: AskedOfArms) -> CustomerReach | None:
    """What the pass over customers keeps of each of them; None where nothing is asked that it would need."""
    windows = [(metric, _windows(asked, metric)) for metric in asked.metrics]
    found = [(metric, pair) for metric, pair in windows if isinstance(pair, Windows)]
    days = [Window(asked.window.first, asked.observed)] if asked.risk else []
    if asked.weekly and asked.weekly.weeks and asked.weekly.metric.kind is MetricKind.PURCHASE_FREQUENCY:
        days.append(asked.weekly.days)
    return customer_reach(found, days)


def stage_arms(
    facts: DayFacts, asked: AskedOfArms, *, customers: pa.Table, sums: CustomerSums | None = None
) -> StageArms:
    """Everything ``asked`` of a stage of ``customers``: ``customer_key``, ``variant`` and, if wanted, ``stratum``,
    ``segment`` (text) and ``index_date`` (date; the start of the window where it is missing).

    Raises ``NotMeasurable`` for store metrics and ``DuplicateUnit`` for a customer who is listed twice.
    """
    for metric in asked.metrics:
        metric.require_measurable(AssignmentUnit.CUSTOMER)
    reach = arms_reach(asked)
    start = _start(asked, reach)
    index = _index(customers, asked.window.first, start)
    listed = listed_customers(customers, ("variant", "stratum", "segment"), index=index)
    readings, refusals = _readings(asked, index, start)
    weekly = asked.weekly if asked.weekly and asked.weekly.weeks else None
    days_of_weeks = weekly is not None and weekly.metric.kind is MetricKind.PURCHASE_FREQUENCY
    risk: dict[int, RiskTable] = {}
    points: tuple[WeekPoint, ...] = ()
    with customer_rows(facts, reach, sums, bool(readings) + asked.risk + days_of_weeks) as t:
        rows = cell_sums(t, reach, listed, readings) if reach and t else []
        if reach and reach.days and asked.risk and t:
            is_same = len(index) > 0 and bool((index == index[0]).all())
            own = int(index[0]) if is_same else index
            risk = risk_tables(t, reach, listed, own, reach.days.place(asked.observed))
        if weekly is not None:
            points = _points(weekly, listed, week_sums_of_customers(facts, t, reach, weekly, listed))
    pairs = list(zip(readings, rows, strict=True))
    moments = {r.metric.code: _arms(listed, r, sums_of, None) for r, sums_of in pairs}
    segments = {s: {r.metric.code: _arms(listed, r, sums_of, s) for r, sums_of in pairs} for s in asked.segments}
    return StageArms(
        moments,
        refusals,
        {s: {code: arms for code, arms in found.items() if arms} for s, found in segments.items()},
        points,
        {listed.labels[cell]: table for cell, table in risk.items()},
    )


def _start(asked: AskedOfArms, reach: CustomerReach | None) -> date:
    """Day 0 of the calendar on which index days are counted."""
    return reach.days.first if reach and reach.days else asked.window.first


def _index(customers: pa.Table, default: date, start: date) -> npt.NDArray[np.int64]:
    """(n) each customer's index day, counted from ``start``."""
    import pyarrow as pa

    usual = (default - start).days
    if "index_date" not in customers.column_names:
        return np.full(customers.num_rows, usual, dtype=np.int64)
    days = customers.column("index_date").cast(pa.date32()).cast(pa.int32())
    found = days.fill_null(pa.scalar((default - _EPOCH).days, pa.int32())).to_numpy()
    return np.asarray(found, dtype=np.int64) - (start - _EPOCH).days


def _windows(asked: AskedOfArms, metric: Metric) -> Windows | NotEstimable:
    """The windows of a metric; for one with days of its own, the reach of every customer's days, and before the start
    the last as many days as it reads."""
    if not metric.has_fixed_window:
        try:
            return windows_for(metric, window=asked.window, before=asked.before, data_through=asked.data_through)
        except NotEstimable as refused:
            return refused
    first, last = day_offsets(metric)
    if asked.before is None or asked.before.days < last - first + 1:
        return Windows(asked.window, None)
    return Windows(asked.window, Window(asked.before.last - timedelta(days=last - first), asked.before.last))


def _readings(
    asked: AskedOfArms, index: npt.NDArray[np.int64], start: date
) -> tuple[list[Reading], dict[str, NotEstimable]]:
    readings, refusals = [], {}
    for metric in asked.metrics:
        windows = _windows(asked, metric)
        if isinstance(windows, NotEstimable):
            refusals[metric.code] = windows
            continue
        latest = asked.window.first
        if metric.has_fixed_window:
            latest = asked.observed - timedelta(days=day_offsets(metric)[1])
        keep: Flags = index <= (latest - start).days
        if not keep.any():
            refusals[metric.code] = _nobody(metric)
            continue
        readings.append(Reading(metric, windows, own_days=True, kept=None if keep.all() else keep))
    return readings, refusals


def _nobody(metric: Metric) -> NotEstimable:
    return NotEstimable(
        Message("no_window_observed", N_("no customer's window of {metric} is observed"), {"metric": metric.code})
    )


def _arms(listed: Listed, reading: Reading, sums: Mapping[str, Totals], segment: str | None) -> tuple[ArmMoments, ...]:
    """The arms that have a customer (of the segment) whose window is observed."""
    counts = listed.counts(reading.kept)
    cells: dict[tuple[str, str], list[int]] = {}
    for cell, (variant, stratum, own) in enumerate(listed.labels):
        if counts[cell] and segment in (None, own):
            cells.setdefault((str(variant), str(stratum)), []).append(cell)
    return tuple(
        _arm(arm, sum(counts[cell] for cell in cells[arm]), summed(sums, cells[arm]), reading) for arm in sorted(cells)
    )


def _arm(arm: tuple[str, str], n: int, row: Mapping[str, int], reading: Reading) -> ArmMoments:
    metric, before = reading.metric, reading.windows.before
    days = reading.windows.window.days
    if metric.has_fixed_window:
        first, last = day_offsets(metric)
        days = last - first + 1
    values = {name: row.get(name, 0) for name in (*VALUES, *PAIRS)}
    if not metric.is_ratio:  # a mean per customer: every denominator is 1
        e = 1 if before else 0
        values |= {
            "d": n, "e": n * e, "yd": values["y"], "ye": values["y"] * e, "dd": n, "dx": values["x"], "de": n * e,
            "xe": values["x"] * e, "ee": n * e,
        }  # fmt: skip
    return ArmMoments(arm[0], arm[1], n=n, **values, days=days, days_x=before.days if before else 0)


def _points(weekly: Weekly, listed: Listed, found: Mapping[tuple[int, Any], tuple[int, int]]) -> tuple[WeekPoint, ...]:
    counts = listed.counts()
    cells: dict[str, list[int]] = {}
    for cell, label in enumerate(listed.labels):
        if counts[cell]:
            cells.setdefault(str(label[0]), []).append(cell)
    sizes = {variant: sum(counts[cell] for cell in own) for variant, own in cells.items()}
    return points_of_arms(weekly, found, cells_of=cells, sizes=sizes)


_EPOCH = date(1970, 1, 1)
