"""Confidence sequences: an interval that holds at every look, whoever looks and however often.

With S the sum of increments and V its variance, exp(λ S − λ² V / 2) is a martingale for each λ under "no effect". A
normal density over λ with variance 1 / ρ mixes them to

    M(S, V) = √(ρ / (V + ρ)) exp(S² / (2 (V + ρ)))                  (two-sided)
    M₊(S, V) = 2 √(ρ / (V + ρ)) exp(S² / (2 (V + ρ))) Φ(S / √(V + ρ))   (one-sided: half-normal density)

which stay below 1 / α for ever with probability 1 − α (Ville). An estimate b with standard error se is S = b / se² and
V = 1 / se², so information adds up. Reference: Howard, Ramdas, McAuliffe and Sekhon (2021), Annals of Statistics 49.
"""

import math
from collections.abc import Sequence

from experiments.checks import finite, probability
from experiments.errors import InvalidNumber
from experiments.estimate.estimate import Interval, Side


def best_rho(variance: float, alpha: float, *, two_sided: bool = True) -> float:
    """The ρ that makes the bound at ``variance`` nearly as small as it can be: V / (2 ln(1/α) + ln(1 + 2 ln(1/α)))."""
    log = -math.log(probability("alpha", alpha) * (1.0 if two_sided else 2.0))
    if not log > 0.0:
        raise InvalidNumber(name="alpha", value=alpha, must_be="below one half where one-sided")
    return _positive("variance", variance) / (2.0 * log + math.log1p(2.0 * log))


def log_mixture(total: float, variance: float, rho: float, *, two_sided: bool = True) -> float:
    """ln M of the sum ``total`` at ``variance``: 1 / α is passed with probability at most α, at any time."""
    from scipy.special import log_ndtr

    spread = variance + _positive("rho", rho)
    value = 0.5 * math.log(rho / spread) + total * total / (2.0 * spread)
    return value if two_sided else value + math.log(2.0) + float(log_ndtr(total / math.sqrt(spread)))


def bound(variance: float, rho: float, alpha: float, *, two_sided: bool = True) -> float:
    """The sum that the walk passes at some time with probability at most ``alpha``, at ``variance``.

    Two-sided √((V + ρ)(ln((V + ρ) / ρ) + 2 ln(1/α))); one-sided the root of ln M₊ = ln(1/α).
    """
    spread = _positive("variance", variance) + _positive("rho", rho)
    threshold = -math.log(probability("alpha", alpha))
    reach = math.sqrt(spread * (math.log(spread / rho) + 2.0 * threshold))
    if two_sided:
        return reach
    from scipy.optimize import brentq

    def excess(total: float) -> float:
        return log_mixture(total, variance, rho, two_sided=False) - threshold

    # M₊ ≤ 2 M bounds the root from below by zero; at the two-sided reach M₊ = 2 M Φ is above 1 / α.
    return float(brentq(excess, 0.0, reach, xtol=1e-12, rtol=1e-13))


def confidence_sequence(
    effect: float,
    std_error: float,
    *,
    planned_std_error: float,
    confidence_level: float,
    side: Side | None = None,
) -> Interval:
    """The interval of one moment of a dashboard that may be opened at any time.

    ``planned_std_error`` is the standard error where the interval shall be shortest (of the planned end), fixed before
    the data. ``side`` GREATER gives a lower limit alone, LESS an upper one. Assumes a normal estimate whose error is
    known well (50 units or customers in each arm) and whose information only grows. All intervals of all times hold
    the effect together with probability ``confidence_level``.
    """
    finite("effect", effect)
    alpha = 1.0 - probability("confidence_level", confidence_level)
    variance = _positive("std_error", std_error) ** -2
    rho = best_rho(_positive("planned_std_error", planned_std_error) ** -2, alpha, two_sided=side is None)
    reach = bound(variance, rho, alpha, two_sided=side is None) / variance
    return (
        None if side is Side.LESS else effect - reach,
        None if side is Side.GREATER else effect + reach,
    )


def always_valid_p(
    effects: Sequence[float], std_errors: Sequence[float], *, planned_std_error: float, alpha: float = 0.05
) -> tuple[float, ...]:
    """The p-value at each time: the smallest 1 / M so far, so it never rises and may be read at any time.

    ``alpha`` only tunes ρ together with ``planned_std_error``. p ≤ ``alpha`` at the first time that the confidence
    sequence at 1 − ``alpha`` leaves zero out.
    """
    rho = best_rho(_positive("planned_std_error", planned_std_error) ** -2, alpha)
    smallest, result = 1.0, []
    for effect, std_error in zip(effects, std_errors, strict=True):
        variance = _positive("std_error", std_error) ** -2
        smallest = min(smallest, math.exp(-log_mixture(finite("effect", effect) * variance, variance, rho)))
        result.append(smallest)
    return tuple(result)


def _positive(name: str, value: float) -> float:
    if not finite(name, value) > 0.0:
        raise InvalidNumber(name=name, value=value, must_be="greater than 0")
    return value
