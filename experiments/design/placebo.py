"""Placebo runs of a plan on its own past: which draws, which windows, and what a rate that comes from them is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.checks import at_least, probability
from experiments.design.past_windows import History, require_past_window
from experiments.design.replay import CR2, PERMUTATION, REGRESSION_T, STUDENTISED, Replications, pooled, replay
from experiments.errors import NotEstimable

if TYPE_CHECKING:
    from experiments.estimate.estimate import Interval
    from experiments.estimate.redraws import Redraws
    from experiments.estimate.unit_table import Flags, Floats, UnitTable
    from experiments.plan import MetricSpec

__all__ = ["CR2", "PERMUTATION", "REGRESSION_T", "STUDENTISED", "Placebo", "placebo_runs", "rate_interval"]


@dataclass(frozen=True, slots=True, eq=False)
class Placebo:
    """All placebo runs of one metric and variant. ``null`` without any effect, ``lifted`` with ``lift`` times the value
    of every treated unit, whose true average effect is ``truth`` (m,) of its window; both by method.

    ``n_windows`` counts windows whose outcomes do not overlap.
    ``mean`` is the average value of a unit, ``attained`` the level that the permutation test has by design (None: no
    permutation), ``n_draws`` the possible draws where they were listed.
    """

    null: dict[str, Replications]
    lifted: dict[str, Replications]
    truth: Floats
    n_windows: int
    n_control: int
    n_variant: int
    mean: float
    attained: float | None
    n_draws: int | None

    def power_at(self, method: str, effect: float) -> float:
        """The share of runs whose interval would exclude zero were a constant ``effect`` added to the treated."""
        runs = self.null[method]
        return float((~runs.covers(-effect) & ~np.isnan(runs.effect)).sum() / len(runs.effect))

    def smallest_effect(self, method: str, power: float) -> float | None:
        """The smallest constant effect, up or down, that a share ``power`` of the runs finds; None where none does."""
        runs = self.null[method]
        needed = np.concatenate([-runs.low, runs.high])
        needed = np.sort(np.where(np.isnan(needed), np.inf, needed))
        found = float(needed[int(np.ceil(power * len(needed))) - 1])
        return max(0.0, found) if np.isfinite(found) else None


def placebo_runs(
    history: History, metric: MetricSpec, variant: str, *, replications: int, draws: int, seed: int, lift: float
) -> Placebo:
    """The placebo runs of ``variant`` against control, ``replications`` of them over all windows together.

    Where chance assigned the units, each window is analysed under redraws of the recorded mechanism, with ``draws``
    shared permutations. Hand-picked units stay the units that were picked and are slid over every past position of
    the window. A window in which too few units had data is passed over. Raises ``NotEstimable`` without a past window.
    """
    from experiments.estimate.redraws import redraws
    from experiments.rows.units import acceptance, studentised

    at_least("replications", replications, 1)
    plan = history.plan
    randomised = plan.is_randomised
    windows = history.windows() if randomised else history.windows(step=1)
    require_past_window(history, windows)
    per_window = -(-replications // len(windows))
    spread_out = {window.stop for window in history.windows()}
    null, lifted, truth, tables = [], [], [], []
    attained, n_draws, n_windows, refusal = None, None, 0, None
    for position, window in enumerate(windows):
        try:
            made = history.contrast(window, metric, variant)
            table = made.table
            shared: Redraws | None = None
            if randomised:
                accept = acceptance(history.frame, plan, made)
                shared = redraws(table, seed=seed, draws=max(99, draws), accept=accept)
                again = redraws(table, seed=seed + 1, draws=max(99, per_window), accept=accept)
                rows = _some(again, per_window, seed + 2 + position)
            else:
                rows = (table.treated == 1.0)[None, :]
            level, student = plan.confidence_level, studentised(table, plan)
            runs = replay(table, rows, shared, confidence_level=level, studentise=student)
            reacting = replay(table, rows, None, confidence_level=level, studentise=student, lift=lift)
        except NotEstimable as problem:  # stores that were not there yet: the window says nothing
            refusal = refusal or problem
            continue
        null.append(runs)
        lifted.append(reacting)
        truth.append(np.full(len(rows), lift * (_mean(table) if randomised else _mean_of_treated(table))))
        tables.append(table)
        n_windows += window.stop in spread_out
        if shared is not None and len(tables) == 1:
            n_draws = len(shared.treated) if shared.listed else None
            attained = _attained(plan.alpha, table, shared)
    if refusal is not None and not tables:
        raise refusal
    treated = int(np.count_nonzero(tables[0].treated[tables[0].moves]))
    return Placebo(
        null=_by_method(null),
        lifted=_by_method(lifted),
        truth=np.concatenate(truth),
        n_windows=n_windows,
        n_control=tables[0].n_units - treated,
        n_variant=treated,
        mean=float(np.mean([_mean(table) for table in tables])),
        attained=attained,
        n_draws=n_draws,
    )


def rate_interval(rate: float, n_windows: int, *, confidence_level: float = 0.95) -> Interval:
    """The interval of Clopper and Pearson for a rate that rests on ``n_windows`` independent windows.

    Draws of one window share its data; however many, they are one observation. ``rate`` · ``n_windows`` need not be
    whole: the ends are quantiles of the beta distribution. Reference: Clopper and Pearson (1934), Biometrika 26.
    """
    from scipy.special import betaincinv

    tail = (1.0 - probability("confidence_level", confidence_level)) / 2.0
    at_least("n_windows", n_windows, 1)
    hits = rate * n_windows
    low = 0.0 if hits <= 0.0 else float(betaincinv(hits, n_windows - hits + 1.0, tail))
    high = 1.0 if hits >= n_windows else float(betaincinv(hits + 1.0, n_windows - hits, 1.0 - tail))
    return low, high


def _by_method(parts: list[tuple[Replications, ...]]) -> dict[str, Replications]:
    methods = {row.method for part in parts for row in part}
    found = {}
    for method in sorted(methods):
        found[method] = pooled([row for part in parts for row in part if row.method == method])
    return found


def _some(again: Redraws, wanted: int, seed: int) -> Flags:
    """``wanted`` of the redraws: those sampled are already in random order, those listed are picked by the seed."""
    if not again.listed:
        return again.treated[:wanted]
    if len(again.treated) <= wanted:
        return again.treated
    order = np.argsort(np.random.PCG64(seed).random_raw(len(again.treated)), kind="stable")
    return again.treated[np.sort(order[:wanted])]


def _attained(alpha: float, table: UnitTable, shared: Redraws) -> float:
    """The largest share of draws that can be rejected at ``alpha``: whole draws, with their mirrors where these exist
    (one block, or blocks that all hold as many of the one as of the other)."""
    n = len(shared.treated) + (not shared.listed)
    pairs = 2 if shared.listed and all(c == t for c, t in table.arm_counts() if c and t) else 1
    return float(np.floor(alpha * n / pairs + 1e-9) * pairs / n)


def _mean_of_treated(table: UnitTable) -> float:
    """What the units that were picked would have without a lift: the effect of one is a share of theirs alone."""
    return table.mean(treated=True)


def _mean(table: UnitTable) -> float:
    moves = table.moves
    if table.weight is None:
        return float(table.y[moves].sum() / moves.sum())
    return float((table.weight[moves] * table.y[moves]).sum() / table.weight[moves].sum())
