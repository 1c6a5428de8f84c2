"""A plan's money before it starts: what its offers cost, the lift at which each pays, and what a stage puts at risk."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal

from experiments.errors import NotEstimable
from experiments.forecast.economics import BreakEven
from pilot.planning.metrics import in_our_words
from pilot.planning.plan import Plan, PlannedOffer, StagePlan
from pilot.planning.plan_parts import Economics
from pilot.programs.economics import Assumptions, OfferCost, offer_cost
from pilot.programs.errors import MarginUnknown, SpendUnknown
from pilot.words import N_, Message

_NO_OFFER = Message("variant_without_offer", N_("the variant gives nothing yet, so there is nothing to pay for"), {})


@dataclass(frozen=True, slots=True)
class Past:
    """What the network's past knows (``spending``): sales per week of all stores that would be treated, what a
    customer spends in 28 days, by offer code how its sales divide, and the margin of receipts that carry their cost,
    for a plan that states none. None and empty: not asked, or not known."""

    weekly_sales_minor: int | None = None
    treated_stores: int = 0
    spend_minor: int | None = None
    sales_shares: Mapping[str, tuple[Decimal, ...]] = field(default_factory=dict)
    margin_share: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OfferEconomics:
    """One offer of a variant: its ``cost`` and ``break_even``, or the reason why it cannot be reckoned."""

    offer: PlannedOffer
    cost: OfferCost | Message
    break_even: BreakEven | Message


@dataclass(frozen=True, slots=True)
class VariantEconomics:
    """``break_even`` is that of the dearest of the variant's offers: where segments get different ones, the lift that
    pays for each of them. ``with_fixed_costs``: whether set-up, communication and stores are in it."""

    variant: str
    offers: tuple[OfferEconomics, ...]
    break_even: BreakEven | Message
    with_fixed_costs: bool


@dataclass(frozen=True, slots=True)
class PlanEconomics:
    """Every treated variant's economics, by its code."""

    variants: Mapping[str, VariantEconomics]


def plan_economics(plan: Plan, past: Past | None = None) -> PlanEconomics:
    """What each variant must bring to pay for itself, over the plan's horizon.

    Fixed costs are in it where the past knows the sales: set-up and stores once, communication at its rate of the
    first stage. Without it the lift is that of the rewards alone.
    """
    known = past or Past()
    return PlanEconomics({variant: _variant(plan, variant, known) for variant in plan.treated})


def store_total_break_even_share(plan: Plan, variant: str, past: Past | None = None) -> Decimal | Message:
    """The lift at which the variant pays as the store total shows it, net of discounts at the till: to be held against
    what a design of the store total can see; or why there is none."""
    found = plan_economics(plan, past).variants[variant].break_even
    return found.store_total_lift if isinstance(found, BreakEven) else found


def money_at_risk_minor(
    plan: Plan, stage: StagePlan, weekly_sales_minor: int, *, treated_stores: int = 0, spend_minor: int | None = None
) -> int:
    """What the whole stage costs if it brings nothing: rewards at high redemption until the last possible day, prizes,
    communication, stores, and in the first stage the set-up. Rounded up.

    ``weekly_sales_minor`` are those of the stage's treated stores together. The dearest offer counts for all of them;
    an offer whose cost per customer cannot be set against sales counts as all sales under it.
    """
    given = plan.economics or Economics()
    weeks = Decimal((stage.last_possible_day - stage.starts_on).days + 1) / 7
    shares, fixed = [Decimal(0)], 0
    for offer in plan.offers:
        try:
            cost = offer_cost(offer.mechanic, offer.terms, _assumptions(plan, Past(spend_minor=spend_minor), offer))
        except SpendUnknown:
            shares.append(given.enrolment_share)
            continue
        shares.append(cost.high * cost.reach)
        fixed += cost.fixed_minor
    rewards = int((max(shares) * weekly_sales_minor * weeks).to_integral_value(ROUND_CEILING))
    once = given.setup_minor if stage.number == min(s.number for s in plan.stages) else 0
    return rewards + fixed + given.communication_minor + given.store_minor * treated_stores + once


def stage_at_risk_minor(plan: Plan, stage: StagePlan, past: Past) -> int:
    """The same by what the past knows of the stores that the stage would treat: what a submission keeps."""
    sales, stores = past.weekly_sales_minor or 0, past.treated_stores
    return money_at_risk_minor(plan, stage, sales, treated_stores=stores, spend_minor=past.spend_minor)


def offer_assumptions(given: Economics, *, stage_weeks: int, spend_minor: int | None = None) -> Assumptions:
    """A plan's economics as the assumptions of an offer's cost."""
    return Assumptions(
        margin_share=given.margin_share,
        enrolment_share=given.enrolment_share,
        redemption_share=given.redemption_share,
        redemption_low=given.redemption_low,
        redemption_high=given.redemption_high,
        benefit_minor=given.benefit_minor,
        spend_minor=spend_minor,
        stage_weeks=stage_weeks,
    )


def fixed_costs_minor(given: Economics, *, treated_stores: int, stage_weeks: int) -> int:
    """Over the horizon: set-up and stores once, communication at the rate of a stage of ``stage_weeks``."""
    communication = Decimal(given.communication_minor) * given.horizon_weeks / stage_weeks
    return given.setup_minor + given.store_minor * treated_stores + int(communication.to_integral_value(ROUND_CEILING))


def _variant(plan: Plan, variant: str, past: Past) -> VariantEconomics:
    offers = tuple(_offer(plan, offer, past) for offer in plan.offers_of(variant))
    return VariantEconomics(variant, offers, _dearest(offers), past.weekly_sales_minor is not None)


def _dearest(offers: tuple[OfferEconomics, ...]) -> BreakEven | Message:
    found: BreakEven | Message = _NO_OFFER
    for one in offers:
        if not isinstance(one.break_even, BreakEven):
            return one.break_even
        if not isinstance(found, BreakEven) or one.break_even.lift > found.lift:
            found = one.break_even
    return found


def _offer(plan: Plan, offer: PlannedOffer, past: Past) -> OfferEconomics:
    given, assumed = plan.economics or Economics(), _assumptions(plan, past, offer)
    try:
        cost = offer_cost(offer.mechanic, offer.terms, assumed)
    except SpendUnknown as refused:
        return OfferEconomics(offer, refused.message, refused.message)
    weeks = _stage_weeks(plan)
    fixed = fixed_costs_minor(given, treated_stores=past.treated_stores, stage_weeks=weeks)
    sales = past.weekly_sales_minor
    try:
        found = cost.break_even(
            assumed,
            fixed_minor=fixed if sales else 0,
            sales_minor=sales * given.horizon_weeks if sales else None,
        )
    except MarginUnknown as refused:
        return OfferEconomics(offer, cost, refused.message)
    except NotEstimable as refused:
        return OfferEconomics(offer, cost, in_our_words(refused.message))
    return OfferEconomics(offer, cost, found)


def _assumptions(plan: Plan, past: Past, offer: PlannedOffer) -> Assumptions:
    given = plan.economics or Economics()
    found = offer_assumptions(given, stage_weeks=_stage_weeks(plan), spend_minor=past.spend_minor)
    margin = found.margin_share if found.margin_share is not None else past.margin_share
    return replace(found, margin_share=margin, sales_shares=past.sales_shares.get(offer.code))


def _stage_weeks(plan: Plan) -> int:
    return plan.stages[0].weeks if plan.stages else Assumptions().stage_weeks
