"""Imputation: what treated units would have been without treatment, predicted from untreated cells alone.

Unit and period effects are fitted by least squares to the untreated cells only (never treated, and not yet treated);
τ̂_it = y_it − α̂_i − λ̂_t for every treated cell; the estimate is Σ w_it τ̂_it, the mean over treated cells (``overall``)
or over those e periods after their start (``event_times``). It is linear in y, Σ v_it y_it, and its conservative error,
clustered by unit, is

    σ̂² = Σ_i (Σ_t v_it ε̃_it)²,   ε̃ = y − α̂ − λ̂ where untreated, τ̂_it − τ̃_gt where treated,
    τ̃_gt = Σ v² τ̂ / Σ v² over the units of one start in one period

With few units of a start each unit's τ̃ leaves the unit itself out, and Student's t has Satterthwaite's degrees of
freedom over the starts. Assumes additive unit and period effects without treatment and no anticipation. A cell whose
unit has no untreated period, or whose period has no untreated unit to tie it to, is not identified, and named.
Reference: Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91.
"""

import math
from dataclasses import dataclass

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.callaway_santanna import MANY
from experiments.estimate.estimate import TInference
from experiments.estimate.two_way_effects import TwoWayEffects
from experiments.estimate.unit_panel import NEVER, Bools, Floats, Ints, LeftOut, UnitPanel
from experiments.messages import N_, Message


@dataclass(frozen=True, slots=True, eq=False)
class Imputed:
    """The mean effect over ``n_cells`` treated cells, ``event`` periods after the start (None: all); ``weights`` (U, T)
    are v, so that ``effect`` = Σ v y."""

    event: int | None
    effect: float
    std_error: float
    df: float
    n_cells: int
    weights: Floats

    @property
    def inference(self) -> TInference:
        """Normal (``df`` infinite) with 20 and more units of every start, else Student's t."""
        return TInference(self.effect, self.std_error, self.df)


@dataclass(frozen=True, slots=True, eq=False)
class Imputation:
    """``effects`` (U, T) are the τ̂_it, NaN where untreated or unidentified; ``unidentified`` names (unit, period)."""

    panel: UnitPanel
    overall: Imputed
    event_times: tuple[Imputed, ...]
    effects: Floats
    unidentified: tuple[tuple[str, str], ...]
    left_out: LeftOut


def imputation(panel: UnitPanel, *, leave_out: bool | None = None) -> Imputation:
    """The imputation estimate of ``panel``; missing cells are allowed, every unit counts by its treated cells.

    A unit that is the only one of its start is left out and named (its error cannot be told). ``leave_out`` chooses
    the error for few units (None: where some start has under 20). Raises ``NotEstimable`` when no treated cell is
    identified.
    """
    kept, left_out = _without_single(panel)
    observed = np.isfinite(kept.y)
    treated = kept.treated & observed
    model = TwoWayEffects(observed & ~kept.treated)
    known = treated & model.determined
    if not known.any():
        raise NotEstimable(
            Message(
                "no_untreated_cell", N_("no treated period can be predicted from untreated ones; nothing is left"), {}
            )
        )
    y = np.where(observed, kept.y, 0.0)
    fit = model.fitted(y)
    effects = np.where(known, y - np.where(known, fit, 0.0), np.nan)
    residual = model.residual(y)
    sizes = np.unique(kept.first_treated, return_counts=True)[1]
    few = int(sizes.min()) < MANY if leave_out is None else leave_out
    event = np.arange(kept.n_periods)[None, :] - kept.first_treated[:, None]

    def mean_over(cells: Bools, at: int | None) -> Imputed:
        w = cells / np.count_nonzero(cells)
        v = w - model.prediction_weights(w)
        score = (v * (residual + _around_start(effects, v * known, kept.first_treated, few))).sum(axis=1)
        variance, df = _clustered(score, kept.first_treated)
        effect = float(np.where(cells, effects, 0.0).sum() / np.count_nonzero(cells))
        return Imputed(at, effect, math.sqrt(variance), df if few else math.inf, int(np.count_nonzero(cells)), v)

    overall = mean_over(known, None)
    if not overall.std_error > 0.0:
        raise NotEstimable(Message("no_variation", N_("every unit has the same value; nothing can be estimated"), {}))
    times = sorted(int(e) for e in np.unique(event[known]))
    parts = tuple(mean_over(known & (event == e), e) for e in times)
    lost = treated & ~known
    unidentified = tuple((kept.units[i], kept.periods[t]) for i, t in zip(*np.nonzero(lost), strict=True))
    return Imputation(kept, overall, parts, effects, unidentified, left_out)


def _without_single(panel: UnitPanel) -> tuple[UnitPanel, LeftOut]:
    """Leave out units without any value, always treated ones, and those alone in their start."""
    observed: Bools = np.isfinite(panel.y)
    empty = np.asarray(~observed.any(axis=1), dtype=np.bool_)
    always = ~empty & ~(observed & ~panel.treated).any(axis=1)
    kept = ~empty & ~always
    alone = np.zeros(panel.n_units, dtype=np.bool_)
    starts, place, sizes = np.unique(panel.first_treated[kept], return_inverse=True, return_counts=True)
    alone[kept] = (sizes[place] == 1) & (starts[place] != NEVER)
    kept = kept & ~alone

    def named(chosen: Bools) -> tuple[str, ...]:
        return tuple(u for u, flag in zip(panel.units, chosen, strict=True) if flag)

    return panel.keep(kept), LeftOut(named(empty), named(always), named(alone))


def _around_start(effects: Floats, v: Floats, first_treated: Ints, leave_out: bool) -> Floats:
    """τ̂ − τ̃ of every treated cell with v ≠ 0, 0 elsewhere; τ̃ by start and period, the unit itself left out or not."""
    _, start = np.unique(first_treated, return_inverse=True)
    n_starts = int(start.max()) + 1
    squares, known = v**2, np.nan_to_num(effects)
    total, weighted = np.zeros((n_starts, v.shape[1])), np.zeros((n_starts, v.shape[1]))
    np.add.at(total, start, squares)
    np.add.at(weighted, start, squares * known)
    mean = np.divide(weighted, total, out=np.zeros_like(total), where=total > 0)
    deviation = np.where(v != 0.0, known - mean[start], 0.0)
    if not leave_out:
        return deviation
    own = np.divide(squares, total[start], out=np.zeros_like(squares), where=total[start] > 0)
    # τ̂ − τ̃ without the unit = (τ̂ − τ̃) / (1 − its share of the weight); a cell on its own keeps its deviation of 0
    return np.divide(deviation, 1.0 - own, out=np.zeros_like(deviation), where=own < 1.0 - 1e-12)


def _clustered(score: Floats, first_treated: Ints) -> tuple[float, float]:
    """Σ_i score_i² and Satterthwaite's degrees of freedom over the starts."""
    _, start = np.unique(first_treated, return_inverse=True)
    parts = np.bincount(start, weights=score**2)
    free = np.maximum(np.bincount(start) - 1, 1)
    total = float(parts.sum())
    return total, total**2 / float((parts**2 / free).sum()) if total > 0.0 else float(free.sum())
