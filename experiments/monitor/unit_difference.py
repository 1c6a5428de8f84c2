"""The arms compared in something that treatment must not have moved: a value of each unit, inside its block."""

from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status

_NEGLIGIBLE = 1e-12


@dataclass(frozen=True, slots=True)
class UnitDifference:
    """``inference`` of variant − control; ``spread`` is the standard deviation of units of one arm and block."""

    inference: TInference
    spread: float
    mean_control: float
    mean_variant: float

    @property
    def standardised(self) -> float:
        """The difference in standard deviations of the units (0 where no unit differs)."""
        return self.inference.effect / self.spread if self.spread > 0.0 else 0.0


def unit_difference(values: Floats, treated: Floats, block: Ints | None = None) -> UnitDifference:
    """Variant − control of ``values`` (n units) by the pooled t test with block indicators, df = n − blocks − 1.

    The pooled t keeps its level with few and with unequal numbers of units. Assumes the same spread in both arms.
    Raises ``NotEstimable`` when no block holds both arms or no unit is to spare.
    """
    y, t = np.asarray(values, dtype=np.float64), np.asarray(treated, dtype=np.float64)
    number = np.zeros(len(y), dtype=np.int64) if block is None else np.unique(block, return_inverse=True)[1]
    if not len(y) == len(t) == len(number) > 0:
        raise InvalidNumber(name="units", value=len(y), must_be="the same number of values, arms and blocks")
    if not np.isfinite(y).all():
        raise InvalidNumber(name="values", value=float("nan"), must_be="finite numbers")
    sizes = np.bincount(number)
    y_hat = y - (np.bincount(number, weights=y) / sizes)[number]
    t_hat = t - (np.bincount(number, weights=t) / sizes)[number]
    df, overlap = len(y) - len(sizes) - 1, float((t_hat * t_hat).sum())
    if df < 1 or overlap <= _NEGLIGIBLE:
        raise NotEstimable(
            Message("too_few_units_to_check", N_("{n} units are too few to compare the arms"), {"n": len(y)})
        )
    effect = float((t_hat * y_hat).sum()) / overlap
    residual = y_hat - effect * t_hat
    variance = float((residual * residual).sum()) / df
    if variance <= _NEGLIGIBLE**2 * float((y * y).sum()):
        variance = 0.0
        effect = effect if abs(effect) > _NEGLIGIBLE * float(np.abs(y).max()) else 0.0
    inference = TInference(effect, float(np.sqrt(variance / overlap)), float(df))
    return UnitDifference(inference, float(np.sqrt(variance)), float(y[t == 0].mean()), float(y[t == 1].mean()))


def not_tested(check: str, reason: Message, variant: str | None) -> Diagnostic:
    """A check that could not be made: a warning, because silence would read as a pass."""
    return Diagnostic(check, Status.WARN, None, reason, variant)
