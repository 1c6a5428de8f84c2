"""Power: the smallest effect that a design can see, from the network's own past windows, before anything is sealed.

The residual variance s² of the regression that will be run (unit value on blocks and the value before) is measured in
past windows without treatment. The error of the future coefficient is s / √E(t̂'t̂), where t̂'t̂ is what blocks and
covariate leave of the treatment, averaged over the draw; the smallest visible effect is the one that a t-test at
``level`` finds with probability ``power`` (noncentral t). It counts units of assignment only: rows beneath them add
nothing of their own. Reference: Bloom (1995), Evaluation Review 19 (minimum detectable effects).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from experiments.checks import probability
from experiments.design.mechanisms import CONTROL, Mechanism, MechanismKind, Share, seat_counts
from experiments.errors import InvalidNumber, NotEstimable, OpenList, UnknownVariant
from experiments.estimate.unit_table import Floats, UnitTable, columns
from experiments.measure.metrics import Metric
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from experiments.messages import N_, Message

DEFAULT_POWER = 0.80


@dataclass(frozen=True, slots=True)
class VisibleEffect:
    """``absolute`` in the metric's unit, ``relative`` as a share of the past ``mean`` (None when that is zero)."""

    absolute: float
    relative: float | None
    mean: float
    std_error: float
    df: float
    n_units: int
    n_windows: int
    level: float
    power: float


def smallest_visible_effect(
    mechanism: Mechanism,
    variant: str,
    metric: Metric,
    history: Sequence[Sequence[UnitMoments]],
    *,
    level: float,
    power: float = DEFAULT_POWER,
) -> VisibleEffect:
    """The smallest effect of ``variant`` that a closed-list design sees at two-sided ``level`` with probability
    ``power``.

    ``history`` holds past windows; each is one ``UnitMoments`` per drawn unit, with its value in a window as long as
    the stage and its value before. Their residual variances are averaged. Raises ``NotEstimable`` without a usable
    past window.
    """
    if mechanism.kind is MechanismKind.BERNOULLI_HASH:
        raise OpenList(operation="unit history", kind=mechanism.kind.value, instead="smallest_visible_customer_effect")
    if variant not in mechanism.treated_variants:
        raise UnknownVariant(variant=variant, variants=", ".join(mechanism.treated_variants))
    past = [_past(mechanism, metric, window) for window in history]
    usable = [window for window in past if window is not None]
    if not usable:
        raise NotEstimable(
            Message(
                "no_history", N_("no past window of {metric} covers the units of this draw"), {"metric": metric.code}
            )
        )
    arms = [_arms(mechanism, variant, len(block)) for block in mechanism.blocks]
    used = sum(c + t for c, t in arms)
    has_covariate = all(window.has_covariate for window in usable)
    df = used - sum(1 for c, t in arms if c + t) - 1 - has_covariate
    if df < 1:
        raise NotEstimable(
            Message("design_too_small", N_("{n} units leave no degree of freedom for an error"), {"n": used})
        )
    total = sum(c * t / (c + t) for c, t in arms if c + t)
    loss = sum(window.expected_overlap(arms) for window in usable) / len(usable) if has_covariate else 0.0
    variance = sum(window.variance for window in usable) / len(usable)
    std_error = float(np.sqrt(variance / (total - loss)))
    mean = sum(window.mean for window in usable) / len(usable)
    return _visible(mean, std_error, float(df), used, len(usable), level, power)


def smallest_visible_customer_effect(
    metric: Metric,
    history: Sequence[ArmMoments],
    shares: Sequence[Share],
    variant: str,
    *,
    level: float,
    power: float = DEFAULT_POWER,
) -> VisibleEffect:
    """The same for customers drawn by ``shares``: ``history`` holds one past window of the customers who may be
    drawn."""
    from experiments.estimate.welch import pooled_spread

    weights = {share.variant: share.weight for share in shares}
    if variant not in weights:
        raise UnknownVariant(variant=variant, variants=", ".join(weights))
    n, mean, spread = pooled_spread(metric, history)
    n_control = n * weights[CONTROL] // sum(weights.values())
    n_variant = n * weights[variant] // sum(weights.values())
    if min(n_control, n_variant) < 2:
        raise NotEstimable(
            Message("design_too_small", N_("{n} units leave no degree of freedom for an error"), {"n": n})
        )
    std_error = float(np.sqrt(spread * (1.0 / n_control + 1.0 / n_variant)))
    return _visible(mean, std_error, float(n_control + n_variant - 2), n_control + n_variant, 1, level, power)


def power_of_t(effect: float, std_error: float, df: float, *, level: float) -> float:
    """The probability that a two-sided t-test at ``level`` finds ``effect``: the noncentral t distribution."""
    from scipy.special import stdtrit

    probability("level", level)
    if not (std_error > 0.0 and df > 0.0):
        raise InvalidNumber(name="std_error, df", value=f"{std_error}, {df}", must_be="positive")
    critical = float(stdtrit(df, 1.0 - level / 2.0))
    shift = abs(effect) / std_error
    return _beyond(df, shift, critical) + _beyond(df, -shift, critical)


def detectable(std_error: float, df: float, *, level: float, power: float = DEFAULT_POWER) -> float:
    """The smallest effect that a two-sided t-test at ``level`` finds with probability ``power``."""
    probability("power", power)
    if std_error == 0.0:
        return 0.0
    if not std_error > 0.0:
        raise InvalidNumber(name="std_error", value=std_error, must_be="positive")
    return _detectable_shift(df, level, power) * std_error


@lru_cache(maxsize=4096)
def _detectable_shift(df: float, level: float, power: float) -> float:
    """The same in standard errors. Designs differ more in their errors than in their degrees of freedom: kept."""
    low, high = 0.0, 1.0
    while power_of_t(high, 1.0, df, level=level) < power:
        low, high = high, high * 2.0
    return _bisect(lambda shift: power_of_t(shift, 1.0, df, level=level) >= power, low, high)


def _beyond(df: float, shift: float, critical: float) -> float:
    """P(T > critical) of the noncentral t; far out, where the library answers NaN, by the mean of the normal tail over
    4,000 quantiles of the error's own distribution."""
    from scipy.special import chdtri, nctdtr, ndtr

    found = float(nctdtr(df, -shift, -critical))  # P(T > c) under δ is P(T < −c) under −δ, without losing digits
    if np.isfinite(found):
        return found
    survival = 1.0 - (np.arange(4_000) + 0.5) / 4_000
    return float(ndtr(shift - critical * np.sqrt(chdtri(df, survival) / df)).sum() / 4_000)


@dataclass(frozen=True, slots=True, eq=False)
class _PastWindow:
    mean: float
    variance: float
    has_covariate: bool
    x: Floats | None
    block: Floats

    def expected_overlap(self, arms: Sequence[tuple[int, int]]) -> float:
        """E[(x't)² / x'x] over the draw, with block means taken out of x and t."""
        if self.x is None:
            return 0.0
        overlap = 0.0
        for number in np.unique(self.block):
            inside = self.x[self.block == number]
            control, treated = arms[int(number)]
            n = control + treated
            if n > 1:
                overlap += control * treated / (n * (n - 1)) * float((inside**2).sum())
        return overlap / float((self.x**2).sum())


def _past(mechanism: Mechanism, metric: Metric, window: Sequence[UnitMoments]) -> _PastWindow | None:
    """Mean and residual variance of one past window; None when it leaves no degree of freedom."""
    from experiments.estimate.unit_means import residual_on_nuisance

    by_unit = {row.unit: row for row in window if row.n > 0}
    rows, blocks = [], []
    for number, codes in enumerate(mechanism.blocks):
        present = [by_unit[code] for code in sorted(codes) if code in by_unit]
        if len(present) > 1:
            rows += present
            blocks += [number] * len(present)
    if len(rows) < 3:
        return None
    _, dense = np.unique(np.array(blocks), return_inverse=True)
    x = (np.array([metric.baseline(row) for row in rows]),) if all(row.n_x > 0 for row in rows) else ()
    y = np.array([metric.value(row) for row in rows])
    n = len(rows)
    table = UnitTable(
        units=tuple(row.unit for row in rows),
        y=y,
        treated=np.zeros(n),
        block=dense.astype(np.int64),
        covariates=columns(n, *x),
        bystanders=columns(n),
        weight=None,
        n_rows=sum(row.n for row in rows),
    )
    residual, nuisance, df = residual_on_nuisance(table)
    if df < 1:
        return None
    return _PastWindow(
        float(y.sum() / len(y)),
        float((residual**2).sum() / df),
        bool(nuisance.covariates),
        nuisance.basis[:, 0] if nuisance.covariates else None,
        np.array(blocks, dtype=float),
    )


def _arms(mechanism: Mechanism, variant: str, n: int) -> tuple[int, int]:
    counts, tied, winners = seat_counts(mechanism.shares, n)
    for position in tied[:winners]:
        counts[position] += 1
    return counts[mechanism.variants.index(CONTROL)], counts[mechanism.variants.index(variant)]


def _visible(
    mean: float, std_error: float, df: float, n_units: int, n_windows: int, level: float, power: float
) -> VisibleEffect:
    absolute = detectable(std_error, df, level=level, power=power)
    relative = absolute / abs(mean) if mean else None
    return VisibleEffect(absolute, relative, mean, std_error, df, n_units, n_windows, level, power)


def _bisect(reached: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
