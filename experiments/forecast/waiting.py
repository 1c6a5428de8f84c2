"""Value of waiting: what one more measurement of the effect is worth before deciding, in the effect's own unit.

Launching is worth θ − ``break_even`` per unit (store, customer), not launching 0. Belief: θ ~ N(μ, s²). A measurement
with standard error se moves the mean to m ~ N(μ, σ̃²), σ̃² = s⁴ / (s² + se²), and the decision follows it:

    EVSI = E[max(m − k, 0)] − max(μ − k, 0),   EVPI the same with σ̃ = s,   E[max(m − k, 0)] = (μ − k) Φ(u) + σ̃ φ(u)

with k the break-even and u = (μ − k) / σ̃. Assumes a normal belief, a linear value and a measurement that can still
change the decision for all units. Reference: Raiffa and Schlaifer (1961), Applied Statistical Decision Theory.
"""

import math
from dataclasses import dataclass

from experiments.checks import finite
from experiments.errors import InvalidNumber


@dataclass(frozen=True, slots=True)
class ValueOfWaiting:
    """Per unit, in the effect's unit: ``evsi`` of the planned measurement, ``evpi`` of knowing the effect exactly, and
    ``now``, the expected value of the better decision without either."""

    evsi: float
    evpi: float
    now: float


def value_of_waiting(
    *, prior_mean: float, prior_sd: float, std_error: float, break_even: float = 0.0
) -> ValueOfWaiting:
    """EVSI and EVPI of a measurement with ``std_error`` under a stated belief N(``prior_mean``, ``prior_sd``²).

    Times the number of units that the decision is about, to be compared with the cost of the next stage and of the
    delay. It is never negative and never above EVPI.
    """
    gap = finite("prior_mean", prior_mean) - finite("break_even", break_even)
    for name, value in (("prior_sd", prior_sd), ("std_error", std_error)):
        if not finite(name, value) > 0.0:
            raise InvalidNumber(name=name, value=value, must_be="greater than 0")
    now = max(gap, 0.0)
    learned = prior_sd * prior_sd / math.hypot(prior_sd, std_error)
    return ValueOfWaiting(_gain(gap, learned), _gain(gap, prior_sd), now)


def _gain(gap: float, sd: float) -> float:
    """E[max(m, 0)] − max(gap, 0) of m ~ N(gap, sd²): the unit normal loss, the same for gap and −gap."""
    from scipy.special import ndtr

    u = abs(gap) / sd
    return max(0.0, sd * (math.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi) - u * float(ndtr(-u))))
