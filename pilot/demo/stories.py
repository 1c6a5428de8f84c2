"""The demonstration's four pilots that run: which stores each has, and what it really does to shoppers there.

One earns its gate: households buy more, and the rewards cost less than that brings. One only raises identification:
listed customers show their card on more of the same visits. One lifts sales and loses money: households buy much more,
and a fifth of it is given back. One is harmless and useless: nothing is injected. Stores, scales and rewards were fixed
before the first draw; ``benchmarks/demo_power.py`` says what the totals of each could see.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pilot.demo.households import FIRST_WEEK, NOT_SURVEYED, SEGMENTS, load_segments, week_start
from pilot.demo.seeds import DEMO, stream
from pilot.demo.stores import Before, Bools
from pilot.demo.worlds import Copies, card_showing, injected, receipts

POINTS, BIRTHDAY, CASHBACK, PARKING = "points-card", "birthday-card", "cash-back", "free-parking"
# Of the rewards that are earned, this share is redeemed on the receipts; the rest is breakage.
REDEEMED = 0.7


@dataclass(frozen=True, slots=True)
class Story:
    """What is true of one pilot: ``scale`` of the injected purchases, whether more cards are shown, rewards by segment.

    ``n_stores`` of the stores that can take part are drawn for it or against it.
    """

    pilot: str
    n_stores: int
    scale: float = 0.0
    shows_card: bool = False
    reward_shares: Mapping[str, str] | None = None


STORIES: tuple[Story, ...] = (
    Story(
        POINTS,
        32,
        scale=1.8,
        reward_shares={"families": "0.03", "couples": "0.02", "singles": "0.02", NOT_SURVEYED: "0.02"},
    ),
    Story(CASHBACK, 20, scale=3.2, reward_shares=dict.fromkeys(SEGMENTS, "0.2")),
    Story(BIRTHDAY, 16, shows_card=True, reward_shares=dict.fromkeys(SEGMENTS, "0.01")),
    Story(PARKING, 20),
)


def stores_of(before: Before) -> dict[str, tuple[int, ...]]:
    """Pilot → its stores, by number: the stores that can take part in a random order (stream DEMO/roles), dealt out."""
    order = stream(DEMO, "roles").permutation(np.array(before.eligible, dtype=np.int64)).tolist()
    found = {}
    for story in STORIES:
        found[story.pilot] = tuple(sorted(order[: story.n_stores]))
        order = order[story.n_stores :]
    return found


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that can happen, made before any draw: the network, and the purchases that treatment would add."""

    before: Before
    copies: Copies
    stores: Mapping[str, tuple[int, ...]]
    segments: Mapping[int, str]

    @classmethod
    def set(cls, before: Before) -> "Stage":
        """The purchases of all pilots (stream DEMO/injection)."""
        stores = stores_of(before)
        scale = {store: story.scale for story in STORIES for store in stores[story.pilot]}
        segments = load_segments()
        return cls(before, injected(before, segments, DEMO, "injection", scale=scale), stores, segments)

    def world(self, treated: Mapping[str, Collection[int]]) -> pa.Table:
        """The receipts of the year if in each pilot the stores ``treated`` got its variant; in the lake's columns."""
        shown: Bools = np.zeros(len(self.before.baskets), dtype=np.bool_)
        buying: list[int] = []
        for story in STORIES:
            stores = treated.get(story.pilot, ())
            if story.shows_card:
                shown |= card_showing(self.before, stores, DEMO, "showing", story.pilot)
            if story.scale:
                buying += stores
        table = receipts(self.before, copies=self.copies, treated=buying, also_identified=shown)
        return self._rewarded(table, treated)

    def _rewarded(self, table: pa.Table, treated: Mapping[str, Collection[int]]) -> pa.Table:
        """What is redeemed: a share of every identified receipt of a customer at home in a treated store."""
        per_mille: dict[int, int] = {}
        for story in STORIES:
            stores = set(treated.get(story.pilot, ()))
            for household, home in self.before.listed().items():
                if story.reward_shares and home in stores:
                    share = float(story.reward_shares[self.segments.get(household, NOT_SURVEYED)])
                    per_mille[household] = round(1000 * share * REDEEMED)
        households = pa.array(sorted(per_mille), pa.int64())
        shares: Any = pa.array([per_mille[household] for household in sorted(per_mille)], pa.int64())
        place: Any = pc.index_in(table["customer_key"].combine_chunks(), households)
        rate = shares.take(place).fill_null(0).to_numpy(zero_copy_only=False)
        started = pc.greater_equal(table["business_date"], pa.scalar(week_start(FIRST_WEEK)))
        net = table["net_minor"].to_numpy()
        reward = np.where(started.to_numpy(zero_copy_only=False), net * rate // 1000, 0)
        column = table.column_names.index("reward_minor")
        return table.set_column(column, "reward_minor", pa.array(reward, pa.int64()))
