"""Whether a plan makes sense: a list of small rules, each with the error it raises. No database, no history."""

from collections.abc import Callable
from itertools import pairwise

from experiments.design.mechanisms import CONTROL, MechanismKind
from experiments.errors import NotMeasurable
from experiments.measure.metrics import AssignmentUnit, MetricLevel
from experiments.measure.windows import day_offsets
from pilot.errors import PilotError
from pilot.planning.candidate_words import COVARIATES, MECHANISMS
from pilot.planning.errors import (
    EconomicsMissing,
    MechanismDoesNotFit,
    MetricDoesNotFit,
    OfferMissing,
    PlanIncomplete,
    RivalStoresDoNotFit,
    StagesDoNotFit,
    SubgroupDoesNotFit,
    VariantsDoNotFit,
    WindDownDoesNotFit,
    WrongLead,
)
from pilot.planning.metrics import library_metric
from pilot.planning.plan import (
    ALL_UNITS,
    REGION_PREFIX,
    TOTALS,
    Leads,
    Objective,
    Plan,
    PlannedOffer,
    StagePlan,
)
from pilot.planning.plan_parts import MembershipsEnd, PointsEnd, TiersEnd
from pilot.programs.errors import UnknownSegment
from pilot.programs.mechanics import spec_of
from pilot.words import N_, Message

Rule = Callable[[Plan], None]


def problems(plan: Plan) -> tuple[PilotError, ...]:
    """The first thing wrong by each rule; empty when the plan may be submitted."""
    found = []
    for rule in RULES:
        try:
            rule(plan)
        except PilotError as error:
            found.append(error)
    return tuple(found)


def require_sense(plan: Plan) -> None:
    """Raise the first problem."""
    for rule in RULES:
        rule(plan)


def is_tied_to_identification(offer: PlannedOffer) -> bool:
    """Whether this offer is given only to shoppers who let themselves be recognised."""
    return spec_of(offer.mechanic).shows_card or offer.segment is not None or bool(offer.enrolment.get("form_fields"))


def _complete(plan: Plan) -> None:
    if not plan.hypothesis:
        raise PlanIncomplete(what=_because(N_("the hypothesis (what should change, for whom, and why)")))
    if not plan.stages:
        raise PlanIncomplete(what=_because(N_("a stage")))


def _variants(plan: Plan) -> None:
    codes = [variant.code for variant in plan.variants]
    if len(codes) < 2:
        raise VariantsDoNotFit(problem=_because(N_("it needs control and at least one other variant")))
    if codes[0] != CONTROL:
        raise VariantsDoNotFit(problem=_because(N_("the first variant must be control")))
    if len(set(codes)) != len(codes):
        raise VariantsDoNotFit(problem=_because(N_("a variant appears twice")))


def _offers(plan: Plan) -> None:
    for variant in plan.treated:
        held = plan.offers_of(variant)
        if not held:
            raise OfferMissing(variant=variant, where="", program=plan.program)
        if plan.unit is AssignmentUnit.CUSTOMER and not any(offer.segment is None for offer in held):
            for segment in plan.segments:
                if segment not in {offer.segment for offer in held}:
                    raise OfferMissing(variant=variant, where=f" ({segment})", program=plan.program)


def _segments(plan: Plan) -> None:
    known = {segment.code for segment in plan.segment_rules}
    named = {*plan.segments, *(offer.segment for offer in plan.offers if offer.segment is not None)}
    if plan.offers and named - known:
        raise UnknownSegment(segment=", ".join(sorted(named - known)), known=", ".join(sorted(known)) or "–")


def _subgroups(plan: Plan) -> None:
    """Regions are known to the network alone: a form offers those that there are."""
    known = {*(f"segment:{segment.code}" for segment in plan.segment_rules), "size:small", "size:large"}
    for group in plan.subgroups:
        if group not in known and not (group.startswith(REGION_PREFIX) and plan.unit is AssignmentUnit.STORE):
            raise SubgroupDoesNotFit(group=group, known=", ".join([*sorted(known), f"{REGION_PREFIX}…"]))


def _mechanism(plan: Plan) -> None:
    kind, match_on = plan.mechanism.kind, plan.mechanism.match_on

    def refuse(problem: Message) -> None:
        raise MechanismDoesNotFit(mechanism=MECHANISMS[kind], problem=problem)

    if kind is MechanismKind.RERANDOMIZED:
        refuse(_because(N_("a pilot cannot state its criterion yet; use matched pairs, stratified or complete")))
    if kind is MechanismKind.MATCHED_PAIRS:
        if plan.unit is AssignmentUnit.CUSTOMER:
            refuse(_because(N_("pairs are for stores and regions; draw customers stratified or complete")))
        if len(plan.variants) != 2 or plan.variants[0].weight != plan.variants[1].weight:
            refuse(_because(N_("pairs need exactly two variants of equal weight; use stratified for more")))
        if not match_on:
            refuse(_because(N_("it must say what the pairs are matched on")))
        unknown = ", ".join(sorted(set(match_on) - set(COVARIATES)))
        if unknown:
            refuse(
                _because(
                    N_("{unknown} is no covariate; there are {known}"), unknown=unknown, known=", ".join(COVARIATES)
                )
            )
        if len(set(match_on)) != len(match_on):
            refuse(_because(N_("a covariate appears twice")))
    elif match_on:
        refuse(_because(N_("only matched pairs are matched on something; leave it empty")))
    if kind is MechanismKind.STRATIFIED and plan.unit is AssignmentUnit.REGION:
        refuse(_because(N_("regions have no strata; use complete or matched pairs")))
    if kind is MechanismKind.BERNOULLI_HASH and plan.unit is not AssignmentUnit.CUSTOMER:
        refuse(_because(N_("it is for customers with open enrolment; stores and regions are a closed list")))


def _metrics(plan: Plan) -> None:
    codes = [plan.primary, *plan.secondary, *(guardrail.metric for guardrail in plan.guardrails)]
    for code in codes:
        metric = library_metric(code).metric
        if codes.count(code) > 1:
            raise MetricDoesNotFit(metric=code, problem=_because(N_("it appears twice; each metric has one role")))
        try:
            metric.require_measurable(plan.unit)
        except NotMeasurable as error:
            text = N_("it cannot be split between customers of one store")
            raise MetricDoesNotFit(metric=code, problem=_because(text)) from error
    primary = library_metric(plan.primary).metric
    if primary.has_fixed_window:
        last_day = day_offsets(primary)[1]
        for stage in plan.stages:
            if last_day >= 7 * stage.weeks:
                raise MetricDoesNotFit(
                    metric=plan.primary,
                    problem=_because(N_("its days are not over at the first look; make the stage longer")),
                )


def _leads(plan: Plan) -> None:
    level = library_metric(plan.primary).metric.level
    if plan.unit is AssignmentUnit.CUSTOMER:
        if plan.leads is not Leads.CUSTOMERS:
            raise WrongLead(
                problem=_because(N_("when customers are assigned, stores have no totals of their own: customers lead"))
            )
        return
    if plan.leads is Leads.STORE_TOTALS and plan.primary not in TOTALS:
        raise WrongLead(
            problem=_because(
                N_("where store totals lead, the primary metric is the store total or sales from outside the list")
            )
        )
    if plan.leads is Leads.CUSTOMERS and level is not MetricLevel.CUSTOMER:
        raise WrongLead(problem=_because(N_("where customers lead, the primary metric is one of customers")))
    if plan.leads is Leads.CUSTOMERS and any(is_tied_to_identification(offer) for offer in plan.offers):
        raise WrongLead(
            problem=_because(
                N_(
                    "an offer is tied to showing a card or phone number, which by itself raises every customer metric: "
                    "store totals lead"
                )
            )
        )


def _stages(plan: Plan) -> None:
    for position, stage in enumerate(plan.stages, start=1):
        _one_stage(plan, stage, position)
    for earlier, later in pairwise(plan.stages):
        if later.starts_on <= earlier.ends_on():
            raise StagesDoNotFit(
                stage=later.number, problem=_because(N_("it must start after the stage before it has reached its gate"))
            )


def _money(plan: Plan) -> None:
    """Without it no offer has a break-even, and what a design sees is held against nothing."""
    if plan.economics is None:
        raise EconomicsMissing()


def _rivals(plan: Plan) -> None:
    def refuse(problem: Message) -> None:
        raise RivalStoresDoNotFit(problem=problem)

    if plan.objective is not Objective.DEFEND:
        if plan.rival_stores:
            refuse(_because(N_("only a pilot that defends against a rival has them")))
        return
    if plan.unit is AssignmentUnit.CUSTOMER:
        refuse(_because(N_("what a rival takes is missing in the till: draw stores, customers have no store total")))
    if plan.unit is AssignmentUnit.REGION:
        refuse(_because(N_("a whole region is not near a rival: draw stores")))
    if not plan.rival_stores:
        refuse(_because(N_("name them: they are declared before the start, not chosen afterwards")))
    for stage in plan.stages:
        others = ", ".join(sorted(set(stage.units) - set(plan.rival_stores)))
        if others:
            also = N_("stage {stage} also takes {others}; it is for the stores near the rival")
            refuse(_because(also, stage=str(stage.number), others=others))


def _wind_down(plan: Plan) -> None:
    def refuse(problem: Message) -> None:
        raise WindDownDoesNotFit(problem=problem)

    end = plan.wind_down
    if end is None:
        refuse(_because(N_("say what customers keep when the program ends, and until when")))
        return
    held = {offer.mechanic: offer.terms for offer in plan.offers}
    if "cumulative_bonus" in held and end.points is PointsEnd.NONE:
        refuse(_because(N_("customers will hold points: say whether they stay redeemable or are paid out")))
    if "tier_card" in held and end.tiers is TiersEnd.NONE:
        refuse(_because(N_("customers will hold tiers: say whether they are kept for a time or end at once")))
    if held.get("club_membership", {}).get("fee_minor") and end.memberships is MembershipsEnd.NONE:
        refuse(_because(N_("customers will have paid for membership: say whether it is refunded or runs out")))
    if plan.stages and end.honour_until <= (last := plan.stages[-1].last_possible_day):
        late = N_("what customers hold is honoured until a day after the last stage, which may run to {last:date}")
        refuse(_because(late, last=str(last)))


def _one_stage(plan: Plan, stage: StagePlan, position: int) -> None:
    def refuse(problem: Message) -> None:
        raise StagesDoNotFit(stage=stage.number, problem=problem)

    if stage.number != position:
        refuse(_because(N_("stages are numbered 1, 2, 3 in order")))
    if stage.looks > 1 and stage.extension_weeks == 0:
        refuse(_because(N_("more than one look needs the weeks that an extension adds")))
    if stage.looks == 1 and stage.extension_weeks > 0:
        refuse(_because(N_("an extension needs a second look: plan 2 looks or more, or no extension weeks")))
    if not stage.gate:
        refuse(_because(N_("its gate must demand something")))
    if len(set(stage.units)) != len(stage.units):
        refuse(_because(N_("it names a unit twice")))
    if ALL_UNITS in stage.units and len(stage.units) > 1:
        refuse(_because(N_("“all” stands alone")))
    if set(stage.units) & set(plan.holdout):
        refuse(_because(N_("it names a unit of the holdout, which stays out of every stage")))
    if stage.is_network and stage is not plan.stages[-1]:
        refuse(_because(N_("the whole network is the last stage")))


def _because(template: str, **values: str) -> Message:
    """A reason inside the sentence of an error, translated with it."""
    return Message("because", template, values)


RULES: tuple[Rule, ...] = (
    _complete, _variants, _offers, _segments, _subgroups, _mechanism, _metrics, _leads, _stages, _money, _rivals,
    _wind_down,
)  # fmt: skip
