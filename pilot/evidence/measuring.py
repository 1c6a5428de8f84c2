"""From facts to moments: every planned metric, the identification rate, segments, and the weeks of the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from experiments.errors import NotEstimable
from experiments.measure.customer_sums import CustomerReach
from experiments.measure.days import DayFacts
from experiments.measure.kept_sums import CustomerSums
from experiments.measure.metrics import (
    AssignmentUnit,
    Metric,
    MetricKind,
    identification_rate,
    metric_from_code,
    spend_per_customer,
)
from experiments.measure.risk import RiskTable, RiskWeek, by_week, together
from experiments.measure.series import UnitWeeks, Weekly, WeekPoint, weeks_around
from experiments.measure.stage import Asked, stage_moments, stage_reach, store_reach
from experiments.measure.stage_arms import AskedOfArms, arms_reach, stage_arms
from experiments.measure.store_moments import Activity
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from experiments.measure.windows import Window, Windows, windows_for
from experiments.messages import Message
from pilot.evidence.population import Population, named_segments
from pilot.planning.plan import STORE_TOTAL, Leads, Plan

if TYPE_CHECKING:
    import pyarrow as pa

Moments = Sequence[UnitMoments] | Sequence[ArmMoments]


class Kept(Protocol):
    """What somebody keeps of the same facts; None where there is nothing."""

    def customer_sums(self, reach: CustomerReach) -> CustomerSums | None:
        """The rows of ``customer_sums``."""

    def store_days(self, reach: Window) -> pa.Table | None:
        """The rows of ``daily_sums``."""


@dataclass(frozen=True, slots=True)
class Period:
    """The stage's window, the period before it, and the last business day whose receipts are complete."""

    window: Window
    before: Window
    through: date


@dataclass(frozen=True, slots=True)
class Measured:
    """Moments per metric code, the metrics that could not be measured and why, and the identification moments.

    ``segments`` are by segment and metric code, ``activity`` says by store id how fresh its receipts are. ``points``
    are the picture; of stores or regions, ``weeks`` has it for whichever of them are compared. ``risk`` has the time
    to the next purchase by unit (or variant), where retention is planned.
    """

    moments: Mapping[str, Moments]
    refusals: Mapping[str, Message]
    identification: Sequence[UnitMoments] | None
    segments: Mapping[str, Mapping[str, Moments]]
    activity: Mapping[Any, Activity]
    points: tuple[WeekPoint, ...] = ()
    weeks: UnitWeeks | None = None
    risk: Mapping[tuple[str | None, ...], RiskTable] = field(default_factory=dict)

    def risk_by_variant(self, population: Population) -> dict[str, tuple[RiskWeek, ...]]:
        """The time to the next purchase of each variant's customers, week by week; empty where no metric asks."""
        tables: dict[str, list[RiskTable]] = {}
        present = set(population.units)
        for (group, *_), table in self.risk.items():
            if population.customers is not None:
                tables.setdefault(str(group), []).append(table)
            elif group in present:
                tables.setdefault(population.assignment[str(group)], []).append(table)
        return {variant: by_week(together(found)) for variant, found in sorted(tables.items())}

    def compared(self, population: Population) -> Measured:
        """Without the units that the population has lost, and with the picture of the others."""
        if population.customers is not None:
            return self
        kept = set(population.units)
        present = {unit: population.assignment[unit] for unit in population.units}
        return replace(
            self,
            moments=_only(self.moments, kept),
            identification=[row for row in self.identification or () if row.unit in kept],
            segments={segment: _only(found, kept) for segment, found in self.segments.items()},
            points=self.weeks.points(present) if self.weeks else (),
        )


def measure(facts: DayFacts, plan: Plan, population: Population, period: Period, kept: Kept | None = None) -> Measured:
    """Reduce ``facts`` to moments, in one pass over customers and one over stores.

    ``kept`` may know sums of the same facts already.
    """
    if population.customers is not None:
        return _of_customers(facts, plan, population, population.customers, period, kept)
    return _of_units(facts, plan, population, period, kept)


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


def _of_units(facts: DayFacts, plan: Plan, population: Population, period: Period, kept: Kept | None) -> Measured:
    windows: list[tuple[Metric, Windows]] = []
    refusals: dict[str, Message] = {}
    for metric in map(metric_from_code, measured_codes(plan)):
        try:
            windows.append((metric, _windows(metric, period)))
        except NotEstimable as refused:
            refusals[metric.code] = refused.message
    planned = [metric.code for metric, _ in windows]
    rate = identification_rate()
    if rate.code not in planned:
        windows.append((rate, _windows(rate, period)))
    risk = Window(period.window.first, min(period.window.last, period.through)) if _asks_when(plan) else None
    asked = Asked(windows, named_segments(plan), _weekly(plan, period), period.window, risk)
    reach, days = stage_reach(asked), store_reach(asked)
    found = stage_moments(
        facts,
        asked,
        units=sorted(population.assignment),
        stores=population.stores,
        homes=population.homes,
        sums=kept.customer_sums(reach) if kept and reach else None,
        days=kept.store_days(days) if kept and days else None,
    )
    moments = {code: found.moments[code] for code in planned}
    return Measured(moments, refusals, found.moments[rate.code], found.segments, found.activity, weeks=found.weeks,
                    risk=found.risk)  # fmt: skip


def _of_customers(
    facts: DayFacts,
    plan: Plan,
    population: Population,
    customers: pa.Table,
    period: Period,
    kept: Kept | None,
) -> Measured:
    asked = AskedOfArms(
        tuple(metric_from_code(code) for code in measured_codes(plan)),
        period.window,
        period.before,
        period.through,
        named_segments(plan),
        _weekly(plan, period),
        risk=_asks_when(plan),
    )
    reach = arms_reach(asked)
    found = stage_arms(facts, asked, customers=customers, sums=kept.customer_sums(reach) if kept and reach else None)
    stores = stage_moments(facts, Asked((), activity=period.window), units=(), stores=population.stores)
    refusals = {code: refused.message for code, refused in found.refusals.items()}
    return Measured(found.moments, refusals, None, found.segments, stores.activity, found.weekly, risk=found.risk)


def _asks_when(plan: Plan) -> bool:
    """Whether it matters when customers come back: a share of who did hides how many were still to come."""
    return any(metric_from_code(code).kind is MetricKind.RETENTION for code in plan.metric_codes)


def _windows(metric: Metric, period: Period) -> Windows:
    return windows_for(metric, window=period.window, before=period.before, data_through=period.through)


def _weekly(plan: Plan, period: Period) -> Weekly:
    """From the period before to the window's end; one week begins with the stage."""
    weeks = weeks_around(period.window.first, first=period.before.first, last=period.window.last)
    return Weekly(series_metric(plan), weeks)


def _only(moments: Mapping[str, Moments], kept: set[str]) -> dict[str, Moments]:
    return {
        code: [row for row in rows if isinstance(row, UnitMoments) and row.unit in kept]
        for code, rows in moments.items()
    }
