"""What an offer cost beyond what receipts carry: points not yet redeemed, benefits, gifts and prizes, fees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from experiments.measure.exact import exact_sum
from experiments.measure.windows import Window
from pilot.planning.plan import PlannedOffer
from pilot.planning.plan_parts import Economics
from pilot.programs import terms as t
from pilot.programs.economics import BENEFIT_DAYS
from pilot.programs.mechanics import Mechanic, read_terms

if TYPE_CHECKING:
    import ibis.expr.types as ir

_BENEFITS = (Mechanic.PRIVILEGED_TERMS, Mechanic.CLOSED_ACCESS, Mechanic.CLUB_MEMBERSHIP, Mechanic.SERVICE_STANDARD)


@dataclass(frozen=True, slots=True)
class Liability:
    """Points that were issued in the treated stores by the terms, and paid on their receipts beyond what control paid;
    what is still to be redeemed with low, base and high redemption."""

    issued_minor: int
    redeemed_minor: int
    low_minor: int
    base_minor: int
    high_minor: int


@dataclass(frozen=True, slots=True)
class ByTerms:
    """Costs that the terms say and no receipt shows. ``customers`` are those identified in the treated stores."""

    customers: int
    benefits_minor: int
    prizes_minor: int
    fees_minor: int


def liability(
    offers: Sequence[PlannedOffer], given: Economics, *, identified_minor: int, redeemed_minor: int
) -> Liability | None:
    """What points still cost; None where no offer gives any. Of several bonuses the highest counts for all sales."""
    earned = [
        terms.earn_share
        for offer in offers
        if isinstance(terms := read_terms(offer.mechanic, offer.terms), t.CumulativeBonus)
    ]
    if not earned:
        return None
    issued = _up(max(earned) * max(identified_minor, 0))
    low, base, high = (
        max(0, _up(issued * share) - redeemed_minor)
        for share in (given.redemption_low, given.redemption_share, given.redemption_high)
    )
    return Liability(issued, redeemed_minor, low, base, high)


def by_terms(
    offers: Sequence[PlannedOffer],
    given: Economics,
    *,
    receipts: ir.Table,
    stores: Sequence[int],
    window: Window,
    on_receipts_minor: int,
) -> ByTerms:
    """Benefits per identified customer and 28 days, gifts and prizes, fees as income.

    Gifts and prizes count as far as they go beyond the offer's rewards on receipts (``on_receipts_minor``), which are
    in the account already. Of several offers to segments the dearest counts for everybody.
    """
    benefits, prizes, fees = [0], [0], [0]
    seen = _customers(receipts, stores, window, None)
    periods = Decimal(window.days) / BENEFIT_DAYS
    for offer in offers:
        if offer.mechanic in _BENEFITS:
            benefits.append(_up(given.benefit_minor * seen * periods))
        terms = read_terms(offer.mechanic, offer.terms)
        if isinstance(terms, t.ClubMembership):
            fees.append(int(Decimal(terms.fee_minor) * seen * window.days / terms.period_days))
        if isinstance(terms, t.GiftOrDraw):
            given_away = terms.prizes or _customers(receipts, stores, window, terms.qualifying_spend_minor)
            prizes.append(given_away * terms.prize_cost_minor)
    return ByTerms(seen, max(benefits), max(0, max(prizes) - on_receipts_minor), max(fees))


def _customers(receipts: ir.Table, stores: Sequence[int], window: Window, least_minor: int | None) -> int:
    """Customers who were seen in ``stores`` in the window, or those of them who spent at least so much there."""
    found = receipts.filter(
        receipts.customer_key.notnull()
        & receipts.store_id.isin(list(stores))
        & receipts.business_date.between(window.first, window.last)
    )
    spent = found.group_by("customer_key").aggregate(net=exact_sum(found.net_minor))
    kept = spent if least_minor is None else spent.filter(spent.net >= least_minor)
    return int(kept.count().to_pyarrow().as_py())


def _up(value: Decimal) -> int:
    return int(Decimal(value).to_integral_value(ROUND_CEILING))
