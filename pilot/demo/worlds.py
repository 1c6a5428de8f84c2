"""The worlds of the demonstration: nobody treated, everybody treated, and every assignment between, known in full.

What is injected, and where
---------------------------
In each of the weeks 27–52 in which a listed household bought nothing anywhere, it makes, if its home store is treated and
with its segment's probability, one more purchase: a copy of one of its own baskets of earlier weeks *at its home store*, at
the same weekday and time of day. A copy of a basket from another store would put the effect of one store's treatment into
another store's total; copied at home, the difference between the worlds stays in the store that was treated. Whether the
copy is identified is drawn afresh at that store's rate. Every copy exists before any assignment: treating a store only
decides whether its households' copies happen.

Two further worlds in which nobody buys more: ``revealed_new`` and ``card_showing`` turn anonymous receipts in treated
stores into identified ones.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pilot.demo.households import FIRST_WEEK, LAST_WEEK, NOT_SURVEYED, Baskets, Ints, business_instant, week_of
from pilot.demo.seeds import stream
from pilot.demo.stores import Before, Bools

# Calibrated once on the demonstration's households: .317 on average over the empty weeks, +12 % of the stores' sales.
PROBABILITY = {"families": 0.42, "couples": 0.36, "singles": 0.26, NOT_SURVEYED: 0.31}
SHOWS_CARD = 0.40
CARDLESS = 0.10
COPY_PREFIX = "COPY"


@dataclass(frozen=True, slots=True)
class Copies:
    """The purchases that treatment adds: ``source`` is the index of the copied basket, ``home`` decides whether it happens."""

    source: Ints
    household: Ints
    home: Ints
    week: Ints
    at: Ints
    day: Ints
    identified: Bools

    def __len__(self) -> int:
        return len(self.source)


def injected(before: Before, segments: dict[int, str], *names: str | int) -> Copies:
    """All copies that would be made if every store were treated, by household and week (streams ``names``)."""
    baskets = before.baskets
    listed = before.listed()
    weeks = np.arange(FIRST_WEEK, LAST_WEEK + 1)
    chance = stream(*names, "purchase").random((len(listed), len(weeks)))
    choice = stream(*names, "basket").random((len(listed), len(weeks)))
    shown = stream(*names, "flag").random((len(listed), len(weeks)))
    by_household = _indices_by_household(baskets)
    rows: list[tuple[int, int, int, int, float]] = []
    for row, (household, home) in enumerate(listed.items()):
        own = by_household[household]
        bought = set(baskets.week[own].tolist())
        at_home = own[baskets.store[own] == home]
        home_weeks = baskets.week[at_home]
        makes_one = chance[row] < PROBABILITY[segments.get(household, NOT_SURVEYED)]
        for column, week in enumerate(weeks.tolist()):
            if makes_one[column] and week not in bought:
                earlier = int(np.searchsorted(home_weeks, week))  # at_home is in the order of time; a home has a visit
                source = int(at_home[int(choice[row, column] * earlier)])
                rows.append((source, household, home, week, float(shown[row, column])))
    source, household_, home_, week_ = (np.array([r[i] for r in rows], dtype=np.int64) for i in range(4))
    day = baskets.day[source] + 7 * (week_ - baskets.week[source])
    # A copied basket of 1 January (a Sunday, the only day of week 1) moves in whole weeks too: its Monday week is week 1.
    at = business_instant(day, baskets.at[source], baskets.day[source])
    rate = before.rate_during(home_)
    return Copies(source, household_, home_, week_, at, day, np.array([r[4] for r in rows]) < rate)
