"""Simultaneous bands: intervals that hold for all effects of a path together, by the multiplier bootstrap.

With influence functions ψ_ik (unit i, effect k), θ̂_k − θ_k ≈ (1/n) Σ_i ψ_ik. Each draw gives every unit one factor ξ_i
(mean 0, variance 1) and the statistic max_k |(1/n) Σ_i ξ_i ψ_ik| / se_k; its 1 − α quantile c replaces 1.96, so that
θ̂_k ± c·se_k holds for every k together. The factors are Mammen's (1993) two-point ones: −(√5 − 1)/2 with probability
(√5 + 1)/(2√5), else (√5 + 1)/2. Where an error has few degrees of freedom c is carried over from the normal
distribution to Student's t at the same tail probability. Reference: Callaway and Sant'Anna (2021), Journal of
Econometrics 225, section 4.1.
"""

import math
from dataclasses import dataclass

import numpy as np

from experiments.checks import at_least, probability
from experiments.estimate.unit_panel import Floats

DRAWS = 3_999
_SMALL = (math.sqrt(5.0) - 1.0) / 2.0
_LARGE = (math.sqrt(5.0) + 1.0) / 2.0
_P_SMALL = (math.sqrt(5.0) + 1.0) / (2.0 * math.sqrt(5.0))
_CHUNK = 250
_NEGLIGIBLE = 1e-12


@dataclass(frozen=True, slots=True)
class Band:
    """``critical`` replaces 1.96: ``effect ± critical × std_error`` holds for all effects together. ``p_value`` is that
    of "every effect is zero", by the same maximum."""

    critical: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    p_value: float


def simultaneous_band(
    effects: Floats,
    std_errors: Floats,
    influence: Floats,
    *,
    confidence_level: float,
    seed: int,
    draws: int = DRAWS,
    df: float = math.inf,
) -> Band:
    """The band of ``effects`` (k) with ``influence`` (n, k) and errors ``std_errors`` (k) on ``df`` degrees of freedom.

    Effects without an error (0) take no part in the maximum and get a band of width 0; so do all where none has one.
    """
    probability("confidence_level", confidence_level)
    at_least("seed", seed, 0)
    at_least("draws", draws, 99)
    n = len(influence)
    used = std_errors > _NEGLIGIBLE * max(1e-300, float(np.abs(std_errors).max()))
    if not used.any():
        exact = tuple(float(v) for v in effects)
        return Band(0.0, exact, exact, 1.0 / (1 + draws) if any(exact) else 1.0)
    root = np.sqrt((influence**2).sum(axis=0)) / n
    scaled = influence[:, used] / np.where(root[used] > 0, root[used], 1.0) / n
    maxima = np.sort(np.concatenate([_maxima(scaled, rows) for rows in _factors(n, seed, draws)]))
    rank = min(draws, math.ceil(confidence_level * draws - 1e-9))
    critical = _as_t(float(maxima[rank - 1]), df)
    actual = _as_normal(float((np.abs(effects[used]) / std_errors[used]).max()), df)
    hits = int(np.count_nonzero(maxima >= actual * (1.0 - 1e-9)))
    reach = critical * std_errors
    return Band(
        critical,
        tuple(float(v) for v in effects - reach),
        tuple(float(v) for v in effects + reach),
        (1 + hits) / (1 + draws),
    )


def _factors(n: int, seed: int, draws: int) -> list[Floats]:
    """Chunks of Mammen factors (draws, n) from raw words of PCG64, whose stream no version changes."""
    words = np.random.PCG64(seed)
    chunks = []
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        uniform = (words.random_raw(size * n) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        chunks.append(np.where(uniform < _P_SMALL, -_SMALL, _LARGE).reshape(size, n))
    return chunks


def _maxima(scaled: Floats, factors: Floats) -> Floats:
    found: Floats = np.abs(np.einsum("rn,nk->rk", factors, scaled)).max(axis=1)
    return found


def _as_t(critical: float, df: float) -> float:
    """The critical value of Student's t at the tail probability that ``critical`` has under the normal."""
    if math.isinf(df):
        return critical
    from scipy.special import ndtr, stdtrit

    return float(-stdtrit(df, float(ndtr(-critical))))


def _as_normal(statistic: float, df: float) -> float:
    """The normal statistic with the tail probability that ``statistic`` has under Student's t."""
    if math.isinf(df):
        return statistic
    from scipy.special import ndtri, stdtr

    return float(-ndtri(stdtr(df, -statistic)))
