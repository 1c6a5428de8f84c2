"""The analysis plan: everything that is fixed before the data are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from experiments.checks import at_least, finite, probability
from experiments.design.mechanisms import Mechanism, MechanismKind
from experiments.errors import DuplicateMetric, InvalidPlan, UnknownVariant
from experiments.estimate.redraws import DEFAULT_DRAWS
from experiments.measure.metrics import AssignmentUnit, Direction, Metric


class Role(StrEnum):
    """What a metric is for: primary rows decide, guardrails must not get worse, secondary rows explain."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    GUARDRAIL = "guardrail"


class Leads(StrEnum):
    """Who decides: the sales of all shoppers, or the listed customers."""

    STORE_TOTALS = "store_totals"
    CUSTOMERS = "customers"


class MarginScale(StrEnum):
    """A guardrail's margin in the metric's own unit, or as a share of control's mean in the window."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"


@dataclass(frozen=True, slots=True)
class PlannedMetric:
    """A metric and its role. ``margin`` is the loss that a guardrail accepts (positive; None for the other roles)."""

    metric: Metric
    role: Role
    margin: float | None = None
    margin_scale: MarginScale = MarginScale.RELATIVE

    def __post_init__(self) -> None:
        if (self.margin is not None) != (self.role is Role.GUARDRAIL):
            raise InvalidPlan(must_be=f"{self.metric.code}: a guardrail has a margin, and only a guardrail")
        if self.margin is not None and not finite("margin", self.margin) > 0.0:
            raise InvalidPlan(must_be=f"{self.metric.code}: a margin is greater than zero")

    @property
    def good_is_up(self) -> bool:
        """Whether more is better."""
        return self.metric.direction is Direction.UP


@dataclass(frozen=True, slots=True)
class LookPlan:
    """The plan of one look at one stage.

    ``assignment`` maps the drawn stores or regions to variants (empty where customers are assigned: their moments
    carry the variant). ``seed`` and ``draws`` are of the permutation, not of the draw. ``identified_share_floor`` is
    the share of receipts before the start below which customer metrics are refused. ``identification_cannot_differ``
    is the stated reason why showing the card cannot depend on the variant, where customers are assigned.
    """

    unit: AssignmentUnit
    mechanism: Mechanism
    assignment: Mapping[str, str]
    metrics: tuple[PlannedMetric, ...]
    leads: Leads
    seed: int
    alpha: float = 0.05
    look: int = 1
    looks_planned: int = 1
    draws: int = DEFAULT_DRAWS
    identified_share_floor: float = 0.25
    identification_cannot_differ: str | None = None

    def __post_init__(self) -> None:
        probability("alpha", self.alpha)
        at_least("look", self.look, 1)
        at_least("looks_planned", self.looks_planned, 1)
        at_least("seed", self.seed, 0)
        at_least("draws", self.draws, 99)
        _check_metrics(self)
        _check_assignment(self)

    @property
    def customers_assigned(self) -> bool:
        """Whether customers were drawn, rather than stores or regions."""
        return self.unit is AssignmentUnit.CUSTOMER


def _check_metrics(plan: LookPlan) -> None:
    codes = [planned.metric.code for planned in plan.metrics]
    for code in codes:
        if codes.count(code) > 1:
            raise DuplicateMetric(metric=code)
    for planned in plan.metrics:
        planned.metric.require_measurable(plan.unit)
    primary = [planned.metric for planned in plan.metrics if planned.role is Role.PRIMARY]
    if not primary:
        raise InvalidPlan(must_be="it needs a primary metric")
    totals = any(metric.is_total for metric in primary)
    if plan.leads is Leads.STORE_TOTALS and not totals:
        raise InvalidPlan(must_be="where store totals lead, the store total or the sales outside the list are primary")
    if plan.leads is Leads.CUSTOMERS and all(metric.is_total for metric in primary):
        raise InvalidPlan(must_be="where customers lead, a customer metric is primary")
    if plan.customers_assigned and plan.leads is not Leads.CUSTOMERS:
        raise InvalidPlan(must_be="where customers are assigned, customers lead")


def _check_assignment(plan: LookPlan) -> None:
    for variant in plan.assignment.values():
        if variant not in plan.mechanism.variants:
            raise UnknownVariant(variant=variant, variants=", ".join(plan.mechanism.variants))
    if plan.customers_assigned:
        return
    if plan.mechanism.kind is MechanismKind.BERNOULLI_HASH:
        raise InvalidPlan(must_be="stores and regions are drawn from a closed list, not by hash")
    if set(plan.assignment) != set(plan.mechanism.codes):
        raise InvalidPlan(must_be="the assignment has exactly the units that the mechanism draws")
