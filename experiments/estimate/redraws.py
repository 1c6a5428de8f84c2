"""Redraws: the assignments that the recorded mechanism could have made, given how many it drew in each block.

Up to 20,000 of them are listed completely; beyond that a sample is taken from raw 64-bit words of PCG64, whose stream
never changes between versions (the higher functions of a generator may).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from experiments.checks import at_least
from experiments.errors import NotEstimable
from experiments.estimate.unit_table import Flags, UnitTable
from experiments.messages import N_, Message

MAX_LISTED = 20_000
DEFAULT_DRAWS = 9_999

_MOST_TRIED = 1_000  # batches of a rerandomised draw
_STAYS = -1

Keys = npt.NDArray[np.uint32]
Members = Sequence[npt.NDArray[np.intp]]
Accept = Callable[[Flags], Flags]


@dataclass(frozen=True, slots=True, eq=False)
class Redraws:
    """``treated`` has one row per redraw and one column per unit. Listed redraws contain the actual draw, sampled do
    not."""

    treated: Flags
    listed: bool


def redraws(table: UnitTable, *, seed: int, draws: int = DEFAULT_DRAWS, accept: Accept | None = None) -> Redraws:
    """All redraws of ``table`` if there are at most 20,000, else ``draws`` of them sampled by ``seed``.

    Only the units of the two variants move, inside blocks. ``accept`` is the rule of a rerandomised draw: it takes
    0/1 rows (one column per unit of ``table``) and says which of them the draw would have kept. Raises
    ``NotEstimable`` where the rule refuses the actual draw, or nearly all of what is sampled.
    """
    at_least("seed", seed, 0)
    at_least("draws", draws, 99)
    counts = tuple(treated for _, treated in table.arm_counts())
    block = tuple(int(b) for b in np.where(table.moves, table.block, _STAYS))
    found = _cached(block, counts, seed, draws, accept)
    if accept is not None and not accept((table.treated == 1.0)[None, :])[0]:
        raise NotEstimable(
            Message("draw_not_acceptable", N_("the actual draw does not meet the rule of its own rerandomisation"), {})
        )
    return found


@lru_cache(maxsize=16)
def _cached(block: tuple[int, ...], counts: tuple[int, ...], seed: int, draws: int, accept: Accept | None) -> Redraws:
    members = [np.flatnonzero(np.array(block) == b) for b in range(len(counts))]
    total = math.prod(math.comb(len(m), k) for m, k in zip(members, counts, strict=True))
    listed = total <= MAX_LISTED
    if listed:
        treated = _all(members, counts, len(block), total)
        treated = treated if accept is None else treated[accept(treated)]
    elif accept is None:
        treated = _sample(members, counts, len(block), np.random.PCG64(seed), draws)
    else:
        treated = _sample_accepted(members, counts, len(block), np.random.PCG64(seed), draws, accept)
    treated.setflags(write=False)
    return Redraws(treated, listed)


def _all(members: Members, counts: Sequence[int], n: int, total: int) -> Flags:
    treated = np.zeros((total, n), dtype=np.bool_)
    for row, chosen in enumerate(_choices(members, counts)):
        treated[row, chosen] = True
    return treated


def _choices(members: Members, counts: Sequence[int]) -> Iterator[list[int]]:
    if not members:
        yield []
        return
    for rest in _choices(members[1:], counts[1:]):
        for chosen in combinations(members[0].tolist(), counts[0]):
            yield [*chosen, *rest]


def _sample(members: Members, counts: Sequence[int], n: int, words: np.random.PCG64, draws: int) -> Flags:
    treated = np.zeros((draws, n), dtype=np.bool_)
    for units, k in zip(members, counts, strict=True):
        if not len(units):
            continue
        if len(units) == 2 and k == 1:  # a pair: one word decides, twice as fast as sorting
            first = words.random_raw(draws * 2)[::2] >> np.uint64(63) == 1
            treated[:, units[0]], treated[:, units[1]] = first, ~first
        elif k:
            treated[:, units] = _smallest(_keys(words, draws, len(units)), k)
    return treated


def _keys(words: np.random.PCG64, draws: int, n: int) -> Keys:
    """(draws × n) 32-bit keys, two from each word."""
    raw = words.random_raw((draws * n + 1) // 2).astype("<u8", copy=False)
    return np.asarray(raw.view("<u4")[: draws * n].reshape(draws, n), dtype=np.uint32)


def _smallest(keys: Keys, k: int) -> Flags:
    """Which ``k`` of each row are smallest."""
    chosen: Flags = keys <= np.partition(keys, k - 1, axis=1)[:, k - 1 : k]
    doubled = chosen.sum(axis=1) != k
    if bool(doubled.any()):  # two equal words at the edge: the first of them
        order = np.argsort(keys[doubled], axis=1, kind="stable")[:, :k]
        again = np.zeros((len(order), keys.shape[1]), dtype=np.bool_)
        again[np.arange(len(order))[:, None], order] = True
        chosen[doubled] = again
    return chosen


def _sample_accepted(
    members: Members, counts: Sequence[int], n: int, words: np.random.PCG64, draws: int, accept: Accept
) -> Flags:
    kept: list[Flags] = []
    found = tried = 0
    while found < draws:
        rows = _sample(members, counts, n, words, draws)
        kept.append(rows[accept(rows)])
        found, tried = found + len(kept[-1]), tried + draws
        if tried >= _MOST_TRIED * draws and found < draws:
            raise NotEstimable(
                Message(
                    "rule_too_strict",
                    N_("the rule of the rerandomisation keeps {found} of {tried} draws; too few to compare with"),
                    {"found": found, "tried": tried},
                )
            )
    return np.concatenate(kept)[:draws]
