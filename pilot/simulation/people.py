"""The customers of a simulated network: who they are, when and how often they come, and whether they show a card."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilot.simulation.places import Stores
from pilot.simulation.shape import Shape, Stream

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]

AGES = ("18-29", "30-44", "45-64", "65+")
HOUSEHOLDS = ("single", "couple", "family", "senior")
TIERS = ("basic", "silver", "gold")
PHASE_DAYS = 28
CLASSES = 8  # a favourite weekday (0–6), or none (7)
NEVER_SHOW_A_CARD = 0.07
# Receipts of people outside the program, who shop like those inside.
STRANGERS = 0.12
_AGE_SHARES = (0.2, 0.3, 0.32, 0.18)
_HOUSEHOLD_RATE = np.array([0.9, 1.0, 1.25, 0.95])
_HOUSEHOLD_BASKET = np.array([0.75, 1.0, 1.45, 0.8])
_JOIN_LATE, _LEAVE_EARLY, _AWAY = 0.12, 0.06, 0.05
_FAVOURITE_SHARE = 0.55
_TICKETS_EACH, _LEAST_TICKETS = 4, 100_000
_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


@dataclass(frozen=True, slots=True)
class Customers:
    """Columns by customer, grouped by ``CLASSES`` (``bounds`` are where each class begins and the last one ends).

    ``key`` is the customer's number from 1, in random order over the rows: neighbours have nothing in common.
    """

    key: npt.NDArray[np.int32]
    bounds: Ints
    home: npt.NDArray[np.int16]
    rate: Floats32
    basket: Floats32
    loyalty: Floats32
    shows_card: Floats32
    joins: npt.NDArray[np.int16]  # the first and last phase in which the customer comes
    leaves: npt.NDArray[np.int16]
    age: npt.NDArray[np.int8]
    household: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.key)

    def tiers(self) -> Ints:
        """The tier that the retailer gave by frequency: the upper tenth is gold, the next quarter silver."""
        silver, gold = np.quantile(self.rate, (0.65, 0.9))
        places: Ints = (self.rate > silver).astype(np.int64) + (self.rate > gold)
        return places


def make_customers(shape: Shape, stores: Stores) -> Customers:
    """Everybody's habits. Frequencies are skewed: a tenth of the customers makes a third of the visits."""
    n, rng = shape.customers, shape.stream(Stream.CUSTOMERS)
    phases = -(-shape.n_days // PHASE_DAYS)
    has_favourite = rng.random(n) < _FAVOURITE_SHARE
    favourite = np.where(has_favourite, rng.choice(7, n, p=(0.11, 0.11, 0.12, 0.14, 0.19, 0.22, 0.11)), 7)
    sizes = np.bincount(favourite, minlength=CLASSES)
    age = np.searchsorted(np.cumsum(_AGE_SHARES)[:-1], rng.random(n)).astype(np.int8)
    household = np.where(age == 3, 3, rng.integers(0, 3, n)).astype(np.int8)
    joins = np.where(rng.random(n) < _JOIN_LATE, rng.integers(0, phases, n), 0)
    leaves = np.where(rng.random(n) < _LEAVE_EARLY, rng.integers(0, phases, n), phases - 1)
    never = rng.random(n) < NEVER_SHOW_A_CARD
    return Customers(
        key=rng.permutation(n).astype(np.int32) + np.int32(1),
        bounds=np.concatenate([[0], np.cumsum(sizes)]),
        home=rng.choice(len(stores), n, p=stores.size / stores.size.sum()).astype(np.int16),
        rate=(rng.gamma(1.1, 1.0, n) * _HOUSEHOLD_RATE[household] + 0.01).astype(np.float32),
        basket=(rng.lognormal(0.0, 0.35, n) * _HOUSEHOLD_BASKET[household]).astype(np.float32),
        loyalty=rng.beta(6.0, 2.0, n).astype(np.float32),
        shows_card=np.where(never, 0.0, rng.beta(12.0, 2.0, n) * (1.0 - STRANGERS)).astype(np.float32),
        joins=joins.astype(np.int16),
        leaves=np.maximum(joins, leaves).astype(np.int16),
        age=age,
        household=household,
    )


@dataclass(frozen=True, slots=True)
class Tickets:
    """The visits of one phase as tickets: who holds more of them comes more often. ``holder`` has the row of the
    customer of each ticket, grouped by class as ``Customers`` are (``bounds``)."""

    holder: npt.NDArray[np.int32]
    bounds: Ints


def phase_tickets(shape: Shape, customers: Customers, phase: int) -> Tickets:
    """Tickets by frequency and by how active everybody is in one phase of four weeks.

    Everybody has busier and quieter phases, and some are away: gaps between visits are more irregular than chance.
    Drawing a ticket is one look into a table, which drawing by cumulative shares is not.
    """
    rng, n = shape.stream(Stream.PHASE, phase), len(customers)
    # A gamma of shape 3/2: an exponential, and half the square of a normal.
    weight = rng.standard_normal(n, dtype=np.float32)
    weight *= weight
    weight *= np.float32(0.5)
    weight += rng.standard_exponential(n, dtype=np.float32)
    weight *= customers.rate
    # One draw decides who is away and, for those who are not, which way a part of a ticket is rounded.
    drawn = rng.random(n, dtype=np.float32)
    weight *= (drawn >= _AWAY) & (customers.joins <= phase) & (phase <= customers.leaves)
    weight *= np.float32(max(_TICKETS_EACH * n, _LEAST_TICKETS) / weight.sum(dtype=np.float64))
    drawn -= np.float32(_AWAY)
    drawn *= np.float32(1 / (1 - _AWAY))
    weight += drawn.clip(0, _BELOW_ONE, out=drawn)
    return _drawn_tickets(weight.astype(np.int32), customers.bounds)


def _drawn_tickets(held: npt.NDArray[np.int32], bounds: Ints) -> Tickets:
    """Each customer's row as often as the customer holds tickets, as a running sum of the steps between holders."""
    before = np.zeros(len(held) + 1, np.int64)
    np.cumsum(held, out=before[1:])
    holders = np.flatnonzero(held)
    holder = np.zeros(int(before[-1]), np.int32)
    holder[before[holders]] = np.diff(holders, prepend=0)
    return Tickets(np.cumsum(holder, dtype=np.int32, out=holder), before[bounds])
