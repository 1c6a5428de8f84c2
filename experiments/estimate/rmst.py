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
        if not min(c.value, v.value) > 0.0:
            raise NotEstimable(Message("no_time_before_event", N_("an arm has no time before its events"), {}))
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


def pseudo_values(time: Floats, event: Floats, *, tau: float) -> Floats:
    """(n) n × RMST of all − (n − 1) × RMST without row i: each row's share in the restricted mean of all rows.

    A row whose event was seen, or that was watched to ``tau``, with nobody censored before has min(time, τ). Means of
    pseudo-values over groups estimate the groups' restricted means where censoring does not depend on the group; they
    do not use the assignment, so they can be permuted. Reference: Andersen, Hansen and Klein (2004), Lifetime Data
    Analysis 10. Raises ``NotEstimable`` like ``rmst``.
    """
    whole = rmst(time, event, tau=tau)
    times, place = np.unique(np.column_stack([time, event]), axis=0, return_inverse=True)
    place = place.reshape(-1)
    found = np.zeros(len(times))
    n = len(time)
    first = {int(p): i for i, p in reversed(list(enumerate(place)))}  # rows that are equal have equal pseudo-values
    for position in range(len(times)):
        rest = np.ones(n, dtype=np.bool_)
        rest[first[position]] = False
        found[position] = n * whole.value - (n - 1) * _restricted(kaplan_meier(time[rest], event[rest]), tau).value
    return np.asarray(found[place])


def _restricted(curve: KaplanMeier, tau: float) -> Rmst:
    inside = curve.times < tau
    edges = np.concatenate([[0.0], curve.times[inside], [tau]])
    heights = np.concatenate([[1.0], curve.survival[inside]])
    areas = heights * np.diff(edges)
    after = np.cumsum(areas[::-1])[::-1][1:]  # from each event time to tau
    n, d = curve.at_risk[inside], curve.events[inside]
    left = n - d
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(left > 1e-12 * n, d / (n * left), 0.0)
    return Rmst(float(areas.sum()), math.sqrt(float((after**2 * terms).sum())), curve)
