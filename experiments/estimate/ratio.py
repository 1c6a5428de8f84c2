"""Ratio of sums by the delta method over units: difference and relative change of Σy / Σd between two arms.

An arm's ratio is R = Σ w y / Σ w d over its n units. The contribution of unit i is z_i = w_i (y_i − R d_i) / D with
D = Σ w d / n; the variance of R is Σ (z − z̄)² / (n (n − 1)), and two arms are compared by Welch's t. With covariates
known before the start, z is first regressed on them (one slope for both arms, inside the arms) and the effect loses
the slope times their difference. Reference: Deng, Knoblich and Lu (2018), KDD, "Applying the delta method in metric
analytics".
"""

import math
from dataclasses import dataclass

import numpy as np

from experiments.checks import probability
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message

_FEWEST = 2  # units in an arm: a variance needs two
_NEGLIGIBLE = 1e-12


@dataclass(frozen=True, slots=True)
class RatioOfSums:
    """The compared ratios. ``inference`` is of the difference R_v − R_c, ``log_ratio`` of log(R_v / R_c), None where
    a ratio is not positive. ``n_without_denominator`` units have d = 0: they stay, with their y."""

    inference: TInference
    log_ratio: TInference | None
    ratio_control: float
    ratio_variant: float
    n_units: int
    n_without_denominator: int

    @property
    def relative_effect(self) -> float | None:
        """R_v / R_c − 1 (adjusted where there are covariates); None where a ratio is not positive."""
        return None if self.log_ratio is None else math.expm1(self.log_ratio.effect)

    def relative_interval(self, confidence_level: float) -> tuple[float, float] | None:
        """The interval of R_v / R_c − 1, symmetric in logarithms."""
        if self.log_ratio is None:
            return None
        low, high = self.log_ratio.interval(probability("confidence_level", confidence_level))
        return (math.expm1(low), math.expm1(high)) if low is not None and high is not None else None


def ratio_of_sums(
    y: Floats, d: Floats, treated: Floats, *, weight: Floats | None = None, covariates: Floats | None = None
) -> RatioOfSums:
    """Variant (``treated`` 1) against control (0) of the ratio Σ w y / Σ w d; all arrays have one entry per unit.

    Units are the units of assignment: sums over their rows come in as ``y`` and ``d``. ``weight`` scales a unit's y
    and d alike. ``covariates`` is (n × k). Assumes independent units, and denominators that vary little relative to
    their mean over √n (Σd well away from 0). Raises ``NotEstimable`` for an arm of one unit, a denominator that sums
    to zero, or ratios without any spread.
    """
    n = len(y)
    w = np.ones(n) if weight is None else weight
    for name, values in (("y", y), ("d", d), ("treated", treated), ("weight", w)):
        if values.shape != (n,) or not np.isfinite(values).all():
            raise InvalidNumber(name=name, value=str(values.shape), must_be=f"{n} finite numbers, one per unit")
    arms = [np.flatnonzero(treated == arm) for arm in (0.0, 1.0)]
    ratios, contributions = [], np.zeros(n)
    for rows in arms:
        total = float((w[rows] * d[rows]).sum())
        if len(rows) < _FEWEST or not total > 0.0:
            raise NotEstimable(
                Message(
                    "nothing_to_divide_by",
                    N_("an arm has {n} units with a denominator of {total} in all; a ratio needs two and more than 0"),
                    {"n": len(rows), "total": total},
                )
            )
        ratio = float((w[rows] * y[rows]).sum()) / total
        ratios.append(ratio)
        contributions[rows] = w[rows] * (y[rows] - ratio * d[rows]) * (len(rows) / total)
    shift, contributions = _adjusted(contributions, arms, covariates)
    spreads = [float(((z := contributions[rows]) - z.mean()) @ (z - z.mean())) for rows in arms]
    variances = [s / (len(rows) * (len(rows) - 1)) for s, rows in zip(spreads, arms, strict=True)]
    effect = ratios[1] - ratios[0] - shift
    if not sum(variances) > (_NEGLIGIBLE * max(abs(r) for r in (*ratios, 1e-300))) ** 2:
        raise NotEstimable(Message("no_variation", N_("every unit has the same value; nothing can be estimated"), {}))
    degrees = [len(rows) - 1 for rows in arms]
    return RatioOfSums(
        inference=_welch(effect, variances, degrees),
        log_ratio=_log_ratio(ratios[0], ratios[0] + effect, variances, degrees),
        ratio_control=ratios[0],
        ratio_variant=ratios[1],
        n_units=len(arms[0]) + len(arms[1]),
        n_without_denominator=int(np.count_nonzero(d[np.concatenate(arms)] == 0.0)),
    )


def _welch(effect: float, variances: list[float], degrees: list[int]) -> TInference:
    """Student's t with the Welch–Satterthwaite degrees of freedom."""
    variance = sum(variances)
    df = variance**2 / sum(v**2 / k for v, k in zip(variances, degrees, strict=True))
    return TInference(effect, math.sqrt(variance), df)


def _log_ratio(control: float, variant: float, variances: list[float], degrees: list[int]) -> TInference | None:
    """Of log(R_v / R_c): an arm's variance is that of R over R²."""
    if control <= 0.0 or variant <= 0.0:
        return None
    relative = [variances[0] / control**2, variances[1] / variant**2]
    return _welch(math.log(variant / control), relative, degrees)


def _adjusted(z: Floats, arms: list[Ints], covariates: Floats | None) -> tuple[float, Floats]:
    """What the covariates' difference explains of the effect, and the contributions without them."""
    if covariates is None or covariates.shape[1] == 0:
        return 0.0, z
    within, basis = z.copy(), covariates.astype(np.float64).copy()
    for rows in arms:
        within[rows] = z[rows] - z[rows].mean()
        basis[rows] = covariates[rows] - covariates[rows].mean(axis=0)
    inside = np.concatenate(arms)
    slopes, *_ = np.linalg.lstsq(basis[inside], within[inside], rcond=None)
    difference = covariates[arms[1]].mean(axis=0) - covariates[arms[0]].mean(axis=0)
    return float((slopes * difference).sum()), z - (covariates * slopes).sum(axis=1)
