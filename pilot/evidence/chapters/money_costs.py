"""What an offer cost beyond what receipts carry: points not yet redeemed, benefits, gifts and prizes, fees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from experiments.measure.exact import exact_sum
from pilot.planning.plan import PlannedOffer
from pilot.planning.plan_parts import Economics
from pilot.programs import terms as t
from pilot.programs.economics import BENEFIT_DAYS
from pilot.programs.mechanics import Mechanic, read_terms

if TYPE_CHECKING:
    import ibis.expr.types as ir

_BENEFITS = (Mechanic.PRIVILEGED_TERMS, Mechanic.CLOSED_ACCESS, Mechanic.CLUB_MEMBERSHIP, Mechanic.SERVICE_STANDARD)
_CLUB = t.ClubMembership


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
class Members:
    """How many have a benefit or a membership. ``counted`` on receipts that carry the offer, else the plan's share of
    those who were ``seen``: what the costs and fees would be for ``n``, for nobody and for everybody seen."""

    n: int
    seen: int
    counted: bool
    benefits_minor: int
    fees_minor: int
    benefits_of_all_minor: int
    fees_of_all_minor: int


@dataclass(frozen=True, slots=True)
class ByTerms:
    """Costs that the terms say and no receipt shows. ``customers`` are those who were seen buying in the window;
    ``members`` is None where no offer has any."""

    customers: int
    benefits_minor: int
    prizes_minor: int
    fees_minor: int
    members: Members | None


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
    days: int,
    on_receipts_minor: int,
    offer_ids: Mapping[str, int],
) -> ByTerms:
    """Benefits per member and 28 days, gifts and prizes, fees as income, from the identified ``receipts`` of the
    variant in a window of so many ``days``.

    Gifts and prizes count as far as they go beyond the offer's rewards on receipts (``on_receipts_minor``), which are
    in the account already. Of several offers to segments the dearest counts for everybody.
    """
    seen, prizes = _customers(receipts), [0]
    members: list[Members] = []
    for offer in offers:
        terms = read_terms(offer.mechanic, offer.terms)
        if offer.mechanic in _BENEFITS:
            members.append(_members(offer, given, receipts, seen, days, offer_ids))
        if isinstance(terms, t.GiftOrDraw):
            given_away = terms.prizes or _customers(receipts, terms.qualifying_spend_minor)
            prizes.append(given_away * terms.prize_cost_minor)
    dearest = max(members, key=lambda one: (one.benefits_minor - one.fees_minor, one.n), default=None)
    return ByTerms(
        seen,
        dearest.benefits_minor if dearest else 0,
        max(0, max(prizes) - on_receipts_minor),
        dearest.fees_minor if dearest else 0,
        dearest,
    )


def _members(
    offer: PlannedOffer, given: Economics, receipts: ir.Table, seen: int, days: int, offer_ids: Mapping[str, int]
) -> Members:
    """Whose receipts carry the offer, where any does; else the share of those seen that the plan expects to enrol. A
    promise of service is everybody's."""
    marked = receipts.filter(receipts.offer_id == offer_ids[offer.code]) if offer.code in offer_ids else None
    found = _customers(marked) if marked is not None else 0
    share = Decimal(1) if offer.mechanic == Mechanic.SERVICE_STANDARD else given.enrolment_share
    n = found or int((share * seen).to_integral_value(ROUND_CEILING))
    terms = read_terms(offer.mechanic, offer.terms)
    periods = Decimal(days) / BENEFIT_DAYS

    def fees(of: int) -> int:
        return int(Decimal(terms.fee_minor) * of * days / terms.period_days) if isinstance(terms, _CLUB) else 0

    return Members(
        n, seen, found > 0, _up(given.benefit_minor * n * periods), fees(n),
        _up(given.benefit_minor * seen * periods), fees(seen),
    )  # fmt: skip


def _customers(receipts: ir.Table, least_minor: int | None = None) -> int:
    """The different customers of ``receipts``, or those of them who spent at least so much."""
    spent = receipts.group_by("customer_key").aggregate(net=exact_sum(receipts.net_minor))
    kept = spent if least_minor is None else spent.filter(spent.net >= least_minor)
    return int(kept.count().to_pyarrow().as_py())


def _up(value: Decimal) -> int:
    return int(Decimal(value).to_integral_value(ROUND_CEILING))
