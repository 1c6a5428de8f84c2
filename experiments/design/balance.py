"""Balance: how alike the drawn arms are before the start, covariate by covariate."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.design.mechanisms import CONTROL, Candidate, Mechanism
from experiments.errors import InvalidNumber


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """One covariate of one variant against control; the standardised difference is None where nothing varies."""

    covariate: str
    variant: str
    mean_control: float
    mean_variant: float
    standardised_difference: float | None


def balance(
    mechanism: Mechanism, assignment: Mapping[str, str], *, weights: Mapping[str, float] | None = None
) -> tuple[BalanceRow, ...]:
    """Standardised differences (variant − control) / √((s²_variant + s²_control) / 2), in units of a standard
    deviation, one row per covariate and variant.

    ``assignment`` maps the drawn codes to variants. ``weights`` (code → weight above 0, such as customers) make the
    means weighted, for the estimand that counts customers; the variances stay those of units. A difference above
    about 0.1 to 0.25 deserves a look; after a random draw it is bad luck, not bias, and the pre-period covariate takes
    most of it out. Reference: Austin (2009), Statistics in Medicine 28, 3083–3107.
    """
    drawn = [candidate for candidate in mechanism.candidates if candidate.code in assignment]
    names = sorted({name for candidate in drawn for name in candidate.covariates})
    rows = []
    for name in names:
        for variant in mechanism.treated_variants:
            arms = [
                [c for c in drawn if assignment[c.code] == arm and name in c.covariates] for arm in (CONTROL, variant)
            ]
            if all(arms):
                rows.append(_row(name, variant, arms, weights))
    return tuple(rows)


def _row(
    name: str, variant: str, arms: Sequence[Sequence[Candidate]], weights: Mapping[str, float] | None
) -> BalanceRow:
    control, treated = ([c.covariates[name] for c in arm] for arm in arms)
    mean_control, mean_variant = (_mean(name, arm, weights) for arm in arms)
    pooled = (_variance(control) + _variance(treated)) / 2
    difference = (mean_variant - mean_control) / math.sqrt(pooled) if pooled > 0 else None
    return BalanceRow(name, variant, mean_control, mean_variant, difference)


def _mean(name: str, arm: Sequence[Candidate], weights: Mapping[str, float] | None) -> float:
    if weights is None:
        return sum(c.covariates[name] for c in arm) / len(arm)
    for candidate in arm:
        if not weights.get(candidate.code, 0.0) > 0.0:
            raise InvalidNumber(
                name=f"weight of {candidate.code}", value=str(weights.get(candidate.code)), must_be="above 0"
            )
    return sum(weights[c.code] * c.covariates[name] for c in arm) / sum(weights[c.code] for c in arm)


def _variance(values: Sequence[int]) -> float:
    """The sample variance, from whole numbers; 0 for a single value."""
    n = len(values)
    return (n * sum(value * value for value in values) - sum(values) ** 2) / (n * (n - 1)) if n > 1 else 0.0
