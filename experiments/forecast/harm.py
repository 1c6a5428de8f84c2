"""Probability of harm given a stated prior: a sceptical and a neutral one side by side, never a bare probability.

The posterior is prior density × likelihood, the likelihood that of the design's own interval: (θ − b) / se is Student's
t with the design's degrees of freedom (normal where there are none). Harm is θ beyond a margin on the bad side. It is
integrated on fixed Gauss–Legendre panels. References: Spiegelhalter, Freedman and Parmar (1994), JRSS A 157 (sceptical
priors); Miller (2015), "Formulas for Bayesian A/B testing" (two Beta posteriors).
"""

import math
from dataclasses import dataclass

import numpy as np

from experiments.checks import at_least, finite, probability
from experiments.errors import InvalidNumber
from experiments.estimate.unit_table import Floats
from experiments.forecast.shrinkage import Prior
from experiments.messages import N_, Message

_PANELS, _NODES = 80, 16
_REACH = 12.0


@dataclass(frozen=True, slots=True)
class Posterior:
    """The effect given the data and ``prior``: its mean and sd, and probabilities of where it lies.

    The data are an ``effect`` with ``std_error`` on ``df`` degrees of freedom (None: normal). ``log_scale`` and
    ``total`` make the density integrate to one.
    """

    prior: Prior
    effect: float
    std_error: float
    df: float | None
    mean: float
    sd: float
    log_scale: float
    total: float

    def probability_below(self, value: float) -> float:
        """P(effect < ``value``), given the prior."""
        edges = _edges(self.effect, self.std_error, self.prior)
        below = np.append(edges[edges < value], min(value, float(edges[-1])))
        if len(below) < 2:
            return 0.0
        x, weights = _nodes(below)
        density = np.exp(_log_density(x, self.effect, self.std_error, self.df, self.prior) - self.log_scale)
        return min(1.0, float((density * weights).sum()) / self.total)

    def interval(self, confidence_level: float) -> tuple[float, float]:
        """The central interval that holds the effect with probability ``confidence_level``, given the prior."""
        from scipy.optimize import brentq

        tail = (1.0 - probability("confidence_level", confidence_level)) / 2.0
        edges = _edges(self.effect, self.std_error, self.prior)
        low, high = (
            float(
                brentq(
                    lambda x, q=q: self.probability_below(x) - q,
                    float(edges[0]),
                    float(edges[-1]),
                    xtol=1e-10 * self.sd,
                )
            )
            for q in (tail, 1.0 - tail)
        )
        return low, high


@dataclass(frozen=True, slots=True)
class GivenPrior:
    """One probability and all that it rests on; ``message`` says it in words that name the prior."""

    prior: Prior
    probability: float
    mean: float
    sd: float
    interval: tuple[float, float]
    message: Message


@dataclass(frozen=True, slots=True)
class Harm:
    """The same probability under two priors; neither is shown without the other."""

    sceptical: GivenPrior
    neutral: GivenPrior


def posterior(effect: float, std_error: float, df: float | None, prior: Prior) -> Posterior:
    """The posterior of an effect with ``std_error`` on ``df`` degrees of freedom (None: normal)."""
    finite("effect", effect)
    if not finite("std_error", std_error) > 0.0 or (df is not None and not df > 0.0):
        raise InvalidNumber(name="std_error, df", value=f"{std_error}, {df}", must_be="positive")
    x, weights = _nodes(_edges(effect, std_error, prior))
    log_density = _log_density(x, effect, std_error, df, prior)
    log_scale = float(log_density.max())
    mass = np.exp(log_density - log_scale) * weights
    total = float(mass.sum())
    mean = float((mass * x).sum()) / total
    sd = math.sqrt(float((mass * (x - mean) ** 2).sum()) / total)
    return Posterior(prior, effect, std_error, df, mean, sd, log_scale, total)


def probability_of_harm(
    effect: float,
    std_error: float,
    df: float | None,
    *,
    sceptical: Prior,
    neutral: Prior,
    margin: float = 0.0,
    good_is_up: bool = True,
    confidence_level: float = 0.95,
) -> Harm:
    """P(the effect is worse than a loss of ``margin``) under both priors.

    ``margin`` ≥ 0 in the metric's unit. The sceptical prior expects nothing good (its mean is not on the good side) and
    is the narrower one; the neutral one is wide and centred at zero. Raises ``InvalidNumber`` for priors that are not.
    """
    if not finite("margin", margin) >= 0.0:
        raise InvalidNumber(name="margin", value=margin, must_be="not negative")
    sign = 1.0 if good_is_up else -1.0
    if sign * sceptical.mean > 0.0:
        raise InvalidNumber(name="mean of the sceptical prior", value=sceptical.mean, must_be="not on the good side")
    if neutral.mean != 0.0 or neutral.sd < sceptical.sd:
        raise InvalidNumber(
            name="neutral prior", value=neutral.mean, must_be="at zero, at least as wide as the sceptical"
        )
    answers = []
    for prior in (sceptical, neutral):
        found = posterior(effect, std_error, df, prior)
        chance = found.probability_below(-margin) if good_is_up else 1.0 - found.probability_below(margin)
        answers.append(
            GivenPrior(
                prior, chance, found.mean, found.sd, found.interval(confidence_level), _given(prior, chance, margin)
            )
        )
    return Harm(answers[0], answers[1])


def probability_b_beats_a(alpha_a: int, beta_a: int, alpha_b: int, beta_b: int) -> float:
    """P(B > A) of independent A ~ Beta(``alpha_a``, ``beta_a``) and B ~ Beta(``alpha_b``, ``beta_b``), exactly.

    Σ_{i < α_B} B(α_A + i, β_A + β_B) / ((β_B + i) B(1 + i, β_B) B(α_A, β_A)). The counts are those of customers who
    were assigned one by one, plus the prior's; for stores it would be as wrong as any test on rows.
    """
    for name, value in (("alpha_a", alpha_a), ("beta_a", beta_a), ("alpha_b", alpha_b), ("beta_b", beta_b)):
        at_least(name, value, 1)
    terms = (
        math.exp(
            _log_beta(alpha_a + i, beta_a + beta_b)
            - math.log(beta_b + i)
            - _log_beta(1 + i, beta_b)
            - _log_beta(alpha_a, beta_a)
        )
        for i in range(alpha_b)
    )
    return min(1.0, math.fsum(terms))


def _given(prior: Prior, chance: float, margin: float) -> Message:
    return Message(
        "probability_of_harm",
        N_(
            "{chance:.1%} probability of a loss beyond {margin:.4g}, given the {name} prior "
            "(normal, mean {mean:.4g}, sd {sd:.4g}; {source})"
        ),
        {
            "chance": chance,
            "margin": margin,
            "name": prior.name,
            "mean": prior.mean,
            "sd": prior.sd,
            "source": prior.source,
        },
    )


def _edges(effect: float, std_error: float, prior: Prior) -> Floats:
    """Panels that are fine around the estimate and around the prior, and end where the prior has no mass left."""
    around = np.linspace(-_REACH, _REACH, _PANELS + 1)
    low, high = prior.mean - _REACH * prior.sd, prior.mean + _REACH * prior.sd
    near = effect + std_error * around
    edges: Floats = np.unique(np.concatenate([prior.mean + prior.sd * around, near[(near > low) & (near < high)]]))
    return edges


def _nodes(edges: Floats) -> tuple[Floats, Floats]:
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    half = (edges[1:] - edges[:-1]) / 2.0
    middle = (edges[1:] + edges[:-1]) / 2.0
    return (middle[:, None] + half[:, None] * points).ravel(), (half[:, None] * weights).ravel()


def _log_density(x: Floats, effect: float, std_error: float, df: float | None, prior: Prior) -> Floats:
    z2 = ((x - effect) / std_error) ** 2
    log_likelihood = -0.5 * z2 if df is None else -0.5 * (df + 1.0) * np.log1p(z2 / df)
    log_posterior: Floats = log_likelihood - 0.5 * ((x - prior.mean) / prior.sd) ** 2
    return log_posterior


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
