"""The money of a unit: margin, discounts beyond its usual ones and rewards paid, as exact whole minor units.

With N net sales and D discounts of a unit in the window, and d = D' / (N' + D') its share of discounts before,

    discount = D − d (N + D)                  what the offer took off beyond what was usual there
    margin   = N − cost                       where receipts carry their cost, after all discounts
             = m N − (1 − m) × discount       where the plan states a margin m: goods cost (1 − m)(N + discount)
    net      = margin − rewards

so that ``margin_before`` = margin + discount is what the goods earned before the offer took its part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from experiments.errors import NotEstimable
from experiments.measure.unit_moments import UnitMoments
from experiments.measure.visits import BEFORE, WINDOW
from experiments.messages import N_, Message

if TYPE_CHECKING:
    import pyarrow as pa

COST_KNOWN_SHARE = Fraction(95, 100)  # of the sales of either period, else costs are not believed
_SUMS = ("net_minor", "discount_minor", "cost_minor", "cost_known_net_minor", "reward_minor", "identified_net_minor")


class MarginBasis(StrEnum):
    """Where the margin comes from: the receipts' own cost, or the share that the plan states."""

    COST = "cost"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class UnitMoney:
    """One unit, in minor units: sales and what became of them in the window, net sales and margin less rewards
    before. ``n_stores`` are its stores; ``identified_net_minor`` the sales that carry a customer."""

    unit: str
    n_stores: int
    sales_minor: int
    identified_net_minor: int
    margin_minor: int
    discount_minor: int
    reward_minor: int
    before_minor: int

    @property
    def net_minor(self) -> int:
        """Margin less rewards: the outcome that is compared."""
        return self.margin_minor - self.reward_minor

    def moments(self, *, days: int, days_before: int) -> UnitMoments:
        """Net money per store-day of the window, with the same before the start as covariate."""
        y, x = self.net_minor, self.before_minor
        return UnitMoments(
            unit=self.unit, n=self.n_stores * days, y=y, yy=y * y, x=x, xx=x * x, xy=0,
            n_x=self.n_stores * days_before, days=days, days_x=days_before,
        )  # fmt: skip


def margin_basis(visits: pa.Table, units: Sequence[str], margin_share: Decimal | None) -> MarginBasis:
    """Receipts' own cost where it covers 95 % of the units' sales in both periods, else the plan's margin.

    Raises ``NotEstimable`` where there is neither.
    """
    sums = _sums(visits)
    known = []
    for period in (BEFORE, WINDOW):
        net = sum(sums[unit, period]["net_minor"] for unit in units if (unit, period) in sums)
        covered = sum(sums[unit, period]["cost_known_net_minor"] for unit in units if (unit, period) in sums)
        known.append(Fraction(covered, net) if net > 0 else Fraction(0))
    if min(known) >= COST_KNOWN_SHARE:
        return MarginBasis.COST
    if margin_share is not None:
        return MarginBasis.PLAN
    raise NotEstimable(margin_unknown(min(known)))


def margin_unknown(known: Fraction) -> Message:
    """Why there is no margin: receipts carry their cost for the share ``known`` of sales, and the plan states none."""
    return Message(
        "margin_unknown",
        N_(
            "receipts carry their cost for {known:.0%} of sales, {needed:.0%} are needed, and the plan states no "
            "margin: money cannot be judged"
        ),
        {"known": float(known), "needed": float(COST_KNOWN_SHARE)},
    )


def unit_money(
    visits: pa.Table, sizes: Mapping[str, int], *, basis: MarginBasis, margin_share: Decimal | None
) -> tuple[UnitMoney, ...]:
    """The money of each unit of ``sizes`` (unit → stores), sorted by unit; ``visits`` are rows of ``visit_sums``."""
    sums, nothing = _sums(visits), dict.fromkeys(_SUMS, 0)
    found = []
    for unit in sorted(sizes):
        now, before = sums.get((unit, WINDOW), nothing), sums.get((unit, BEFORE), nothing)
        discount = _beyond_usual(now, before)
        margin = _margin(now, discount, basis, margin_share)
        earlier = _margin(before, 0, basis, margin_share) - before["reward_minor"]
        found.append(
            UnitMoney(
                unit=unit,
                n_stores=sizes[unit],
                sales_minor=now["net_minor"],
                identified_net_minor=now["identified_net_minor"],
                margin_minor=margin,
                discount_minor=discount,
                reward_minor=now["reward_minor"],
                before_minor=earlier,
            )
        )
    return tuple(found)


def _sums(visits: pa.Table) -> dict[tuple[str, str], dict[str, int]]:
    """By visited unit and period, over all homes."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    columns: dict[str, list[Any]] = {name: visits.column(name).to_pylist() for name in ("at", "period", *_SUMS)}
    for row, (unit, period) in enumerate(zip(columns["at"], columns["period"], strict=True)):
        if unit is not None:
            mine = found.setdefault((unit, period), dict.fromkeys(_SUMS, 0))
            for name in _SUMS:
                mine[name] += columns[name][row]
    return found


def _beyond_usual(now: Mapping[str, int], before: Mapping[str, int]) -> int:
    listed_before = before["net_minor"] + before["discount_minor"]
    usual = Fraction(before["discount_minor"], listed_before) if listed_before > 0 else Fraction(0)
    return round(now["discount_minor"] - usual * (now["net_minor"] + now["discount_minor"]))


def _margin(sums: Mapping[str, int], discount: int, basis: MarginBasis, margin_share: Decimal | None) -> int:
    if basis is MarginBasis.PLAN:
        share = Fraction(margin_share or 0)
        return round(share * sums["net_minor"] - (1 - share) * discount)
    known = sums["cost_known_net_minor"]
    earned = known - sums["cost_minor"]
    return round(Fraction(earned * sums["net_minor"], known)) if known > 0 else earned
