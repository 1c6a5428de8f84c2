"""Optimal pairs: the pairing of a list that makes the units of a pair as alike as the whole list allows.

The distance of two units is the sum over the covariates of (difference / standard deviation)², which makes the sum
over pairs the variance that pairing leaves in the paired difference. It is computed in whole numbers, so that
rounding decides nothing; distances that tie are decided by SHA-256 of the two codes, so that the order of the list
decides nothing either. Reference: Greevy, Lu, Silber and Rosenbaum (2004), Optimal multivariate matching before
randomization, Biostatistics 5.
"""

import hashlib
from collections.abc import Sequence

from experiments.design.candidates import Candidate
from experiments.design.constraints import InvalidConstraints
from experiments.errors import InvalidCandidate, InvalidMechanism

_PRECISION = 10**9
_TIE_BITS = 40


def optimal_pairs(
    candidates: Sequence[Candidate], on: Sequence[str], *, keep: Sequence[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Pairs of codes, each pair and the list of pairs in order of the codes; with an odd number one unit stays alone.

    ``on`` names the covariates, which every candidate must carry (``InvalidCandidate``). The unit that stays alone is
    the one that costs least, never one of ``keep``; where all must be kept, ``InvalidConstraints``.
    """
    import rustworkx

    if not on:
        raise InvalidMechanism(kind="matched_pairs", must_be="it needs at least one covariate to match on")
    units = sorted(candidates, key=lambda candidate: candidate.code)
    scaled = [_values(units, name) for name in on]
    variances = [_scaled_variance(values) for values in scaled]
    graph: rustworkx.PyGraph[str, int] = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from([unit.code for unit in units])
    n = len(units)
    for i in range(n):
        for j in range(i):
            distance = sum(
                (values[i] - values[j]) ** 2 * n * n * _PRECISION // variance
                for values, variance in zip(scaled, variances, strict=True)
                if variance
            )
            graph.add_edge(i, j, (distance << _TIE_BITS) + _tie_break(units[j].code, units[i].code))
    if n % 2 and keep:  # an empty chair beside which only those may sit who need not be kept
        free = [i for i, unit in enumerate(units) if unit.code not in keep]
        if not free:
            raise InvalidConstraints(must_be=f"{n} units must all be paired, but {n} is odd")
        chair = graph.add_node("")
        for i in free:
            graph.add_edge(i, chair, _tie_break("", units[i].code))
    matching = rustworkx.max_weight_matching(graph, max_cardinality=True, weight_fn=lambda weight: -weight)
    pairs = [sorted((units[i].code, units[j].code)) for i, j in matching if max(i, j) < n]
    return tuple(sorted((first, second) for first, second in pairs))


def _values(units: Sequence[Candidate], name: str) -> list[int]:
    for unit in units:
        if name not in unit.covariates:
            raise InvalidCandidate(unit=unit.code, must_be=f"pairs are matched on {name}, which it does not have")
    return [unit.covariates[name] for unit in units]


def _scaled_variance(values: Sequence[int]) -> int:
    """n² times the variance, a whole number; 0 where the covariate does not vary."""
    return len(values) * sum(value * value for value in values) - sum(values) ** 2


def _tie_break(first: str, second: str) -> int:
    digest = hashlib.sha256(f"{first}\0{second}".encode()).digest()
    return int.from_bytes(digest[: _TIE_BITS // 8], "big") >> 1
