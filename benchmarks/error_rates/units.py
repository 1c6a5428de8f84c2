"""Cells whose units are stores: the module's regression, its t, CR2 and permutation on one table a replication."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import comb

import numpy as np

from benchmarks.error_rates.cell import LEVEL, Floats, Tally
from experiments.errors import NotEstimable
from experiments.estimate.cluster_robust import unit_means_cr2
from experiments.estimate.permutation import PermutationInference, permutation_inference
from experiments.estimate.redraws import Redraws, redraws
from experiments.estimate.unit_means import Regression, fit
from experiments.estimate.unit_table import Ints, UnitTable, columns
from experiments.estimate.wild_bootstrap import unit_means_wild_bootstrap

MORE_REDRAWS = 999
REDRAWS = 399  # the module's default is 9,999; fewer cost no level and little power
INVERTED = 20  # replications of a cell in which the interval itself is built and held against the p-value
PERMUTATION = "permutation"
STUDENTISED = "permutation_studentised"
BUILT = "intervals that were built in full"
DISAGREE = "intervals that disagree with their p-value"


@dataclass(frozen=True, slots=True)
class Sample:
    """One replication: the table under no (mean) effect, and the effect by which its power is measured."""

    table: UnitTable
    effect: float


def unit_table(
    y: Floats,
    treated: Floats,
    *,
    block: Ints | None = None,
    x: Floats | None = None,
    bystanders: Floats | None = None,
    weight: Floats | None = None,
) -> UnitTable:
    """The table of units called 0, 1, …; ``x`` is one covariate (n) or several (n × k)."""
    n = len(y)
    return UnitTable(
        units=tuple(str(i) for i in range(n)),
        y=y,
        treated=treated,
        block=np.zeros(n, dtype=np.int64) if block is None else block,
        covariates=columns(n) if x is None else x.reshape(n, -1),
        bystanders=columns(n) if bystanders is None else bystanders,
        weight=weight,
        n_rows=n,
    )


def draws_of(rng: np.random.Generator, replications: int, n: int, treated: int) -> Floats:
    """(replications × n) complete draws of ``treated`` among ``n`` units."""
    rows = np.zeros((replications, n))
    rows[:, :treated] = 1.0
    return rng.permuted(rows, axis=1)


def count_units(
    tally: Tally,
    samples: Callable[[int], Sample],
    replications: int,
    *,
    studentise: bool,
    welch: bool = False,
    over: Redraws | None = None,
    draws: int = REDRAWS,
    wild: bool = False,
) -> None:
    """Count what the regression's t, CR2, Welch and the wild bootstrap (on request) and the permutation do."""
    tally.notes[DISAGREE] = tally.notes.get(DISAGREE, 0.0)
    tally.notes[BUILT] = tally.notes.get(BUILT, 0.0) + min(replications, INVERTED)
    for number in range(replications):
        sample = samples(number)
        try:
            regression = fit(sample.table)
        except NotEstimable as refusal:
            tally.refuse(refusal)
            continue
        test = permuted(regression, studentise=studentise, over=over, draws=draws)
        name = STUDENTISED if studentise else PERMUTATION
        if number < INVERTED:
            tally.notes[DISAGREE] += _disagrees(test)
        _count(tally, name, test.p_value(), test.p_value(-sample.effect))
        t = regression.inference
        _count(tally, "regression_t", t.p_value(), t.p_value(-sample.effect))
        try:
            cr2 = unit_means_cr2(regression)
            _count(tally, "cr2", cr2.p_value(), cr2.p_value(-sample.effect))
        except NotEstimable as refusal:
            tally.refuse(refusal)
        if wild:
            bootstrap = unit_means_wild_bootstrap(regression, seed=1, draws=REDRAWS)
            _count(tally, "wild_cluster_bootstrap", bootstrap.p_value(), bootstrap.p_value(-sample.effect))
        if welch:
            p = welch_on_means(sample.table)
            _count(tally, "welch", p(0.0), p(-sample.effect))


def permuted(
    regression: Regression, *, studentise: bool, over: Redraws | None = None, draws: int = REDRAWS
) -> PermutationInference:
    """The permutation test of one regression over shared redraws."""
    if over is None:
        over = _sampled(regression.table, draws) or redraws(regression.table, seed=1, draws=draws)
    return permutation_inference(regression, over, studentise=studentise)


def _sampled(table: UnitTable, draws: int) -> Redraws | None:
    """A sample of the redraws where the module would list more than twice as many: the same level, less time."""
    counts = table.arm_counts()
    if len(counts) > 1 or not table.moves.all() or comb(sum(counts[0]), counts[0][1]) <= 2 * draws:
        return None
    return _draws(*counts[0], draws)


@lru_cache(maxsize=8)
def _draws(control: int, treated: int, draws: int) -> Redraws:
    rows = draws_of(np.random.Generator(np.random.PCG64(1)), draws, control + treated, treated)
    return Redraws(rows == 1.0, listed=False)


def welch_on_means(table: UnitTable) -> Callable[[float], float]:
    """Welch's t on unit means, as a function from the tested effect to its p-value."""
    from scipy.special import stdtr

    a, b = table.y[table.treated == 1.0], table.y[table.treated == 0.0]
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    difference, error = a.mean() - b.mean(), np.sqrt(va + vb)
    return lambda at: float(2.0 * stdtr(df, -abs(difference - at) / error))


def _count(tally: Tally, method: str, p: float, p_lifted: float) -> None:
    # y + effect on the treated shifts estimate and truth alike: the interval holds the truth when p(truth) > level.
    tally.add(method, alarm=p <= LEVEL, covers=p > LEVEL, finds=p_lifted <= LEVEL)


def _disagrees(test: PermutationInference) -> float:
    low, high = test.interval(1.0 - LEVEL)
    holds = (low is None or low <= 0.0) and (high is None or high >= 0.0)
    return float(holds != (test.p_value() > LEVEL))
