"""The stores of a simulated network: where they lie, how large they are, when they opened, and who shops next door."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from pilot.simulation.shape import Shape, Stream

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# A visit elsewhere draws one of these slots: mostly stores nearby, a few anywhere (travel, work).
SLOTS, TRAVEL_SLOTS = 64, 5
MOST_TILLS = 31
_NEAR = 12  # as many stores nearby are ever visited
_DECAY_KM = 8.0
_EAST, _NORTH, _SPREAD = 500.0, 400.0, 14.0  # kilometres
_STORES_A_REGION = 25
_NEW_SHARE = 0.05
_ZONES = ("Europe/Stockholm", "Europe/Helsinki")
_ROWS = 256


@dataclass(frozen=True, slots=True)
class Stores:
    """Columns by store, from 0; ``opens`` is the day number of the first receipt (0: open before the first day)."""

    region: Ints
    size: Floats
    tills: npt.NDArray[np.float32]  # whole numbers, to be multiplied with shares
    zone: Ints
    opens: Ints
    opened_on: tuple[date, ...]
    elsewhere: npt.NDArray[np.int16]  # store × slot: where its customers go when they do not come here
    stand_in: npt.NDArray[np.int16]  # the nearest store that is open from the first day

    def __len__(self) -> int:
        return len(self.size)

    @property
    def zones(self) -> tuple[str, ...]:
        return _ZONES

    @property
    def codes(self) -> list[str]:
        return [f"S{number:04d}" for number in range(1, len(self) + 1)]

    def region_code(self, region: int) -> str:
        return f"R{region + 1:03d}"


def make_stores(shape: Shape) -> Stores:
    """Towns lie anywhere, stores around their town; a few stores open while receipts run."""
    n, rng = shape.stores, shape.stream(Stream.STORES)
    n_regions = -(-n // _STORES_A_REGION)
    towns = rng.random((n_regions, 2)) * (_EAST, _NORTH)
    region = np.sort(np.arange(n) % n_regions)
    places = towns[region] + rng.normal(scale=_SPREAD, size=(n, 2))
    size = rng.lognormal(0.0, 0.5, n)
    is_new = (rng.random(n) < _NEW_SHARE) & (np.arange(n) > 0)
    opens = np.where(is_new, rng.integers(1, shape.n_days, n), 0)
    years_ago = rng.integers(400, 9_000, n)
    elsewhere, stand_in = _neighbours(places, size, opens, rng)
    return Stores(
        region=region,
        size=size,
        tills=np.clip(np.rint(1 + 4 * size), 1, MOST_TILLS).astype(np.float32),
        zone=(towns[region, 0] > 0.3 * _EAST).astype(np.int64),
        opens=opens,
        opened_on=tuple(
            shape.day(day) if day else shape.first_day - timedelta(days=ago)
            for day, ago in zip(opens.tolist(), years_ago.tolist(), strict=True)
        ),
        elsewhere=elsewhere,
        stand_in=stand_in,
    )


def _neighbours(
    places: Floats, size: Floats, opens: Ints, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """For each store its slots, nearer and larger stores having more of them, and its stand-in."""
    n = len(places)
    near = min(_NEAR, n - 1)
    slots = np.empty((n, SLOTS), np.int16)
    stand_in = np.empty(n, np.int16)
    spread = (np.arange(SLOTS - TRAVEL_SLOTS) + 0.5) / (SLOTS - TRAVEL_SLOTS)
    slots[:, SLOTS - TRAVEL_SLOTS :] = rng.choice(n, size=(n, TRAVEL_SLOTS), p=size / size.sum())
    for start in range(0, n, _ROWS):
        rows = np.arange(start, min(start + _ROWS, n))
        distance = np.linalg.norm(places[rows, None] - places[None], axis=2)
        stand_in[rows] = np.where(opens > 0, np.inf, distance).argmin(axis=1)
        distance[np.arange(len(rows)), rows] = np.inf
        nearest = np.argsort(distance, axis=1)[:, :near]
        for row, store in enumerate(rows.tolist()):
            chosen = nearest[row] if near else rows[row : row + 1]
            weight = size[chosen] * np.exp(-distance[row, chosen] / _DECAY_KM) + 1e-9 if near else np.ones(1)
            share = np.cumsum(weight) / weight.sum()
            slots[store, : len(spread)] = chosen[np.searchsorted(share, spread)]
    return slots, stand_in
