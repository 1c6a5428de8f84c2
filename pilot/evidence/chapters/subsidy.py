"""Subsidised share: rewards paid on purchases that would have come anyway, by tenth of earlier spend; and the lull.

Tenths are of the whole list by spend before the start. Rewards are those on receipts, less what control's receipts show
of the same kind; where receipts carry none, the terms' share of sales. Sales that would have come anyway are what
control shows (``experiments.estimate.subsidised_share``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.design.mechanisms import CONTROL
from experiments.errors import NotEstimable
from experiments.estimate.estimate import Estimate
from experiments.estimate.subsidised_share import subsidised_share
from experiments.look.plan import LookPlan
from experiments.look.unit_effects import Ratio, permuted, ratio_effect, ratio_table
from experiments.measure.windows import Window
from experiments.messages import N_
from experiments.messages import Message as ExperimentMessage
from pilot.audit.queries import history_of
from pilot.errors import PilotError
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.reasons import (
    EXPLORATORY,
    FEWEST_CUSTOMERS,
    customers,
    identification_of,
    or_reason,
    require_enough,
    require_stores,
)
from pilot.planning.economics import offer_assumptions
from pilot.planning.plan_parts import Economics
from pilot.planning.queries import business_day
from pilot.programs.economics import offer_cost

if TYPE_CHECKING:
    import pyarrow as pa

    from experiments.measure.listed_sums import ListedSums

TENTHS = tuple(str(number) for number in range(1, 11))
_FEWEST_WEEKS = 4  # to tell a fade from a first week
_NO_REWARD = ExperimentMessage("no_rewards", N_("no reward was paid to these customers, so none was subsidised"), {})
_NOBODY = ExperimentMessage("nobody_in_tenth", N_("nobody is in this tenth, as many spent the same"), {})
_NO_LIST = ExperimentMessage("no_listed_customers", N_("no customer was listed before the start"), {})
_RUNNING = ExperimentMessage(
    "reward_still_runs",
    N_("The reward runs to the last day of this window: what customers do once it has ended is not yet observed."),
    {},
)
_SHORT = ExperimentMessage(
    "too_short_to_fade", N_("{n} weeks are too few to compare the first with the last; {needed} are needed"), {}
)


@dataclass(frozen=True, slots=True)
class _Rewards:
    """How rewards are known: ``basis`` "receipts" or "terms"; per tenth the rewards paid to each arm's customers."""

    basis: str
    share: float | None
    of_tenth: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(self.of_tenth.values())


def compute(inputs: ChapterInputs) -> dict[str, Any]:
    """The chapter: per variant the tenths and their total, the effect week by week, and whether it fades."""
    import pyarrow as pa

    from experiments.measure.listed_sums import listed_sums, spend_tenths

    require_stores(inputs)
    homes = inputs.population.homes.select(["customer_key", "unit"])
    if not homes.num_rows:
        raise NotEstimable(_NO_LIST)
    tenths = spend_tenths(inputs.receipts, homes=homes, before=inputs.before)
    homes = homes.append_column("group", pa.array(tenths, pa.string()))
    sums = listed_sums(inputs.receipts, homes=homes, window=inputs.window, before=inputs.before)
    return {
        "confidence_level": 0.95,
        "variants": {variant: or_reason(_variant, inputs, homes, sums, variant) for variant in inputs.plan.treated},
    }


def _variant(inputs: ChapterInputs, homes: pa.Table, sums: ListedSums, variant: str) -> dict[str, Any]:
    plan = inputs.look_plan
    units = [unit for unit in inputs.population.units if plan.assignment[unit] in (CONTROL, variant)]
    arms = {arm: [unit for unit in units if plan.assignment[unit] == arm] for arm in (CONTROL, variant)}
    rewards = _rewards(inputs, sums, arms[CONTROL], arms[variant], variant)
    rows = [_tenth(sums, plan, units, arms, variant, rewards, tenth) for tenth in TENTHS]
    return {
        "identification": identification_of(inputs, variant),
        "basis": rewards.basis,
        "terms_share": rewards.share,
        "tenths": rows,
        "total": or_reason(_total, sums, plan, units, arms, variant, rewards),
        "weeks": _weeks(inputs, sums, plan, units, variant),
        "fade": or_reason(_fade, sums, plan, units, variant),
        "after": or_reason(_after, inputs, homes, units, variant),
    }


def _rewards(
    inputs: ChapterInputs, sums: ListedSums, control: Sequence[str], treated: Sequence[str], variant: str
) -> _Rewards:
    """Rewards beyond what as many customers of control got; by the terms where receipts show none."""
    offers = inputs.plan.offers_of(variant)
    assumed = offer_assumptions(inputs.plan.economics or Economics(), stage_weeks=inputs.window.days // 7)
    costs = []
    for offer in offers:
        try:
            costs.append(offer_cost(offer.mechanic, offer.terms, assumed))
        except PilotError:  # its cost is no share of sales
            continue
    names = ["reward_minor", *(["discount_minor"] if any(cost.at_till for cost in costs) else [])]
    extra = {tenth: _extra(sums, control, treated, names, tenth) for tenth in TENTHS}
    if sum(extra.values()) > 0:
        return _Rewards("receipts", None, {tenth: max(paid, 0.0) for tenth, paid in extra.items()})
    share = float(max((cost.base * cost.reach for cost in costs), default=0))
    if not share > 0.0:
        raise NotEstimable(_NO_REWARD)
    sold = {tenth: sum(sums.amount("net_minor", unit, tenth) for unit in treated) for tenth in TENTHS}
    return _Rewards("terms", share, {tenth: share * max(net, 0) for tenth, net in sold.items()})


def _extra(sums: ListedSums, control: Sequence[str], treated: Sequence[str], names: Sequence[str], tenth: str) -> float:
    """What the treated arm's customers got beyond what as many of control's did."""

    def of(arm: Sequence[str]) -> tuple[int, int]:
        paid = sum(sums.amount(name, unit, tenth) for unit in arm for name in names)
        return paid, sum(sums.listed(unit, tenth) for unit in arm)

    (usual, n_control), (paid, n_treated) = of(control), of(treated)
    return float(paid - usual * n_treated / n_control) if n_control else float(paid)


def _ratios(sums: ListedSums, units: Sequence[str], tenth: str | None = None) -> list[Ratio]:
    """Net sales per listed customer of each unit, in the window and before."""
    return [
        Ratio(
            unit,
            sums.amount("net_minor", unit, tenth),
            sums.listed(unit, tenth),
            sums.before("net_minor", unit, tenth),
            sums.listed(unit, tenth),
        )
        for unit in units
    ]


def _tenth(
    sums: ListedSums,
    plan: LookPlan,
    units: Sequence[str],
    arms: Mapping[str, Sequence[str]],
    variant: str,
    rewards: _Rewards,
    tenth: str,
) -> dict[str, Any]:
    n = {arm: sum(sums.listed(unit, tenth) for unit in members) for arm, members in arms.items()}
    paid, enough = rewards.of_tenth[tenth], min(n.values()) >= FEWEST_CUSTOMERS
    row: dict[str, Any] = {
        "tenth": int(tenth),
        **customers(n[CONTROL], n[variant]),
        "reward_minor": round(paid) if enough else None,
        "reward_per_customer": paid / n[variant] if enough else None,
    }

    def found() -> dict[str, Any]:
        if not sum(n.values()):
            raise NotEstimable(_NOBODY)
        require_enough(n[CONTROL], n[variant])
        return _estimate(_ratios(sums, units, tenth), plan, variant)

    row |= or_reason(found)
    if "estimate" in row:
        row["subsidised"] = or_reason(_subsidised, Estimate.from_dict(row["estimate"]), paid)
    return row


def _estimate(ratios: Sequence[Ratio], plan: LookPlan, variant: str) -> dict[str, Any]:
    return {"estimate": ratio_effect(ratios, plan, variant).to_dict()}


def _subsidised(estimate: Estimate, paid: float) -> dict[str, Any]:
    if not paid > 0.0:
        raise NotEstimable(_NO_REWARD)
    found = subsidised_share(estimate)
    return {**asdict(found), "minor": round(found.share * paid)}


def _total(
    sums: ListedSums,
    plan: LookPlan,
    units: Sequence[str],
    arms: Mapping[str, Sequence[str]],
    variant: str,
    rewards: _Rewards,
) -> dict[str, Any]:
    """All tenths as one: the outcome of a unit is what its sales would have earned at the treated units' rates."""
    sold = {tenth: sum(sums.amount("net_minor", unit, tenth) for unit in arms[variant]) for tenth in TENTHS}
    rate = {tenth: rewards.of_tenth[tenth] / sold[tenth] if sold[tenth] > 0 else 0.0 for tenth in TENTHS}
    table = ratio_table(_ratios(sums, units), plan, variant)

    def earned(amount: Any, unit: str) -> float:
        total = sum(rate[tenth] * amount("net_minor", unit, tenth) for tenth in TENTHS)
        return float(total / sums.listed(unit))

    before = np.array([earned(sums.before, unit) for unit in table.units])
    table = replace(
        table,
        y=np.array([earned(sums.amount, unit) for unit in table.units]),
        covariates=before[:, None] if table.covariates.shape[1] else table.covariates,
    )
    estimate, _ = permuted(table, plan, variant)
    listed = {arm: sum(sums.listed(unit) for unit in members) for arm, members in arms.items()}
    return {
        **customers(listed[CONTROL], listed[variant]),
        "sales": ratio_effect(_ratios(sums, units), plan, variant).to_dict(),
        "reward_minor": round(rewards.total),
        "reward_per_customer": rewards.total / listed[variant] if listed[variant] else None,
        "subsidised": _subsidised(estimate, rewards.total),
    }


def _weeks(
    inputs: ChapterInputs, sums: ListedSums, plan: LookPlan, units: Sequence[str], variant: str
) -> list[dict[str, Any]]:
    """The effect on sales per listed customer in each week since the start, adjusted by a week before it."""
    n_before = -sums.first_week
    rows = []
    for week in range(sums.n_weeks):
        ratios = [
            Ratio(
                unit,
                sums.amount("net_minor", unit, first=week, last=week + 1),
                sums.listed(unit),
                sums.before("net_minor", unit),
                sums.listed(unit) * n_before,
            )
            for unit in units
        ]
        row = or_reason(_estimate, ratios, plan, variant)
        rows.append({"week": (inputs.window.first + timedelta(days=7 * week)).isoformat(), **row})
    return rows


def _fade(sums: ListedSums, plan: LookPlan, units: Sequence[str], variant: str) -> dict[str, Any]:
    """The last third of the weeks less the first third: what curiosity and purchases brought forward leave behind."""
    if sums.n_weeks < _FEWEST_WEEKS:
        values = {"n": sums.n_weeks, "needed": _FEWEST_WEEKS}
        raise NotEstimable(ExperimentMessage(_SHORT.code, _SHORT.template, values))
    third = max(1, sums.n_weeks // 3)
    last = sums.n_weeks - third
    ratios = [
        Ratio(
            unit,
            sums.amount("net_minor", unit, first=last) - sums.amount("net_minor", unit, first=0, last=third),
            sums.listed(unit) * third,
            sums.before("net_minor", unit),
            sums.listed(unit) * -sums.first_week,
        )
        for unit in units
    ]
    return {"weeks": third, "estimate": ratio_effect(ratios, plan, variant).to_dict()}


def _after(inputs: ChapterInputs, homes: pa.Table, units: Sequence[str], variant: str) -> dict[str, Any]:
    """The effect per week in the whole weeks after a stopped pilot's reward had ended: the lull that it leaves."""
    from experiments.measure.listed_sums import listed_sums

    first, last = _weeks_after(inputs)
    if last <= first:
        raise NotEstimable(_RUNNING)
    longer = Window(inputs.window.first, inputs.window.first + timedelta(days=7 * last - 1))
    sums = listed_sums(inputs.receipts, homes=homes, window=longer, before=inputs.before)
    ratios = [
        Ratio(
            unit,
            sums.amount("net_minor", unit, first=first),
            sums.listed(unit) * (last - first),
            sums.before("net_minor", unit),
            sums.listed(unit) * -sums.first_week,
        )
        for unit in units
    ]
    return {"weeks": last - first, "stamp": EXPLORATORY, **_estimate(ratios, inputs.look_plan, variant)}


def _weeks_after(inputs: ChapterInputs) -> tuple[int, int]:
    """The first whole week after the day on which the pilot was stopped, and the one after the last that is complete;
    counted from the start, equal where there is none."""
    stops = [entry for entry in history_of(inputs.session, "pilot", inputs.pilot) if entry.verb == "pilot.stop"]
    if not stops:
        return 0, 0
    ended = business_day(inputs.session, stops[-1].at)
    first = (max(ended, inputs.window.last) - inputs.window.first).days // 7 + 1
    return first, ((inputs.through - inputs.window.first).days + 1) // 7
