"""What a draw can reach: how many draws are possible, and the smallest p-value they can ever give."""

import math
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from experiments.checks import probability
from experiments.design.acceptance import accepted
from experiments.design.dealing import deal, seat_counts
from experiments.design.mechanisms import CONTROL, Mechanism, MechanismKind, Share
from experiments.errors import DesignCannotReachLevel, OpenList, UnknownVariant

MOST_LISTED = 20_000
_TRIES = 2_000


def possible_draws(mechanism: Mechanism) -> npt.NDArray[np.int64] | None:
    """Every assignment that the mechanism can make, as rows of positions in ``variants`` over ``codes``; None where
    the shares alone allow more than 20,000."""
    if _n_free(mechanism) > MOST_LISTED:
        return None
    rows = np.array(list(_assignments(mechanism.shares, mechanism.blocks)), dtype=np.int64)
    return rows[accepted(mechanism)(rows)] if mechanism.rejects else rows


def n_possible_draws(mechanism: Mechanism) -> int:
    """How many different assignments the mechanism can make: the product over its blocks. Closed lists only.

    Where some are not accepted, they are counted one by one up to 20,000; beyond that the accepted share is estimated
    from 2,000 numbered draws.
    """
    if not mechanism.rejects:
        return _n_free(mechanism)
    listed = possible_draws(mechanism)
    return (
        len(listed) if listed is not None else max(1, round(_n_free(mechanism) * Fraction(_accepted_share(mechanism))))
    )


def smallest_p(mechanism: Mechanism, variant: str) -> float:
    """The smallest two-sided p-value that permuting ``variant`` against control can ever give.

    Given the numbers drawn in each block there are C = ∏ C(n_control + n_variant, n_variant) draws. Where both arms
    have the same number in every block, each draw has a mirror draw with the same absolute statistic, and the
    smallest p is 2/C; else it is 1/C. Where the seed decides the last seat of a block, the least favourable numbers
    count. With a criterion or neighbours kept apart, C counts the accepted redraws, with the other variants where they
    fell least favourably, and a mirror counts only where it is accepted too (above 20,000 draws: by the estimated
    share). An open list (``bernoulli_hash``) has no such limit: 0.
    """
    if variant not in mechanism.treated_variants:
        raise UnknownVariant(variant=variant, variants=", ".join(mechanism.treated_variants))
    if mechanism.kind is MechanismKind.BERNOULLI_HASH:
        return 0.0
    control, treated = mechanism.variants.index(CONTROL), mechanism.variants.index(variant)
    listed = possible_draws(mechanism) if mechanism.rejects else None
    if listed is not None:
        return _smallest_listed(listed, treated, [len(block) for block in mechanism.blocks])
    draws, mirrored = 1, not mechanism.constraints.never_together
    for block in mechanism.blocks:
        arms = [(counts[control], counts[treated]) for counts in _possible_counts(mechanism.shares, len(block))]
        draws *= min(math.comb(n_control + n_variant, n_variant) for n_control, n_variant in arms)
        mirrored = mirrored and any(n_c == n_v or 0 in (n_c, n_v) for n_c, n_v in arms)
    share = _accepted_share(mechanism) if mechanism.rejects else 1.0
    smallest = (2 if mirrored and draws > 1 else 1) / draws  # of whole numbers: no draw is too many for it
    return min(1.0, max(smallest, sys.float_info.min) / share)


def require_reachable(mechanism: Mechanism, *, level: float) -> None:
    """Raise ``DesignCannotReachLevel`` when some variant's smallest p-value is above ``level``."""
    probability("level", level)
    for variant in mechanism.treated_variants:
        smallest = smallest_p(mechanism, variant)
        if smallest > level:
            raise DesignCannotReachLevel(
                n_units=len(mechanism.codes), variant=variant, smallest_p=smallest, level=level
            )


def _smallest_listed(rows: npt.NDArray[np.int64], treated: int, sizes: Sequence[int]) -> float:
    """The largest over the groups of redraws (same numbers in each block, same other variants) of (2 if every redraw
    has its mirror, else 1) / redraws."""
    starts = np.cumsum([0, *sizes[:-1]])
    groups: dict[bytes, list[npt.NDArray[np.int64]]] = {}
    for row in rows:
        others = np.where((row == 0) | (row == treated), -1, row)
        numbers = np.add.reduceat((row == treated).astype(np.int64), starts)
        groups.setdefault(others.tobytes() + numbers.tobytes(), []).append(row)
    worst = 0.0
    for members in groups.values():
        seen = {row.tobytes() for row in members}
        swap = {0: treated, treated: 0}
        mirrored = all(
            np.array([swap.get(int(value), int(value)) for value in row], dtype=np.int64).tobytes() in seen
            for row in members
        )
        worst = max(worst, min(1.0, (2 if mirrored else 1) / len(members)))
    return worst or 1.0


@lru_cache(maxsize=8)
def _share_of(record: str) -> float:
    import json

    from experiments.design.mechanisms import from_record

    mechanism = from_record(json.loads(record))
    number = {variant: position for position, variant in enumerate(mechanism.variants)}
    rows = np.array(
        [
            [number[variant] for variant in deal(mechanism.shares, mechanism.blocks, f"reach#{i}").values()]
            for i in range(_TRIES)
        ],
        dtype=np.int64,
    )
    return max(1, int(accepted(mechanism)(rows).sum())) / _TRIES


def _accepted_share(mechanism: Mechanism) -> float:
    """The share of free draws that are accepted, by 2,000 numbered ones; at least one in 2,000."""
    import json

    return _share_of(json.dumps(mechanism.to_record(), sort_keys=True))


def _n_free(mechanism: Mechanism) -> int:
    if mechanism.kind is MechanismKind.BERNOULLI_HASH:
        raise OpenList(operation="counting draws", kind=mechanism.kind.value, instead="a closed list")
    return math.prod(
        sum(_multinomial(counts) for counts in _possible_counts(mechanism.shares, len(block)))
        for block in mechanism.blocks
    )


def _assignments(shares: Sequence[Share], blocks: Sequence[Sequence[str]]) -> Iterator[tuple[int, ...]]:
    if not blocks:
        yield ()
        return
    rest = list(_assignments(shares, blocks[1:]))
    for counts in _possible_counts(shares, len(blocks[0])):
        for first in _arrangements(counts):
            for following in rest:
                yield (*first, *following)


def _arrangements(counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every order of the seats, each once."""
    if not sum(counts):
        yield ()
        return
    for variant, count in enumerate(counts):
        if count:
            for rest in _arrangements([c - (i == variant) for i, c in enumerate(counts)]):
                yield (variant, *rest)


def _possible_counts(shares: Sequence[Share], n: int) -> list[tuple[int, ...]]:
    """Every way the seats of a block of ``n`` units can fall."""
    counts, tied, winners = seat_counts(shares, n)
    return [
        tuple(count + (position in chosen) for position, count in enumerate(counts))
        for chosen in combinations(tied, winners)
    ]


def _multinomial(counts: Sequence[int]) -> int:
    return math.factorial(sum(counts)) // math.prod(math.factorial(count) for count in counts)
