"""Anderson–Rubin sets: the complier effects that the reduced form of y − τ d does not reject, however weak the uptake.

If the complier effect is τ, the assignment does nothing to y − τ d. The set of τ where a test of that is not rejected
has the level of the test whatever the first stage. With the cluster-robust t test it solves a quadratic inequality
(b_y − τ b_d)² ≤ c² (V_yy − 2 τ V_yd + τ² V_dd); with the permutation test it is found by search. Where uptake is not
significant itself the set has no ends: it is the whole line, or two rays with a gap between.
References: Anderson and Rubin (1949), Annals of Mathematical Statistics 20; Imbens and Rosenbaum (2005), JRSS A 168
(by permutation).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from experiments.checks import probability
from experiments.estimate.arm_errors import Draws
from experiments.estimate.complier_effect import NEGLIGIBLE, ReducedForm, check_uptake, no_uptake_difference
from experiments.estimate.estimate import Interval, Side, TInference
from experiments.estimate.permutation import PermutationInference, permutation_inference
from experiments.estimate.permutation_search import extremity
from experiments.estimate.redraws import Redraws
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import Flags, Floats, UnitTable

_TIE = 1e-9
_ANGLES = 360  # directions of each of the two scales on which the permutation set is searched
_HALVINGS = 60
_FURTHEST = 1e6  # times the scale of y over that of d: there y − τ d is d to six digits, and far from a tie by rounding

# Segments of the line in rising order; None is the end that does not exist.
Segments = tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class AndersonRubin:
    """The test on a cluster-robust reduced form. ``v_yy``, ``v_yd``, ``v_dd`` are the variances and the covariance of
    the two coefficients, ``df`` the degrees of freedom of both."""

    itt: float
    uptake: float
    v_yy: float
    v_yd: float
    v_dd: float
    df: float

    @property
    def effect(self) -> float:
        """The complier effect b_y / b_d, which the test never rejects."""
        return self.itt / self.uptake

    def p_value(self, at: float = 0.0) -> float:
        """Two-sided p-value of the complier effect ``at``; at 0 it is that of the intention to treat."""
        return self._reduced(at).p_value()

    def p_one_sided(self, side: Side, at: float = 0.0) -> float:
        """The same with the sign of the uptake difference taken as it was seen."""
        flip = self.uptake < 0.0
        other = Side.LESS if side is Side.GREATER else Side.GREATER
        return self._reduced(at).p_one_sided(other if flip else side)

    def segments(self, confidence_level: float) -> Segments:
        """The set of effects that are not rejected: one bounded segment, two rays, or the whole line."""
        c2 = t_critical(probability("confidence_level", confidence_level), self.df) ** 2
        a = self.uptake**2 - c2 * self.v_dd
        half = self.itt * self.uptake - c2 * self.v_yd
        rest = self.itt**2 - c2 * self.v_yy
        inside = half * half - a * rest
        if a > 0.0:
            root = math.sqrt(max(inside, 0.0))
            return (((half - root) / a, (half + root) / a),)
        if a == 0.0 or inside <= 0.0:
            return ((None, None),)
        root = math.sqrt(inside)
        low, high = sorted(((half - root) / a, (half + root) / a))
        return (None, low), (high, None)

    def interval(self, confidence_level: float) -> Interval:
        """The smallest interval that holds the set; an end is None where the set has none."""
        return hull(self.segments(confidence_level))

    def bound(self, side: Side, confidence_level: float) -> float | None:
        """The end of the set at twice the one-sided level; None where it has none."""
        low, high = self.interval(2.0 * confidence_level - 1.0) if confidence_level > 0.5 else (None, None)
        return low if side is Side.GREATER else high

    def _reduced(self, at: float) -> TInference:
        variance = self.v_yy - 2.0 * at * self.v_yd + at * at * self.v_dd
        return TInference(self.itt - at * self.uptake, math.sqrt(max(variance, 0.0)), self.df)


def anderson_rubin(y: Floats, received: Floats, reduced_form: ReducedForm) -> AndersonRubin:
    """The cluster-robust test; ``y`` and ``received`` as in ``complier_effect``, same refusals where uptake does not
    vary or does not differ."""
    check_uptake(received)
    itt, uptake = reduced_form(y), reduced_form(received)
    if abs(uptake.effect) <= NEGLIGIBLE:
        raise no_uptake_difference()
    scale = itt.std_error / uptake.std_error if uptake.std_error > 0.0 and itt.std_error > 0.0 else 1.0
    both = reduced_form(y + scale * received)  # scaled so that neither swamps the other
    v_yy, v_dd = itt.std_error**2, uptake.std_error**2
    v_yd = (both.std_error**2 - v_yy - scale * scale * v_dd) / (2.0 * scale)
    return AndersonRubin(itt.effect, uptake.effect, v_yy, v_yd, v_dd, itt.df)


@dataclass(frozen=True, slots=True, eq=False)
class AndersonRubinPermutation:
    """The permutation test of the reduced form of y − τ d.

    ``draws`` and ``actual`` hold b = coefficient of y, a = coefficient of d, and where studentised the errors of
    y − τ d as a quadratic in τ. ``unit`` is the error of b over that of a, ``spread`` the error of b over a: the scales
    on which the line is searched. ``floor`` is what counts as zero. ``ratio`` is the scale of y over that of d, and
    ``furthest`` the effect beyond which the order of the draws is taken to stay as it is.
    """

    draws: Draws
    actual: Draws
    tied: Flags
    unit: float
    spread: float
    floor: float
    ratio: float
    furthest: float

    @property
    def effect(self) -> float:
        """The complier effect b_y / b_d."""
        return float(self.actual.b[0] / self.actual.a[0])

    def p_value(self, at: float = 0.0) -> float:
        """The share of draws whose |statistic| of y − ``at`` d is at least the actual one's."""
        beyond = extremity(self.draws, self.actual, float(at), 0.0, self.floor * max(1.0, abs(at) / self.ratio))
        return float(np.count_nonzero(self.tied | (beyond >= 0.0))) / len(self.draws.b)

    def segments(self, confidence_level: float) -> Segments:
        """The effects that are not rejected, looked for in the directions of 720 effects and refined by halving.

        An effect is an angle, arc tan of it over the ratio of the two errors; half of the effects are spread evenly
        over the angles, half around the estimate, which is among them, as is 0. The set has no end on a side where the
        furthest effect is not rejected.
        """
        alpha = 1.0 - probability("confidence_level", confidence_level)

        def kept(angle: float) -> bool:
            return self.p_value(self.unit * math.tan(angle)) > alpha + _TIE

        def edge(inside: float, outside: float) -> float:
            for _ in range(_HALVINGS):
                middle = (inside + outside) / 2
                inside, outside = (middle, outside) if kept(middle) else (inside, middle)
            return self.unit * math.tan(inside)

        last = math.atan(self.furthest / self.unit)
        step = math.pi / _ANGLES
        even = [(k - _ANGLES / 2) * step for k in range(1, _ANGLES)]
        near = [math.atan((self.effect + self.spread * math.tan(angle)) / self.unit) for angle in even]
        angles = [-last, *sorted({angle for angle in (*even, *near) if abs(angle) < last}), last]
        flags = [kept(angle) for angle in angles]
        found: list[Interval] = []
        inside, start = flags[0], None
        for before, here, keep in zip(angles, angles[1:], flags[1:], strict=False):
            if keep and not inside:
                start = edge(here, before)
            elif inside and not keep:
                found.append((start, edge(before, here)))
            inside = keep
        return (*found, (start, None)) if inside else tuple(found)

    def interval(self, confidence_level: float) -> Interval:
        """The smallest interval that holds the set."""
        return hull(self.segments(confidence_level))


def anderson_rubin_permutation(
    table: UnitTable, received: Floats, redraws: Redraws, *, studentise: bool
) -> AndersonRubinPermutation:
    """The permutation set of ``table`` (its y) with what was ``received`` (n units): exact where the assignment acts
    on a unit's outcome only through what the unit received, with the same effect in every unit."""
    check_uptake(received)

    def permute(outcome: Floats) -> PermutationInference:
        with np.errstate(invalid="ignore"):  # without residuals the squared error may be under 0, by rounding
            found = permutation_inference(fit(replace(table, y=outcome)), redraws, studentise=studentise)
        return replace(found, std_error=0.0) if math.isnan(found.std_error) else found

    y, d = permute(table.y), permute(received)
    if abs(d.effect) <= NEGLIGIBLE:
        raise no_uptake_difference()
    effect, ratio = y.effect / d.effect, y.scale / d.scale or 1.0
    both = permute(table.y + ratio * received)  # scaled so that neither swamps the other
    have_errors = y.std_error > _TIE * y.scale and d.std_error > _TIE * d.scale  # none of d where all complied
    return AndersonRubinPermutation(
        draws=_crossed(y.draws, d.draws, both.draws, ratio),
        actual=_crossed(y.actual, d.actual, both.actual, ratio),
        tied=y.tied,
        unit=y.std_error / d.std_error if have_errors else ratio,
        spread=(max(y.std_error, d.std_error * abs(effect)) or y.scale) / abs(d.effect),
        floor=_TIE * y.scale,
        ratio=ratio,
        furthest=max(_FURTHEST * ratio, 10.0 * abs(effect)),
    )


def _crossed(y: Draws, d: Draws, both: Draws, ratio: float) -> Draws:
    """The draws of y − τ d from those of y, of d and of y + ``ratio`` d, all with τ = 0."""
    if y.errors is None or d.errors is None or both.errors is None:
        return Draws(y.b, d.b, None)
    errors = y.errors.copy()
    errors[1::4] = (both.errors[0::4] - y.errors[0::4] - ratio * ratio * d.errors[0::4]) / (2.0 * ratio)
    errors[2::4] = d.errors[0::4]
    return Draws(y.b, d.b, errors)


def hull(segments: Segments) -> Interval:
    """The ends of the smallest interval that holds ``segments``."""
    return segments[0][0], segments[-1][1]


def two_rays(segments: Segments) -> bool:
    """Whether a set has no ends and one gap."""
    return len(segments) == 2 and segments[0][0] is None and segments[1][1] is None


def t_critical(confidence_level: float, df: float) -> float:
    """The two-sided critical value of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + confidence_level / 2))
