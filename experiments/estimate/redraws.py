"""Redraws: the assignments that the recorded mechanism could have made, given how many it drew in each block.

Up to 20,000 of them are listed completely; beyond that a sample is taken from raw 64-bit words of PCG64, whose stream
never changes between versions (the higher functions of a generator may).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from experiments.checks import at_least
from experiments.estimate.unit_table import UnitTable

MAX_LISTED = 20_000
DEFAULT_DRAWS = 9_999

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Redraws:
    """``treated`` has one row per redraw and one column per unit. Listed redraws contain the actual draw, sampled do
    not."""

    treated: Flags
    listed: bool


def redraws(table: UnitTable, *, seed: int, draws: int = DEFAULT_DRAWS) -> Redraws:
    """All redraws of ``table`` if there are at most 20,000, else ``draws`` of them sampled by ``seed``."""
    at_least("seed", seed, 0)
    at_least("draws", draws, 99)
    counts = tuple(treated for _, treated in table.arm_counts())
    return _cached(tuple(int(b) for b in table.block), counts, seed, draws)


@lru_cache(maxsize=16)
def _cached(block: tuple[int, ...], counts: tuple[int, ...], seed: int, draws: int) -> Redraws:
    members = [np.flatnonzero(np.array(block) == b) for b in range(len(counts))]
    total = math.prod(math.comb(len(m), k) for m, k in zip(members, counts, strict=True))
    listed = total <= MAX_LISTED
    treated = _all(members, counts, len(block), total) if listed else _sample(members, counts, len(block), seed, draws)
    treated.setflags(write=False)
    return Redraws(treated, listed)


def _all(members: Sequence[npt.NDArray[np.intp]], counts: Sequence[int], n: int, total: int) -> Flags:
    treated = np.zeros((total, n), dtype=np.bool_)
    for row, chosen in enumerate(_choices(members, counts)):
        treated[row, chosen] = True
    return treated


def _choices(members: Sequence[npt.NDArray[np.intp]], counts: Sequence[int]) -> Iterator[list[int]]:
    if not members:
        yield []
        return
    for rest in _choices(members[1:], counts[1:]):
        for chosen in combinations(members[0].tolist(), counts[0]):
            yield [*chosen, *rest]


def _sample(members: Sequence[npt.NDArray[np.intp]], counts: Sequence[int], n: int, seed: int, draws: int) -> Flags:
    words = np.random.PCG64(seed)
    treated = np.zeros((draws, n), dtype=np.bool_)
    rows = np.arange(draws)[:, None]
    for units, k in zip(members, counts, strict=True):
        keys = words.random_raw(draws * len(units)).reshape(draws, len(units))
        if len(units) == 2 and k == 1:  # a pair: one word decides, twice as fast as sorting
            first = keys[:, 0] >> np.uint64(63) == 1
            treated[:, units[0]], treated[:, units[1]] = first, ~first
        else:
            treated[rows, units[np.argsort(keys, axis=1, kind="stable")[:, :k]]] = True
    return treated
