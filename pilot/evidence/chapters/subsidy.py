"""Subsidised share: rewards paid on purchases that would have come anyway, by tenth of earlier spend; and the lull.

Tenths are of the whole list by spend before the start. Rewards are those on receipts, less what control's receipts show
of the same kind; where receipts carry none, the terms' share of sales. Sales that would have come anyway are what
control shows (``experiments.estimate.subsidised_share``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.design.mechanisms import CONTROL
from experiments.errors import NotEstimable
from experiments.look.plan import LookPlan
from experiments.look.unit_effects import Ratio, permuted, ratio_effect, ratio_table
from experiments.measure.windows import Window
from experiments.messages import N_
from experiments.messages import Message as ExperimentMessage
from pilot.evidence.chapters import subsidy_customers
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.reasons import EXPLORATORY, customers, identification_of, or_reason, require_enough
from pilot.evidence.chapters.subsidy_rows import (
    TENTHS,
    Rewards,
    require_somebody,
    rewards_of,
    subsidised,
    tenth_row,
    third_of,
    weeks_after,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from experiments.measure.listed_sums import ListedSums

_NO_LIST = ExperimentMessage("no_listed_customers", N_("no customer was listed before the start"), {})


def compute(inputs: ChapterInputs) -> dict[str, Any]:
    """The chapter: per variant the tenths and their total, the effect week by week, and whether it fades."""
    import pyarrow as pa

    from experiments.measure.listed_sums import listed_sums, spend_tenths

    if inputs.population.customers is not None:
        return {"confidence_level": 0.95, "drawn": "customers", "variants": subsidy_customers.compute(inputs)}
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
    rewards = rewards_of(
        inputs,
        variant,
        paid=lambda name, arm, tenth: sum(sums.amount(name, unit, tenth) for unit in arms[arm]),
        listed=lambda arm, tenth: sum(sums.listed(unit, tenth) for unit in arms[arm]),
        sold=lambda tenth: sum(sums.amount("net_minor", unit, tenth) for unit in arms[variant]),
    )
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
    rewards: Rewards,
    tenth: str,
) -> dict[str, Any]:
    control, treated = (sum(sums.listed(unit, tenth) for unit in arms[arm]) for arm in (CONTROL, variant))

    def found() -> dict[str, Any]:
        require_somebody(control + treated)
        require_enough(control, treated)
        return _estimate(_ratios(sums, units, tenth), plan, variant)

    return tenth_row(tenth, control, treated, rewards.of_tenth[tenth], found)


def _estimate(ratios: Sequence[Ratio], plan: LookPlan, variant: str) -> dict[str, Any]:
    return {"estimate": ratio_effect(ratios, plan, variant).to_dict()}


def _total(
    sums: ListedSums,
    plan: LookPlan,
    units: Sequence[str],
    arms: Mapping[str, Sequence[str]],
    variant: str,
    rewards: Rewards,
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
        "subsidised": subsidised(estimate, rewards.total),
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
    third = third_of(sums.n_weeks)
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

    first, last = weeks_after(inputs)
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
