"""What a chapter is computed from: the plan, the compared units, the receipts, and what was found before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from experiments.look.plan import Leads, LookPlan, PlannedMetric, Role
from experiments.look.report import LookReport
from experiments.measure.metrics import store_total
from experiments.measure.windows import Window
from pilot.evidence.measuring import Moments
from pilot.evidence.population import Population
from pilot.evidence.truths import Truths
from pilot.planning.plan import Plan, StagePlan

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa


@dataclass(frozen=True)
class ChapterInputs:
    """One look at one stage. ``done`` holds the chapters that were computed before this one, by code.

    ``open_receipts`` gives the lake's receipts at the report's version, for the months from ``before`` to
    ``through``; every chapter keeps to its own days.
    """

    session: Session
    pilot: str
    plan: Plan
    stage: StagePlan
    population: Population
    window: Window
    before: Window
    through: date
    open_receipts: Callable[[], ir.Table]
    analysis: LookReport
    moments: Mapping[str, Moments]
    seed: int
    look: int
    currency: str
    exploratory: bool
    truths: Truths | None = None
    done: dict[str, dict[str, Any]] = field(default_factory=dict)

    @cached_property
    def receipts(self) -> ir.Table:
        """The receipts of the pre-period and the window, as an Ibis table."""
        return self.open_receipts()

    @cached_property
    def look_plan(self) -> LookPlan:
        """What a chapter estimates the store totals by: the mechanism, assignment, seed and draws of the headline."""
        return LookPlan(
            unit=self.plan.unit,
            mechanism=self.population.mechanism,
            assignment=self.population.assignment,
            metrics=(PlannedMetric(store_total(), Role.PRIMARY),),
            leads=Leads.STORE_TOTALS,
            seed=self.seed,
            alpha=float(self.plan.alpha),
            draws=self.plan.draws,
        )

    @cached_property
    def visits(self) -> pa.Table:
        """The rows of ``visit_sums``: who bought where, by home unit and unit visited, before and in the window."""
        from experiments.measure.visits import visit_sums

        return visit_sums(
            self.receipts,
            homes=self.population.homes,
            stores=self.population.stores,
            window=self.window,
            before=self.before,
        )
