"""Shrinkage of segment effects: each drawn towards their mean by as much as its noise deserves.

b | θ ~ N(θ, V), θ_k ~ N(μ, τ²) with flat priors on μ and on τ ≥ 0 (which asks for three segments). Given τ everything
is normal; τ is integrated out over a fixed grid, so that the interval carries what is not known about τ, unlike a
plug-in (James–Stein, empirical Bayes) that takes its estimate for the truth. Reference: Rubin (1981), Journal of
Educational Statistics 6; Gelman et al. (2013), Bayesian Data Analysis, section 5.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.checks import probability
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message

_FEWEST = 3
_PANELS, _NODES = 25, 8


@dataclass(frozen=True, slots=True)
class ShrunkSegment:
    """``raw`` effect, shrunk ``effect`` (posterior mean), its standard deviation and interval, and the ``weight`` that
    the raw effect kept on average (1: nothing shrunk; with correlated effects of the segment's own value)."""

    raw: float
    effect: float
    std_error: float
    interval: tuple[float, float]
    weight: float


def shrink_segments(
    effects: Sequence[float] | Floats, errors: Sequence[float] | Floats, confidence_level: float = 0.95
) -> tuple[ShrunkSegment, ...]:
    """The shrunk effects. ``errors`` are standard errors of independent segments, or the (K, K) covariance of
    correlated ones (stores assigned). Assumes normal effects with known errors and segments that are exchangeable
    before the data. Exploratory. Raises ``NotEstimable`` under three segments."""
    b, v = np.asarray(effects, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if len(b) < _FEWEST:
        raise NotEstimable(
            Message(
                "too_few_segments_to_shrink",
                N_("{n} groups do not tell how much groups differ; three are needed"),
                {"n": len(b)},
            )
        )
    v = np.diag(v**2) if v.ndim == 1 else v
    if v.shape != (len(b), len(b)) or not (np.isfinite(b).all() and np.isfinite(v).all()):
        raise InvalidNumber(name="errors", value=str(v.shape), must_be="finite, one for each effect")
    roots, vectors = np.linalg.eigh(v)
    if not roots[0] > 0.0:
        raise InvalidNumber(name="errors", value=float(roots[0]), must_be="positive, or a positive definite covariance")
    alpha = 1.0 - probability("confidence_level", confidence_level)
    weights, means, sds, kept = _given_tau(b, roots, vectors)
    result = []
    for k in range(len(b)):
        mean = float((weights * means[:, k]).sum())
        variance = float((weights * (sds[:, k] ** 2 + (means[:, k] - mean) ** 2)).sum())
        interval = tuple(_quantile(q, weights, means[:, k], sds[:, k]) for q in (alpha / 2.0, 1.0 - alpha / 2.0))
        result.append(
            ShrunkSegment(
                float(b[k]), mean, variance**0.5, (interval[0], interval[1]), float((weights * kept[:, k]).sum())
            )
        )
    return tuple(result)


def _given_tau(b: Floats, roots: Floats, vectors: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Posterior weight of each τ of the grid (g), and per τ and segment the mean, sd and kept weight of θ (g, K).

    In the basis of V's eigenvectors V + τ² is diagonal.
    """
    points, point_weights = np.polynomial.legendre.leggauss(_NODES)
    u = ((np.arange(_PANELS)[:, None] + (points + 1.0) / 2.0) / _PANELS).ravel()
    scale = float(np.sqrt(roots.mean())) + float(b.std())
    tau2 = (scale * u / (1.0 - u)) ** 2
    total = tau2[:, None] + roots
    y, one = np.einsum("ik,i->k", vectors, b), vectors.sum(axis=0)
    information = (one**2 / total).sum(axis=1)
    mu = (one * y / total).sum(axis=1) / information
    rest = y - mu[:, None] * one
    log_likelihood = -0.5 * (np.log(total).sum(axis=1) + np.log(information) + (rest**2 / total).sum(axis=1))
    weights = np.exp(log_likelihood - log_likelihood.max()) * np.tile(point_weights, _PANELS) / (1.0 - u) ** 2
    weights = weights / weights.sum()
    keep = tau2[:, None] / total
    means = np.einsum("gk,ik->gi", mu[:, None] * one + keep * rest, vectors)
    through_mu = np.einsum("gk,ik->gi", (1.0 - keep) * one, vectors) / np.sqrt(information)[:, None]
    variances = np.einsum("gk,ik->gi", keep * roots, vectors**2) + through_mu**2
    return weights, means, np.sqrt(variances), np.einsum("gk,ik->gi", keep, vectors**2)


def _quantile(q: float, weights: Floats, means: Floats, sds: Floats) -> float:
    from scipy.optimize import brentq
    from scipy.special import ndtr

    low, high = float((means - 10.0 * sds).min()), float((means + 10.0 * sds).max())
    return float(brentq(lambda x: float((weights * ndtr((x - means) / sds)).sum()) - q, low, high, rtol=1e-12))
