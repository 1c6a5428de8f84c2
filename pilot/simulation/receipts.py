"""The receipts of a simulated network, part of a day by part of a day: bounded memory, and the same for the same seed.

Every day draws from a stream of its own. What goes on from one day to the next is small: the running number of every
till, and the sales that will be returned on a later day.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from pilot.simulation.baskets import Baskets, give_back, make_baskets
from pilot.simulation.calendar import class_shares, clock_seconds, receipts_by_day
from pilot.simulation.people import PHASE_DAYS, Customers, Tickets, phase_tickets
from pilot.simulation.places import SLOTS, Stores
from pilot.simulation.shape import Shape, Stream

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PART_RECEIPTS = 400_000  # at most this many are in memory at once
_RETURNED, _RETURN_DAYS, _LATEST_RETURN_DAYS = 0.018, 6.0, 30
_RETURNED_ELSEWHERE = 0.07
_CARD_AT_RETURN = 0.9
_LARGEST_SHARE_OF_RETURNS = 0.2  # of a day: small networks cannot give back more than they sell
_TILL_BITS, _SECOND_BITS, _ROW_BITS = 5, 17, 20
_COLUMNS = tuple(field.name for field in fields(Baskets))


@dataclass(frozen=True, slots=True)
class Sold:
    """Sales that will be returned: what the return needs to know of them, and on which day it comes."""

    due: Ints
    store: Ints
    till: Ints
    number: Ints
    customer: Ints  # the customer's key, 0 where no card was shown
    baskets: Baskets


@dataclass(frozen=True, slots=True)
class Receipts:
    """Columns by receipt of (a part of) one business day, by store, till and number.

    ``customer`` is the customer's key, 0 where no card was shown. ``refers_to`` has the rows of the returns and, for
    each of them, store, till and number of the receipt that is given back.
    """

    day: int
    store: Ints
    till: Ints
    number: Ints
    at_us: Ints
    customer: Ints
    baskets: Baskets
    return_rows: Ints
    refers_to: tuple[Ints, Ints, Ints]

    def __len__(self) -> int:
        return len(self.store)


class _Books:
    """What goes on from day to day: the last number of every till, and the sales that wait to be returned."""

    def __init__(self, stores: Stores) -> None:
        self.last_number = np.zeros(len(stores) << _TILL_BITS, np.int64)
        self._waiting = _joined([])

    def put_aside(self, sold: Sold) -> None:
        self._waiting = _joined([self._waiting, sold])

    def due(self, day: int, limit: int) -> Sold:
        """The sales that are returned on ``day``."""
        is_due = self._waiting.due <= day
        found, self._waiting = _chosen(self._waiting, is_due), _chosen(self._waiting, ~is_due)
        return _chosen(found, slice(limit))


def simulate_receipts(shape: Shape, stores: Stores, customers: Customers) -> Iterator[Receipts]:
    """All receipts, in the order of their days."""
    books = _Books(stores)
    counts = receipts_by_day(shape, stores).tolist()
    tickets = phase_tickets(shape, customers, 0)
    for day, count in enumerate(counts):
        if day and day % PHASE_DAYS == 0:
            tickets = phase_tickets(shape, customers, day // PHASE_DAYS)
        parts = max(1, -(-count // PART_RECEIPTS))
        returned = books.due(day, int(count * _LARGEST_SHARE_OF_RETURNS))
        edges = [count * part // parts for part in range(parts + 1)]
        for part, (first, last) in enumerate(pairwise(edges)):
            given_back = _chosen(returned, slice(part, None, parts))
            visits = _Visits(shape, stores, customers, tickets, day, (part, parts))
            yield visits.receipts(last - first, given_back, books)


class _Visits:
    """One part of one day: who comes, where, when; and what becomes of it at the till."""

    def __init__(
        self,
        shape: Shape,
        stores: Stores,
        customers: Customers,
        tickets: Tickets,
        day: int,
        part: tuple[int, int],
    ) -> None:
        self._stores, self._customers = stores, customers
        self._tickets = tickets
        self._day, self._part, self._date = day, part, shape.day(day)
        self._rng = shape.stream(Stream.DAY, day, part[0])

    def receipts(self, n: int, given_back: Sold, books: _Books) -> Receipts:
        n_returns = len(given_back.store)
        people = self._people(n - n_returns)
        store = np.concatenate([self._where(people), self._returned_where(given_back.store)])
        till = (self._uniform(n) * self._stores.tills.take(store)).astype(np.int64)
        seconds = clock_seconds(self._date.weekday(), self._shares(n))
        order = _by_till_and_time(store, till, seconds)
        store, till, seconds = store.take(order), till.take(order), seconds.take(order)
        number = _running_numbers(store, till, books.last_number)
        return_rows = np.flatnonzero(order >= len(people))
        given_back = _chosen(given_back, order[return_rows] - len(people))
        customer, baskets = self._what(people, given_back, order, return_rows)
        refers_to = (given_back.store, given_back.till, given_back.number)
        found = Receipts(
            self._day, store, till, number, self._instants(store, seconds), customer, baskets, return_rows, refers_to
        )
        self._put_aside(found, books)
        return found

    def _uniform(self, n: int) -> npt.NDArray[np.float32]:
        return self._rng.random(n, dtype=np.float32)

    def _shares(self, n: int) -> npt.NDArray[np.float32]:
        """Of the day, within this part of it."""
        part, parts = self._part
        return (self._uniform(n) + np.float32(part)) * np.float32(1 / parts)

    def _people(self, n: int) -> Ints:
        """Rows of customers: first the class by weekday, then the ticket, in one sorted sweep."""
        bounds = self._tickets.bounds
        shares = class_shares(self._date.weekday(), np.diff(bounds))
        drawn = self._rng.random(n)
        drawn.sort()
        ticket = np.interp(drawn, shares, bounds).astype(np.int64)
        np.minimum(ticket, bounds[-1] - 1, out=ticket)
        return self._tickets.holder.take(ticket).astype(np.int64)

    def _where(self, people: Ints) -> Ints:
        """The home store, or another one by distance; before a store opens, the nearest one that is open."""
        n = len(people)
        home = self._customers.home.take(people)
        is_home = self._uniform(n) < self._customers.loyalty.take(people)
        return self._if_open(np.where(is_home, home, self._elsewhere(home)))

    def _returned_where(self, store: Ints) -> Ints:
        is_elsewhere = self._uniform(len(store)) < _RETURNED_ELSEWHERE
        return self._if_open(np.where(is_elsewhere, self._elsewhere(store), store))

    def _elsewhere(self, store: npt.NDArray[np.integer]) -> npt.NDArray[np.int16]:
        slot = (self._uniform(len(store)) * SLOTS).astype(np.int32)
        slot += store * np.int32(SLOTS)
        return self._stores.elsewhere.ravel().take(slot)

    def _if_open(self, store: npt.NDArray[np.integer]) -> Ints:
        is_open = self._stores.opens <= self._day
        places = np.where(is_open, np.arange(len(is_open)), self._stores.stand_in)
        return places.take(store)

    def _what(self, people: Ints, given_back: Sold, order: Ints, return_rows: Ints) -> tuple[Ints, Baskets]:
        """Customers and baskets in the order of the tills; ``order`` has ``people`` first, then what is given back."""
        n_returns, shown = len(return_rows), self._uniform(len(people)) < self._customers.shows_card.take(people)
        customer = np.concatenate([self._customers.key.take(people) * shown, np.zeros(n_returns, np.int32)])
        scale = np.concatenate([self._customers.basket.take(people), np.ones(n_returns, np.float32)])
        customer = customer.take(order).astype(np.int64)
        baskets = make_baskets(self._rng, scale.take(order), customer > 0)
        customer[return_rows] = given_back.customer * (self._uniform(n_returns) < _CARD_AT_RETURN)
        returned = give_back(self._rng, given_back.baskets)
        for name in _COLUMNS:
            getattr(baskets, name)[return_rows] = getattr(returned, name)
        return customer, baskets

    def _put_aside(self, found: Receipts, books: _Books) -> None:
        """Some of the sales will be returned, most of them within days."""
        returned = self._uniform(len(found)) < _RETURNED
        returned[found.return_rows] = False
        rows = np.flatnonzero(returned)
        after = 1 + self._rng.exponential(_RETURN_DAYS, len(rows)).astype(np.int64)
        due = self._day + np.minimum(after, _LATEST_RETURN_DAYS)
        baskets = _each(lambda column: column[rows], found.baskets)
        books.put_aside(
            Sold(due, found.store[rows], found.till[rows], found.number[rows], found.customer[rows], baskets)
        )

    def _instants(self, store: Ints, seconds: Ints) -> Ints:
        """UTC microseconds. Clocks change at night, when every store is closed."""
        noon = datetime.combine(self._date, time(12))
        midnight = datetime.combine(self._date, time(0), UTC).timestamp()
        starts = [
            midnight - offset.total_seconds()
            for zone in self._stores.zones
            if (offset := noon.replace(tzinfo=ZoneInfo(zone)).utcoffset()) is not None
        ]
        starts_us = np.array(starts, np.int64) * 1_000_000
        within_second = (self._uniform(len(seconds)) * 1_000).astype(np.int64) * 1_000
        instants: Ints = starts_us[self._stores.zone[store]] + seconds * 1_000_000 + within_second
        return instants


def _by_till_and_time(store: Ints, till: Ints, seconds: Ints) -> Ints:
    """The order of the tills' rolls: one number holds store, till, second and row, and sorting numbers is fast."""
    packed = ((store << _TILL_BITS | till) << _SECOND_BITS | seconds) << _ROW_BITS | np.arange(len(store))
    packed.sort()
    return packed & ((1 << _ROW_BITS) - 1)


def _running_numbers(store: Ints, till: Ints, last_number: Ints) -> Ints:
    """The next numbers of each till, for rows in the order of tills and time."""
    rolls = store << _TILL_BITS | till
    counts = np.bincount(rolls, minlength=len(last_number))
    firsts = np.cumsum(counts) - counts
    numbers: Ints = (last_number - firsts + 1)[rolls] + np.arange(len(rolls))
    last_number += counts
    return numbers


def _each(how: Callable[..., Ints], *baskets: Baskets) -> Baskets:
    return Baskets(*(how(*(getattr(one, name) for one in baskets)) for name in _COLUMNS))


def _chosen(sold: Sold, rows: Ints | Bools | slice) -> Sold:
    return Sold(
        sold.due[rows],
        sold.store[rows],
        sold.till[rows],
        sold.number[rows],
        sold.customer[rows],
        _each(lambda column: column[rows], sold.baskets),
    )


def _joined(sold: list[Sold]) -> Sold:
    nothing = np.zeros(0, np.int64)
    sold = [Sold(nothing, nothing, nothing, nothing, nothing, Baskets(*(nothing for _ in _COLUMNS))), *sold]
    return Sold(
        np.concatenate([one.due for one in sold]),
        np.concatenate([one.store for one in sold]),
        np.concatenate([one.till for one in sold]),
        np.concatenate([one.number for one in sold]),
        np.concatenate([one.customer for one in sold]),
        _each(lambda *columns: np.concatenate(columns), *(one.baskets for one in sold)),
    )
