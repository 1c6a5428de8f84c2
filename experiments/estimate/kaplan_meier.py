"""Kaplan–Meier: the share of units whose event is still to come, from times of which some are only known as "later".

With d_j events among n_j at risk at the distinct event time t_j, S(t) = Π_{t_j ≤ t} (1 − d_j / n_j); a unit censored
at t_j was still at risk there. Greenwood's variance is S(t)² Σ_{t_j ≤ t} d_j / (n_j (n_j − d_j)).
References: Kaplan and Meier (1958), JASA 53; Greenwood (1926); intervals on the scale of log S as R's ``survfit``.
"""

import math
from dataclasses import dataclass

import numpy as np

from experiments.checks import probability
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.unit_table import Flags, Floats
from experiments.messages import N_, Message


@dataclass(frozen=True, slots=True, eq=False)
class KaplanMeier:
    """The curve. Arrays have one entry per distinct time at which an event was seen, in order.

    ``at_risk`` and ``events`` are sums of weights where rows have weights. ``variance`` is Greenwood's of S(t), 0
    once nobody is left, as no spread can be seen there. ``last`` is the largest time of any row, event or not.
    """

    times: Floats
    at_risk: Floats
    events: Floats
    survival: Floats
    variance: Floats
    last: float
    n: int

    def at(self, time: float) -> float:
        """S(t). Raises ``NotEstimable`` after the last time seen, where the curve is not known unless it is 0."""
        self.require_follow_up(time)
        position = int(np.searchsorted(self.times, time, side="right")) - 1
        return 1.0 if position < 0 else float(self.survival[position])

    @property
    def everybody_left(self) -> bool:
        """Whether the curve reached 0."""
        return bool(len(self.survival)) and float(self.survival[-1]) == 0.0

    def require_follow_up(self, time: float) -> None:
        """Raise ``NotEstimable`` when the curve is not known up to ``time``."""
        if time > self.last and not self.everybody_left:
            raise NotEstimable(
                Message(
                    "beyond_follow_up",
                    N_("the time {time:g} lies beyond the last follow-up, {last:g}"),
                    {"time": time, "last": self.last},
                )
            )

    def interval(self, time: float, confidence_level: float) -> tuple[float, float]:
        """The interval of S(t): S exp(± z √variance / S), at most 1 (R's ``conf.type = "log"``)."""
        from scipy.special import ndtri

        survival = self.at(time)
        position = int(np.searchsorted(self.times, time, side="right")) - 1
        if position < 0 or survival == 0.0:
            return survival, survival
        z = float(ndtri(0.5 + probability("confidence_level", confidence_level) / 2))
        reach = math.exp(z * math.sqrt(float(self.variance[position])) / survival)
        return survival / reach, min(1.0, survival * reach)

    def median(self) -> float | None:
        """The first time at which the curve is at most one half; None when it never is."""
        below = np.flatnonzero(self.survival <= 0.5 + 1e-12)
        return float(self.times[below[0]]) if len(below) else None


def kaplan_meier(time: Floats, event: Floats, weight: Floats | None = None) -> KaplanMeier:
    """The curve of rows with ``time`` (n) to the event or to the end of sight, and ``event`` (n) 1 where it was seen.

    Assumes that what ends the sight says nothing about the event. Greenwood's variance holds without ``weight`` (n)
    only. Raises ``InvalidNumber`` for negative or missing times and events other than 0 and 1, ``NotEstimable``
    without a row.
    """
    check_durations(time, event)
    mass = np.ones(len(time)) if weight is None else weight
    seen: Flags = event == 1.0
    times, place = np.unique(time, return_inverse=True)
    total = np.bincount(place, weights=mass, minlength=len(times))
    deaths = np.bincount(place[seen], weights=mass[seen], minlength=len(times))
    at_risk = np.cumsum(total[::-1])[::-1].astype(np.float64)
    keep = np.bincount(place[seen], minlength=len(times)) > 0
    n, d = at_risk[keep], deaths[keep].astype(np.float64)
    left = n - d
    left = np.where(left <= 1e-12 * n, 0.0, left)
    survival = np.cumprod(left / n).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(left > 0.0, d / (n * left), 0.0)
    variance = survival**2 * np.cumsum(terms)
    return KaplanMeier(times[keep], n, d, survival, variance, float(times[-1]), len(time))


def check_durations(time: Floats, event: Floats) -> None:
    """Raise unless there are rows, times are finite and not negative, and events are 0 or 1."""
    if not len(time):
        raise NotEstimable(Message("no_durations", N_("there is no row with a duration"), {}))
    if time.shape != event.shape or not np.isfinite(time).all() or bool((time < 0.0).any()):
        raise InvalidNumber(name="time", value=str(time), must_be="finite and not negative, one per event")
    if not bool(np.isin(event, (0.0, 1.0)).all()):
        raise InvalidNumber(name="event", value=str(np.unique(event)[:5]), must_be="0 or 1")
