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
from experiments.errors import NotEstimable
from experiments.estimate.complier_effect import ReducedForm, check_uptake
from experiments.estimate.estimate import Interval, Side, TInference
from experiments.estimate.permutation import PermutationInference, permutation_inference
from experiments.estimate.redraws import Redraws
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import Floats, UnitTable
from experiments.messages import N_, Message

_TIE = 1e-9
_ANGLES = 720  # the directions in which the permutation set is searched
_HALVINGS = 80

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
        c2 = TInference(0.0, 1.0, self.df).interval(probability("confidence_level", confidence_level))[1]
        assert c2 is not None
        c2 = c2 * c2
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
    if abs(uptake.effect) <= 1e-12:
        raise NotEstimable(
            Message("no_uptake_difference", N_("both variants took up alike; there is no complier"), {})
        )
    scale = itt.std_error / uptake.std_error if uptake.std_error > 0.0 and itt.std_error > 0.0 else 1.0
    both = reduced_form(y + scale * received)  # scaled so that neither swamps the other
    v_yy, v_dd = itt.std_error**2, uptake.std_error**2
    v_yd = (both.std_error**2 - v_yy - scale * scale * v_dd) / (2.0 * scale)
    return AndersonRubin(itt.effect, uptake.effect, v_yy, v_yd, v_dd, itt.df)


@dataclass(frozen=True, slots=True, eq=False)
class AndersonRubinPermutation:
    """The permutation test of the reduced form of y − τ d. Each redraw's coefficient is linear in τ and its squared
    error quadratic: ``b_y``, ``b_d`` (R), ``v_yy``, ``v_yd``, ``v_dd`` (R; None: not studentised)."""

    itt: float
    uptake: float
    b_y: Floats
    b_d: Floats
    tied: np.ndarray
    actual: tuple[float, float, float]
    v_yy: Floats | None = None
    v_yd: Floats | None = None
    v_dd: Floats | None = None

    @property
    def effect(self) -> float:
        """The complier effect b_y / b_d."""
        return self.itt / self.uptake

    def p_value(self, at: float = 0.0) -> float:
        """The share of draws whose |statistic| of y − ``at`` d is at least the actual one's."""
        if math.isinf(at):
            return self._share(1.0, 0.0)
        return self._share(at, 1.0)

    def segments(self, confidence_level: float) -> Segments:
        """The effects that are not rejected, searched on 720 directions from the estimate and refined by halving."""
        alpha = 1.0 - probability("confidence_level", confidence_level)
        unit = abs(self.itt) + abs(self.effect) + math.sqrt(self.actual[0]) / abs(self.uptake)
        step = math.pi / _ANGLES
        angles = [(k + 0.5) * step - math.pi / 2 for k in range(_ANGLES)]

        def kept(angle: float) -> bool:
            slope = math.tan(angle)
            return self._share(self.effect + unit * slope, 1.0) > alpha + _TIE

        def edge(inside: float, outside: float) -> float:
            for _ in range(_HALVINGS):
                middle = (inside + outside) / 2
                inside, outside = (middle, outside) if kept(middle) else (inside, middle)
            return self.effect + unit * math.tan(inside)

        open_ends = self.p_value(math.inf) > alpha + _TIE
        places = [-math.pi / 2, *sorted({*angles, 0.0}), math.pi / 2]
        flags = [open_ends, *(kept(angle) for angle in places[1:-1]), open_ends]
        found: list[Interval] = []
        start: float | None = None
        for k in range(len(places) - 1):
            here, after = flags[k], flags[k + 1]
            if here and not after:
                end = places[k] if k else places[1] - step / 2
                found.append((start, edge(end, places[k + 1]) if k else None))
            if after and not here:
                start = edge(places[k + 1], places[k]) if k + 1 < len(places) - 1 else None
        if flags[-1]:
            found.append((start if not all(flags) else None, None))
        return tuple(found)

    def interval(self, confidence_level: float) -> Interval:
        """The smallest interval that holds the set."""
        return hull(self.segments(confidence_level))

    def _share(self, tau: float, y_part: float) -> float:
        """p of ``y_part`` × y − ``tau`` × d; (τ, 1) is a test of τ, (1, 0) that of uptake, where τ leads without end."""
        statistic = y_part * self.b_y - tau * self.b_d
        actual = y_part * self.itt - tau * self.uptake
        if self.v_yy is not None and self.v_yd is not None and self.v_dd is not None:
            squared = y_part**2 * self.v_yy - 2 * tau * y_part * self.v_yd + tau**2 * self.v_dd
            own = y_part**2 * self.actual[0] - 2 * tau * y_part * self.actual[1] + tau**2 * self.actual[2]
            with np.errstate(divide="ignore", invalid="ignore"):
                statistic = np.nan_to_num(statistic / np.sqrt(np.maximum(squared, 0.0)), nan=0.0, posinf=np.inf)
                actual = float(np.nan_to_num(np.float64(actual) / np.sqrt(max(own, 0.0)), nan=0.0, posinf=np.inf))
        floor = _TIE * (abs(actual) + (0.0 if self.v_yy is not None else abs(self.itt) * y_part))
        return float(np.count_nonzero(self.tied | (np.abs(statistic) >= abs(actual) - floor))) / len(self.b_y)


def anderson_rubin_permutation(
    table: UnitTable, received: Floats, redraws: Redraws, *, studentise: bool
) -> AndersonRubinPermutation:
    """The permutation set of ``table`` (its y) with what was ``received`` (n units): exact where the assignment acts
    on a unit's outcome only through what the unit received, with the same effect."""
    check_uptake(received)

    def permute(outcome: Floats) -> PermutationInference:
        return permutation_inference(fit(replace(table, y=outcome)), redraws, studentise=studentise)

    y, d = permute(table.y), permute(received)
    if abs(d.effect) <= 1e-12:
        raise NotEstimable(
            Message("no_uptake_difference", N_("both variants took up alike; there is no complier"), {})
        )
    if not studentise or y.v_yy is None or d.v_yy is None:
        return AndersonRubinPermutation(y.effect, d.effect, y.b, d.b, y.tied, (y.v_actual, 0.0, d.v_actual))
    both = permute(table.y + received)
    assert both.v_yy is not None
    cross = (both.v_yy - y.v_yy - d.v_yy) / 2
    own = (both.v_actual - y.v_actual - d.v_actual) / 2
    actual = (y.v_actual, own, d.v_actual)
    return AndersonRubinPermutation(y.effect, d.effect, y.b, d.b, y.tied, actual, y.v_yy, cross, d.v_yy)


def hull(segments: Segments) -> Interval:
    """The ends of the smallest interval that holds ``segments``."""
    return segments[0][0], segments[-1][1]


def two_rays(segments: Segments) -> bool:
    """Whether a set without ends has a gap."""
    return len(segments) > 1


