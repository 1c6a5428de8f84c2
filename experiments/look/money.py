"""The effect on money: margin less rewards per store-week, estimated as the headline is, and the parts it is made of.

The unit's outcome is its own money, so that the interval comes from how units differ, never from customers times a
rate. The parts (margin before the offer's discounts, discounts, rewards) are the same regression with each part in the
place of the outcome; with one set of units, blocks and covariates the coefficients add up: net = margin − discounts −
rewards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.design.mechanisms import CONTROL
from experiments.errors import NotEstimable
from experiments.estimate.unit_means import NO_VARIATION, fit
from experiments.estimate.unit_table import Floats, unit_table
from experiments.look.customer_values import Drawn, Whole, part_effect, value_effect, value_moments
from experiments.look.plan import LookPlan
from experiments.look.rows import Effect, unit_effect
from experiments.measure.customer_money import CustomerMoney
from experiments.measure.metrics import store_total
from experiments.measure.unit_money import UnitMoney

_WEEK = 7


@dataclass(frozen=True, slots=True)
class MoneyEffect:
    """Per unit of account, a treated store's week or a treated customer's window, in minor units: the ``effect`` on
    money with its inference, and the part of it that are discounts beyond the usual and rewards. ``control_sales`` are
    control's sales per unit of account; there were so many ``times`` it, in so many ``treated`` stores or customers."""

    effect: Effect
    discounts: float
    rewards: float
    control_sales: float
    times: float
    treated: int


def money_effect(
    plan: LookPlan, money: Sequence[UnitMoney], variant: str, *, days: int, days_before: int
) -> MoneyEffect:
    """The effect of ``variant`` on the money of its units, against control's. Raises ``NotEstimable``."""
    moments = [row.moments(days=days, days_before=days_before) for row in money]
    effect = unit_effect(plan, store_total(), moments, variant)
    table = unit_table(store_total(), moments, mechanism=plan.mechanism, assignment=plan.assignment, variant=variant)
    by_unit = {row.unit: row for row in money}
    rows = [by_unit[unit] for unit in table.units]
    per_week = {row.unit: _WEEK / (row.n_stores * days) for row in rows}

    def part(values: Mapping[str, int]) -> float:
        y: Floats = np.array([values[unit] * per_week[unit] for unit in table.units])
        try:
            return fit(replace(table, y=y)).effect
        except NotEstimable as refused:
            if refused.message.code == NO_VARIATION:  # the same in every unit, mostly nothing at all
                return 0.0
            raise

    control = [row.sales_minor * per_week[row.unit] for row, t in zip(rows, table.treated, strict=True) if t == 0.0]
    stores = sum(row.n_stores for row, t in zip(rows, table.treated, strict=True) if t == 1.0)
    return MoneyEffect(
        effect,
        discounts=part({row.unit: row.discount_minor for row in rows}),
        rewards=part({row.unit: row.reward_minor for row in rows}),
        control_sales=sum(control) / len(control),
        times=stores * days / _WEEK,
        treated=stores,
    )


def customer_money_effect(plan: LookPlan, drawn: Drawn, money: CustomerMoney, variant: str) -> MoneyEffect:
    """The effect of ``variant`` on the money of drawn customers over the window. Raises ``NotEstimable``."""

    def part(values: Whole) -> float:
        return part_effect(plan, value_moments(drawn, values, money.before), variant)

    control = drawn.of(CONTROL)
    treated = drawn.count(variant)
    return MoneyEffect(
        value_effect(plan, value_moments(drawn, money.net, money.before), variant),
        discounts=part(money.discount),
        rewards=part(money.reward),
        control_sales=int(money.sales[control].sum()) / max(int(control.sum()), 1),
        times=float(treated),
        treated=treated,
    )
