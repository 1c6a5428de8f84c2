"""The account of an effect: one coefficient for the whole and for its parts, exact, so that the parts add up.

The regression's coefficient is a linear functional of what it explains, b = Σ w_i y_i, whose weights follow from the
draw, the blocks and the covariate alone: with t̂ the treatment less its block means and less its projection on the
covariate, w = t̂ / t̂'t. The unit sums are whole numbers, so the weights are taken as fractions and b is a fraction: the
whole is the sum of its parts, not nearly but exactly. What is shown is rounded once, parts by the largest remainder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from experiments.errors import InvalidNumber

MICRO = 1_000_000  # a minor unit has so many of the steps in which an account is kept


@dataclass(frozen=True, slots=True)
class UnitSums:
    """One unit: whether it is treated, its block, its store-days in the window and before, its ``total`` before (None:
    the regression has no covariate) and its ``parts`` in the window, minor units."""

    treated: bool
    block: int
    days: int
    days_before: int
    before: int | None
    parts: tuple[int, ...]


def exact_weights(units: Sequence[UnitSums]) -> list[Fraction]:
    """(n) the weights w with which the coefficient adds up the units' values.

    Raises ``InvalidNumber`` where the blocks and the covariate leave nothing of the treatment.
    """
    t = _within_blocks([Fraction(int(unit.treated)) for unit in units], units)
    before = [unit.before for unit in units]
    if all(value is not None for value in before):
        x = _within_blocks([Fraction(unit.before or 0, unit.days_before) for unit in units], units)
        spread = sum(value * value for value in x)
        slope = sum((a * b for a, b in zip(t, x, strict=True)), Fraction(0)) / spread if spread else Fraction(0)
        t = [a - slope * b for a, b in zip(t, x, strict=True)]
    left = sum((value for value, unit in zip(t, units, strict=True) if unit.treated), Fraction(0))
    if not left:
        raise InvalidNumber(name="treated", value="the units", must_be="in both arms of some block")
    return [value / left for value in t]


def exact_effects(units: Sequence[UnitSums]) -> tuple[Fraction, ...]:
    """The effect on each part, minor units per store-week; the effect on the whole is their sum."""
    weights = exact_weights(units)
    n_parts = len(units[0].parts)
    return tuple(
        sum((w * unit.parts[k] / unit.days for w, unit in zip(weights, units, strict=True)), Fraction(0)) * 7
        for k in range(n_parts)
    )


def rounded(parts: Sequence[Fraction]) -> tuple[int, tuple[int, ...]]:
    """The sum of ``parts``, rounded, and the parts as whole numbers that add up to it (largest remainder)."""
    whole = round(sum(parts, Fraction(0)))
    floors = [part.numerator // part.denominator for part in parts]
    missing = whole - sum(floors)
    order = sorted(range(len(parts)), key=lambda k: (floors[k] - parts[k], k))
    up = set(order[:missing])
    return whole, tuple(floor + (k in up) for k, floor in enumerate(floors))


def _within_blocks(values: Sequence[Fraction], units: Sequence[UnitSums]) -> list[Fraction]:
    sums: dict[int, Fraction] = {}
    sizes: dict[int, int] = {}
    for value, unit in zip(values, units, strict=True):
        sums[unit.block] = sums.get(unit.block, Fraction(0)) + value
        sizes[unit.block] = sizes.get(unit.block, 0) + 1
    return [value - sums[unit.block] / sizes[unit.block] for value, unit in zip(values, units, strict=True)]
