"""Non-inferiority and equivalence: showing that a loss is small, or that nothing relevant changed.

Non-inferiority rejects "the loss is at least the margin" one-sided; two one-sided tests (TOST) reject "the effect is at
most ``low``" and "at least ``high``" each at the level, which equals an interval at 1 − 2 · level inside (low, high).
Any inference of the design does: permutation, Welch, CR2. References: Schuirmann (1987), Journal of Pharmacokinetics
and Biopharmaceutics 15; Piaggio et al. (2012), JAMA 308.
"""

from dataclasses import dataclass

from experiments.checks import finite, probability
from experiments.errors import InvalidNumber
from experiments.estimate.estimate import Inference, Interval, Side


@dataclass(frozen=True, slots=True)
class NonInferiorityTest:
    """``bound`` is the one-sided limit of the effect on the bad side (None: no limit) at ``confidence_level``."""

    margin: float
    p_value: float
    bound: float | None
    confidence_level: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Equivalence:
    """``p_value`` is the larger of ``p_lower`` (against "at most low") and ``p_upper`` (against "at least high");
    ``interval`` is at ``confidence_level`` = 1 − 2 · level."""

    low: float
    high: float
    p_value: float
    p_lower: float
    p_upper: float
    interval: Interval
    confidence_level: float
    holds: bool


def non_inferiority(
    inference: Inference, *, margin: float, good_is_up: bool, level: float = 0.05
) -> NonInferiorityTest:
    """One-sided at ``level``: the effect is better than a loss of ``margin`` (positive, in the metric's unit).

    The margin is taken as known; where it is a share of control's mean, that mean's own error is not in the test.
    """
    if not finite("margin", margin) > 0.0:
        raise InvalidNumber(name="margin", value=margin, must_be="greater than 0")
    confidence = 1.0 - probability("level", level)
    side, limit = (Side.GREATER, -margin) if good_is_up else (Side.LESS, margin)
    p_value = inference.p_one_sided(side, limit)
    return NonInferiorityTest(margin, p_value, inference.bound(side, confidence), confidence, p_value <= level)


def tost(inference: Inference, *, low: float, high: float, level: float = 0.05) -> Equivalence:
    """Two one-sided tests: the effect lies strictly between ``low`` and ``high`` (in the metric's unit).

    The chance of claiming equivalence falsely is at most ``level``; no correction for the two tests is needed, because
    both must reject.
    """
    if not finite("low", low) < finite("high", high):
        raise InvalidNumber(name="low, high", value=f"{low}, {high}", must_be="in rising order")
    if not probability("level", level) < 0.5:
        raise InvalidNumber(name="level", value=level, must_be="below one half")
    p_lower = inference.p_one_sided(Side.GREATER, low)
    p_upper = inference.p_one_sided(Side.LESS, high)
    p_value = max(p_lower, p_upper)
    confidence = 1.0 - 2.0 * level
    return Equivalence(
        low, high, p_value, p_lower, p_upper, inference.interval(confidence), confidence, p_value <= level
    )
