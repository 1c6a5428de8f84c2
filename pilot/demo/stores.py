"""The demonstration's stores: who is identified where, who is at home where, and which stores can take part."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilot.demo.households import FIRST_WEEK, LAST_WEEK_BEFORE, Baskets, Ints
from pilot.demo.seeds import stream

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MEAN_RATE = 0.85
SD_BETWEEN_STORES = 0.05
SD_BETWEEN_PERIODS = 0.025
LEAST_WEEKS = 50
LEAST_HOUSEHOLDS = 10


@dataclass(frozen=True, slots=True)
class Before:
    """The network as the pilot finds it: which visits are identified, homes, and the stores that can take part.

    ``rates`` has one row per entry of ``stores`` (sorted ids of all stores) and two columns: the share of receipts
    with a customer before week 27 and from week 27 on. ``homes`` maps a household to its home store.
    The same in all worlds.
    """

    baskets: Baskets
    stores: Ints
    rates: Floats
    identified: Bools
    homes: dict[int, int]
    eligible: tuple[int, ...]

    def listed(self) -> dict[int, int]:
        """Household → home store, for households at home in a store that can take part, in the order of their ids."""
        taking_part = set(self.eligible)
        return {household: home for household, home in sorted(self.homes.items()) if home in taking_part}

    def rate_during(self, stores: Ints) -> Floats:
        """The identified share from week 27 on of each of ``stores``."""
        during: Floats = self.rates[np.searchsorted(self.stores, stores), 1]
        return during


def before_the_pilot(baskets: Baskets, *names: str | int, cardless_share: float = 0.0) -> Before:
    """Draw who shows a card where (streams ``names``/rates and ``names``/flags) and derive homes and stores from it.

    ``cardless_share`` of the households (stream ``names``/cardless) show no card at all.
    """
    stores = np.unique(baskets.store)
    rates = identification_rates(len(stores), *names, "rates")
    period = (baskets.week >= FIRST_WEEK).astype(np.int64)
    rate = rates[np.searchsorted(stores, baskets.store), period]
    identified = stream(*names, "flags").random(len(baskets)) < rate
    if cardless_share:
        households, where = np.unique(baskets.household, return_inverse=True)
        identified &= (stream(*names, "cardless").random(len(households)) >= cardless_share)[where]
    homes = home_stores(baskets, identified)
    return Before(baskets, stores, rates, identified, homes, eligible_stores(baskets, homes))


def identification_rates(n_stores: int, *names: str | int) -> Floats:
    """Shares 0–1, shape (n_stores, 2): 85 % on average, sd 5 points between stores, 2.5 from period to period."""
    noise = stream(*names).standard_normal((n_stores, 3))
    level = MEAN_RATE + SD_BETWEEN_STORES * noise[:, :1]
    rates: Floats = np.clip(level + SD_BETWEEN_PERIODS * noise[:, 1:], 0.0, 1.0)
    return rates


def home_stores(baskets: Baskets, identified: Bools) -> dict[int, int]:
    """Household → the store of most identified visits in weeks 1–26; ties by latest visit, then lowest store id."""
    chosen = identified & (baskets.week <= LAST_WEEK_BEFORE)
    pairs = np.stack([baskets.household[chosen], baskets.store[chosen]], axis=1)
    visited, where, visits = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    latest = np.zeros(len(visited), dtype=np.int64)
    np.maximum.at(latest, where, baskets.at[chosen])
    household, store = visited[:, 0], visited[:, 1]
    best_first = np.lexsort((store, -latest, -visits, household))
    first = np.unique(household[best_first], return_index=True)[1]
    best = best_first[first]
    return {int(h): int(s) for h, s in zip(household[best], store[best], strict=True)}


def eligible_stores(baskets: Baskets, homes: dict[int, int]) -> tuple[int, ...]:
    """Stores that trade in at least 50 weeks and are home to at least 10 households, by id."""
    weeks_traded = dict(_counted(np.unique(np.stack([baskets.store, baskets.week], axis=1), axis=0)[:, 0]))
    at_home = dict(_counted(np.array(list(homes.values()), dtype=np.int64)))
    return tuple(
        store
        for store, weeks in sorted(weeks_traded.items())
        if weeks >= LEAST_WEEKS and at_home.get(store, 0) >= LEAST_HOUSEHOLDS
    )


def _counted(values: Ints) -> list[tuple[int, int]]:
    found, counts = np.unique(values, return_counts=True)
    return [(int(value), int(count)) for value, count in zip(found, counts, strict=True)]
