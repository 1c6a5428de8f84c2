"""Futility: the chance, given a stated prior, that the last look of a stage could still take the pilot on.

So far the effect is b with error se, information I = 1 / se². At the last look it is J ≥ I, and that look advances when
its estimate is at least c / √J, with c = t_{df, 1 − level/2}. Given θ ~ N(μ, s²) and the data, θ ~ N(m, v), and the
estimate of the last look is normal with

    mean  (I b + (J − I) m) / J,        variance  ((J − I) / J)² · (v + 1 / (J − I)),

    chance = Φ((mean − c / √J) / sd).

``growth`` is J / I. With noise that is independent from week to week it is the ratio of the weeks, and no stage learns
faster than that; what differs between stores for good lowers it. So that ratio gives the largest chance there is, and
whoever stops below a threshold of it would stop below it in truth. Assumes a normal estimate. Reference: Spiegelhalter,
Freedman and Blackburn (1986), Controlled Clinical Trials 7 (predictive power).
"""

import math
from dataclasses import dataclass

from experiments.checks import finite, probability
from experiments.errors import InvalidNumber
from experiments.forecast.shrinkage import Prior

_POWER = 0.8


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a later look could show: the ``chance`` that it advances, the belief so far (``mean``, ``sd``, given the
    prior), and the error of the measurement that is still to come (None: nothing more is measured)."""

    chance: float
    mean: float
    sd: float
    new_error: float | None


def chance_to_advance(
    effect: float, std_error: float, df: float | None, *, prior: Prior, level: float, growth: float
) -> Outlook:
    """The outlook of a look that tests two-sided at ``level`` when information has grown by the factor ``growth``.

    ``effect`` and the prior count what is good as positive. ``df`` None: normal.
    """
    finite("effect", effect)
    if not finite("std_error", std_error) > 0.0:
        raise InvalidNumber(name="std_error", value=std_error, must_be="greater than 0")
    if not finite("growth", growth) >= 1.0:
        raise InvalidNumber(name="growth", value=growth, must_be="at least 1")
    now = std_error**-2
    then, more = now * growth, now * (growth - 1.0)
    precision = now + prior.sd**-2
    mean, variance = (now * effect + prior.mean * prior.sd**-2) / precision, 1.0 / precision
    needed = _quantile(1.0 - probability("level", level) / 2.0, df) / math.sqrt(then)
    expected = (now * effect + more * mean) / then
    if more <= 0.0:
        return Outlook(float(expected >= needed), mean, math.sqrt(variance), None)
    sd = more / then * math.sqrt(variance + 1.0 / more)
    return Outlook(_below((expected - needed) / sd), mean, math.sqrt(variance), 1.0 / math.sqrt(more))


def visible_effect(std_error: float, df: float | None, *, level: float) -> float:
    """The true effect that a two-sided test at ``level`` sees with probability 0.8, from its error alone."""
    return (_quantile(1.0 - level / 2.0, df) + _quantile(_POWER, df)) * std_error


def _quantile(share: float, df: float | None) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri(share) if df is None else stdtrit(df, share))


def _below(z: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(z))
