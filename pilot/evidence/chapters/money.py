"""Money: incremental margin less rewards, communication and set-up, with its interval and the chance of a loss.

The outcome of a unit is its own money (``money_sources``); its effect is estimated as the headline is
(``experiments.look.money``), times the treated store-weeks or customers, less what is paid whatever is sold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, Decimal
from math import ceil
from typing import Any

from sqlalchemy import select

from experiments.errors import NotEstimable
from experiments.estimate.estimate import Interval
from experiments.forecast.economics import return_on_investment, waterfall
from experiments.forecast.harm import posterior
from experiments.forecast.shrinkage import Prior
from experiments.look.money import MoneyEffect
from experiments.measure.unit_money import MarginBasis
from experiments.messages import Message as ExperimentMessage
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.money_costs import ByTerms, Liability, by_terms, liability
from pilot.evidence.chapters.money_sources import MoneySource, money_source
from pilot.planning.metrics import in_our_words
from pilot.planning.plan import OUTSIDE_LIST
from pilot.planning.plan_parts import Economics, PlannedPrior
from pilot.programs.model import Offer
from pilot.words import N_, Message

CONFIDENCE_LEVEL = 0.95

_NO_ECONOMICS = ExperimentMessage(
    "economics_not_planned", N_("the plan does not say what money is reckoned with; an amendment can add it"), {}
)
_NO_COST = Message("no_cost", N_("nothing was spent, so there is no return on what was spent"), {})
_COST_MOVES = Message(
    "cost_moves_with_sales",
    N_("the cost moves with sales: the return has no interval of its own; see that of the net amount"),
    {},
)


@dataclass(frozen=True, slots=True)
class _Context:
    """What all variants of the chapter share."""

    inputs: ChapterInputs
    given: Economics
    source: MoneySource

    @property
    def stage_weeks(self) -> float:
        return self.inputs.window.days / 7

    @property
    def of_customers(self) -> bool:
        return self.inputs.population.customers is not None


def compute(inputs: ChapterInputs) -> dict[str, Any]:
    """The chapter: per variant the account, its interval, and probabilities of a loss given the plan's priors."""
    given = inputs.plan.economics
    if given is None:
        raise NotEstimable(_NO_ECONOMICS)
    source = money_source(inputs, given)
    context = _Context(inputs, given, source)
    return {
        "drawn": "customers" if context.of_customers else "stores",
        "basis": source.basis.value,
        "margin_share": str(given.margin_share) if source.basis is MarginBasis.PLAN else None,
        "margin_rate": source.margin_rate,
        "horizon_weeks": given.horizon_weeks,
        "redemption": [str(s) for s in (given.redemption_low, given.redemption_share, given.redemption_high)],
        "priors": {
            name: {"mean_share": str(prior.mean_share), "sd_share": str(prior.sd_share), "source": prior.source}
            for name, prior in _priors(inputs)
        },
        "variants": {variant: _variant_or_reason(context, variant) for variant in inputs.plan.treated},
    }


def _variant_or_reason(context: _Context, variant: str) -> dict[str, Any]:
    try:
        return _variant(context, variant)
    except NotEstimable as refused:
        return {"refusal": in_our_words(refused.message).to_dict()}


def _variant(context: _Context, variant: str) -> dict[str, Any]:
    inputs, given, source = context.inputs, context.given, context.source
    found = source.effect(variant)
    offers = inputs.plan.offers_of(variant)
    given_out = max(0, round(found.rewards * found.times))  # beyond what control's own rewards would have been
    owed = liability(offers, given, identified_minor=source.identified_minor(variant), redeemed_minor=given_out)
    terms = by_terms(
        offers,
        given,
        receipts=source.receipts(variant),
        days=inputs.window.days,
        on_receipts_minor=given_out,
        offer_ids=_offer_ids(inputs),
    )
    once = _once(context, found.treated, variant)
    account = _account(context, found, owed, terms, once)
    interval = found.effect.inference.interval(CONFIDENCE_LEVEL)
    net = sum(amount for _, amount in account)
    fixed = net - round(found.effect.estimate.effect * found.times)
    low, high = _times(interval, found.times, fixed)
    gate = inputs.analysis.look.gate_confidence
    horizon = _over_horizon(context, found, fixed, once)
    base = owed.base_minor if owed else 0
    return {
        "net_minor": net,
        "net_low_minor": low,
        "net_high_minor": high,
        "confidence_level": CONFIDENCE_LEVEL,
        "net_by_redemption": [net + base - (one if owed else 0) for one in _owed(owed)],
        "account": [asdict(step) for step in waterfall(account)],
        "per_customer" if context.of_customers else "per_store_week": found.effect.estimate.to_dict(),
        "regression": {"std_error": found.effect.regression_error, "df": found.effect.regression_df},
        "control_sales": found.control_sales,
        **({} if context.of_customers else {"store_weeks": found.times, "stores": found.treated}),
        "listed_customers": source.listed(variant),
        "identified_customers": terms.customers,
        "members": _members(terms, net),
        "liability": asdict(owed) if owed else None,
        "return": _return(account, net, low, high, fixed_cost=not (found.discounts or found.rewards or owed)),
        "horizon_minor": horizon.net(found),
        "horizon_low_minor": horizon.ends(found, CONFIDENCE_LEVEL)[0],
        "horizon_high_minor": horizon.ends(found, CONFIDENCE_LEVEL)[1],
        "gate_confidence": gate,
        "horizon_high_gate_minor": horizon.ends(found, gate)[1],
        **_losses(context, found, variant, needed_stage=-fixed / found.times, needed_horizon=horizon.needed),
    }


def _account(
    context: _Context, found: MoneyEffect, owed: Liability | None, terms: ByTerms, once: Mapping[str, int]
) -> list[tuple[str, int]]:
    """Code and amount of each row, which add up to the net to the last digit: the margin takes what rounding leaves."""
    times = found.times
    discounts, rewards = round(found.discounts * times), round(found.rewards * times)
    margin = round(found.effect.estimate.effect * times) + discounts + rewards
    rows = [
        ("margin", margin),
        ("discounts", -discounts),
        ("rewards", -rewards),
        ("liability", -(owed.base_minor if owed else 0)),
        ("benefits", -terms.benefits_minor),
        ("prizes", -terms.prizes_minor),
        ("fees", terms.fees_minor),
        *((code, -amount) for code, amount in once.items()),
    ]
    return [(code, amount) for code, amount in rows if amount or code in ("margin", "rewards")]


def _members(terms: ByTerms, net: int) -> dict[str, Any] | None:
    """How many were counted as members, and the net if nobody or everybody who was seen were one."""
    found = terms.members
    if found is None or not (found.benefits_of_all_minor or found.fees_of_all_minor):
        return None
    without = net + terms.benefits_minor - terms.fees_minor
    return {
        "n": found.n,
        "seen": found.seen,
        "counted": found.counted,
        "net_of_none_minor": without,
        "net_of_all_minor": without - found.benefits_of_all_minor + found.fees_of_all_minor,
    }


def _offer_ids(inputs: ChapterInputs) -> dict[str, int]:
    """What receipts carry for the plan's offers, by code."""
    codes = [offer.code for offer in inputs.plan.offers]
    found = inputs.session.execute(select(Offer.code, Offer.id).where(Offer.code.in_(codes)))
    return {str(code): int(number) for code, number in found}


def _once(context: _Context, treated: int, variant: str) -> dict[str, int]:
    """Communication of the stage, set-up in the first stage, and per store made ready; shared by the variants by what
    each of them treats."""
    plan, given = context.inputs.plan, context.given
    everything = max(context.source.treated(), 1)
    is_first = context.inputs.stage.number == min(stage.number for stage in plan.stages)

    def shared(amount: int) -> int:
        return int((Decimal(amount) * treated / everything).to_integral_value(ROUND_CEILING))

    return {
        "communication": shared(given.communication_minor),
        "setup": shared(given.setup_minor) if is_first else 0,
        "stores": ceil(given.store_minor * context.source.ready_stores(variant)) if is_first else 0,
    }


@dataclass(frozen=True, slots=True)
class _Horizon:
    """The same stores or customers over the plan's horizon: so many ``times`` the effect, and what is paid or earned
    whatever is sold."""

    times: float
    constant: int

    @property
    def needed(self) -> float:
        """The effect at which it comes to nothing."""
        return -self.constant / self.times

    def net(self, found: MoneyEffect) -> int:
        return round(found.effect.estimate.effect * self.times) + self.constant

    def ends(self, found: MoneyEffect, confidence_level: float) -> tuple[int | None, int | None]:
        return _times(found.effect.inference.interval(confidence_level), self.times, self.constant)


def _over_horizon(context: _Context, found: MoneyEffect, fixed: int, once: Mapping[str, int]) -> _Horizon:
    """What runs goes on at its rate; set-up and stores are paid once."""
    paid_once = once["setup"] + once["stores"]
    running = (fixed + paid_once) * (context.given.horizon_weeks / context.stage_weeks)
    longer = context.given.horizon_weeks / context.stage_weeks if context.of_customers else context.given.horizon_weeks
    return _Horizon(found.treated * longer, round(running) - paid_once)


def _losses(
    context: _Context, found: MoneyEffect, variant: str, *, needed_stage: float, needed_horizon: float
) -> dict[str, float | None]:
    """P(loss) given each prior, at the stage's end and over the horizon."""
    effect = found.effect
    answers: dict[str, float | None] = {}
    for name, planned in _priors(context.inputs):
        mean, sd = belief_in_money(
            planned,
            sales=_believed_sales(context, found, variant),
            margin_rate=context.source.margin_rate,
            discounts=found.discounts,
            rewards=found.rewards,
        )
        if not (sd > 0.0 and effect.regression_error > 0.0):
            answers |= {f"p_loss_{name}": None, f"p_loss_stage_{name}": None}
            continue
        known = posterior(
            effect.estimate.effect,
            effect.regression_error,
            effect.regression_df,
            Prior(name, mean, sd, planned.source),
        )
        answers[f"p_loss_{name}"] = known.probability_below(needed_horizon)
        answers[f"p_loss_stage_{name}"] = known.probability_below(needed_stage)
    return answers


def belief_in_money(
    prior: PlannedPrior, *, sales: float, margin_rate: float, discounts: float, rewards: float
) -> tuple[float, float]:
    """Mean and sd, per store-week, of what a belief about net sales says about money.

    Net sales that change by x, of which ``discounts`` were given away at the till, leave m x − (1 − m) discounts −
    rewards: goods cost (1 − m)(x + discounts).
    """
    mean = margin_rate * sales * float(prior.mean_share) - (1.0 - margin_rate) * discounts - rewards
    return mean, margin_rate * sales * float(prior.sd_share)


def _believed_sales(context: _Context, found: MoneyEffect, variant: str) -> float:
    """What the prior's shares are shares of: control's sales, or those outside the list where they are primary."""
    if context.inputs.plan.primary == OUTSIDE_LIST:
        row = context.inputs.analysis.row(OUTSIDE_LIST, variant)
        if row.estimate is not None:
            return row.estimate.mean_control
    return found.control_sales


def _return(
    account: Sequence[tuple[str, int]], net: int, low: int | None, high: int | None, *, fixed_cost: bool
) -> dict[str, Any]:
    """Net per unit of money spent; with an interval where the cost does not move with sales."""
    cost = -sum(amount for code, amount in account if code != "margin" and amount < 0)
    if cost <= 0:
        return {"refusal": _NO_COST.to_dict()}
    ratio = float(return_on_investment(net, cost))
    if not fixed_cost:
        return {"cost_minor": cost, "ratio": ratio, "interval_refusal": _COST_MOVES.to_dict()}
    return {
        "cost_minor": cost,
        "ratio": ratio,
        "interval": [None if end is None else end / cost for end in (low, high)],
    }


def _owed(owed: Liability | None) -> tuple[int, int, int]:
    return (owed.low_minor, owed.base_minor, owed.high_minor) if owed else (0, 0, 0)


def _times(interval: Interval, times: float, plus: int) -> tuple[int | None, int | None]:
    low, high = (None if end is None else round(end * times) + plus for end in interval)
    return low, high


def _priors(inputs: ChapterInputs) -> tuple[tuple[str, PlannedPrior], ...]:
    return (("sceptical", inputs.plan.priors.sceptical), ("neutral", inputs.plan.priors.neutral))
