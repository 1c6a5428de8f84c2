"""The naive test, as a warning: customers compared as if they, and not their stores, had been drawn."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from experiments.measure.metrics import Metric
from experiments.measure.unit_moments import UnitMoments

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class NaiveInterval:
    """A difference of customer means with its 95 % interval (Welch, thousands of customers, so the normal quantile)."""

    effect: float
    half_width: float

    def covers(self, truth: float) -> bool:
        return abs(self.effect - truth) <= self.half_width

    @property
    def rejects(self) -> bool:
        """Whether the interval leaves zero out: the 5 % test."""
        return not self.covers(0.0)


def naive_interval(metric: Metric, treated: Iterable[UnitMoments], control: Iterable[UnitMoments]) -> NaiveInterval:
    """Welch's interval on customer rows, from the sums over the stores of each arm. Wrong by design."""
    mean_t, error_t = _arm(metric, treated)
    mean_c, error_c = _arm(metric, control)
    return NaiveInterval(mean_t - mean_c, Z_95 * math.hypot(error_t, error_c))


def _arm(metric: Metric, units: Iterable[UnitMoments]) -> tuple[float, float]:
    """Mean per customer and its standard error, in the metric's unit."""
    n = y = yy = days = 0
    for unit in units:
        n, y, yy, days = n + unit.n, y + unit.y, yy + unit.yy, unit.days
    mean = y / n
    variance = (yy - n * mean * mean) / (n - 1)
    scale = metric.scale(days)
    return mean * scale, math.sqrt(variance / n) * scale
