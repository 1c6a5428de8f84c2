"""How the lift that an offer needs moves with what is assumed: margin against cost, participation against cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from experiments.errors import NotEstimable
from pilot.programs.economics import Assumptions, OfferCost, offer_cost
from pilot.programs.mechanics import spec_of

_POINTS = (Decimal("-0.10"), Decimal("-0.05"), Decimal(0), Decimal("0.05"), Decimal("0.10"))
_TIMES = (Decimal("0.5"), Decimal(1), Decimal("1.5"))
_ENROLMENT = (Decimal("0.25"), Decimal("0.5"), Decimal("0.75"), Decimal(1))


class Axis(StrEnum):
    """What a row or a column of a table changes."""

    MARGIN = "margin"
    REDEMPTION = "redemption"
    REWARD = "reward"
    ENROLMENT = "enrolment"


@dataclass(frozen=True, slots=True)
class Row:
    """One value of the rows' axis and the lift in each column; None where no lift pays."""

    value: Decimal
    lifts: tuple[Decimal | None, ...]
    is_planned: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A sensitivity table: shares on both axes, lifts of sales in the cells."""

    rows_axis: Axis
    columns_axis: Axis
    columns: tuple[Decimal, ...]
    rows: tuple[Row, ...]


def sensitivity(
    mechanic: str,
    terms: Mapping[str, Any],
    given: Assumptions,
    *,
    fixed_minor: int = 0,
    sales_minor: int | None = None,
) -> tuple[Table, ...]:
    """Margin by redemption (or by cost), and, where not everybody takes part, participation by cost.

    Raises ``MarginUnknown`` and ``SpendUnknown``.
    """
    cost = offer_cost(mechanic, terms, given)

    def lift(cost: OfferCost, given: Assumptions, reward: Decimal) -> Decimal | None:
        try:
            return cost.break_even(given, reward_share=reward, fixed_minor=fixed_minor, sales_minor=sales_minor).lift
        except NotEstimable:
            return None

    def by_margin(rewards: Sequence[Decimal]) -> tuple[Row, ...]:
        margins = [m for m in ((given.margin_share or Decimal(0)) + points for points in _POINTS) if 0 < m < 1]
        return tuple(
            Row(m, tuple(lift(cost, replace(given, margin_share=m), r) for r in rewards), m == given.margin_share)
            for m in margins
        )

    cost.break_even(given, reward_share=Decimal(0))  # says so where there is no margin
    around = tuple(cost.base * times for times in _TIMES)
    if cost.delayed:
        redemptions = (given.redemption_low, given.redemption_share, given.redemption_high)
        first = Table(Axis.MARGIN, Axis.REDEMPTION, redemptions, by_margin((cost.low, cost.base, cost.high)))
    else:
        spread = (cost.low, cost.base, cost.high) if cost.low < cost.high else around
        first = Table(Axis.MARGIN, Axis.REWARD, spread, by_margin(spread))
    if not spec_of(mechanic).shows_card:
        return (first,)
    shares = sorted({*_ENROLMENT, given.enrolment_share})
    rows = tuple(
        Row(e, tuple(lift(replace(cost, reach=e), given, r) for r in around), e == given.enrolment_share)
        for e in shares
    )
    return first, Table(Axis.ENROLMENT, Axis.REWARD, around, rows)
