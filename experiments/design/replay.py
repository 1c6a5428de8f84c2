"""Replay: one past window analysed again and again under placebo draws, as the plan would analyse it.

Every placebo draw is a redraw of the recorded mechanism on a window in which nobody was treated. The regression on
unit means, its t and CR2 intervals and the permutation test are those of a report; they are computed for all draws of
a window together and equal one-by-one analysis up to rounding. A constant effect δ need not be injected: testing
"no effect" on y + δt is testing "−δ" on y, so the intervals of the placebo draws tell the power for every δ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.checks import probability
from experiments.errors import NotEstimable
from experiments.estimate.cluster_robust import unit_means_cr2
from experiments.estimate.estimate import Interval, TInference
from experiments.estimate.permutation import intervals, permutation_inference, permutation_many
from experiments.estimate.redraws import Redraws
from experiments.estimate.unit_means import Regression, fit
from experiments.estimate.unit_table import Flags, Floats, UnitTable
from experiments.messages import N_, Message

REGRESSION_T, CR2, PERMUTATION, STUDENTISED = "regression_t", "cr2", "permutation", "permutation_studentised"
_BATCH = 32  # replications whose permutation sums are held at once


@dataclass(frozen=True, slots=True, eq=False)
class Replications:
    """m replications of one method: effects, errors (NaN: the method has none), p-values and interval ends (infinite
    where the data set no limit), each (m,). NaN throughout where the method could not answer."""

    method: str
    effect: Floats
    std_error: Floats
    p_value: Floats
    low: Floats
    high: Floats

    def covers(self, truth: Floats | float) -> Flags:
        """(m,) whether the interval holds ``truth``."""
        held: Flags = (self.low <= truth) & (truth <= self.high)
        return held


def replay(
    table: UnitTable,
    placebo: Flags,
    shared: Redraws | None,
    *,
    confidence_level: float,
    studentise: bool,
    lift: float = 0.0,
) -> tuple[Replications, ...]:
    """``regression_t``, ``cr2`` and, with ``shared`` redraws, the permutation test of each row of ``placebo`` (m × n).

    ``lift`` multiplies the outcome of the treated by 1 + lift: units then react differently (0: nobody reacts). Raises
    ``NotEstimable`` where the table cannot carry the regression under the first draw.
    """
    probability("confidence_level", confidence_level)
    regressions = _regressions(table, placebo, lift)
    found = [_t(regressions, confidence_level), _cr2(regressions, confidence_level)]
    if shared is not None:
        found.append(_permutation(regressions, shared, confidence_level, studentise))
    return tuple(found)


def replay_one_by_one(
    table: UnitTable,
    placebo: Flags,
    shared: Redraws | None,
    *,
    confidence_level: float,
    studentise: bool,
    lift: float = 0.0,
) -> tuple[Replications, ...]:
    """The same by the plain loop: what ``replay`` must equal, and what a report does once."""
    t, cr2, permuted = [], [], []
    for row in placebo:
        regression = fit(_injected(table, row, lift))
        t.append(_answers(regression.inference, regression.inference.interval(confidence_level)))
        try:
            robust = unit_means_cr2(regression)
            cr2.append(_answers(robust, robust.interval(confidence_level)))
        except NotEstimable:
            cr2.append((np.nan,) * 5)
        if shared is not None:
            test = permutation_inference(regression, shared, studentise=studentise)
            low, high = _open(test.interval(confidence_level))
            permuted.append((test.effect, np.nan, test.p_value(), low, high))
    found = [_columns(REGRESSION_T, t), _columns(CR2, cr2)]
    if shared is not None:
        found.append(_columns(STUDENTISED if studentise else PERMUTATION, permuted))
    return tuple(found)


def pooled(parts: Sequence[Replications]) -> Replications:
    """The replications of several windows, one after the other."""
    names = ("effect", "std_error", "p_value", "low", "high")
    return Replications(parts[0].method, *(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class _Regressions:
    """The regressions of all placebo draws of a window: rows are draws, columns units; vectors times √w."""

    table: UnitTable
    placebo: Flags
    lift: float
    first: Regression
    y: Floats
    t: Floats
    length: Floats
    effect: Floats
    residual: Floats
    std_error: Floats

    def of(self, number: int) -> Regression:
        """One of them, as ``fit`` gives it."""
        return Regression(
            _injected(self.table, self.placebo[number], self.lift),
            float(self.effect[number]),
            float(self.std_error[number]),
            self.first.df,
            self.y[number],
            self.t[number],
            self.first.nuisance,
        )


def _regressions(table: UnitTable, placebo: Flags, lift: float) -> _Regressions:
    first = fit(_injected(table, placebo[0], lift))
    nuisance = first.nuisance
    share = np.zeros((len(nuisance.block_weight), len(table.units)))
    share[nuisance.block, np.arange(len(table.units))] = nuisance.root**2
    share /= nuisance.block_weight[:, None]

    def out_of(rows: Floats) -> Floats:
        free: Floats = nuisance.root * (rows - (rows @ share.T)[:, nuisance.block])
        for column in nuisance.basis.T:
            free = free - (free @ column)[:, None] * column
        return free

    t = out_of(placebo.astype(np.float64))
    length = (t * t).sum(axis=1)
    if bool((length <= 1e-9 * (1.0 + length.max())).any()):
        raise NotEstimable(
            Message(
                "draw_without_contrast", N_("in some draws blocks and covariates leave nothing of the treatment"), {}
            )
        )
    y = out_of(table.y * (1.0 + lift * placebo)) if lift else np.repeat(first.y_hat[None, :], len(placebo), axis=0)
    effect = (t * y).sum(axis=1) / length
    residual = y - effect[:, None] * t
    std_error = np.sqrt((residual**2).sum(axis=1) / first.df / length)
    return _Regressions(table, placebo, lift, first, y, t, length, effect, residual, std_error)


def _injected(table: UnitTable, row: Flags, lift: float) -> UnitTable:
    y = table.y * (1.0 + lift * row) if lift else table.y
    return replace(table, treated=row.astype(np.float64), y=y)


def _t(found: _Regressions, level: float) -> Replications:
    df = np.full(len(found.effect), float(found.first.df))
    return by_t(REGRESSION_T, found.effect, found.std_error, df, level)


def _cr2(found: _Regressions, level: float) -> Replications:
    """``unit_means_cr2`` for all rows: the same formula, row by row."""
    nuisance, t = found.first.nuisance, found.t
    slack = 1.0 - nuisance.leverage - t**2 / found.length[:, None]
    loading = t / found.length[:, None]
    used = np.abs(loading) > 1e-10 * np.abs(loading).max(axis=1)[:, None]
    alone = (used & (slack < 1e-10)).any(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        d = np.where(used, loading**2 / np.where(used, slack, 1.0), 0.0)
        variance = (d * found.residual**2).sum(axis=1)
        inside = np.zeros((len(nuisance.block_weight), len(nuisance.block)))
        inside[nuisance.block, np.arange(len(nuisance.block))] = 1.0
        weight = nuisance.block_weight
        columns = [*nuisance.basis.T, t / np.sqrt(found.length)[:, None]]
        crossed = ((((d * nuisance.root**2) @ inside.T) / weight) ** 2).sum(axis=1)
        for i, column in enumerate(columns):
            mixed = ((d * nuisance.root * column) @ inside.T) / np.sqrt(weight)
            crossed = crossed + 2.0 * (mixed**2).sum(axis=1)
            for j in range(i + 1):
                product = (d * column * columns[j]).sum(axis=1) ** 2
                crossed = crossed + (product if i == j else 2.0 * product)
        squares = (d**2 * (2.0 * slack - 1.0)).sum(axis=1) + crossed
        df = (d * slack).sum(axis=1) ** 2 / squares
    missing = np.where(alone, np.nan, 1.0)
    return by_t(CR2, found.effect * missing, np.sqrt(variance) * missing, df * missing, level)


def by_t(method: str, effect: Floats, std_error: Floats, df: Floats, level: float) -> Replications:
    """The replications of a method whose effects, errors and degrees of freedom (m,) are known."""
    from scipy.special import stdtr, stdtrit

    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where((std_error == 0.0) & (effect == 0.0), 0.0, effect / std_error)
    p_value = np.minimum(1.0, 2.0 * stdtr(df, -np.abs(statistic)))
    reach = stdtrit(df, 0.5 + level / 2) * std_error
    return Replications(method, effect, std_error, p_value, effect - reach, effect + reach)


def _permutation(found: _Regressions, shared: Redraws, level: float, studentise: bool) -> Replications:
    rows = []
    for start in range(0, len(found.effect), _BATCH):
        numbers = range(start, min(start + _BATCH, len(found.effect)))
        tests = permutation_many([found.of(number) for number in numbers], shared, studentise=studentise)
        ends = intervals(tests, level)
        rows += [(test.effect, np.nan, test.p_value(), *_open(end)) for test, end in zip(tests, ends, strict=True)]
    return _columns(STUDENTISED if studentise else PERMUTATION, rows)


def _answers(inference: TInference, interval: Interval) -> tuple[float, ...]:
    return inference.effect, inference.std_error, inference.p_value(), *_open(interval)


def _open(interval: Interval) -> tuple[float, float]:
    low, high = interval
    return -np.inf if low is None else low, np.inf if high is None else high


def _columns(method: str, rows: Sequence[tuple[float, ...]]) -> Replications:
    return Replications(method, *(np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)))
