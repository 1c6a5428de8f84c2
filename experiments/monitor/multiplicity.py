"""Multiplicity: p-values adjusted for the number of hypotheses in their family.

Holm's step-down holds the chance of one false claim in the family (any dependence); Benjamini and Hochberg's step-up
holds the expected share of false claims (independent or positively dependent tests). References: Holm (1979),
Scandinavian Journal of Statistics 6; Benjamini and Hochberg (1995), JRSS B 57.
"""

from collections.abc import Sequence

from experiments.errors import InvalidNumber


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values, in the order given."""
    order = _order(p_values)
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = highest
    return tuple(adjusted)


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Benjamini and Hochberg's adjusted p-values, in the order given."""
    order = _order(p_values)
    adjusted, lowest = [0.0] * len(p_values), 1.0
    for rank in range(len(order), 0, -1):
        position = order[rank - 1]
        lowest = min(lowest, len(p_values) / rank * p_values[position])
        adjusted[position] = lowest
    return tuple(adjusted)


def _order(p_values: Sequence[float]) -> list[int]:
    for value in p_values:
        if not 0.0 <= value <= 1.0:
            raise InvalidNumber(name="p_value", value=value, must_be="a number from 0 to 1")
    return sorted(range(len(p_values)), key=lambda position: (p_values[position], position))
