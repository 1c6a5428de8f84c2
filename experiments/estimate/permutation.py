"""The headline: the regression's own coefficient, permuted over the draws that the recorded mechanism could have made.

For the hypothesis that the effect is τ in every unit, y − τ t is what would have been without treatment, and the
statistic of every redraw r is known: its coefficient b_r − τ a_r, where b_r is the coefficient of redraw r on y and
a_r on the actual t. The p-value is the share of redraws whose statistic is at least as large as the actual one; the
interval holds every τ that is not rejected. Matched pairs use the plain coefficient. Other draws divide it by its HC2
error (without covariate and blocks: the Welch error), which keeps the level when stores react differently and the
arms are unequal. References: Rosenbaum (2002), Statistical Science 17; Wu and Ding (2021), JASA 116 (studentised
permutation).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.checks import probability
from experiments.estimate.estimate import Interval, Side
from experiments.estimate.redraws import Redraws
from experiments.estimate.unit_means import Nuisance, Regression
from experiments.estimate.unit_table import Flags, Floats, UnitTable

_TIE = 1e-9
_CHUNK = 1_000
_DOUBLINGS = 60
_HALVINGS = 80


@dataclass(frozen=True, slots=True, eq=False)
class PermutationInference:
    """The permutation test of one regression and everything that follows by inverting it.

    ``b`` and ``a`` are the coefficients of every redraw on y and on the actual t, the actual draw included. For a
    studentised test the squared error of redraw r under effect τ is ``v_yy − 2 τ v_yt + τ² v_tt``; for a plain test
    these are None. ``tied`` marks redraws that tie with the actual draw whatever τ is: the draw itself and its
    mirror.
    """

    effect: float
    b: Floats
    a: Floats
    tied: Flags
    listed: bool
    scale: float
    v_actual: float
    v_yy: Floats | None = None
    v_yt: Floats | None = None
    v_tt: Floats | None = None

    @property
    def studentised(self) -> bool:
        """Whether the coefficient is divided by its error."""
        return self.v_yy is not None

    @property
    def _closed_form(self) -> bool:
        """Whether each redraw rejects outside one interval around the estimate: plain, and no |a| above 1."""
        return not self.studentised and not bool((np.abs(self.a[~self.tied]) >= 1.0 - _TIE).any())

    @property
    def n_redraws(self) -> int:
        """The number of draws compared, the actual one included."""
        return len(self.b)

    def p_value(self, at: float = 0.0) -> float:
        """The share of draws whose |statistic| is at least the actual one's; sampled draws give (1 + hits) / (1 +
        draws)."""
        statistic, actual = self._statistics(at)
        return float(np.count_nonzero(self.tied | _at_least(np.abs(statistic), abs(actual)))) / self.n_redraws

    def p_one_sided(self, side: Side, at: float = 0.0) -> float:
        """The same with the sign: against GREATER, draws whose statistic is at least the actual one."""
        statistic, actual = self._statistics(at)
        sign = 1.0 if side is Side.GREATER else -1.0
        return float(np.count_nonzero(_at_least(sign * statistic, sign * actual))) / self.n_redraws

    def interval(self, confidence_level: float) -> Interval:
        """The connected set of effects around the estimate that the two-sided test does not reject."""
        alpha = 1.0 - probability("confidence_level", confidence_level)
        if not self._closed_form:
            return self._search(alpha, None, -1.0), self._search(alpha, None, 1.0)
        lower, upper = self._ends()
        needed = self._needed(alpha)
        return _finite(np.partition(lower, needed - 1)[needed - 1]), _finite(
            -np.partition(-upper, needed - 1)[needed - 1]
        )

    def bound(self, side: Side, confidence_level: float) -> float | None:
        """The end of the one-sided interval; None where the draws set no limit."""
        alpha = 1.0 - probability("confidence_level", confidence_level)
        if not self._closed_form:
            return self._search(alpha, side, -1.0 if side is Side.GREATER else 1.0)
        crossing = self._crossing(side)
        needed = self._needed(alpha)
        if side is Side.GREATER:
            return _finite(np.partition(crossing, needed - 1)[needed - 1])
        return _finite(-np.partition(-crossing, needed - 1)[needed - 1])

    def _needed(self, alpha: float) -> int:
        """How many draws must be at least as extreme for a value not to be rejected."""
        return min(int(np.floor(alpha * self.n_redraws + _TIE)) + 1, self.n_redraws)

    def _statistics(self, at: float) -> tuple[Floats, float]:
        statistic, actual = self.b - at * self.a, self.effect - at
        if self.v_yy is None or self.v_yt is None or self.v_tt is None:
            floor = _TIE * self.scale
            return np.where(np.abs(statistic) < floor, 0.0, statistic), 0.0 if abs(actual) < floor else actual
        squared = np.maximum(self.v_yy - 2.0 * at * self.v_yt + at * at * self.v_tt, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = statistic / np.sqrt(squared)
            actual_ratio = float(np.float64(actual) / np.sqrt(self.v_actual))
        return np.where(np.isnan(ratio), 0.0, ratio), 0.0 if np.isnan(actual_ratio) else actual_ratio

    def _ends(self) -> tuple[Floats, Floats]:
        """For each redraw the effects between which its |coefficient| is at least the actual one's."""
        near = self.tied
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (self.effect - self.b) / (1.0 - self.a), (self.effect + self.b) / (1.0 + self.a)
        lower, upper = np.minimum(first, second), np.maximum(first, second)
        return np.where(near, -np.inf, lower), np.where(near, np.inf, upper)

    def _crossing(self, side: Side) -> Floats:
        """For each redraw the effect from which on (LESS: up to which) its coefficient is at least as far out."""
        near = self.a > 1.0 - _TIE  # the actual draw
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = (self.effect - self.b) / (1.0 - self.a)
        return np.where(near, -np.inf if side is Side.GREATER else np.inf, crossing)

    def _search(self, alpha: float, side: Side | None, direction: float) -> float | None:
        """The last value from the estimate in ``direction`` that is not rejected: doubling, then halving."""

        def rejected(at: float) -> bool:
            p = self.p_value(at) if side is None else self.p_one_sided(side, at)
            return p <= alpha + _TIE / self.n_redraws

        inside, step = self.effect, max(float(np.sqrt(self.v_actual)), _TIE * self.scale, 1e-300)
        for _ in range(_DOUBLINGS):
            outside = self.effect + direction * step
            if rejected(outside):
                break
            inside, step = outside, step * 2.0
        else:
            return None
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2.0
            if middle in (inside, outside):
                break
            inside, outside = (inside, middle) if rejected(middle) else (middle, outside)
        return inside


def permutation_inference(regression: Regression, redraws: Redraws, *, studentise: bool) -> PermutationInference:
    """The permutation test of ``regression`` over ``redraws`` of its table."""
    table = regression.table
    actual = table.treated == 1.0
    chunks = [_chunk(regression, rows, studentise) for rows in _rows(redraws, actual)]
    b, a, v_yy, v_yt, v_tt = (np.concatenate([chunk[i] for chunk in chunks]) for i in range(5))
    tied = np.concatenate([_ties(rows, table) for rows in _rows(redraws, actual)])
    scale = float(np.abs(regression.y_hat).max())
    if not studentise:
        return PermutationInference(regression.effect, b, a, tied, redraws.listed, scale, regression.std_error**2)
    v_actual = hc2_error(regression) ** 2
    return PermutationInference(regression.effect, b, a, tied, redraws.listed, scale, v_actual, v_yy, v_yt, v_tt)


def hc2_error(regression: Regression) -> float:
    """The HC2 standard error of the treatment coefficient: the error that a studentised test divides by."""
    return float(np.sqrt(_hc2(regression, (regression.table.treated == 1.0)[None, :])[0][0]))


def _rows(redraws: Redraws, actual: Flags) -> Iterator[Flags]:
    """The draws to compare, in chunks: the actual draw first where the redraws are only a sample."""
    if not redraws.listed:
        yield actual[None, :]
    for start in range(0, len(redraws.treated), _CHUNK):
        yield redraws.treated[start : start + _CHUNK]


def _coefficients(regression: Regression, rows: Flags) -> tuple[Floats, Floats, Floats]:
    """b, a and t̂'t̂ of each row. The hats are free of the nuisance columns, so the raw 0/1 rows suffice."""
    nuisance = regression.nuisance
    t = rows * nuisance.root
    free = _within(nuisance, rows)
    length = (free**2).sum(axis=1)
    total = length.copy()
    for column in nuisance.basis.T:
        length -= np.einsum("rn,n->r", t, column) ** 2
    length = np.maximum(length, _TIE * total)
    b = np.einsum("rn,n->r", t, regression.y_hat) / length
    a = np.einsum("rn,n->r", t, regression.t_hat) / length
    return b, a, length


def _within(nuisance: Nuisance, rows: Flags) -> Floats:
    """√w times each row less its weighted block means."""
    means = np.empty((len(rows), len(nuisance.block_weight)))
    for block in range(means.shape[1]):
        inside = nuisance.block == block
        weight = nuisance.root[inside] ** 2
        means[:, block] = (rows[:, inside] * weight).sum(axis=1) / weight.sum()
    free: Floats = nuisance.root * (rows - means[:, nuisance.block])
    return free


def _chunk(regression: Regression, rows: Flags, studentise: bool) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    b, a, _ = _coefficients(regression, rows)
    if not studentise:
        nothing = np.zeros(0)
        return b, a, nothing, nothing, nothing
    return b, a, *_hc2(regression, rows)


def _hc2(regression: Regression, rows: Flags) -> tuple[Floats, Floats, Floats]:
    """The HC2 variance of each row as a quadratic in the effect: Σ w (u − τ v)² with w = t̂² / (1 − h) / (t̂'t̂)²."""
    nuisance = regression.nuisance
    b, a, length = _coefficients(regression, rows)
    t = _within(nuisance, rows)
    for column in nuisance.basis.T:
        t = t - np.einsum("rn,n->r", t, column)[:, None] * column
    slack = 1.0 - nuisance.leverage - t**2 / length[:, None]
    weight = np.where(slack > _TIE, t**2 / np.maximum(slack, _TIE), 0.0) / length[:, None] ** 2
    u = regression.y_hat - b[:, None] * t
    v = regression.t_hat - a[:, None] * t
    return (weight * u * u).sum(axis=1), (weight * u * v).sum(axis=1), (weight * v * v).sum(axis=1)


def _ties(rows: Flags, table: UnitTable) -> Flags:
    """Rows equal to the actual draw, or to its mirror image, in every block that holds both arms."""
    counts = np.array(table.arm_counts())
    mixed = (counts.min(axis=1) > 0)[table.block] & table.moves
    same = rows[:, mixed] == (table.treated[mixed] == 1.0)
    tied: Flags = same.all(axis=1)
    # where bystanders share a block with one arm alone, that arm counts and does not mirror
    if not table.bystanders.shape[1] or bool((mixed | ~table.moves).all()):
        tied |= (~same).all(axis=1)
    return tied


def _at_least(statistic: Floats, actual: float) -> Flags:
    reached: Flags = statistic >= actual - _TIE * abs(actual)
    return reached


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
