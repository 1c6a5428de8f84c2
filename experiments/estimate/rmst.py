"""Restricted mean survival time: the average time without the event inside the first τ days.

RMST(τ) = ∫₀^τ S(t) dt under the Kaplan–Meier curve, with variance Σ_{t_j ≤ τ} A_j² d_j / (n_j (n_j − d_j)) and A_j the
area under the curve from t_j to τ. Arms are compared by a normal test of the difference, or of the log of the ratio.
Reference: Royston and Parmar (2013), BMC Medical Research Methodology 13; conventions of R's survRM2.
"""

import math
from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.kaplan_meier import KaplanMeier, check_durations, kaplan_meier
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message

_NOBODY = 1e-12  # a share of the rows at risk that is nobody


@dataclass(frozen=True, slots=True, eq=False)
class Rmst:
    """One arm: the mean in the unit of time, its error, and the curve beneath."""

    value: float
    std_error: float
    curve: KaplanMeier


@dataclass(frozen=True, slots=True, eq=False)
class RmstComparison:
    """Two arms up to ``tau``: inference of the difference, variant − control, and of the log of the ratio."""

    tau: float
    control: Rmst
    variant: Rmst

    @property
    def difference(self) -> TInference:
        """Normal, with the error √(se_v² + se_c²). Raises ``NotEstimable`` where neither arm has a spread."""
        error = math.hypot(self.variant.std_error, self.control.std_error)
        if error == 0.0:
            raise NotEstimable(
                Message("no_event_before_horizon", N_("no event before {tau:g}; nothing to test"), {"tau": self.tau})
            )
        return TInference(self.variant.value - self.control.value, error, math.inf)

    @property
    def log_ratio(self) -> TInference:
        """log(RMST_v / RMST_c), normal by the delta method; ``exp`` its effect and interval."""
        c, v = self.control, self.variant
        error = math.hypot(v.std_error / v.value, c.std_error / c.value)
        return TInference(math.log(v.value / c.value), error, math.inf)


def rmst(time: Floats, event: Floats, *, tau: float, weight: Floats | None = None) -> Rmst:
    """The restricted mean of one arm of independent units: arrays (n), ``tau`` in the unit of ``time``.

    Raises ``NotEstimable`` when ``tau`` lies beyond the last follow-up. The error holds without ``weight`` only.
    """
    if not (math.isfinite(tau) and tau > 0.0):
        raise InvalidNumber(name="tau", value=tau, must_be="a number greater than 0")
    curve = kaplan_meier(time, event, weight)
    require_horizon(curve, tau)
    return _restricted(curve, tau)


def compare_rmst(time: Floats, event: Floats, treated: Floats, *, tau: float) -> RmstComparison:
    """Variant (``treated`` 1) against control (0), independent units.

    Assumes that the end of sight is independent of the event inside each arm; hazards need not be proportional. Raises
    ``NotEstimable`` for an empty arm, and when ``tau`` lies beyond the last follow-up of either arm.
    """
    arms = []
    for arm in (0.0, 1.0):
        rows = treated == arm
        arms.append(rmst(time[rows], event[rows], tau=tau))
    return RmstComparison(tau, arms[0], arms[1])


def require_horizon(curve: KaplanMeier, tau: float) -> None:
    """Raise ``NotEstimable`` when ``tau`` is later than any time seen, event or not."""
    if tau > curve.last:
        raise NotEstimable(
            Message(
                "horizon_beyond_follow_up",
                N_("the horizon {tau:g} lies beyond the last follow-up of an arm, {last:g}; a shorter one is needed"),
                {"tau": tau, "last": curve.last},
            )
        )


def unit_rmst(time: Floats, event: Floats, unit_of: Ints, n_units: int, *, tau: float, weight: Floats | None) -> Floats:
    """(n_units,) one restricted mean per unit from its own curve: what goes into the regression on units.

    NaN for a unit whose curve ends, above 0, before ``tau``; a unit in which every event was seen earlier is known.
    Where nobody's sight ends before ``tau`` it is the (weighted) mean of min(time, τ), without any curve.
    """
    check_durations(time, event)
    if bool(((event == 1.0) | (time >= tau)).all()):
        mass = np.ones(len(time)) if weight is None else weight
        total = np.bincount(unit_of, weights=mass, minlength=n_units)
        area = np.bincount(unit_of, weights=mass * np.minimum(time, tau), minlength=n_units)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(total > 0.0, area / total, np.nan))
    order = np.argsort(unit_of, kind="stable")
    ends = np.cumsum(np.bincount(unit_of, minlength=n_units))
    values = np.full(n_units, np.nan)
    for unit, (start, stop) in enumerate(zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)):
        rows = order[start:stop]
        if not len(rows):
            continue
        curve = kaplan_meier(time[rows], event[rows], None if weight is None else weight[rows])
        if tau <= curve.last or curve.everybody_left:
            values[unit] = _restricted(curve, tau).value
    return values


def pseudo_values(time: Floats, event: Floats, *, tau: float, weight: Floats | None = None) -> Floats:
    """(n) each row's share in the restricted mean of all rows: RMST + W × ∂RMST/∂w_i, with W the sum of weights.

    Their (weighted) mean is the RMST; a row with nobody censored before it or τ has min(time, τ). Means over groups
    estimate the groups' restricted means where the end of sight does not depend on the group. They do not use the
    assignment, so they can be permuted, regressed on blocks and covariates, and averaged inside units. Reference:
    Andersen, Hansen and Klein (2004), Lifetime Data Analysis 10; the infinitesimal jackknife as R's ``pseudo``.
    Raises ``NotEstimable`` like ``rmst``.
    """
    whole = rmst(time, event, tau=tau, weight=weight)
    curve = whole.curve
    after, n, left = _areas_after(curve, tau), curve.at_risk, curve.at_risk - curve.events
    inside = (curve.times < tau) & (left > _NOBODY * n)
    with np.errstate(divide="ignore", invalid="ignore"):
        waited = np.where(inside, after * curve.events / (n * left), 0.0)
        happened = np.where(inside, after / left, 0.0)
    passed = np.searchsorted(curve.times, time, side="right")
    share = np.concatenate([[0.0], np.cumsum(waited)])[passed]
    place = np.maximum(passed - 1, 0)
    share = share - np.where(event == 1.0, happened[place], 0.0) if len(happened) else share
    total = float(len(time)) if weight is None else float(weight.sum())
    return np.asarray(whole.value + total * share)


def _areas_after(curve: KaplanMeier, tau: float) -> Floats:
    """The area under the curve from each event time to ``tau``; 0 from ``tau`` on."""
    edges = np.minimum(np.concatenate([curve.times, [tau]]), tau)
    areas = curve.survival * np.maximum(np.diff(edges), 0.0)
    return np.asarray(np.cumsum(areas[::-1])[::-1])


def _restricted(curve: KaplanMeier, tau: float) -> Rmst:
    first = float(min(curve.times[0], tau)) if len(curve.times) else tau
    after = _areas_after(curve, tau)
    n, d = curve.at_risk, curve.events
    left = n - d
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(left > _NOBODY * n, d / (n * left), 0.0)
    value = first + (float(after[0]) if len(after) else 0.0)
    return Rmst(value, math.sqrt(float((after**2 * terms).sum())), curve)
