"""Transport: what the effect would be in the stores that have not been treated.

Groups of pilot stores (pairs, blocks, regions × tiers) each give an effect b_i with error se_i, in a stratum h. With
between-store variance τ² and m_i treated stores in a group, b_i ~ N(μ_h, se_i² + τ² / m_i); w_i is the inverse of that
variance, τ² from Paule and Mandel's equation over all strata.

    T = Σ_h g_h μ̂_h                    g_h: the untreated stores' shares of the strata (post-stratification)
    v = q Σ_h g_h² / Σ_{i∈h} w_i,        q = max(1, Σ w_i (b_i − μ̂_h)² / ν), ν = groups − strata   (Hartung and Knapp)
    interval of the network's mean       T ± t_ν √(v + τ² Σ_h g_h² / N_h)      N_h untreated stores in stratum h

The error of the mean alone would promise the precision of the pilot to stores that were not in it. For one more store τ
decides, and few groups hardly know it: T ± t_ν √(v + τ²) with the estimate of τ covered 86 % instead of 95 % (ten
groups). So its interval is the predictive distribution with τ integrated out: quantiles of the mixture over τ of
N(T(τ), Σ_h g_h² / Σ_{i∈h} w_i(τ) + τ²), weighted by the restricted likelihood of τ (flat in τ).

Assumes that pilot stores of a stratum stand for its untreated ones. References: Hartung and Knapp (2001), Statistics in
Medicine 20; Higgins, Thompson and Spiegelhalter (2009), JRSS A 172 (both kinds of prediction interval).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.checks import at_least, finite, probability
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.unit_table import Floats
from experiments.forecast.shrinkage import paule_mandel
from experiments.messages import N_, Message

_MOST_UNCOVERED = 0.5
_LOW_OVERLAP = 0.8
_PANELS, _NODES = 25, 8


@dataclass(frozen=True, slots=True)
class GroupEffect:
    """One group of pilot stores: its effect and standard error (sampling alone), stratum, and treated stores."""

    effect: float
    std_error: float
    stratum: str
    n_treated: int = 1

    def __post_init__(self) -> None:
        finite("effect", self.effect)
        if not finite("std_error", self.std_error) > 0.0:
            raise InvalidNumber(name="std_error", value=self.std_error, must_be="greater than 0")
        at_least("n_treated", self.n_treated, 1)


@dataclass(frozen=True, slots=True)
class Transported:
    """``effect`` for the ``n_stores`` untreated stores of covered strata: its error, the interval of their mean and
    that of one store; ``between_sd`` is τ. ``covered`` is the share of untreated stores in strata with a group."""

    effect: float
    std_error: float
    df: int
    between_sd: float
    interval: tuple[float, float]
    interval_store: tuple[float, float]
    confidence_level: float
    n_stores: int
    covered: float
    warnings: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """``share`` of untreated stores whose covariates all lie inside the pilot's range, with a warning where it is
    low; ``outside`` names, per covariate, the share that does not."""

    share: float
    outside: Mapping[str, float]
    warning: Message | None


def transport(
    groups: Sequence[GroupEffect], untreated: Mapping[str, int], *, confidence_level: float = 0.95
) -> Transported:
    """The effect in the untreated stores, ``untreated`` being their number per stratum.

    Strata without a pilot group are left out of the forecast, and said so. Raises ``NotEstimable`` when more than half
    of the untreated stores are in such strata, or when there are not two groups more than strata.
    """
    wanted = {h: at_least(f"untreated stores of {h}", n, 0) for h, n in untreated.items()}
    total = sum(wanted.values())
    strata = [h for h in sorted({g.stratum for g in groups}) if wanted.get(h, 0) > 0]
    covered = sum(wanted[h] for h in strata) / total if total else 0.0
    if covered < _MOST_UNCOVERED:
        raise NotEstimable(
            Message(
                "forecast_not_covered",
                N_("only {covered:.0%} of the untreated stores are in a stratum that the pilot covers"),
                {"covered": covered},
            )
        )
    used = [g for g in groups if g.stratum in strata]
    df = len(used) - len(strata)
    if df < 2:
        raise NotEstimable(
            Message(
                "too_few_groups",
                N_("{n} groups in {strata} strata do not show how much stores differ; two more than strata are needed"),
                {"n": len(used), "strata": len(strata)},
            )
        )
    tau2 = _between_variance(used, strata)
    n_stores = sum(wanted[h] for h in strata)
    effect = weighted = network = scatter = 0.0
    for h in strata:
        b, w = _weights([g for g in used if g.stratum == h], tau2)
        mean, g_h = float((w * b).sum() / w.sum()), wanted[h] / n_stores
        effect += g_h * mean
        weighted += g_h * g_h / float(w.sum())
        network += g_h * g_h / wanted[h]
        scatter += float((w * (b - mean) ** 2).sum())
    variance = max(1.0, scatter / df) * weighted
    reach = _t_quantile(0.5 + probability("confidence_level", confidence_level) / 2.0, df)
    of_mean = reach * math.sqrt(variance + tau2 * network)
    shares = {h: wanted[h] / n_stores for h in strata}
    return Transported(
        effect,
        math.sqrt(variance),
        df,
        math.sqrt(tau2),
        (effect - of_mean, effect + of_mean),
        _interval_of_one_store(used, shares, confidence_level),
        confidence_level,
        n_stores,
        covered,
        _warnings(wanted, strata, covered),
    )


def overlap(pilot: Floats, untreated: Floats, names: Sequence[str]) -> Overlap:
    """How many untreated stores look like pilot stores: ``pilot`` (n, k) and ``untreated`` (m, k) covariates.

    A store is inside when each covariate lies between the pilot's smallest and largest. Under 80 % inside a warning:
    for the others the forecast is an extrapolation.
    """
    inside_range, outside = np.ones(len(untreated), dtype=bool), {}
    if not (pilot.ndim == untreated.ndim == 2 and pilot.shape[1] == untreated.shape[1] == len(names)):
        raise InvalidNumber(name="covariates", value=str(untreated.shape), must_be="the same columns for both")
    if not (len(pilot) and len(untreated)):
        raise NotEstimable(Message("no_stores_to_compare", N_("there are no stores to compare"), {}))
    for position, name in enumerate(names):
        column = untreated[:, position]
        inside = (column >= pilot[:, position].min()) & (column <= pilot[:, position].max())
        outside[name] = float(1.0 - inside.mean())
        inside_range &= inside
    share = float(inside_range.mean())
    warning = Message(
        "low_overlap",
        N_("only {share:.0%} of the untreated stores lie inside the range of the pilot's stores; {worst} most outside"),
        {"share": share, "worst": max(outside, key=lambda name: outside[name])},
    )
    return Overlap(share, outside, warning if share < _LOW_OVERLAP else None)


def _between_variance(groups: Sequence[GroupEffect], strata: Sequence[str]) -> float:
    """τ²: Paule and Mandel within strata, their equations added."""
    from scipy.optimize import brentq

    if len(strata) == 1:
        return paule_mandel(
            [g.effect for g in groups],
            [g.std_error**2 for g in groups],
            multipliers=[1.0 / g.n_treated for g in groups],
        )[0]
    df = len(groups) - len(strata)

    def excess(tau2: float) -> float:
        total = 0.0
        for h in strata:
            b, w = _weights([g for g in groups if g.stratum == h], tau2)
            total += float((w * (b - (w * b).sum() / w.sum()) ** 2).sum())
        return total - df

    if excess(0.0) <= 0.0:
        return 0.0
    high = max(g.std_error**2 for g in groups)
    while excess(high) > 0.0:
        high *= 4.0
    return float(brentq(excess, 0.0, high, xtol=1e-15 * high, rtol=1e-13))


def _interval_of_one_store(
    groups: Sequence[GroupEffect], shares: Mapping[str, float], confidence_level: float
) -> tuple[float, float]:
    """Central quantiles of the predictive distribution of one untreated store, τ integrated out on a fixed grid."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    points, point_weights = np.polynomial.legendre.leggauss(_NODES)
    u = ((np.arange(_PANELS)[:, None] + (points + 1.0) / 2.0) / _PANELS).ravel()
    b, se2 = np.array([g.effect for g in groups]), np.array([g.std_error**2 for g in groups])
    treated = np.array([g.n_treated for g in groups])
    tau = (float(np.sqrt((se2 * treated).mean())) + float(b.std() * math.sqrt(treated.max()))) * u / (1.0 - u)
    w = 1.0 / (se2 + tau[:, None] ** 2 / treated)
    log_likelihood = 0.5 * np.log(w).sum(axis=1)
    mean, variance = np.zeros(len(tau)), tau**2
    for h, share in shares.items():
        inside = np.array([g.stratum == h for g in groups])
        total = w[:, inside].sum(axis=1)
        mu = (w[:, inside] * b[inside]).sum(axis=1) / total
        log_likelihood -= 0.5 * (np.log(total) + (w[:, inside] * (b[inside] - mu[:, None]) ** 2).sum(axis=1))
        mean, variance = mean + share * mu, variance + share * share / total
    mass = np.exp(log_likelihood - log_likelihood.max()) * np.tile(point_weights, _PANELS) / (1.0 - u) ** 2
    mass, sd = mass / mass.sum(), np.sqrt(variance)
    tail = (1.0 - confidence_level) / 2.0
    low, high = (
        float(
            brentq(
                lambda x, q=q: float((mass * ndtr((x - mean) / sd)).sum()) - q,
                float((mean - 10.0 * sd).min()),
                float((mean + 10.0 * sd).max()),
                rtol=1e-12,
            )
        )
        for q in (tail, 1.0 - tail)
    )
    return low, high


def _weights(groups: Sequence[GroupEffect], tau2: float) -> tuple[Floats, Floats]:
    b = np.array([g.effect for g in groups])
    return b, 1.0 / np.array([g.std_error**2 + tau2 / g.n_treated for g in groups])


def _warnings(wanted: Mapping[str, int], strata: Sequence[str], covered: float) -> tuple[Message, ...]:
    missing = [h for h, n in sorted(wanted.items()) if n > 0 and h not in strata]
    if not missing:
        return ()
    return (
        Message(
            "strata_without_pilot",
            N_("no pilot store in {strata}: the forecast covers {covered:.0%} of the untreated stores"),
            {"strata": ", ".join(missing), "covered": covered},
        ),
    )


def _t_quantile(probability_below: float, df: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, probability_below))
