"""What a draw can reach: how many draws are possible, and the smallest p-value they can ever give."""

import math
from collections.abc import Sequence

from experiments.checks import probability
from experiments.design.mechanisms import CONTROL, Mechanism, MechanismKind, Share, seat_counts
from experiments.errors import DesignCannotReachLevel, OpenList, UnknownVariant


def n_possible_draws(mechanism: Mechanism) -> int:
    """How many different assignments the mechanism can make: the product over its blocks. Closed lists only."""
    if mechanism.kind is MechanismKind.BERNOULLI_HASH:
        raise OpenList(operation="counting draws", kind=mechanism.kind.value, instead="a closed list")
    return math.prod(
        sum(_multinomial(counts) for counts in _possible_counts(mechanism.shares, len(block)))
        for block in mechanism.blocks
    )


def smallest_p(mechanism: Mechanism, variant: str) -> float:
    """The smallest two-sided p-value that permuting ``variant`` against control can ever give.

    Given the numbers drawn in each block there are C = ∏ C(n_control + n_variant, n_variant) draws. Where both arms
    have the same number in every block, each draw has a mirror draw with the same absolute statistic, and the
    smallest p is 2/C; else it is 1/C. Where the seed decides the last seat of a block, the least favourable numbers
    count. An open list (``bernoulli_hash``) has no such limit: 0.
    """
    if variant not in mechanism.treated_variants:
        raise UnknownVariant(variant=variant, variants=", ".join(mechanism.treated_variants))
    if mechanism.kind is MechanismKind.BERNOULLI_HASH:
        return 0.0
    control, treated = mechanism.variants.index(CONTROL), mechanism.variants.index(variant)
    draws, mirrored = 1, True
    for block in mechanism.blocks:
        arms = [(counts[control], counts[treated]) for counts in _possible_counts(mechanism.shares, len(block))]
        draws *= min(math.comb(n_control + n_variant, n_variant) for n_control, n_variant in arms)
        mirrored = mirrored and any(n_c == n_v or 0 in (n_c, n_v) for n_c, n_v in arms)
    return (2 if mirrored and draws > 1 else 1) / draws


def require_reachable(mechanism: Mechanism, *, level: float) -> None:
    """Raise ``DesignCannotReachLevel`` when some variant's smallest p-value is above ``level``."""
    probability("level", level)
    for variant in mechanism.treated_variants:
        smallest = smallest_p(mechanism, variant)
        if smallest > level:
            raise DesignCannotReachLevel(
                n_units=len(mechanism.codes), variant=variant, smallest_p=smallest, level=level
            )


def _possible_counts(shares: Sequence[Share], n: int) -> list[tuple[int, ...]]:
    """Every way the seats of a block of ``n`` units can fall."""
    from itertools import combinations

    counts, tied, winners = seat_counts(shares, n)
    return [
        tuple(count + (position in chosen) for position, count in enumerate(counts))
        for chosen in combinations(tied, winners)
    ]


def _multinomial(counts: Sequence[int]) -> int:
    return math.factorial(sum(counts)) // math.prod(math.factorial(count) for count in counts)
