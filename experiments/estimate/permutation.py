"""The headline: the regression's own coefficient, permuted over the draws that the recorded mechanism could have made.

For the hypothesis that the effect is τ in every unit, y − τ t is what would have been without treatment, and the
statistic of every redraw r is known: its coefficient b_r − τ a_r, where b_r is the coefficient of redraw r on y and
a_r on the actual t. The p-value is the share of redraws whose statistic is at least as large as the actual one; the
interval holds every τ that is not rejected. Matched pairs use the plain coefficient. Other draws divide it by the error
from the residuals of each arm (without covariate and blocks: the Welch error) and bring it to the normal scale, see
``arm_errors``, which keeps the level when stores react differently and the arms are unequal. References: Rosenbaum
(2002), Statistical Science 17; Wu and Ding (2021), JASA 116 (studentised permutation).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from experiments.checks import probability
from experiments.errors import InvalidNumber
from experiments.estimate.arm_errors import Draws, actual_row, draws_of, draws_of_many, is_simple, null_scores
from experiments.estimate.estimate import Interval, Side
from experiments.estimate.permutation_search import TIE, End, extremity, find_ends
from experiments.estimate.redraws import Redraws
from experiments.estimate.unit_means import Regression
from experiments.estimate.unit_table import Flags, Floats, UnitTable

Bytes = npt.NDArray[np.uint8]
_SIGNS = {Side.GREATER: 1.0, Side.LESS: -1.0}


@dataclass(frozen=True, slots=True, eq=False)
class PermutationInference:
    """The permutation test of one regression and everything that follows by inverting it.

    ``draws`` are the coefficients (and errors) of every draw that is compared, the actual one included; ``actual`` are
    those of the actual draw alone. ``tied`` marks draws that tie with the actual one whatever τ is: the draw itself and
    its mirror. ``std_error`` is the error of the actual coefficient: what the studentised test divides by, else the
    regression's.
    """

    draws: Draws
    actual: Draws
    tied: Flags
    listed: bool
    std_error: float
    scale: float
    _intervals: dict[float, Interval] = field(default_factory=dict)

    @property
    def effect(self) -> float:
        """The coefficient of the actual draw."""
        return float(self.actual.b[0])

    @property
    def studentised(self) -> bool:
        """Whether the coefficient is divided by its error."""
        return self.draws.errors is not None

    @property
    def n_redraws(self) -> int:
        """The number of draws compared, the actual one included."""
        return len(self.draws.b)

    def p_value(self, at: float = 0.0) -> float:
        """The share of draws whose |statistic| is at least the actual one's; sampled draws give (1 + hits) / (1 +
        draws)."""
        return float(np.count_nonzero(self.tied | (self._beyond(at, 0.0) >= 0.0))) / self.n_redraws

    def p_one_sided(self, side: Side, at: float = 0.0) -> float:
        """The same with the sign: against GREATER, draws whose statistic is at least the actual one."""
        return float(np.count_nonzero(self._beyond(at, _SIGNS[side]) >= 0.0)) / self.n_redraws

    def interval(self, confidence_level: float) -> Interval:
        """The connected set of effects around the estimate that the two-sided test does not reject."""
        if confidence_level not in self._intervals:  # a report reads the same one twice, and it is most of the work
            self._intervals[confidence_level] = intervals([self], confidence_level)[0]
        return self._intervals[confidence_level]

    def bound(self, side: Side, confidence_level: float) -> float | None:
        """The end of the one-sided interval; None where the draws set no limit."""
        alpha, sign = 1.0 - probability("confidence_level", confidence_level), _SIGNS[side]
        if not self.closed_form:
            return find_ends([self.end(alpha, sign, -sign)])[0]
        near = self.draws.a > 1.0 - TIE  # the actual draw
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = sign * (self.effect - self.draws.b) / (1.0 - self.draws.a)
        return _finite(sign * _smallest(np.where(near, -np.inf, crossing), self._needed(alpha)))

    @property
    def closed_form(self) -> bool:
        """Whether each redraw rejects outside one interval around the estimate: plain, and no |a| above 1."""
        return not self.studentised and not bool((np.abs(self.draws.a[~self.tied]) >= 1.0 - TIE).any())

    def closed_interval(self, alpha: float) -> Interval:
        """Each draw is as extreme as the actual one between two effects; the ends are order statistics of those."""
        b, a, needed = self.draws.b, self.draws.a, self._needed(alpha)
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (self.effect - b) / (1.0 - a), (self.effect + b) / (1.0 + a)
        lower = np.where(self.tied, -np.inf, np.minimum(first, second))
        upper = np.where(self.tied, np.inf, np.maximum(first, second))
        return _finite(_smallest(lower, needed)), _finite(-_smallest(-upper, needed))

    def end(self, alpha: float, sign: float, direction: float) -> End:
        """What the search must know to find one end of an interval."""
        tied = self.tied if sign == 0.0 else np.zeros(len(self.tied), dtype=np.bool_)
        floor = TIE * self.scale
        step = max(self.std_error, floor, 1e-300)
        return End(self.draws, self.actual, tied, sign, direction, self._needed(alpha), step, floor)

    def _needed(self, alpha: float) -> int:
        """How many draws must be at least as extreme for a value not to be rejected."""
        return min(int(np.floor(alpha * self.n_redraws + TIE)) + 1, self.n_redraws)

    def _beyond(self, at: float, sign: float) -> Floats:
        return extremity(self.draws, self.actual, at, sign, TIE * self.scale)


def permutation_inference(regression: Regression, redraws: Redraws, *, studentise: bool) -> PermutationInference:
    """The permutation test of ``regression`` over ``redraws`` of its table."""
    rows = np.concatenate([actual_row(regression), redraws.treated])
    tied = np.concatenate([[True], _ties(redraws.treated, [regression.table])[0]])
    return _inference(regression, draws_of(regression, rows, studentise=studentise), tied, redraws.listed)


def permutation_many(
    regressions: Sequence[Regression], redraws: Redraws, *, studentise: bool
) -> list[PermutationInference]:
    """``permutation_inference`` of regressions on the same units and blocks, which share ``redraws``.

    Outcomes, covariates and the actual assignments may differ. One matrix product serves all of them, so the numbers
    equal those of the single test up to rounding. Raises ``InvalidNumber`` where numbers of units differ.
    """
    n = redraws.treated.shape[1]
    if any(len(regression.table.units) != n for regression in regressions):
        raise InvalidNumber(name="regressions", value="of differing size", must_be=f"on the {n} units of the redraws")
    found = draws_of_many(regressions, redraws.treated, studentise=studentise)
    ties = _ties(redraws.treated, [regression.table for regression in regressions])
    return [
        _inference(regression, draws, np.concatenate([[True], tied]), redraws.listed)
        for regression, draws, tied in zip(regressions, found, ties, strict=True)
    ]


def null_p_values(regressions: Sequence[Regression], redraws: Redraws) -> list[float]:
    """The studentised p-values of "no effect" alone, for many outcomes of one assignment, as where segments and metrics
    are scanned: those of ``permutation_many``, which also prepares the intervals, at a third of its cost."""
    tables = [regression.table for regression in regressions]
    shared = all(np.array_equal(table.treated, tables[0].treated) for table in tables)
    if not shared or not all(is_simple(r) and not r.nuisance.basis.shape[1] for r in regressions):
        return [found.p_value() for found in permutation_many(regressions, redraws, studentise=True)]
    tied = _ties(redraws.treated, tables[:1])[0]
    parts = null_scores(regressions, redraws.treated)
    least = np.abs(next(parts)) * (1.0 - TIE)
    hits, start = np.zeros(len(tables), dtype=np.int64), 0
    for scores in parts:
        extreme = (np.abs(scores) >= least) | tied[start : start + scores.shape[1]]
        hits, start = hits + np.count_nonzero(extreme, axis=1), start + scores.shape[1]
    extra = 0 if redraws.listed else 1
    return [float(hit + extra) / (len(redraws.treated) + extra) for hit in hits]


def intervals(inferences: Sequence[PermutationInference], confidence_level: float) -> list[Interval]:
    """The interval of each inference; looking for all ends together costs far less than one by one."""
    alpha = 1.0 - probability("confidence_level", confidence_level)
    closed = [inference.closed_form for inference in inferences]
    searched = [inference for inference, is_closed in zip(inferences, closed, strict=True) if not is_closed]
    ends = iter(find_ends([inference.end(alpha, 0.0, side) for inference in searched for side in (-1.0, 1.0)]))
    return [
        inference.closed_interval(alpha) if is_closed else (next(ends), next(ends))
        for inference, is_closed in zip(inferences, closed, strict=True)
    ]


def studentised_error(regression: Regression) -> float:
    """The standard error that a studentised test divides the coefficient by: from the residuals of each arm."""
    variance = float(draws_of(regression, actual_row(regression), studentise=True).variances()[0])
    return float(np.sqrt(max(variance, 0.0)))


def _inference(regression: Regression, draws: Draws, tied: Flags, listed: bool) -> PermutationInference:
    """From the actual draw and the redraws after it; where these are listed they contain the actual one."""
    error, errors = regression.std_error, None
    if draws.errors is not None:
        errors = draws.errors[:, :1].copy()
        errors[1::4], errors[2::4] = 0.0, 0.0  # its residuals do not change with τ, but for rounding
        error = float(np.sqrt(max(float(errors[0::4].sum()), 0.0)))  # rounding may fall below zero
    actual = Draws(np.array([regression.effect]), np.ones(1), errors)
    if listed:
        rest = None if draws.errors is None else draws.errors[:, 1:]
        draws, tied = Draws(draws.b[1:], draws.a[1:], rest), tied[1:]
    return PermutationInference(draws, actual, tied, listed, error, float(np.abs(regression.y_hat).max()))


def _ties(rows: Flags, tables: Sequence[UnitTable]) -> list[Flags]:
    """Per table the rows equal to its actual draw, or to the mirror image, in every block that holds both arms."""
    packed = np.packbits(rows, axis=1)
    known: dict[bytes, Flags] = {}  # outcomes of one assignment tie alike
    for table in tables:
        key = table.treated.tobytes()
        if key not in known:
            known[key] = _ties_of(packed, table)
    return [known[table.treated.tobytes()] for table in tables]


def _ties_of(packed: Bytes, table: UnitTable) -> Flags:
    counts = np.array(table.arm_counts())
    mixed = counts.min(axis=1) > 0
    place = mixed[table.block] & table.moves
    actual, used = np.packbits(place & (table.treated == 1.0)), np.packbits(place)
    tied = np.asarray(~((packed ^ actual) & used).any(axis=1), dtype=np.bool_)
    # where bystanders share a block with one arm alone, that arm counts and does not mirror
    alone = table.bystanders.shape[1] > 0 and not bool((place | ~table.moves).all())
    if not alone and bool((counts[mixed, 0] == counts[mixed, 1]).all()):
        tied |= ~((packed ^ ~actual) & used).any(axis=1)
    return tied


def _smallest(values: Floats, rank: int) -> float:
    return float(np.partition(values, rank - 1)[rank - 1])


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
