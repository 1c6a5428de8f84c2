"""Customers first seen in the window: where they came in, how long they kept coming, and what they spent.

Newly identified, not new: a card reveals shoppers who were there before. Somebody is taken to have left when
``SILENCE_DAYS`` passed without a purchase; who bought later than that is still there, as far as can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.rmst import rmst
from experiments.estimate.unit_table import Flags, Floats, Ints
from experiments.measure.exact import exact_sum
from experiments.measure.facts import is_customer_sale
from experiments.measure.windows import Window
from experiments.messages import N_, Message

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

SILENCE_DAYS = 28
_WEEK = 7


@dataclass(frozen=True, slots=True, eq=False)
class Newcomers:
    """One entry per newly identified customer (n), by key: the store of the first purchase, the days of the first and
    last purchase counted from the window's first (0), and net sales in the window."""

    customer_key: Ints
    store_id: Ints
    first_day: Ints
    last_day: Ints
    net_minor: Ints

    def among(self, chosen: Flags) -> Newcomers:
        """Those whose flag (n) is set."""
        return Newcomers(
            self.customer_key[chosen],
            self.store_id[chosen],
            self.first_day[chosen],
            self.last_day[chosen],
            self.net_minor[chosen],
        )

    def __len__(self) -> int:
        return len(self.customer_key)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The mean time that ``n`` newcomers kept coming inside the first ``tau_weeks``, in weeks, and what they spent in a
    week of it. ``left`` of them were seen to leave."""

    weeks: float
    tau_weeks: float
    n: int
    left: int
    weekly_sales_minor: float


def newcomers(receipts: ir.Table, *, listed: pa.Table, window: Window, before: Window) -> Newcomers:
    """Who has a sale in the window, is not among ``listed`` (``customer_key``) and had none in ``before``."""
    import ibis

    facts = receipts.filter(receipts.customer_key.notnull())
    inside = facts.business_date.between(window.first, window.last)
    earlier = facts.business_date.between(before.first, before.last)
    bought = is_customer_sale(facts)
    t = facts.mutate(was_there=(earlier & bought).cast("int64"), buys=(inside & bought).cast("int64"), counts=inside)
    places = t.group_by("customer_key", "store_id").aggregate(
        was_there=t.was_there.sum(),
        buys=t.buys.sum(),
        first_at=t["at"].min(where=t.buys == 1),
        first=t.business_date.min(where=t.buys == 1),
        last=t.business_date.max(where=t.buys == 1),
        net=exact_sum(t.counts.ifelse(t.net_minor, 0)),
    )
    everywhere = ibis.window(group_by="customer_key")
    order = ibis.window(group_by="customer_key", order_by=[ibis.asc(places.first_at, nulls_first=False), "store_id"])
    one = places.mutate(
        place=ibis.row_number().over(order),
        known=places.was_there.sum().over(everywhere),
        first_of_all=places["first"].min().over(everywhere),
        last_of_all=places["last"].max().over(everywhere),
        net_of_all=places.net.sum().over(everywhere),
    )
    fresh = one.filter((one.place == 0) & (one.known == 0) & one.first_of_all.notnull())
    known = ibis.memtable(listed.select(["customer_key"]))
    fresh = fresh.anti_join(known, "customer_key").order_by("customer_key")
    found = fresh.select(
        "customer_key",
        "store_id",
        first_day=fresh.first_of_all.delta(window.first, unit="day").cast("int64"),
        last_day=fresh.last_of_all.delta(window.first, unit="day").cast("int64"),
        net_minor=fresh.net_of_all.cast("int64"),
    ).to_pyarrow()

    def column(name: str) -> Ints:
        values: Any = found.column(name).combine_chunks()
        return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.int64)

    return Newcomers(*(column(name) for name in ("customer_key", "store_id", "first_day", "last_day", "net_minor")))


def horizon_of(window: Window) -> int:
    """The days of a lifetime that a window can show: all but the silence that tells that somebody left.

    Raises ``NotEstimable`` for a window that is no longer than twice that silence less a week.
    """
    days = window.days - SILENCE_DAYS
    if days < SILENCE_DAYS - _WEEK:
        raise NotEstimable(
            Message(
                "window_too_short_for_lifetime",
                N_("a window of {days} days shows too little of how long customers stay; {needed} days are needed"),
                {"days": window.days, "needed": 2 * SILENCE_DAYS - _WEEK},
            )
        )
    return days


def lifetime(found: Newcomers, window: Window) -> Lifetime:
    """The restricted mean time from the first to the last purchase (both days counted), by Kaplan and Meier: who was
    silent for 28 days has left, everybody else is censored at the last purchase. Raises ``NotEstimable``.
    """
    tau = horizon_of(window)
    if not len(found):
        raise NotEstimable(Message("no_newcomers", N_("nobody was identified for the first time"), {}))
    event: Floats = (window.days - 1 - found.last_day >= SILENCE_DAYS).astype(np.float64)
    time: Floats = (found.last_day - found.first_day + 1).astype(np.float64)
    longest = float(time.max())
    seen = min(float(tau), longest)
    value = rmst(time, event, tau=seen).value
    all_left = bool((event[time == longest] == 1.0).all())  # then nobody is there after it, and the mean is the same
    days = float(tau) if all_left else seen
    active = float(time.sum()) / _WEEK
    return Lifetime(value / _WEEK, days / _WEEK, len(found), int(event.sum()), int(found.net_minor.sum()) / active)
