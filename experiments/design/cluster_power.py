"""Power of a test between clusters, in closed form: from the spread, the correlation inside clusters and their sizes.

Customers of one store are alike: their correlation is ICC = σ²_b / (σ²_b + σ²_w). The mean of a store of m customers
has the variance σ² (ICC + (1 − ICC)/m), so that more customers help little once m·ICC is large; more stores always
help. The test is a t-test between the units of assignment on n_c + n_v − 2 degrees of freedom and the power is the
noncentral t's: the rule "2.8 standard errors" promises too much with few stores. References: Donner and Klar (2000),
Design and Analysis of Cluster Randomization Trials; Eldridge, Ashby and Kerry (2006), International Journal of
Epidemiology 35 (unequal sizes); Hussey and Hughes (2007), Contemporary Clinical Trials 28 (stepped wedge).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.checks import at_least, finite, probability
from experiments.design.power import DEFAULT_POWER, detectable, power_of_t
from experiments.errors import InvalidNumber, NotEstimable
from experiments.messages import N_, Message

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClusterPower:
    """``power`` of the two-sided test of ``effect`` and the smallest effect found with ``DEFAULT_POWER`` or the power
    asked for. ``harmonic_size`` is the harmonic mean of the cluster sizes, ``design_effect`` how many times more
    customers the design needs than one that draws customers."""

    effect: float | None
    power: float | None
    smallest_effect: float
    smallest_effect_power: float
    std_error: float
    df: float
    n_control: int
    n_variant: int
    harmonic_size: float
    design_effect: float
    level: float


@dataclass(frozen=True, slots=True)
class IntraclassCorrelation:
    """``icc`` by analysis of variance with its interval at ``confidence_level``; both may be negative by chance.

    ``variance`` is σ²_b + σ²_w by the same table (σ²_b not below 0); ``mean_size`` and ``size_cv`` describe the
    clusters, ``typical_size`` is m₀ = (N − Σm²/N)/(k − 1).
    """

    icc: float
    low: float
    high: float
    confidence_level: float
    variance: float
    n_clusters: int
    n_rows: int
    mean_size: float
    size_cv: float
    typical_size: float


def design_effect(icc: float, mean_size: float, size_cv: float = 0.0) -> float:
    """1 + ((CV² + 1) m̄ − 1) ICC: the variance of a mean over rows against that of independent rows."""
    finite("icc", icc)
    if not (mean_size >= 1.0 and size_cv >= 0.0):
        raise InvalidNumber(name="mean_size, size_cv", value=f"{mean_size}, {size_cv}", must_be="≥ 1 and ≥ 0")
    return 1.0 + ((size_cv**2 + 1.0) * mean_size - 1.0) * icc


def cluster_power(
    *,
    variance: float,
    icc: float,
    sizes: Sequence[float] | float,
    n_control: int,
    n_variant: int,
    effect: float | None = None,
    level: float = 0.05,
    power: float = DEFAULT_POWER,
    estimand: str = "units",
    explained: float = 0.0,
) -> ClusterPower:
    """Power and smallest visible effect of ``n_variant`` against ``n_control`` clusters.

    ``variance`` is that of one row (p (1 − p) of a share), ``sizes`` the rows of each cluster (one number: all alike;
    a list stands for both arms in proportion). ``estimand`` "units" counts each cluster once: Var(mean of a cluster) =
    variance (ICC + (1 − ICC)/m_h) with the harmonic mean m_h. "rows" counts each row once: variance ·
    ``design_effect`` / rows. ``explained`` is the share of the variance of cluster means that a covariate takes away
    (R² between clusters; one degree of freedom where above 0). Raises ``InvalidNumber`` for values outside their range.
    """
    probability("level", level)
    at_least("n_control", n_control, 1)
    at_least("n_variant", n_variant, 1)
    if not (variance > 0.0 and 0.0 <= icc <= 1.0 and 0.0 <= explained < 1.0):
        raise InvalidNumber(
            name="variance, icc, explained",
            value=f"{variance}, {icc}, {explained}",
            must_be="> 0, in [0, 1], in [0, 1)",
        )
    m = np.atleast_1d(np.asarray(sizes, dtype=np.float64))
    if not (len(m) and np.isfinite(m).all() and (m > 0.0).all()):
        raise InvalidNumber(name="sizes", value=str(sizes), must_be="positive")
    mean, harmonic = float(m.sum() / len(m)), float(len(m) / (1.0 / m).sum())
    effect_of_design = design_effect(icc, max(mean, 1.0), _cv(m))
    if estimand == "units":
        of_a_mean = variance * (icc + (1.0 - icc) / harmonic)
    elif estimand == "rows":
        of_a_mean = variance * effect_of_design / mean
    else:
        raise InvalidNumber(name="estimand", value=estimand, must_be="units or rows")
    df = float(n_control + n_variant - 2 - (explained > 0.0))
    if df < 1.0:
        raise NotEstimable(
            Message(
                "design_too_small",
                N_("{n} units leave no degree of freedom for an error"),
                {"n": n_control + n_variant},
            )
        )
    std_error = float(np.sqrt(of_a_mean * (1.0 - explained) * (1.0 / n_control + 1.0 / n_variant)))
    return ClusterPower(
        effect=effect,
        power=None if effect is None else power_of_t(finite("effect", effect), std_error, df, level=level),
        smallest_effect=detectable(std_error, df, level=level, power=power),
        smallest_effect_power=power,
        std_error=std_error,
        df=df,
        n_control=n_control,
        n_variant=n_variant,
        harmonic_size=harmonic,
        design_effect=effect_of_design,
        level=level,
    )


def intraclass_correlation(
    values: Floats, clusters: npt.NDArray[np.int64], *, confidence_level: float = 0.95
) -> IntraclassCorrelation:
    """ICC = (MSB − MSW) / (MSB + (m₀ − 1) MSW) of ``values`` (N) in ``clusters`` (N, whole numbers), by one-way
    analysis of variance.

    The interval is Searle's: F = MSB/MSW divided by the quantiles of F(k − 1, N − k); exact for normal values and
    equal sizes, close otherwise. Raises ``NotEstimable`` with one cluster, without a cluster of two rows, and where
    nothing varies. Reference: Searle (1971), Linear Models; Donner (1986), International Statistical Review 54.
    """
    from scipy.special import fdtri

    tail = (1.0 - probability("confidence_level", confidence_level)) / 2.0
    y = np.asarray(values, dtype=np.float64)
    _, number, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    m = counts.astype(np.float64)
    n, k = len(y), len(m)
    if k < 2 or n <= k:
        raise NotEstimable(
            Message(
                "no_icc",
                N_(
                    "{k} clusters with {n} rows have no correlation inside: "
                    "two clusters and one with two rows are needed"
                ),
                {"k": k, "n": n},
            )
        )
    means = np.bincount(number, weights=y) / m
    between = float((m * (means - y.sum() / n) ** 2).sum()) / (k - 1)
    within = float(((y - means[number]) ** 2).sum()) / (n - k)
    if between + within <= 0.0:
        raise NotEstimable(Message("no_variation", N_("every unit has the same value; nothing can be estimated"), {}))
    typical = (n - float((m**2).sum()) / n) / (k - 1)
    ratio = between / within if within > 0.0 else np.inf

    def icc_at(f: float) -> float:
        return 1.0 if np.isinf(f) else (f - 1.0) / (f + typical - 1.0)

    low = icc_at(ratio / float(fdtri(k - 1, n - k, 1.0 - tail)))
    high = icc_at(ratio / float(fdtri(k - 1, n - k, tail)))
    return IntraclassCorrelation(
        icc=icc_at(ratio),
        low=low,
        high=high,
        confidence_level=confidence_level,
        variance=max(0.0, (between - within) / typical) + within,
        n_clusters=k,
        n_rows=n,
        mean_size=n / k,
        size_cv=_cv(m),
        typical_size=typical,
    )


def stepped_wedge_variance(
    treated: npt.NDArray[np.bool_] | npt.NDArray[np.int64], *, between_variance: float, period_variance: float
) -> float:
    """The variance of the effect in a stepped wedge by the model of Hussey and Hughes, known variances.

    ``treated`` is (I clusters × T periods) of 0/1. With σ² = ``period_variance`` (of a cluster's mean in one period
    given its level, σ²_e/m), τ² = ``between_variance``, U = Σ X_ij, W = Σ_j (Σ_i X_ij)², V = Σ_i (Σ_j X_ij)²:
    Iσ²(σ² + Tτ²) / [(IU − W)σ² + (U² + ITU − TW − IV)τ²], which is generalised least squares with period effects.
    Raises ``NotEstimable`` where no period holds both states in a comparable way.
    """
    x = np.asarray(treated, dtype=np.float64)
    if x.ndim != 2 or not np.isin(x, (0.0, 1.0)).all():
        raise InvalidNumber(name="treated", value=str(x.shape), must_be="clusters × periods of 0 and 1")
    if not (between_variance >= 0.0 and period_variance > 0.0):
        raise InvalidNumber(
            name="between_variance, period_variance",
            value=f"{between_variance}, {period_variance}",
            must_be="not negative, positive",
        )
    n, t = x.shape
    u, w, v = float(x.sum()), float((x.sum(axis=0) ** 2).sum()), float((x.sum(axis=1) ** 2).sum())
    below = (n * u - w) * period_variance + (u * u + n * t * u - t * w - n * v) * between_variance
    if below <= 0.0:
        raise NotEstimable(
            Message("no_contrast", N_("no period holds treated and untreated clusters; the wedge says nothing"), {})
        )
    return float(n * period_variance * (period_variance + t * between_variance) / below)


def _cv(sizes: Floats) -> float:
    """The coefficient of variation with n in the denominator: it describes these very clusters."""
    mean = sizes.sum() / len(sizes)
    return float(np.sqrt(((sizes - mean) ** 2).sum() / len(sizes)) / mean)
