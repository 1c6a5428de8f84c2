"""The subsidised share where customers were drawn one by one: the same rows as for stores, of each arm's customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.measure.customer_amounts import customer_weeks
from experiments.measure.windows import Window
from pilot.evidence.chapters import subsidy_rows as rows
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.of_customers import arms, mean_effect
from pilot.evidence.chapters.reasons import EXPLORATORY, customers, divided, or_reason, require_enough

Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_FINE = 1_000  # rewards are reckoned in thousandths of a minor unit, and rounded once


@dataclass(frozen=True, eq=False)
class _Customers:
    """Everybody who was drawn, the ``tenth`` of each, and net sales by whole week of the window."""

    inputs: ChapterInputs
    tenth: npt.NDArray[np.str_]
    weeks: Sequence[Whole]

    @property
    def before(self) -> Whole:
        return self.inputs.amounts.before["net_minor"]

    def amount(self, name: str, arm: str, tenth: str) -> int:
        """The sum of an amount in the window over an arm's customers of a tenth."""
        return int(self.inputs.amounts.window[name][self.inputs.drawn.of(arm) & (self.tenth == tenth)].sum())

    def count(self, arm: str, tenth: str) -> int:
        return int(np.count_nonzero(self.inputs.drawn.of(arm) & (self.tenth == tenth)))


def compute(inputs: ChapterInputs) -> dict[str, Any]:
    """Per variant the tenths and their total, the effect week by week, and whether it fades."""
    from experiments.measure.listed_sums import spend_tenths

    homes = inputs.customers.select(["customer_key"])
    tenth = np.array(spend_tenths(inputs.receipts, homes=homes, before=inputs.before))
    weeks = list(customer_weeks(inputs.receipts, customers=inputs.customers, window=inputs.window))
    everybody = _Customers(inputs, tenth, weeks)
    return {variant: or_reason(_variant, everybody, variant) for variant in inputs.plan.treated}


def _variant(of: _Customers, variant: str) -> dict[str, Any]:
    rewards = rows.rewards_of(
        of.inputs,
        variant,
        paid=lambda name, arm, tenth: of.amount(name, arm, tenth),
        listed=of.count,
        sold=lambda tenth: of.amount("net_minor", variant, tenth),
    )
    return {
        "identification": None,
        "basis": rewards.basis,
        "terms_share": rewards.share,
        "tenths": [_tenth(of, variant, rewards, tenth) for tenth in rows.TENTHS],
        "total": or_reason(_total, of, variant, rewards),
        "weeks": [
            {
                "week": (of.inputs.window.first + timedelta(days=7 * number)).isoformat(),
                **or_reason(_estimate, of, variant, week),
            }
            for number, week in enumerate(of.weeks)
        ],
        "fade": or_reason(_fade, of, variant),
        "after": or_reason(_after, of, variant),
    }


def _estimate(of: _Customers, variant: str, y: Whole, keep: Flags | None = None) -> dict[str, Any]:
    return {"estimate": mean_effect(of.inputs, variant, y, of.before, keep).to_dict()}


def _tenth(of: _Customers, variant: str, rewards: rows.Rewards, tenth: str) -> dict[str, Any]:
    keep = of.tenth == tenth
    control, treated = arms(of.inputs, variant, keep)

    def found() -> dict[str, Any]:
        rows.require_somebody(control + treated)
        require_enough(control, treated)
        return _estimate(of, variant, of.inputs.amounts.window["net_minor"], keep)

    return rows.tenth_row(tenth, control, treated, rewards.of_tenth[tenth], found)


def _total(of: _Customers, variant: str, rewards: rows.Rewards) -> dict[str, Any]:
    """All tenths as one: the outcome of a customer is what their sales would have earned at their tenth's rate."""
    rate = np.zeros(len(of.tenth))
    for tenth in rows.TENTHS:
        sold = of.amount("net_minor", variant, tenth)
        rate[of.tenth == tenth] = rewards.of_tenth[tenth] / sold if sold > 0 else 0.0
    earned, before = (
        np.rint(_FINE * rate * net).astype(np.int64) for net in (of.inputs.amounts.window["net_minor"], of.before)
    )
    fine = mean_effect(of.inputs, variant, earned, before)
    control, treated = arms(of.inputs, variant)
    return {
        **customers(control, treated),
        "sales": mean_effect(of.inputs, variant, of.inputs.amounts.window["net_minor"], of.before).to_dict(),
        "reward_minor": round(rewards.total),
        "reward_per_customer": rewards.total / treated if treated else None,
        "subsidised": rows.subsidised(fine, rewards.total),
    }


def _fade(of: _Customers, variant: str) -> dict[str, Any]:
    """The last third of the weeks less the first third, per week."""
    third = rows.third_of(len(of.weeks))
    change = sum(of.weeks[-third:]) - sum(of.weeks[:third])
    found = mean_effect(of.inputs, variant, np.asarray(change, dtype=np.int64), of.before)
    return {"weeks": third, "estimate": divided(found, third).to_dict()}


def _after(of: _Customers, variant: str) -> dict[str, Any]:
    """The effect per week in the whole weeks after a stopped pilot's reward had ended."""
    first, last = rows.weeks_after(of.inputs)
    start = of.inputs.window.first
    longer = Window(start + timedelta(days=7 * first), start + timedelta(days=7 * last - 1))
    weeks = customer_weeks(of.inputs.receipts, customers=of.inputs.customers, window=longer)
    found = mean_effect(of.inputs, variant, np.asarray(sum(weeks), dtype=np.int64), of.before)
    return {"weeks": last - first, "stamp": EXPLORATORY, "estimate": divided(found, last - first).to_dict()}
