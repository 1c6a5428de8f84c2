"""What the past says about the sales an offer would meet: per week and store, per customer, by tier and by basket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from experiments.measure.exact import exact_sum
from experiments.measure.facts import FactKind, counts_in_store, is_customer_sale
from experiments.measure.unit_money import COST_KNOWN_SHARE
from pilot.outcomes import history
from pilot.outcomes.lake import Lake
from pilot.planning.plan import weeks_before
from pilot.programs.economics import thresholds

if TYPE_CHECKING:
    import ibis.expr.types as ir

PAST_WEEKS = 13
_DAYS = 28
_WEEK = 7
_MOST_WEEKS = 52  # of a past that is read


@dataclass(frozen=True, slots=True)
class OfferPast:
    """The ``period`` that was read (None: no receipts yet) and what it says; None where it says nothing."""

    period: tuple[date, date] | None
    margin_share: Decimal | None
    spend_minor: int | None
    sales_shares: tuple[Decimal, ...] | None


def past_period(lake: Lake, version: int | None, weeks: int = PAST_WEEKS) -> tuple[date, date] | None:
    """The last ``weeks`` weeks of which the lake has receipts, cut where it begins later; None while it is empty."""
    known = history.period_known(lake, version)
    if known is None:
        return None
    first, last = weeks_before(known[1] + timedelta(days=1), weeks)
    return max(first, known[0]), last


def weekly_sales(lake: Lake, version: int | None, first: date, last: date) -> dict[int, int]:
    """Net sales per week by store id, in minor units, over the period."""
    days = (last - first).days + 1
    sums: dict[int, int] = {}
    for row in history.store_weeks(lake, version, first, last).to_pylist():
        sums[row["store_id"]] = sums.get(row["store_id"], 0) + row["net_minor"]
    return {store: net * _WEEK // days for store, net in sums.items()}


def spend_per_customer(lake: Lake, version: int | None, first: date, last: date) -> int | None:
    """Net sales per 28 days of a customer who was seen in the period; None where nobody was."""
    t = _identified(lake, version, first, last)
    row = t.aggregate(net=exact_sum(t.net_minor), customers=t.customer_key.nunique(where=is_customer_sale(t)))
    found = row.to_pyarrow().to_pylist()[0]
    if not found["customers"]:
        return None
    return int(found["net"]) * _DAYS // (int(found["customers"]) * ((last - first).days + 1))


def margin_share(lake: Lake, version: int | None, first: date, last: date) -> Decimal | None:
    """Margin over net sales, where receipts carry their cost for as much of them as a verdict needs; else None."""
    t = history.receipts_within(lake, version, first, last)
    t = t.filter(counts_in_store(t))
    costs = t.cost_minor.notnull()
    row = t.aggregate(
        net=exact_sum(t.net_minor),
        known=exact_sum(costs.ifelse(t.net_minor, 0)),
        cost=exact_sum(costs.ifelse(t.cost_minor, 0)),
    )
    found = {name: int(value or 0) for name, value in row.to_pyarrow().to_pylist()[0].items()}
    if found["net"] <= 0 or Fraction(found["known"], found["net"]) < COST_KNOWN_SHARE:
        return None
    return Decimal(found["known"] - found["cost"]) / found["known"]


def shares_by_spend(
    lake: Lake, version: int | None, first: date, last: date, begins: Sequence[int]
) -> tuple[Decimal, ...] | None:
    """The share of identified sales of customers who spent from each of ``begins`` (the first is 0) to the next one
    in the period; None where there are none."""
    t = _identified(lake, version, first, last)
    customers = t.group_by("customer_key").aggregate(net=exact_sum(t.net_minor))
    return _shares(customers, begins)


def shares_by_basket(
    lake: Lake, version: int | None, first: date, last: date, begins: Sequence[int]
) -> tuple[Decimal, ...] | None:
    """The share of the money of sale receipts by their size, parted where ``begins`` says (the first is 0)."""
    t = history.receipts_within(lake, version, first, last)
    return _shares(t.filter(t.kind == FactKind.SALE.value).select(net=t.net_minor), begins)


def past_of_offer(lake: Lake, mechanic: str, terms: Mapping[str, Any]) -> OfferPast:
    """What the past says about one offer: the margin, what an identified customer spends in 28 days, and how sales
    divide over its tiers or steps."""
    period = past_period(lake, None)
    if period is None:
        return OfferPast(None, None, None, None)
    shares = sales_shares(lake, None, mechanic, terms)
    return OfferPast(period, margin_share(lake, None, *period), spend_per_customer(lake, None, *period), shares)


def sales_shares(
    lake: Lake, version: int | None, mechanic: str, terms: Mapping[str, Any]
) -> tuple[Decimal, ...] | None:
    """How past sales divide over a tier card's tiers, in one of its periods, or over a scale's steps; None where
    nothing is known, and for other mechanics.

    A past that is shorter than the period of the tiers is held against its part of what they ask for.
    """
    parts = thresholds(mechanic, terms)
    if parts is None:
        return None
    by, begins = parts
    wanted = int(terms["period_days"]) if by == "spend" else PAST_WEEKS * _WEEK
    period = past_period(lake, version, min(_MOST_WEEKS, -(-wanted // _WEEK)))
    if period is None:
        return None
    if by == "basket":
        return shares_by_basket(lake, version, *period, begins)
    days = (period[1] - period[0]).days + 1
    return shares_by_spend(lake, version, *period, tuple(begin * days // wanted for begin in begins))


def _shares(amounts: "ir.Table", begins: Sequence[int]) -> tuple[Decimal, ...] | None:
    """Shares of the positive amounts; sums over each threshold, and differences of neighbours."""
    positive = amounts.filter(amounts.net > 0)
    row = positive.aggregate(
        **{f"from_{n}": exact_sum((positive.net >= least).ifelse(positive.net, 0)) for n, least in enumerate(begins)}
    )
    found = row.to_pyarrow().to_pylist()[0]
    above = [int(found[f"from_{n}"] or 0) for n in range(len(begins))] + [0]
    if not above[0]:
        return None
    parts = [a - b for a, b in pairwise(above)]
    return tuple(Decimal(part) / above[0] for part in parts)


def _identified(lake: Lake, version: int | None, first: date, last: date) -> "ir.Table":
    t = history.receipts_within(lake, version, first, last)
    return t.filter(t.customer_key.notnull())
