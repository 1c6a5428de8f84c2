"""Joint redraws: the labels of several variants dealt again inside blocks, as the recorded mechanism could have.

Up to 20,000 of them are listed completely; beyond that a sample is taken from raw 64-bit words of PCG64.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.errors import NotEstimable
from experiments.estimate.redraws import MAX_LISTED
from experiments.estimate.unit_table import Flags, Ints
from experiments.messages import N_, Message

_MOST_TRIED = 1_000
_CHUNK = 200  # redraws whose arrays stay in the cache


@dataclass(frozen=True, slots=True, eq=False)
class JointRedraws:
    """``labels`` has one row per redraw and one column per unit. Listed redraws contain the actual labels, sampled do
    not."""

    labels: Ints
    listed: bool


def joint_redraws(
    label: Ints, block: Ints, moves: Flags, *, seed: int, draws: int, accept: Callable[[Ints], Flags] | None = None
) -> JointRedraws:
    """The labels (n) of the units that ``moves`` marks, dealt again among them inside each block; the rest stays.

    ``accept`` says which rows of labels the draw would have kept. Raises ``NotEstimable`` where it keeps too few.
    """
    places = [np.flatnonzero(moves & (block == b)) for b in np.unique(block[moves])]
    total = math.prod(_arrangements(label[place]) for place in places)
    if total <= MAX_LISTED:
        rows = np.tile(label, (total, 1))
        for row, arrangement in enumerate(_all(label, places)):
            for place, labels in zip(places, arrangement, strict=True):
                rows[row, place] = labels
        return JointRedraws(rows if accept is None else rows[accept(rows)], True)
    words = np.random.PCG64(seed)
    if accept is None:
        return JointRedraws(_sample(label, places, words, draws), False)
    kept: list[Ints] = []
    found = tried = 0
    while found < draws:
        rows = _sample(label, places, words, draws)
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
    return JointRedraws(np.concatenate(kept)[:draws], False)


def _sample(label: Ints, places: list[Ints], words: np.random.PCG64, draws: int) -> Ints:
    rows = np.tile(label, (draws, 1))
    for place in places:
        for start in range(0, draws, _CHUNK):
            part = rows[start : start + _CHUNK]
            part[:, place] = _dealt(label[place], words.random_raw(len(part) * len(place)).reshape(len(part), -1))
    return rows


def _dealt(label: Ints, keys: npt.NDArray[np.uint64]) -> Ints:
    """(R × n) the labels in the order of each row of ``keys``; of equal keys the first comes first.

    The low bits of a key carry its label, so that one sort moves both; rows in which they decide are sorted apart.
    """
    bits = np.uint64(int(label.max()).bit_length())
    low = (np.uint64(1) << bits) - np.uint64(1)
    carried = np.sort((keys & ~low) | label.astype(np.uint64), axis=1)
    dealt = (carried & low).astype(np.int64)
    high = carried >> bits
    doubled = (high[:, 1:] == high[:, :-1]).any(axis=1)
    if bool(doubled.any()):
        dealt[doubled] = label[np.argsort(keys[doubled], axis=1, kind="stable")]
    return dealt


def _arrangements(labels: Ints) -> int:
    """In how many ways the labels of one block can be dealt."""
    counts = np.bincount(labels).tolist()
    return math.factorial(len(labels)) // math.prod(math.factorial(count) for count in counts)


def _all(label: Ints, places: list[Ints]) -> Iterator[list[list[int]]]:
    if not places:
        yield []
        return
    for rest in _all(label, places[1:]):
        for first in _orders(np.bincount(label[places[0]]).tolist(), len(places[0])):
            yield [first, *rest]


def _orders(counts: list[int], n: int) -> Iterator[list[int]]:
    """All sequences of ``n`` labels with these counts."""
    if n == 0:
        yield []
        return
    for value, count in enumerate(counts):
        if count:
            left = [c - (position == value) for position, c in enumerate(counts)]
            for rest in _orders(left, n - 1):
                yield [value, *rest]
