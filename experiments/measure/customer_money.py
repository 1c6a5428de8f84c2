"""The money of drawn customers: margin, discounts beyond the usual and rewards of each, as whole minor units.

As for a unit (``unit_money``), but for two things: usual discounts are one share d for everybody, of all drawn
customers before the start, and sales whose cost is not known earn what known ones did before. Both were settled before
anything was drawn, so the arms are treated alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from experiments.errors import NotEstimable
from experiments.measure.customer_amounts import CustomerAmounts
from experiments.measure.unit_money import COST_KNOWN_SHARE, MarginBasis, margin_unknown

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CustomerMoney:
    """(n) of each customer, in minor units: sales and what became of them in the window, margin less rewards before."""

    basis: MarginBasis
    sales: Whole
    margin: Whole
    discount: Whole
    reward: Whole
    before: Whole

    @property
    def net(self) -> Whole:
        """Margin less rewards: the outcome that is compared."""
        found: Whole = self.margin - self.reward
        return found

    @property
    def margin_rate(self) -> float:
        """What goods earned before the offer took its part, per unit of sales before it did."""
        sold = _sum(self.sales) + _sum(self.discount)
        return (_sum(self.margin) + _sum(self.discount)) / sold if sold > 0 else 0.0


def customer_money(amounts: CustomerAmounts, margin_share: Decimal | None) -> CustomerMoney:
    """By the receipts' own cost where it covers 95 % of these customers' sales in both periods, else by the plan's
    margin. Raises ``NotEstimable`` where there is neither."""
    now, before = amounts.window, amounts.before
    known = min(_known(before), _known(now))
    if known >= COST_KNOWN_SHARE:
        basis = MarginBasis.COST
    elif margin_share is not None:
        basis = MarginBasis.PLAN
    else:
        raise NotEstimable(margin_unknown(known))
    listed = _sum(before["net_minor"]) + _sum(before["discount_minor"])
    usual = _sum(before["discount_minor"]) / listed if listed > 0 else 0.0
    given = now["discount_minor"]
    discount = _whole(given - usual * (now["net_minor"] + given))
    nothing = np.zeros(len(given), dtype=np.int64)
    rate = _rate(before)
    margins = [
        _of_plan(period, off, float(margin_share or 0)) if basis is MarginBasis.PLAN else _of_cost(period, rate)
        for period, off in ((now, discount), (before, nothing))
    ]
    earlier: Whole = margins[1] - before["reward_minor"]
    return CustomerMoney(basis, now["net_minor"], margins[0], discount, now["reward_minor"], earlier)


def _of_plan(period: Mapping[str, Whole], discount: Whole, share: float) -> Whole:
    return _whole(share * period["net_minor"] - (1.0 - share) * discount)


def _of_cost(period: Mapping[str, Whole], rate: float) -> Whole:
    unknown = period["net_minor"] - period["cost_known_net_minor"]
    return _whole(period["cost_known_net_minor"] - period["cost_minor"] + rate * unknown)


def _known(period: Mapping[str, Whole]) -> Fraction:
    net = _sum(period["net_minor"])
    return Fraction(_sum(period["cost_known_net_minor"]), net) if net > 0 else Fraction(0)


def _rate(period: Mapping[str, Whole]) -> float:
    known = _sum(period["cost_known_net_minor"])
    return (known - _sum(period["cost_minor"])) / known if known > 0 else 0.0


def _sum(column: Whole) -> int:
    return int(column.sum())


def _whole(values: npt.NDArray[np.float64]) -> Whole:
    return np.rint(values).astype(np.int64)
