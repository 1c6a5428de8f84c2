"""What an offer costs: for each mechanic its terms become a share of the sales under it, low, base and high.

The formulas are in ``docs/methods/economics.md``, with an example each. What the terms leave open — how many points are
redeemed, how sales are spread over tiers — comes from the assumptions; where nothing is known the cost is a band.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from experiments.forecast.economics import BreakEven, break_even
from pilot.programs import terms as t
from pilot.programs.errors import MarginUnknown, SpendUnknown
from pilot.programs.mechanics import Mechanic, read_terms, spec_of
from pilot.words import N_, Message

_ZERO, _ONE = Decimal(0), Decimal(1)
BENEFIT_DAYS = 28
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What an offer's cost is reckoned with; all of it is somebody's assumption and is printed as one.

    ``spend_minor`` is what a customer under the offer spends in 28 days, ``benefit_minor`` what privileges, access or
    service cost per such customer in 28 days. ``sales_shares`` are the shares of sales in each tier, or in each step
    of a scale with those below the first step in front: from the past where it is known (else None: a band).
    ``stage_weeks`` is how long a gift or a draw runs.
    """

    margin_share: Decimal | None = None
    enrolment_share: Decimal = _ONE
    redemption_share: Decimal = Decimal("0.7")
    redemption_low: Decimal = Decimal("0.5")
    redemption_high: Decimal = Decimal("0.9")
    benefit_minor: int = 0
    spend_minor: int | None = None
    sales_shares: tuple[Decimal, ...] | None = None
    stage_weeks: int = 13


@dataclass(frozen=True, slots=True)
class OfferCost:
    """Shares of the sales under the offer, low ≤ base ≤ high; negative where a fee brings more than benefits cost.

    ``fixed_minor`` is paid whatever is sold (prizes of a draw). ``at_till`` says that the reward is taken off net
    sales, ``delayed`` that it is issued now and redeemed later. ``reach`` is the share of sales under the offer: all of
    them where no card is needed. ``basis`` says in words how the base was reckoned.
    """

    low: Decimal
    base: Decimal
    high: Decimal
    basis: Message
    reach: Decimal
    fixed_minor: int = 0
    at_till: bool = False
    delayed: bool = False

    def break_even(
        self,
        assumptions: Assumptions,
        *,
        reward_share: Decimal | None = None,
        fixed_minor: int = 0,
        sales_minor: int | None = None,
    ) -> BreakEven:
        """The lift at which the offer pays at its base cost, or at ``reward_share``. Raises ``MarginUnknown``,
        ``NotEstimable``."""
        if assumptions.margin_share is None:
            raise MarginUnknown
        reward = self.base if reward_share is None else reward_share
        return break_even(
            margin_share=assumptions.margin_share,
            reward_share=reward,
            enrolment_share=self.reach,
            till_share=reward if self.at_till else _ZERO,
            fixed_minor=fixed_minor + (self.fixed_minor if sales_minor else 0),
            sales_minor=sales_minor,
        )


def offer_cost(mechanic: str, terms: Mapping[str, Any], assumptions: Assumptions) -> OfferCost:
    """The cost of an offer with these stored terms. Raises ``SpendUnknown``, ``UnknownMechanic``, ``InvalidTerms``."""
    spec = spec_of(mechanic)
    reach = assumptions.enrolment_share if spec.shows_card else _ONE
    return _FORMULAS[spec.mechanic](read_terms(mechanic, dict(terms)), assumptions, reach)


def thresholds(mechanic: str, terms: Mapping[str, Any]) -> tuple[str, tuple[int, ...]] | None:
    """By what the sales under the offer divide, "spend" or "basket", and where the parts begin; None: by nothing.

    The shares of sales of a scale have one part more in front: baskets below its first step.
    """
    typed = read_terms(mechanic, dict(terms))
    if isinstance(typed, t.TierCard):
        return "spend", tuple(tier.from_spend_minor for tier in typed.tiers)
    if isinstance(typed, t.ProgressiveScale):
        return "basket", (0, *(step.from_basket_minor for step in typed.steps))
    return None


def _fixed_discount(terms: t.FixedDiscount | t.PersonalCard, _given: Assumptions, reach: Decimal) -> OfferCost:
    d = terms.discount_share
    basis = Message("cost_discount", N_("the discount itself, {share:.2%} of every sale under the offer"), _share(d))
    return OfferCost(d, d, d, basis, reach, at_till=True)


def _tier_card(terms: t.TierCard, given: Assumptions, reach: Decimal) -> OfferCost:
    return _spread([tier.discount_share for tier in terms.tiers], given, reach)


def _progressive_scale(terms: t.ProgressiveScale, given: Assumptions, reach: Decimal) -> OfferCost:
    return _spread([_ZERO, *(step.discount_share for step in terms.steps)], given, reach)


def _spread(discounts: Sequence[Decimal], given: Assumptions, reach: Decimal) -> OfferCost:
    """Σ share of sales × discount; without shares the band between the lowest and the highest, and its middle."""
    low, high = min(discounts), max(discounts)
    if given.sales_shares is not None and len(given.sales_shares) == len(discounts):
        base = sum((s * d for s, d in zip(given.sales_shares, discounts, strict=True)), _ZERO)
        basis = Message(
            "cost_spread_known", N_("each discount by the share of the network's past sales that earned it"), {}
        )
        return OfferCost(base, base, base, basis, reach, at_till=True)
    basis = Message(
        "cost_spread_unknown",
        N_("how sales divide is not known: the middle between {low:.2%} and {high:.2%}"),
        {"low": float(low), "high": float(high)},
    )
    return OfferCost(low, (low + high) / 2, high, basis, reach, at_till=True)


def _cumulative_bonus(terms: t.CumulativeBonus, given: Assumptions, reach: Decimal) -> OfferCost:
    """Earned × redeemed; never more than the share of a basket that can be paid with bonus."""
    low, base, high = (
        min(terms.earn_share * redeemed, terms.redeem_share)
        for redeemed in (given.redemption_low, given.redemption_share, given.redemption_high)
    )
    basis = Message(
        "cost_bonus",
        N_("{earned:.2%} of sales comes back as bonus, of which {redeemed:.0%} is ever redeemed"),
        {"earned": float(terms.earn_share), "redeemed": float(given.redemption_share)},
    )
    return OfferCost(low, base, high, basis, reach, delayed=True)


def _benefit(_terms: t.Terms, given: Assumptions, reach: Decimal) -> OfferCost:
    return _per_customer(Decimal(given.benefit_minor), given, reach, _BENEFIT_BASIS)


def _club_membership(terms: t.ClubMembership, given: Assumptions, reach: Decimal) -> OfferCost:
    """Benefits less the fee, both per 28 days."""
    fee = Decimal(terms.fee_minor) * BENEFIT_DAYS / terms.period_days
    return _per_customer(given.benefit_minor - fee, given, reach, _CLUB_BASIS)


def _per_customer(cost_minor: Decimal, given: Assumptions, reach: Decimal, basis: Message) -> OfferCost:
    if cost_minor == 0:
        share = _ZERO
    elif not given.spend_minor:
        raise SpendUnknown
    else:
        share = cost_minor / given.spend_minor
    return OfferCost(share, share, share, basis, reach)


def _gift_or_draw(terms: t.GiftOrDraw, given: Assumptions, reach: Decimal) -> OfferCost:
    """A draw costs its prizes. A gift costs at most cost / max(spend in the stage, spending that qualifies): of
    customers who spend s on average at most s / q can spend q or more (Markov's inequality)."""
    if terms.prize_kind is t.PrizeKind.DRAW:
        prizes = (terms.prizes or 0) * terms.prize_cost_minor
        return OfferCost(_ZERO, _ZERO, _ZERO, _DRAW_BASIS, reach, fixed_minor=prizes)
    spend = Decimal(given.spend_minor or 0) * given.stage_weeks * _WEEK / BENEFIT_DAYS
    most = max(spend, Decimal(terms.qualifying_spend_minor))
    if most == 0:
        raise SpendUnknown
    share = terms.prize_cost_minor / most
    return OfferCost(_ZERO, share, share, _GIFT_BASIS, reach)


def _share(value: Decimal) -> dict[str, float]:
    return {"share": float(value)}


_BENEFIT_BASIS = Message(
    "cost_benefit", N_("what the benefit costs per customer and 28 days, over what such a customer spends then"), {}
)
_CLUB_BASIS = Message(
    "cost_club", N_("benefits less the fee per member and 28 days, over what such a member spends then"), {}
)
_DRAW_BASIS = Message("cost_draw", N_("the prizes, whatever is sold"), {})
_GIFT_BASIS = Message(
    "cost_gift",
    N_("one gift for each customer who can have qualified at most, over what customers spend meanwhile"),
    {},
)
_BENEFIT = Message("formula_benefit", N_("Cost: the benefit per customer, over what customers spend"))
FORMULAS_IN_WORDS: dict[Mechanic, Message] = {
    Mechanic.FIXED_DISCOUNT: Message("formula_fixed_discount", N_("Cost: the discount on every sale")),
    Mechanic.PERSONAL_CARD: Message("formula_personal_card", N_("Cost: the discount on every sale with a card")),
    Mechanic.TIER_CARD: Message("formula_tier_card", N_("Cost: each tier's discount by the sales that earn it")),
    Mechanic.PROGRESSIVE_SCALE: Message("formula_scale", N_("Cost: each step's discount by the sales that reach it")),
    Mechanic.CUMULATIVE_BONUS: Message("formula_bonus", N_("Cost: what is earned, by how much of it is redeemed")),
    Mechanic.PRIVILEGED_TERMS: _BENEFIT,
    Mechanic.GIFT_OR_DRAW: Message(
        "formula_gift", N_("Cost: a gift for each who qualifies, or the prizes of the draw")
    ),
    Mechanic.CLOSED_ACCESS: _BENEFIT,
    Mechanic.CLUB_MEMBERSHIP: Message("formula_club", N_("Cost: the benefits less the fee, over what members spend")),
    Mechanic.SERVICE_STANDARD: _BENEFIT,
}
_FORMULAS: dict[Mechanic, Callable[[Any, Assumptions, Decimal], OfferCost]] = {
    Mechanic.FIXED_DISCOUNT: _fixed_discount,
    Mechanic.PERSONAL_CARD: _fixed_discount,
    Mechanic.TIER_CARD: _tier_card,
    Mechanic.PROGRESSIVE_SCALE: _progressive_scale,
    Mechanic.CUMULATIVE_BONUS: _cumulative_bonus,
    Mechanic.PRIVILEGED_TERMS: _benefit,
    Mechanic.GIFT_OR_DRAW: _gift_or_draw,
    Mechanic.CLOSED_ACCESS: _benefit,
    Mechanic.CLUB_MEMBERSHIP: _club_membership,
    Mechanic.SERVICE_STANDARD: _benefit,
}
