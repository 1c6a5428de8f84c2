"""Dunnett's test: several variants against one control, for one metric on independent units.

With v_j the squared error of the mean of arm j (0: control) the statistics are t_j = (ȳ_j − ȳ_0) / √(v_j + v_0). They
share the control, so corr(t_i, t_j) = λ_i λ_j with λ_j = √(v_0 / (v_0 + v_j)), and the joint distribution is a double
integral over the control's deviation z and the error's own error s (a χ_ν / √ν variable):

    P(all |T_j| ≤ c) = ∫ ∫ ∏_j [Φ((c s + λ_j z) / √(1 − λ_j²)) − Φ((−c s + λ_j z) / √(1 − λ_j²))] φ(z) dz f_ν(s) ds

It is integrated by fixed Gauss–Legendre panels: the same numbers give the same digits. Reference: Dunnett (1955), JASA
50; with a variance of each arm's own, each statistic against its own Welch df: Hasler and Hothorn (2008), Biometrical
Journal 50.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.checks import probability
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message

_Z_REACH = 9.0
_TAIL = 1e-12


@dataclass(frozen=True, slots=True)
class Dunnett:
    """Per variant, in the order given: effect (variant − control) in the metric's unit, its error and degrees of
    freedom, the p-value alone, the p-value adjusted for all variants, and the simultaneous interval."""

    effects: tuple[float, ...]
    std_errors: tuple[float, ...]
    dfs: tuple[float, ...]
    p_values: tuple[float, ...]
    p_adjusted: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    confidence_level: float


def dunnett(
    control: Sequence[float],
    *treatments: Sequence[float],
    unequal_variances: bool = False,
    confidence_level: float = 0.95,
) -> Dunnett:
    """Dunnett's test from the values of the units: one sequence per arm, each unit once. See
    ``dunnett_from_moments``."""
    arms = [np.asarray(arm, dtype=np.float64) for arm in (control, *treatments)]
    if any(len(arm) < 2 for arm in arms):
        raise _too_few(min(len(arm) for arm in arms))
    means = [float(arm.mean()) for arm in arms]
    variances = [float(((arm - mean) ** 2).sum() / (len(arm) - 1)) for arm, mean in zip(arms, means, strict=True)]
    counts = [len(arm) for arm in arms]
    return dunnett_from_moments(
        means, variances, counts, unequal_variances=unequal_variances, confidence_level=confidence_level
    )


def dunnett_from_moments(
    means: Sequence[float],
    variances: Sequence[float],
    counts: Sequence[int],
    *,
    unequal_variances: bool = False,
    confidence_level: float = 0.95,
) -> Dunnett:
    """Dunnett's test from each arm's mean, variance (divisor n − 1) and number of independent units; control first.

    The variance is pooled over all arms (df = Σ n − arms), or each arm's own (Welch's df) where ``unequal_variances``.
    Raises ``NotEstimable`` for an arm with fewer than two units, or where no unit differs.
    """
    if not len(means) == len(variances) == len(counts) >= 2:
        raise InvalidNumber(
            name="arms", value=len(means), must_be="a mean, a variance and a count for two arms or more"
        )
    if min(counts) < 2:
        raise _too_few(min(counts))
    pooled_df = sum(counts) - len(counts)
    pooled = math.fsum((n - 1) * v for n, v in zip(counts, variances, strict=True)) / pooled_df
    squared = [(v if unequal_variances else pooled) / n for n, v in zip(counts, variances, strict=True)]
    effects = tuple(mean - means[0] for mean in means[1:])
    std_errors = tuple(math.sqrt(squared[0] + v) for v in squared[1:])
    if not min(std_errors) > 0.0:
        raise NotEstimable(Message("no_variation", N_("every unit has the same value; nothing can be estimated"), {}))
    loadings = tuple(math.sqrt(squared[0] / (squared[0] + v)) for v in squared[1:])
    dfs = tuple(
        _welch_df(squared[0], counts[0], v, n) if unequal_variances else float(pooled_df)
        for v, n in zip(squared[1:], counts[1:], strict=True)
    )
    statistics = [effect / error for effect, error in zip(effects, std_errors, strict=True)]
    p_values = tuple(many_to_one_p([t], [df], [0.0])[0] for t, df in zip(statistics, dfs, strict=True))
    quantile = {df: many_to_one_quantile(confidence_level, df, loadings) for df in dict.fromkeys(dfs)}
    reach = [quantile[df] for df in dfs]
    intervals = tuple(
        (effect - c * error, effect + c * error) for effect, c, error in zip(effects, reach, std_errors, strict=True)
    )
    adjusted = many_to_one_p(statistics, dfs, loadings)
    return Dunnett(effects, std_errors, dfs, p_values, adjusted, intervals, confidence_level)


def many_to_one_p(statistics: Sequence[float], dfs: Sequence[float], loadings: Sequence[float]) -> tuple[float, ...]:
    """Two-sided p-values adjusted for all comparisons with one control; each against its own degrees of freedom.

    ``loadings`` are λ_j = √(v_control / (v_control + v_j)), from 0 (nothing shared) to below 1. With one comparison the
    result is Student's p-value, and it is never below it.
    """
    _check(statistics, dfs, loadings)
    return tuple(
        _student_p(t, df) if len(loadings) == 1 else max(_student_p(t, df), _tail(abs(t), df, loadings))
        for t, df in zip(statistics, dfs, strict=True)
    )


def many_to_one_quantile(confidence_level: float, df: float, loadings: Sequence[float]) -> float:
    """c with P(all |T_j| ≤ c) = ``confidence_level``: the half-width of simultaneous intervals in standard errors."""
    from scipy.optimize import brentq

    alpha = 1.0 - probability("confidence_level", confidence_level)
    _check([0.0] * len(loadings), [df] * len(loadings), loadings)
    high = 2.0
    while _tail(high, df, loadings) > alpha:
        high *= 2.0
    return float(brentq(lambda c: _tail(c, df, loadings) - alpha, 0.0, high, xtol=1e-9, rtol=1e-10))


def _tail(c: float, df: float, loadings: Sequence[float]) -> float:
    """P(some |T_j| > c) for two comparisons or more."""
    from scipy.special import ndtr

    z, z_weights = _panels(-_Z_REACH, _Z_REACH, 24)
    z_weights = z_weights * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    s, s_weights = _error_of_the_error(df)
    outside = np.zeros((len(s), len(z)))  # 1 − ∏ inside, built without losing the digits of small tails
    for loading in loadings:
        rest = math.sqrt(1.0 - loading * loading)
        upper, lower = (-c * s[:, None] + loading * z) / rest, (-c * s[:, None] - loading * z) / rest
        alone = ndtr(upper) + ndtr(lower)
        outside = outside + (1.0 - outside) * alone
    total = float(np.einsum("i,ij,j->", s_weights, outside, z_weights))
    return min(1.0, max(total, 0.0))


def _error_of_the_error(df: float) -> tuple[Floats, Floats]:
    """Nodes of s = χ_ν / √ν and the probability each stands for; a single 1 where ν is practically infinite."""
    from scipy.special import chdtri, gammaln

    if df > 1e7:
        return np.ones(1), np.ones(1)
    low, high = (math.sqrt(float(chdtri(df, tail)) / df) for tail in (1.0 - _TAIL, _TAIL))
    s, weights = _panels(low, high, 12)
    log_density = (
        math.log(2.0)
        + 0.5 * df * math.log(0.5 * df)
        - float(gammaln(0.5 * df))
        + (df - 1.0) * np.log(s)
        - 0.5 * df * s * s
    )
    masses = weights * np.exp(log_density)
    return s, masses / masses.sum()  # below three degrees of freedom the density is not smooth at 0


def _panels(low: float, high: float, panels: int) -> tuple[Floats, Floats]:
    points, weights = np.polynomial.legendre.leggauss(10)
    edges = np.linspace(low, high, panels + 1)
    half = (edges[1:] - edges[:-1]) / 2.0
    middle = (edges[1:] + edges[:-1]) / 2.0
    return (middle[:, None] + half[:, None] * points).ravel(), (half[:, None] * weights).ravel()


def _student_p(statistic: float, df: float) -> float:
    from scipy.special import stdtr

    return min(1.0, 2.0 * float(stdtr(df, -abs(statistic))))


def _welch_df(v0: float, n0: int, v1: float, n1: int) -> float:
    return (v0 + v1) ** 2 / (v0 * v0 / (n0 - 1) + v1 * v1 / (n1 - 1))


def _check(statistics: Sequence[float], dfs: Sequence[float], loadings: Sequence[float]) -> None:
    if not len(statistics) == len(dfs) == len(loadings) >= 1:
        raise InvalidNumber(name="comparisons", value=len(statistics), must_be="as many as there are df and loadings")
    for value in statistics:
        if math.isnan(value):
            raise InvalidNumber(name="statistic", value=value, must_be="a number")
    for df in dfs:
        if not df > 0.0:
            raise InvalidNumber(name="df", value=df, must_be="greater than 0")
    for loading in loadings:
        if not 0.0 <= loading < 1.0:
            raise InvalidNumber(name="loading", value=loading, must_be="from 0 to below 1")


def _too_few(n: int) -> NotEstimable:
    return NotEstimable(Message("too_few_units_in_an_arm", N_("an arm has {n} units; a variance needs two"), {"n": n}))
