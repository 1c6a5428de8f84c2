"""Time-based regression: the treated units' total by period, predicted from the control units' total.

Before the start y_t = α + β z_t + e_t by least squares (n periods, y the total of the treated, z of the control
units); afterwards α̂ + β̂ z_t is what would have been. Estimand: the total effect over the m periods of the window, Σ
(y_t − α̂ − β̂ z_t), in the unit of the outcome. Its variance s² (m + m² (1/n + (z̄_window − z̄)² / Σ(z_t − z̄)²))
holds the noise of the window and that of the line; t with n − 2 degrees of freedom. Per unit of cost: divided by the
total cost, which must be known and nil without treatment. Assumes that the line holds through the window, that
treatment moves no control unit, and that the errors are independent over time: with autocorrelated errors the
interval is too short. Reference: Kerman, Wang and Vaver (2017), Estimating ad effectiveness using geo experiments in
a time-based regression framework, Google.
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message

_FLAT = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class TimeBasedRegression:
    """``total`` effect over the window; ``slope`` β̂; ``counterfactual`` (T,) for all periods, ``cumulative`` (m,)
    the effect up to each period of the window; ``residual_lag_1`` the correlation of neighbouring residuals before
    the start."""

    total: TInference
    slope: float
    counterfactual: Floats
    cumulative: Floats
    residual_lag_1: float

    def per_cost(self, cost: float) -> TInference:
        """The effect per unit of ``cost``, the known total cost of the window, positive."""
        if not 0.0 < cost < float("inf"):
            raise InvalidNumber(name="cost", value=cost, must_be="a finite number above zero")
        cost = float(cost)
        return TInference(self.total.effect / cost, self.total.std_error / cost, self.total.df)


def time_based_regression(treated: Floats, control: Floats, *, before: int, window: int) -> TimeBasedRegression:
    """The regression on totals per period: ``treated`` and ``control`` (T,), ``before`` periods first, then ``window``.

    Raises ``NotEstimable`` with fewer than four periods before, none in the window, or a control total that never
    moves.
    """
    if treated.shape != (before + window,) or control.shape != treated.shape:
        raise InvalidNumber(
            name="treated, control",
            value=f"{treated.shape}, {control.shape}",
            must_be=f"{before + window} numbers each",
        )
    if not (np.isfinite(treated).all() and np.isfinite(control).all()):
        raise InvalidNumber(name="treated, control", value="NaN or infinity", must_be="finite numbers")
    if before < 4 or window < 1:
        template = N_("{before} periods before the start and {window} in the window; at least four and one are needed")
        raise NotEstimable(Message("too_few_periods_for_regression", template, {"before": before, "window": window}))
    y, z = treated[:before], control[:before]
    moved = z - z.mean()
    spread = float((moved**2).sum())
    if spread <= _FLAT * float((z**2).sum()):
        raise NotEstimable(Message("control_total_is_flat", N_("the control total never moves before the start"), {}))
    slope = float((moved * y).sum()) / spread
    counterfactual: Floats = y.mean() + slope * (control - z.mean())
    residual = y - counterfactual[:before]
    df = before - 2
    variance = float((residual**2).sum()) / df
    cumulative: Floats = (treated - counterfactual)[before:].cumsum()
    distance = float(control[before:].mean() - z.mean())
    error = np.sqrt(variance * (window + window**2 * (1 / before + distance**2 / spread)))
    total = TInference(float(cumulative[-1]), float(error), df)
    return TimeBasedRegression(total, slope, counterfactual, cumulative, _lag_1(residual))


def _lag_1(residual: Floats) -> float:
    total = float((residual**2).sum())
    return float((residual[1:] * residual[:-1]).sum()) / total if total > 0.0 else 0.0
