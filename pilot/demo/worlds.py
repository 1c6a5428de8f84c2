"""The worlds of the demonstration: nobody treated, everybody treated, and every assignment between, known in full.

What is injected, and where
---------------------------
In each of the weeks 27–52 in which a listed household bought nothing anywhere, it makes, if its home store is treated
and with its segment's probability, one more purchase: a copy of one of its own baskets of earlier weeks *at its home
store*, at the same weekday and time of day. A copy of a basket from another store would put the effect of one store's
treatment into another store's total; copied at home, the difference between the worlds stays in the store that was
treated. Whether the copy is identified is drawn afresh at that store's rate. Every copy exists before any assignment:
treating a store only decides whether its households' copies happen.

Two further worlds in which nobody buys more: ``revealed_new`` and ``card_showing`` turn anonymous receipts in treated
stores into identified ones.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from pilot.demo.households import FIRST_WEEK, LAST_WEEK, NOT_SURVEYED, YEAR_START, Baskets, Ints, moved_by_days
from pilot.demo.seeds import stream
from pilot.demo.stores import Before, Bools

# Calibrated once on the demonstration's households: .317 on average over the empty weeks, +12 % of the stores' sales.
PROBABILITY = {"families": 0.42, "couples": 0.36, "singles": 0.26, NOT_SURVEYED: 0.31}
SHOWS_CARD = 0.40
CARDLESS = 0.10
COPY_PREFIX = "COPY"
_YEAR_START_DAYS = (YEAR_START - date(1970, 1, 1)).days


@dataclass(frozen=True, slots=True)
class Copies:
    """The purchases that treatment adds: ``source`` indexes the copied basket, ``home`` decides whether it happens."""

    source: Ints
    household: Ints
    home: Ints
    week: Ints
    at: Ints
    day: Ints
    identified: Bools

    def __len__(self) -> int:
        return len(self.source)


def injected(
    before: Before, segments: dict[int, str], *names: str | int, scale: Mapping[int, float] | None = None
) -> Copies:
    """All copies that would be made if every store were treated, by household and week (streams ``names``).

    ``scale`` multiplies the probability by home store (a store that is not in it: 0); None: 1 everywhere.
    """
    baskets = before.baskets
    listed = before.listed()
    weeks = np.arange(FIRST_WEEK, LAST_WEEK + 1)
    chance = stream(*names, "purchase").random((len(listed), len(weeks)))
    choice = stream(*names, "basket").random((len(listed), len(weeks)))
    shown = stream(*names, "flag").random((len(listed), len(weeks)))
    by_household = _indices_by_household(baskets)
    rows: list[tuple[int, int, int, int]] = []
    flags: list[float] = []
    for row, (household, home) in enumerate(listed.items()):
        own = by_household[household]
        bought = set(baskets.week[own].tolist())
        at_home = own[baskets.store[own] == home]
        home_weeks = baskets.week[at_home]
        times = 1.0 if scale is None else scale.get(home, 0.0)
        makes_one = chance[row] < times * PROBABILITY[segments.get(household, NOT_SURVEYED)]
        for column, week in enumerate(weeks.tolist()):
            if makes_one[column] and week not in bought:
                earlier = int(np.searchsorted(home_weeks, week))  # at_home is in the order of time; a home has a visit
                rows.append((int(at_home[int(choice[row, column] * earlier)]), household, home, week))
                flags.append(shown[row, column])
    sources, households, homes, to_week = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    days = 7 * (to_week - baskets.week[sources])
    at = moved_by_days(baskets.at[sources], days)
    identified = np.array(flags) < before.rate_during(homes)
    return Copies(sources, households, homes, to_week, at, baskets.day[sources] + days, identified)


def revealed_new(before: Before, treated: Collection[int]) -> Bools:
    """Which receipts become identified when treated stores win cards from shoppers who showed none before week 27."""
    baskets = before.baskets
    known = np.isin(baskets.household, np.array(sorted(before.homes), dtype=np.int64))
    return _from_the_start(baskets, treated) & ~known & ~before.identified


def card_showing(before: Before, treated: Collection[int], *names: str | int) -> Bools:
    """Which receipts become identified when listed customers show their card on 40 % of formerly anonymous visits."""
    baskets = before.baskets
    listed = np.isin(baskets.household, np.array(sorted(before.listed()), dtype=np.int64))
    shows = stream(*names).random(len(baskets)) < SHOWS_CARD
    return _from_the_start(baskets, treated) & listed & ~before.identified & shows


def receipts(
    before: Before, *, copies: Copies | None = None, treated: Collection[int] = (), also_identified: Bools | None = None
) -> pa.Table:
    """The receipts of one world in the lake's columns: all baskets, and the copies whose home store is ``treated``.

    ``store_id`` and ``customer_key`` are the data set's numbers, the key null on anonymous receipts;
    ``also_identified`` marks further baskets that show a card (one entry per basket). Without ``copies`` nobody buys
    more.
    """
    baskets = before.baskets
    identified = before.identified if also_identified is None else before.identified | also_identified
    real = _table(
        baskets, np.arange(len(baskets)), baskets.store, baskets.at, baskets.day, identified, _basket_ids(baskets)
    )
    if copies is None:
        return real
    happens = np.isin(copies.home, np.array(sorted(treated), dtype=np.int64))
    ids = [f"{COPY_PREFIX}-{h}-{w}" for h, w in zip(copies.household[happens], copies.week[happens], strict=True)]
    added = _table(
        baskets,
        copies.source[happens],
        copies.home[happens],
        copies.at[happens],
        copies.day[happens],
        copies.identified[happens],
        ids,
    )
    return pa.concat_tables([real, added])


def with_cards_shown(before: Before, receipts: pa.Table, also_identified: Bools) -> pa.Table:
    """``receipts(before)`` with a customer on ``also_identified`` baskets too: the same purchases, more cards."""
    identified = before.identified | also_identified
    keys = pa.array(before.baskets.household, pa.int64(), mask=~identified)
    return receipts.set_column(receipts.column_names.index("customer_key"), "customer_key", keys)


def store_code(store: int) -> str:
    """The store's code in the demonstration's files: the data set's number, five digits."""
    return f"S{store:05d}"


def household_code(household: int) -> str:
    """The customer's external id in the demonstration's files: the data set's number, four digits."""
    return f"H{household:04d}"


def _from_the_start(baskets: Baskets, treated: Collection[int]) -> Bools:
    started: Bools = (baskets.week >= FIRST_WEEK) & np.isin(baskets.store, np.array(sorted(treated), dtype=np.int64))
    return started


def _indices_by_household(baskets: Baskets) -> dict[int, Ints]:
    order = np.argsort(baskets.household, kind="stable")
    households, starts = np.unique(baskets.household[order], return_index=True)
    return {int(h): own for h, own in zip(households, np.split(order, starts[1:]), strict=True)}


def _basket_ids(baskets: Baskets) -> list[str]:
    return [str(basket) for basket in baskets.basket_id.tolist()]


def _table(
    baskets: Baskets, rows: Ints, store: Ints, at: Ints, day: Ints, identified: Bools, receipt_ids: list[str]
) -> pa.Table:
    n = len(rows)
    zero = np.zeros(n, dtype=np.int64)
    instants = pa.array(at * 1_000_000, pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "receipt_id": pa.array(receipt_ids, pa.string()),
            "store_id": pa.array(store, pa.int64()),
            "till": pa.array(["1"] * n, pa.string()),
            "number": pa.array(receipt_ids, pa.string()),
            "kind": pa.array(["sale"] * n, pa.string()),
            "refers_to": pa.nulls(n, pa.string()),
            "at": instants,
            "business_date": pa.array((day + _YEAR_START_DAYS).astype(np.int32), pa.date32()),
            "customer_key": pa.array(baskets.household[rows], pa.int64(), mask=~identified),
            "net_minor": pa.array(baskets.net_minor[rows], pa.int64()),
            "vat_minor": pa.array(zero, pa.int64()),
            "discount_minor": pa.array(baskets.discount_minor[rows], pa.int64()),
            "cost_minor": pa.nulls(n, pa.int64()),
            "reward_minor": pa.array(zero, pa.int64()),
            "n_items": pa.array(baskets.n_items[rows], pa.int64()),
            "offer_id": pa.nulls(n, pa.string()),
            "received_at": instants,
            "batch_id": pa.array(["demo"] * n, pa.string()),
        }
    )
