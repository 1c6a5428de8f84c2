"""From receipts to moments: every planned metric, the identification rate, segments, and the weeks of the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from experiments.errors import NotEstimable
from experiments.measure.metrics import (
    AssignmentUnit,
    Metric,
    MetricLevel,
    identification_rate,
    metric_from_code,
    spend_per_customer,
)
from experiments.measure.moments import arm_moments, unit_moments, weekly_series
from experiments.measure.series import WeekPoint, weeks_around
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from experiments.measure.windows import Window, windows_for
from experiments.messages import Message
from pilot.evidence.population import Population
from pilot.planning.plan import STORE_TOTAL, Leads, Plan

if TYPE_CHECKING:
    import ibis.expr.types as ir

Moments = Sequence[UnitMoments] | Sequence[ArmMoments]
Step = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Period:
    """The stage's window, the period before it, and the last business day whose receipts are complete."""

    window: Window
    before: Window
    through: date


@dataclass(slots=True)
class Measured:
    """Moments per metric code, the metrics that could not be measured and why, and the identification moments."""

    moments: dict[str, Moments] = field(default_factory=dict)
    refusals: dict[str, Message] = field(default_factory=dict)
    identification: Sequence[UnitMoments] | None = None
    segments: dict[str, dict[str, Moments]] = field(default_factory=dict)


def measure(
    receipts: ir.Table,
    plan: Plan,
    population: Population,
    period: Period,
    segments: Mapping[str, pa.Int64Array],
    step: Step,
) -> Measured:
    """Reduce ``receipts`` to moments. ``segments`` maps a code to customer keys; ``step`` counts progress."""
    measured = Measured()
    for code in measured_codes(plan):
        try:
            measured.moments[code] = _moments(receipts, metric_from_code(code), population, period)
        except NotEstimable as refused:
            measured.refusals[code] = refused.message
        step()
    if plan.unit is not AssignmentUnit.CUSTOMER:
        measured.identification = _unit_moments(receipts, identification_rate(), population, period)
        step()
    for segment in sorted(segments):
        members = population.of_segment(segments[segment])
        measured.segments[segment] = _of_segment(receipts, plan, members, period, measured.refusals)
        step()
    return measured


def steps(plan: Plan, segments: Mapping[str, pa.Int64Array]) -> int:
    """How often ``measure`` calls its ``step``."""
    identification = 0 if plan.unit is AssignmentUnit.CUSTOMER else 1
    return len(measured_codes(plan)) + identification + len(segments)


def measured_codes(plan: Plan) -> tuple[str, ...]:
    """The plan's metrics, and the store total beside them where it could be measured: a stamp hands it the lead."""
    if plan.unit is AssignmentUnit.CUSTOMER or STORE_TOTAL in plan.metric_codes:
        return plan.metric_codes
    return (*plan.metric_codes, STORE_TOTAL)


def series_metric(plan: Plan) -> Metric:
    """What the picture over time shows: the leading metric, or spend where that has no weekly value."""
    primary = metric_from_code(plan.primary)
    if plan.leads is Leads.CUSTOMERS and primary.has_fixed_window:
        return spend_per_customer()
    return primary


def weekly(receipts: ir.Table, plan: Plan, population: Population, period: Period) -> tuple[WeekPoint, ...]:
    """The variants' weekly means, from the period before to the window's end; one week begins with the stage."""
    metric = series_metric(plan)
    weeks = weeks_around(period.window.first, first=period.before.first, last=period.window.last)
    if population.customers is not None:
        return tuple(
            point for week in weeks for point in _week_of_customers(receipts, metric, week, population.customers)
        )
    present = {unit: population.assignment[unit] for unit in population.units}
    homes = population.present_homes if metric.level is MetricLevel.CUSTOMER else None
    return weekly_series(receipts, metric, weeks, assignment=present, stores=population.present_stores, homes=homes)


def _moments(receipts: ir.Table, metric: Metric, population: Population, period: Period) -> Moments:
    if population.customers is None:
        return _unit_moments(receipts, metric, population, period)
    return arm_moments(
        receipts,
        metric,
        customers=population.customers,
        window=period.window,
        before=period.before,
        data_through=period.through,
    )


def _unit_moments(receipts: ir.Table, metric: Metric, population: Population, period: Period) -> Sequence[UnitMoments]:
    windows = windows_for(metric, window=period.window, before=period.before, data_through=period.through)
    homes = population.present_homes if metric.level is MetricLevel.CUSTOMER else None
    return unit_moments(
        receipts, metric, windows, units=population.units, stores=population.present_stores, homes=homes
    )


def _of_segment(
    receipts: ir.Table, plan: Plan, members: Population, period: Period, refused: Mapping[str, Message]
) -> dict[str, Moments]:
    """The customer metrics of one segment; store totals cannot be split by segment."""
    found: dict[str, Moments] = {}
    for code in plan.metric_codes:
        metric = metric_from_code(code)
        is_of_customers = metric.level is MetricLevel.CUSTOMER or members.customers is not None
        if code in refused or not is_of_customers:
            continue
        try:
            found[code] = _moments(receipts, metric, members, period)
        except NotEstimable:
            continue  # the metric's own row says why; an exploratory row repeats nothing
    return found


def _week_of_customers(receipts: ir.Table, metric: Metric, week: Window, customers: pa.Table) -> list[WeekPoint]:
    arms = arm_moments(receipts, metric, customers=customers, window=week, before=None, data_through=week.last)
    points = []
    for variant in sorted({arm.variant for arm in arms}):
        own = [arm for arm in arms if arm.variant == variant]
        n, y, d = sum(a.n for a in own), sum(a.y for a in own), sum(a.d for a in own)
        if d:
            points.append(WeekPoint(week.first, variant, y / d * metric.scale(week.days), n))
    return points
