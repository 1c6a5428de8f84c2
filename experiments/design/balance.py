"""Balance: how alike the drawn arms are before the start, covariate by covariate."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.design.mechanisms import CONTROL, Mechanism


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """One covariate of one variant against control; the standardised difference is None where nothing varies."""

    covariate: str
    variant: str
    mean_control: float
    mean_variant: float
    standardised_difference: float | None


def balance(mechanism: Mechanism, assignment: Mapping[str, str]) -> tuple[BalanceRow, ...]:
    """Standardised differences (variant − control) / √((s²_variant + s²_control) / 2), in units of a standard
    deviation.

    ``assignment`` maps the drawn codes to variants. A difference above about 0.1 to 0.25 deserves a look; after a
    random draw it is bad luck, not bias, and the pre-period covariate takes most of it out. Reference: Austin (2009),
    Statistics in Medicine 28, 3083–3107.
    """
    drawn = [candidate for candidate in mechanism.candidates if candidate.code in assignment]
    names = sorted({name for candidate in drawn for name in candidate.covariates})
    rows = []
    for name in names:
        for variant in mechanism.treated_variants:
            arms = [
                [c.covariates[name] for c in drawn if assignment[c.code] == arm and name in c.covariates]
                for arm in (CONTROL, variant)
            ]
            if all(arms):
                rows.append(_row(name, variant, arms[0], arms[1]))
    return tuple(rows)


def _row(name: str, variant: str, control: list[int], treated: list[int]) -> BalanceRow:
    mean_control, mean_variant = sum(control) / len(control), sum(treated) / len(treated)
    pooled = (_variance(control) + _variance(treated)) / 2
    difference = (mean_variant - mean_control) / math.sqrt(pooled) if pooled > 0 else None
    return BalanceRow(name, variant, mean_control, mean_variant, difference)


def _variance(values: list[int]) -> float:
    """The sample variance, from whole numbers; 0 for a single value."""
    n = len(values)
    return (n * sum(value * value for value in values) - sum(values) ** 2) / (n * (n - 1)) if n > 1 else 0.0
