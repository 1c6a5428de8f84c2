"""What a simulated network is asked to be: how many stores, customers and receipts, over which weeks, by which seed."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pilot.simulation.errors import SimulationOutOfRange, TooFewReceipts

FIRST_DAY = date(2025, 1, 6)  # a Monday: weeks are whole
LIMITS = {
    "stores": (1, 5_000),
    "customers": (100, 20_000_000),
    "receipts": (1_000, 2_000_000_000),
    "weeks": (1, 156),
}
SEEDS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a network. Raises ``SimulationOutOfRange`` and ``TooFewReceipts``."""

    stores: int
    customers: int
    receipts: int
    seed: int
    weeks: int = 52
    first_day: date = FIRST_DAY

    def __post_init__(self) -> None:
        for what, (first, last) in LIMITS.items():
            given = getattr(self, what)
            if not first <= given <= last:
                raise SimulationOutOfRange(what=what, first=first, last=last, given=given)
        if not 0 <= self.seed <= SEEDS:
            raise SimulationOutOfRange(what="seeds", first=0, last=SEEDS, given=self.seed)
        least = self.stores * self.weeks
        if self.receipts < least:
            raise TooFewReceipts(receipts=self.receipts, least=least)

    @property
    def n_days(self) -> int:
        return 7 * self.weeks

    def day(self, number: int) -> date:
        """The business date of day ``number``, counted from 0."""
        return self.first_day + timedelta(days=number)

    def stream(self, *names: int) -> np.random.Generator:
        """Random numbers of their own for each sequence of names: no part depends on how many another one drew."""
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence((self.seed, *names))))


class Stream:
    """The first name of every stream."""

    STORES, CUSTOMERS, CALENDAR, PHASE, DAY = range(5)
