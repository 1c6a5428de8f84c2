"""The plan: everything the analysis depends on, as one frozen value with a canonical text and its hash."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from experiments.design.mechanisms import MechanismKind
from experiments.measure.metrics import AssignmentUnit
from pilot.canonical import canonical_text, sha256_hex
from pilot.network.segments import fits
from pilot.planning.errors import NoSuchStage, PlanUnreadable
from pilot.planning.plan_parts import (
    Code,
    Economics,
    GateThresholds,
    Part,
    Priors,
    Sentence,
    Share,
    Weeks,
    WindDown,
)
from pilot.programs.errors import first_problem
from pilot.programs.exact import ExactDecimal, Whole

ALL_UNITS = "all"
REGION_PREFIX = "region:"
STORE_TOTAL = "store_total"
OUTSIDE_LIST = "sales_outside_list"
TOTALS = (STORE_TOTAL, OUTSIDE_LIST)  # what may lead where store totals lead


class Objective(StrEnum):
    """What the pilot is for; it proposes the primary metric (``metrics.PROPOSALS``)."""

    WIN = "win"
    KEEP = "keep"
    DEFEND = "defend"


class AppliesBy(StrEnum):
    """Which store decides what a customer gets: the home store of the frozen list, or the one they stand in."""

    HOME = "home"
    VISITED = "visited"


class Leads(StrEnum):
    """Which rows a gate rests on (architecture.md, "Who is in a customer metric")."""

    STORE_TOTALS = "store_totals"
    CUSTOMERS = "customers"


class GateRule(StrEnum):
    """What a gate may demand before a stage advances."""

    LEADING_METRIC = "leading_metric"
    GUARDRAILS = "guardrails"
    NO_ALARM = "no_alarm"
    MONEY = "money"


# What a gate demands where nothing else is said; the money rule needs the plan's economics.
STANDARD_GATE = (GateRule.LEADING_METRIC, GateRule.GUARDRAILS, GateRule.NO_ALARM)


class PlannedMechanism(Part):
    """How units are drawn. ``match_on`` names the covariates of matched pairs (``candidates.COVARIATES``)."""

    kind: MechanismKind = MechanismKind.COMPLETE
    match_on: tuple[Code, ...] = ()


class PlannedVariant(Part):
    """A variant of the program and its weight in the draw; ``control`` comes first."""

    code: Code
    weight: Annotated[Whole, Field(ge=1, le=1000)] = 1


class PlannedOffer(Part):
    """An offer as it was when the plan was submitted: what the variant gives to one segment, or to all (None)."""

    code: Code
    variant: Code
    segment: Code | None
    name: str
    mechanic: Code
    terms: dict[str, Any]
    enrolment: dict[str, Any]


class PlannedSegment(Part):
    """A segment's rule as it was when the plan was submitted; the first that fits is a customer's."""

    code: Code
    rule: dict[str, Any]


class Guardrail(Part):
    """A metric that must not get worse by more than ``margin_share`` of control's mean in the same window."""

    metric: Code
    margin_share: Share


class Windows(Part):
    """Whole weeks that end the day before a stage starts: for the covariates, and for the home stores."""

    pre_weeks: Weeks = 26
    home_weeks: Weeks = 26


class Eligibility(Part):
    """What a store must have shown in the pre-period to be a candidate, and the stores that are in or out by name.

    ``must_include`` holds for the first stage; a store that another pilot treated rests for ``cooling_weeks`` after it.
    """

    min_trading_weeks: Annotated[Whole, Field(ge=0, le=260)] = 0
    min_listed_customers: Annotated[Whole, Field(ge=0, le=10**9)] = 0
    must_include: tuple[Code, ...] = ()
    must_exclude: tuple[Code, ...] = ()
    cooling_weeks: Annotated[Whole, Field(ge=0, le=104)] = 0


class StagePlan(Part):
    """One step: which units, from when, for how long, how many looks, and what its gate demands.

    ``units`` are store (or region) codes, ``region:CODE`` for the stores of a region, or ``all``.
    ``looks`` counts the gate and every extension; each extension adds ``extension_weeks``.
    """

    number: Annotated[Whole, Field(ge=1, le=50)]
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    units: Annotated[tuple[Code, ...], Field(min_length=1)] = (ALL_UNITS,)
    starts_on: date
    weeks: Weeks
    looks: Annotated[Whole, Field(ge=1, le=10)] = 1
    extension_weeks: Annotated[Whole, Field(ge=0, le=104)] = 0
    gate: tuple[GateRule, ...] = STANDARD_GATE
    is_network: bool = False

    def ends_on(self, look: int = 1) -> date:
        """The last business day that the ``look``-th look reads (the first look is the gate without extension)."""
        weeks = self.weeks + (look - 1) * self.extension_weeks
        return self.starts_on + timedelta(days=7 * weeks - 1)

    @property
    def last_possible_day(self) -> date:
        """The last day of the last look: until then the stage keeps its controls."""
        return self.ends_on(self.looks)


class Plan(Part):
    """A pilot's plan, valid in form; whether it makes sense is for ``rules.problems``. Same content, same hash.

    ``revision`` is the number of the submitted version: a plan that was sent back and comes again has another hash,
    so that its old sign-offs lapse. ``offers`` and ``segment_rules`` are filled in at submission from
    what the program and the network hold then; ``segments`` are those whose customers may be drawn (none: all).
    ``mechanic`` is what the brief asks for, ``rival_stores`` those near the rival that is defended against,
    ``subgroups`` the segments and kinds of stores in which effects are looked at by plan; ``metrics_version`` is the
    library's.
    """

    version: Annotated[Whole, Field(ge=1, le=1)] = 1
    revision: Annotated[Whole, Field(ge=1)] = 1
    pilot: Code
    program: Code
    objective: Objective = Objective.KEEP
    hypothesis: Sentence = ""
    unit: AssignmentUnit = AssignmentUnit.STORE
    mechanism: PlannedMechanism = PlannedMechanism()
    applies_by: AppliesBy = AppliesBy.VISITED
    leads: Leads = Leads.STORE_TOTALS
    identification_note: Sentence = ""
    primary: Code = STORE_TOTAL
    secondary: tuple[Code, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    alpha: Annotated[ExactDecimal, Field(gt=0, lt=1)] = Decimal("0.05")
    draws: Annotated[Whole, Field(ge=999, le=99_999)] = 9_999
    variants: tuple[PlannedVariant, ...] = ()
    offers: tuple[PlannedOffer, ...] = ()
    segments: tuple[Code, ...] = ()
    segment_rules: tuple[PlannedSegment, ...] = ()
    windows: Windows = Windows()
    eligibility: Eligibility = Eligibility()
    holdout: tuple[Code, ...] = ()
    stages: tuple[StagePlan, ...] = ()
    mechanic: Annotated[str, StringConstraints(max_length=40)] = ""
    rival_stores: tuple[Code, ...] = ()
    subgroups: tuple[Code, ...] = ()
    metrics_version: Annotated[Whole, Field(ge=1)] = 1
    priors: Priors = Priors()
    economics: Economics | None = None
    wind_down: WindDown | None = None
    thresholds: GateThresholds = GateThresholds()

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Plan":
        """Read a JSON document; ``PlanUnreadable`` names the first field that is wrong and what would do."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            where, problem = first_problem(error)
            raise PlanUnreadable(field=where, problem=problem) from None

    def to_document(self) -> dict[str, Any]:
        """The JSON form, complete: defaults written out, decimals and dates as strings."""
        return self.model_dump(mode="json")

    def text(self) -> str:
        """The canonical text: what is signed, sealed and stored."""
        return canonical_text(self.to_document())

    def hash(self) -> str:
        """SHA-256 of the canonical text."""
        return sha256_hex(self.text())

    def stage(self, number: int) -> StagePlan:
        """The stage with this number; ``NoSuchStage`` where there is none."""
        for stage in self.stages:
            if stage.number == number:
                return stage
        known = ", ".join(str(stage.number) for stage in self.stages) or "–"
        raise NoSuchStage(pilot=self.pilot, stage=number, known=known)

    @property
    def treated(self) -> tuple[str, ...]:
        """The variants but control, in order."""
        return tuple(variant.code for variant in self.variants[1:])

    @property
    def metric_codes(self) -> tuple[str, ...]:
        """Primary, secondary, guardrails: each once, in this order."""
        return tuple(dict.fromkeys((self.primary, *self.secondary, *(g.metric for g in self.guardrails))))

    def offers_of(self, variant: str) -> tuple[PlannedOffer, ...]:
        """What ``variant`` gives, one offer per segment or one for all."""
        return tuple(offer for offer in self.offers if offer.variant == variant)

    def segment_for(self, attributes: Mapping[str, str]) -> str | None:
        """The first segment whose sealed rule fits these customer attributes; None where none does."""
        return next((segment.code for segment in self.segment_rules if fits(segment.rule, attributes)), None)

    def pre_window(self, before: date) -> tuple[date, date]:
        """First and last business day of the covariates' period, for a stage that starts on ``before``."""
        return weeks_before(before, self.windows.pre_weeks)

    def home_window(self, before: date) -> tuple[date, date]:
        """First and last business day of the period that decides home stores, for a stage that starts on ``before``."""
        return weeks_before(before, self.windows.home_weeks)


def weeks_before(day: date, weeks: int) -> tuple[date, date]:
    """First and last day of the ``weeks`` weeks that end the day before ``day``."""
    return day - timedelta(days=7 * weeks), day - timedelta(days=1)
