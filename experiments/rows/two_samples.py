"""Two arms of independent units: Welch's and the pooled t test from plain values, weighted or not."""

from dataclasses import dataclass

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.estimate import TInference
from experiments.frame import Floats
from experiments.messages import N_, Message


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm: its units, its mean and the squared error of that mean (0 for a single unit, which has no error)."""

    n: int
    mean: float
    error: float


def arm(values: Floats, weight: Floats | None = None) -> Arm:
    """The arm of ``values`` (n). With weights the mean is Σwy/Σw and its squared error n/(n−1) Σw²(y−ȳ)²/(Σw)²."""
    n = len(values)
    if n == 0:
        raise NotEstimable(Message("empty_arm", N_("an arm has no unit with data"), {}))
    share = np.full(n, 1.0 / n) if weight is None else weight / weight.sum()
    mean = float((share * values).sum())
    spread = float((share**2 * (values - mean) ** 2).sum())
    return Arm(n, mean, n / (n - 1) * spread if n > 1 else 0.0)


def welch_t(control: Arm, variant: Arm) -> TInference:
    """variant − control, each arm with its own variance, Welch's degrees of freedom. Raises ``NotEstimable`` for an
    arm of one unit, or where nobody differs."""
    if min(control.n, variant.n) < 2:
        raise NotEstimable(
            Message(
                "variance_needs_two",
                N_("{n_control} units in control and {n_variant} in the variant: a variance needs two in each arm"),
                {"n_control": control.n, "n_variant": variant.n},
            )
        )
    variance = control.error + variant.error
    require_spread(variance, control, variant)
    df = variance**2 / (control.error**2 / (control.n - 1) + variant.error**2 / (variant.n - 1))
    return TInference(variant.mean - control.mean, float(np.sqrt(variance)), df)


def pooled_t(control: Floats, variant: Floats) -> TInference:
    """variant − control with one variance for both arms, n − 2 degrees of freedom."""
    n = len(control) + len(variant)
    within = float(((control - control.mean()) ** 2).sum() + ((variant - variant.mean()) ** 2).sum())
    if n < 3:
        raise NotEstimable(Message("variance_needs_two", N_("two units leave nothing to measure spread by"), {}))
    variance = within / (n - 2) * (1.0 / len(control) + 1.0 / len(variant))
    require_spread(variance, arm(control), arm(variant))
    return TInference(float(variant.mean() - control.mean()), float(np.sqrt(variance)), float(n - 2))


def require_spread(variance: float, control: Arm, variant: Arm) -> None:
    """Raise ``NotEstimable`` when the squared error of the difference is nothing beside the means."""
    if variance <= 1e-24 * max(control.mean**2, variant.mean**2, 1e-276):
        raise NotEstimable(Message("no_variation", N_("every unit has the same value; nothing can be estimated"), {}))
