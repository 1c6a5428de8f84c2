"""What a chapter is computed from: the plan, the compared units, the receipts, and what was found before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from experiments.look.customer_values import Drawn
from experiments.look.plan import Leads, LookPlan, PlannedMetric, Role
from experiments.look.report import LookReport
from experiments.measure.metrics import spend_per_customer, store_total
from experiments.measure.windows import Window
from pilot.evidence.home_list import Attributes, attributes_of
from pilot.evidence.measuring import Moments
from pilot.evidence.population import Population
from pilot.evidence.truths import Truths
from pilot.planning.plan import Plan, StagePlan

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from experiments.measure.customer_amounts import CustomerAmounts


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
    def attributes(self) -> Attributes:
        """What is known of the customers, read once for all chapters."""
        return attributes_of(self.session)

    @cached_property
    def look_plan(self) -> LookPlan:
        """What a chapter estimates the store totals by (of drawn customers: their spend): the mechanism, assignment,
        seed and draws of the headline."""
        of_customers = self.population.customers is not None
        return LookPlan(
            unit=self.plan.unit,
            mechanism=self.population.mechanism,
            assignment=self.population.assignment,
            metrics=(PlannedMetric(spend_per_customer() if of_customers else store_total(), Role.PRIMARY),),
            leads=Leads.CUSTOMERS if of_customers else Leads.STORE_TOTALS,
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

    @cached_property
    def drawn(self) -> Drawn:
        """The arms and strata of the drawn customers, in the order of the population's table."""
        from experiments.measure.listed import listed_customers

        listed = listed_customers(self.customers, ("variant", "stratum"))
        return Drawn(tuple((str(variant), stratum or "") for variant, stratum in listed.labels), listed.cells)

    @cached_property
    def amounts(self) -> CustomerAmounts:
        """What each drawn customer bought before and in the window, in the same order."""
        from experiments.measure.customer_amounts import customer_amounts

        return customer_amounts(self.receipts, customers=self.customers, window=self.window, before=self.before)

    @property
    def customers(self) -> pa.Table:
        """The drawn customers. Only where customers were drawn."""
        found = self.population.customers
        if found is None:
            raise TypeError("no customers were drawn")
        return found
