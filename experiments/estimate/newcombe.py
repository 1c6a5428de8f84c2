"""Two proportions: Newcombe's interval from two Wilson intervals, its p-value by inversion, and Wald's test beside.

With p = x / n and the Wilson limits l, u of each arm at the same z, the interval of δ = p_v − p_c is

    δ̂ − √((p_v − l_v)² + (u_c − p_c)²)   to   δ̂ + √((u_v − p_v)² + (p_c − l_c)²)

(Newcombe's method 10, without continuity correction). Its ends move outwards with z, so every δ lies on the end of
exactly one interval: the p-value of δ is 2 (1 − Φ(z)) of that one, and test and interval always agree.
Reference: Newcombe (1998), Statistics in Medicine 17, 873–890.
"""

import math
from dataclasses import dataclass

from experiments.checks import at_least, probability
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import Interval, Side, TInference
from experiments.messages import N_, Message

_FURTHEST = 38.0  # beyond this z a p-value is below the smallest float
_HALVINGS = 200


@dataclass(frozen=True, slots=True)
class Newcombe:
    """The difference of two proportions, variant − control, from counts of events among independent units.

    Assumes independent units inside and between the arms; no continuity correction. The interval stays inside −1 and
    1 and is sensible with no events at all. Raises ``NotEstimable`` for an arm without a unit.
    """

    events_control: int
    n_control: int
    events_variant: int
    n_variant: int

    def __post_init__(self) -> None:
        for arm in ("control", "variant"):
            events, n = getattr(self, f"events_{arm}"), getattr(self, f"n_{arm}")
            at_least(f"events_{arm}", events, 0)
            at_least(f"n_{arm}", n, 0)
            if n == 0:
                raise NotEstimable(
                    Message("empty_proportion", N_("an arm has no unit; a proportion needs at least one"), {})
                )
            if events > n:
                raise InvalidNumber(name=f"events_{arm}", value=events, must_be=f"at most {n}, the units of the arm")

    @property
    def proportions(self) -> tuple[float, float]:
        """The proportions of control and variant."""
        return self.events_control / self.n_control, self.events_variant / self.n_variant

    @property
    def effect(self) -> float:
        """The difference of the proportions, variant − control."""
        control, variant = self.proportions
        return variant - control

    @property
    def std_error(self) -> float:
        """Wald's error √(p_c (1 − p_c) / n_c + p_v (1 − p_v) / n_v), which the interval does not use."""
        control, variant = self.proportions
        return math.sqrt(control * (1 - control) / self.n_control + variant * (1 - variant) / self.n_variant)

    def p_value(self, at: float = 0.0) -> float:
        """Two-sided p-value of the difference ``at``; 0 where no interval, however wide, reaches it."""
        return min(1.0, 2.0 * _tail(self._distance(at)))

    def p_one_sided(self, side: Side, at: float = 0.0) -> float:
        """p-value of "at most ``at``" against GREATER, or "at least ``at``" against LESS."""
        beyond = _tail(self._distance(at))
        against = at < self.effect if side is Side.GREATER else at > self.effect
        return beyond if against else 1.0 - beyond

    def interval(self, confidence_level: float) -> Interval:
        """The two-sided interval."""
        z = _quantile(0.5 + probability("confidence_level", confidence_level) / 2)
        return self._end(z, upper=False), self._end(z, upper=True)

    def bound(self, side: Side, confidence_level: float) -> float:
        """The lower (GREATER) or upper (LESS) end of the one-sided interval."""
        z = _quantile(probability("confidence_level", confidence_level))
        return self._end(abs(z), upper=(side is Side.LESS) == (z >= 0))

    def _end(self, z: float, *, upper: bool) -> float:
        control, variant = self.proportions
        low_c, high_c = wilson(self.events_control, self.n_control, z)
        low_v, high_v = wilson(self.events_variant, self.n_variant, z)
        if upper:
            return self.effect + math.hypot(high_v - variant, control - low_c)
        return self.effect - math.hypot(variant - low_v, high_c - control)

    def _distance(self, at: float) -> float:
        """The z whose interval ends at ``at``."""
        upper = at > self.effect
        if at == self.effect:
            return 0.0

        def reaches(z: float) -> bool:
            end = self._end(z, upper=upper)
            return end >= at if upper else end <= at

        if not reaches(_FURTHEST):
            return math.inf
        inside, outside = 0.0, _FURTHEST
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            if middle in (inside, outside):
                break
            inside, outside = (inside, middle) if reaches(middle) else (middle, outside)
        return outside


def wilson(events: int, n: int, z: float) -> tuple[float, float]:
    """Wilson's score limits of one proportion: the p with |p̂ − p| = z √(p (1 − p) / n)."""
    share, spread = events / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    reach = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    low = 0.0 if events == 0 else max(0.0, centre - reach)  # exact where rounding would leave a trace
    high = 1.0 if events == n else min(1.0, centre + reach)
    return low, high


def newcombe(events_control: int, n_control: int, events_variant: int, n_variant: int) -> Newcombe:
    """Newcombe's inference of variant − control; see ``Newcombe``."""
    return Newcombe(events_control, n_control, events_variant, n_variant)


def wald(events_control: int, n_control: int, events_variant: int, n_variant: int) -> TInference:
    """Wald's test of the difference: effect ± z × error, normal (as R's ``prop.test`` prints its interval).

    For large counts only. Raises ``NotEstimable`` where both proportions are 0 or 1, which leaves no error.
    """
    counts = Newcombe(events_control, n_control, events_variant, n_variant)
    if counts.std_error == 0.0:
        raise NotEstimable(Message("no_variation", N_("every unit has the same value; nothing can be estimated"), {}))
    return TInference(counts.effect, counts.std_error, math.inf)


def _tail(z: float) -> float:
    return 0.5 * math.erfc(z / math.sqrt(2))


def _quantile(probability_below: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability_below))
