"""Shrinkage against the winner's curse: an effect that was picked because it was large is too large.

θ ~ N(m, s²), estimate b | θ ~ N(θ, se²) gives θ | b ~ N(m + B (b − m), B se²) with B = s² / (s² + se²). Among estimates
that passed a bar the raw ones overstate the truth; these posterior means do not, whatever the bar, as long as the prior
is the one that effects come from. Reference: Efron (2011), JASA 106; van Zwet and Gelman (2022), American Statistician.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.checks import at_least, finite, probability
from experiments.errors import InvalidNumber, NotEstimable
from experiments.messages import N_, Message


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed about an effect before the data: normal with ``mean`` and ``sd`` (in the metric's unit), a
    ``name`` ("sceptical", "neutral") and the ``source`` of its numbers. Part of the plan, fixed before the result."""

    name: str
    mean: float
    sd: float
    source: str

    def __post_init__(self) -> None:
        finite("mean of the prior", self.mean)
        _positive("sd of the prior", self.sd)
        if not (self.name.strip() and self.source.strip()):
            raise InvalidNumber(name="prior", value=self.name, must_be="named, with the source of its numbers")


@dataclass(frozen=True, slots=True)
class Shrunk:
    """``effect`` and ``sd`` of the posterior, its interval, and ``weight`` B: what the estimate kept (0–1)."""

    effect: float
    sd: float
    interval: tuple[float, float]
    weight: float
    prior: Prior


@dataclass(frozen=True, slots=True)
class WinnersCurse:
    """Of estimates that are significant in the good direction: the ``share`` of all that are, the ``overstatement``
    E[b | win] / E[θ | win], the same of the shrunk estimate (1 when the prior is right), and ``wrong_sign``
    P(θ < 0 | win)."""

    share: float
    overstatement: float
    overstatement_shrunk: float
    wrong_sign: float


def shrink(effect: float, std_error: float, prior: Prior, *, confidence_level: float = 0.95) -> Shrunk:
    """The posterior of an effect given ``prior``. Assumes a normal estimate with a known error; with few stores see
    ``harm.posterior``, which keeps Student's t."""
    from scipy.special import ndtri

    weight = prior.sd**2 / (prior.sd**2 + _positive("std_error", std_error) ** 2)
    mean, sd = prior.mean + weight * (finite("effect", effect) - prior.mean), math.sqrt(weight) * std_error
    reach = float(ndtri(0.5 + probability("confidence_level", confidence_level) / 2.0)) * sd
    return Shrunk(mean, sd, (mean - reach, mean + reach), weight, prior)


def prior_from_past(
    effects: Sequence[float], std_errors: Sequence[float], *, name: str = "past pilots", mean: float | None = None
) -> Prior:
    """The normal prior that past pilots suggest: all of them, not the ones that were reported.

    Paule and Mandel: s² solves Σ (b − m)² / (s² + se²) = k − 1, with m their weighted mean (or k and the given
    ``mean``, such as 0 for a sceptic). Raises ``NotEstimable`` under three pilots, or where the effects differ by no
    more than their errors, so that no spread can be told.
    """
    b, v = np.asarray(effects, dtype=np.float64), np.asarray(std_errors, dtype=np.float64) ** 2
    if len(b) != len(v) or not (np.isfinite(b).all() and bool((v > 0.0).all()) and np.isfinite(v).all()):
        raise InvalidNumber(name="std_errors", value=len(v), must_be="positive, one for each effect")
    spread2, centre = paule_mandel(b.tolist(), v.tolist(), mean=mean)
    if len(b) < 3 or spread2 <= 0.0:
        raise NotEstimable(
            Message("no_prior_from_past", N_("{n} past effects do not tell how much effects differ"), {"n": len(b)})
        )
    return Prior(name, centre, math.sqrt(spread2), f"{len(b)} past pilots, Paule–Mandel")


def paule_mandel(
    effects: Sequence[float],
    variances: Sequence[float],
    *,
    mean: float | None = None,
    multipliers: Sequence[float] | None = None,
) -> tuple[float, float]:
    """Between-effect variance τ² (0 where the effects differ by no more than their errors) and their weighted mean.

    Each effect has variance v_i + τ² · multiplier_i (default 1).
    """
    from scipy.optimize import brentq

    b, v = np.asarray(effects, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    m = np.ones(len(b)) if multipliers is None else np.asarray(multipliers, dtype=np.float64)
    df = len(b) - (mean is None)

    def centre(tau2: float) -> float:
        w = 1.0 / (v + tau2 * m)
        return float((w * b).sum() / w.sum()) if mean is None else mean

    def excess(tau2: float) -> float:
        return float(((b - centre(tau2)) ** 2 / (v + tau2 * m)).sum()) - df

    if excess(0.0) <= 0.0:
        return 0.0, centre(0.0)
    high = float(v.max())
    while excess(high) > 0.0:
        high *= 4.0
    tau2 = float(brentq(excess, 0.0, high, xtol=1e-15 * high, rtol=1e-13))
    return tau2, centre(tau2)


def winners_curse(*, prior_sd: float, std_error: float, prior_mean: float = 0.0, alpha: float = 0.05) -> WinnersCurse:
    """What selection does, exactly: effects N(``prior_mean``, ``prior_sd``²), estimates with ``std_error``, a win when
    z > z_{1 − α/2}."""
    from scipy.special import ndtr, ndtri

    s, se = _positive("prior_sd", prior_sd), _positive("std_error", std_error)
    bar = float(ndtri(1.0 - probability("alpha", alpha) / 2.0)) * se
    total = math.hypot(s, se)
    z = (bar - prior_mean) / total
    share = float(ndtr(-z))
    raw = prior_mean + total * _normal_density(z) / share
    true = prior_mean + s * s / total**2 * (raw - prior_mean)
    points, weights = np.polynomial.legendre.leggauss(200)
    edge = (0.0 - prior_mean) / s
    low = min(edge, 0.0) - 12.0  # in prior standard deviations, twelve below the larger part
    x = low + (edge - low) * (points + 1.0) / 2.0
    win = ndtr((prior_mean + s * x - bar) / se) * np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    wrong = float((weights * win).sum()) * (edge - low) / 2.0 / share
    return WinnersCurse(share, raw / true, 1.0, wrong)


def simulate_winners_curse(
    *, prior_sd: float, std_error: float, seed: int, prior_mean: float = 0.0, alpha: float = 0.05, pilots: int = 200_000
) -> WinnersCurse:
    """The same by simulated pilots, with the shrunk estimates beside. Raises ``NotEstimable`` when none wins."""
    from scipy.special import ndtri

    at_least("pilots", pilots, 1)
    s, se = _positive("prior_sd", prior_sd), _positive("std_error", std_error)
    draws = np.random.Generator(np.random.PCG64(at_least("seed", seed, 0))).standard_normal((2, pilots))
    theta = prior_mean + s * draws[0]
    estimate = theta + se * draws[1]
    wins = estimate > float(ndtri(1.0 - probability("alpha", alpha) / 2.0)) * se
    if not wins.any():
        raise NotEstimable(Message("no_wins", N_("none of {n} simulated pilots won"), {"n": pilots}))
    true = float(theta[wins].mean())
    shrunk = prior_mean + s * s / (s * s + se * se) * (estimate[wins] - prior_mean)
    return WinnersCurse(
        float(wins.mean()),
        float(estimate[wins].mean()) / true,
        float(shrunk.mean()) / true,
        float((theta[wins] < 0.0).mean()),
    )


def _positive(name: str, value: float) -> float:
    if not finite(name, value) > 0.0:
        raise InvalidNumber(name=name, value=value, must_be="greater than 0")
    return value


def _normal_density(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
