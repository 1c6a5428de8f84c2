"""Callaway and Sant'Anna: averages of group-time effects over starts, periods or time since the start.

With p_g the share of units that started in g, the averages of ATT(g, t) over identified cells are

    simple    Σ_{t ≥ g} p_g ATT(g, t) / Σ_{t ≥ g} p_g                   every treated unit and period once
    group     θ_g = mean over t ≥ g;      overall Σ_g p_g θ_g / Σ_g p_g
    calendar  θ_t = Σ_{g ≤ t} p_g ATT(g, t) / Σ p_g;   overall mean over t
    dynamic   θ_e = Σ_g p_g ATT(g, g + e) / Σ p_g;     overall mean over e ≥ 0

Two errors. ``std_error`` is that of the influence function, which counts the shares p_g as estimated: √(mean ψ²/n),
used with the normal distribution, right for many units of every start. ``welch`` takes the numbers of units of each
start as they are; then the average is a sum over starts c of means of one number per unit, its variance is Σ_c s_c²/n_c
(s_c² with n_c − 1) and its degrees of freedom are Satterthwaite's: Welch's test carried over, for few units.
References: Callaway and Sant'Anna (2021), Journal of Econometrics 225; Roth and Sant'Anna (2023), JPE Microeconomics 1
(the second error).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.group_time import Cell, Controls, GroupTime, group_time
from experiments.estimate.simultaneous_band import Band, simultaneous_band
from experiments.estimate.unit_panel import Floats, Ints, UnitPanel
from experiments.messages import N_, Message

MANY = 20  # units of every start from which on the normal distribution serves


class Aggregation(StrEnum):
    """Over what group-time effects are averaged."""

    SIMPLE = "simple"
    GROUP = "group"
    CALENDAR = "calendar"
    DYNAMIC = "dynamic"


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """One average. ``position`` is the start, the period or the time since the start; ``label`` names it.

    ``std_error`` is the influence function's, ``welch`` the inference for few units, ``n_cells`` the group-time effects
    averaged, ``influence`` (U,) and ``loading`` (cells) what they were made of.
    """

    position: int
    label: str
    effect: float
    std_error: float
    welch: TInference
    n_cells: int
    influence: Floats
    loading: Floats

    @property
    def normal(self) -> TInference:
        """The influence function's error with the normal distribution."""
        return TInference(self.effect, self.std_error, math.inf)

    def to_dict(self) -> dict[str, object]:
        """JSON-able, without the influence function."""
        return {"at": self.label, "effect": self.effect, "std_error": self.std_error, "n_cells": self.n_cells}


@dataclass(frozen=True, slots=True, eq=False)
class Averages:
    """The overall average and, but for ``simple``, the ``parts`` it is made of (of ``dynamic`` also those before)."""

    aggregation: Aggregation
    overall: Effect
    parts: tuple[Effect, ...]
    small: bool

    def inference(self, effect: Effect | None = None) -> TInference:
        """The inference of ``effect`` (None: the overall one) that the numbers of units allow."""
        chosen = effect or self.overall
        return chosen.welch if self.small else chosen.normal

    def band(self, *, confidence_level: float, seed: int) -> Band:
        """The simultaneous band of the parts that have an error."""
        found = [self.inference(part) for part in self.parts]
        return simultaneous_band(
            np.array([one.effect for one in found]),
            np.array([one.std_error for one in found]),
            np.column_stack([part.influence for part in self.parts]),
            confidence_level=confidence_level,
            seed=seed,
            df=min(one.df for one in found),
        )


@dataclass(frozen=True, slots=True, eq=False)
class CallawaySantanna:
    """The group-time effects and their averages."""

    group_time: GroupTime
    small: bool

    def average(self, aggregation: Aggregation) -> Averages:
        """The group-time effects averaged as ``aggregation`` says."""
        return _AVERAGES[aggregation](self)

    @property
    def overall(self) -> Effect:
        """The simple average: every treated unit and period once."""
        return self.average(Aggregation.SIMPLE).overall

    @property
    def inference(self) -> TInference:
        """The inference of the simple average that the numbers of units allow: normal with 20 and more units of every
        start, Welch otherwise."""
        return self.average(Aggregation.SIMPLE).inference()


def callaway_santanna(panel: UnitPanel, *, controls: Controls = Controls.NOT_YET_TREATED) -> CallawaySantanna:
    """The group-time effects of ``panel`` with their averages.

    A start with a single unit has no variance; its unit is left out and named. Raises ``NotEstimable`` where nothing
    can be compared.
    """
    found = group_time(panel, controls=controls)
    sizes = np.unique(found.panel.first_treated, return_counts=True)[1]
    result = CallawaySantanna(found, small=int(sizes.min()) < MANY)
    if not result.inference.std_error > 0.0:
        raise NotEstimable(Message("no_variation", N_("every unit has the same value; nothing can be estimated"), {}))
    return result


def _simple(result: CallawaySantanna) -> Averages:
    overall = _weighted(result, _cells(result, lambda cell: cell.event >= 0), 0, "")
    return Averages(Aggregation.SIMPLE, overall, (), result.small)


def _group(result: CallawaySantanna) -> Averages:
    found = result.group_time
    parts = []
    for start in found.panel.starts:
        places = _cells(result, lambda cell, start=start: cell.start == start and cell.event >= 0)  # type: ignore[misc]  # a default argument
        if places:
            loading = _loading(found, places, np.full(len(places), 1.0 / len(places)))
            parts.append(_effect(found, start, found.panel.periods[start], loading, np.zeros(found.panel.n_units)))
    starts = np.array([part.position for part in parts])
    shares = _shares(found, starts)
    weights = shares / shares.sum()
    loading = np.einsum("p,pk->k", weights, np.array([part.loading for part in parts]))
    # the shares of the starts themselves (did's glist): did 2.1.2 indexed this term by cell, a slip mended since
    estimated = _share_influence(found, starts, np.array([part.effect for part in parts]))
    return Averages(Aggregation.GROUP, _effect(found, 0, "", loading, estimated), tuple(parts), result.small)


def _calendar(result: CallawaySantanna) -> Averages:
    periods = result.group_time.panel.periods
    return _by(
        result, Aggregation.CALENDAR, lambda cell: cell.period if cell.event >= 0 else None, lambda at: periods[at]
    )


def _dynamic(result: CallawaySantanna) -> Averages:
    return _by(result, Aggregation.DYNAMIC, lambda cell: cell.event, str)


_AVERAGES: dict[Aggregation, Callable[[CallawaySantanna], Averages]] = {
    Aggregation.SIMPLE: _simple,
    Aggregation.GROUP: _group,
    Aggregation.CALENDAR: _calendar,
    Aggregation.DYNAMIC: _dynamic,
}


def _by(
    result: CallawaySantanna,
    aggregation: Aggregation,
    key: Callable[[Cell], int | None],
    label: Callable[[int], str],
) -> Averages:
    """Cells averaged by their key, the overall effect the mean of the parts that lie after a start."""
    found = result.group_time
    keys = sorted({at for cell in found.cells if (at := key(cell)) is not None})
    parts = tuple(
        _weighted(result, [i for i, cell in enumerate(found.cells) if key(cell) == at], at, label(at)) for at in keys
    )
    after = [part for part in parts if aggregation is Aggregation.CALENDAR or part.position >= 0]
    loading = np.array([part.loading for part in after]).mean(axis=0)
    influence = np.array([part.influence for part in after]).mean(axis=0)
    overall = _effect(found, 0, "", loading, influence - _of_cells(found, loading))
    return Averages(aggregation, overall, parts, result.small)


def _cells(result: CallawaySantanna, wanted: Callable[[Cell], bool]) -> list[int]:
    return [i for i, cell in enumerate(result.group_time.cells) if wanted(cell)]


def _weighted(result: CallawaySantanna, places: Sequence[int], position: int, label: str) -> Effect:
    """The average of cells weighted by the share of units of their start."""
    found = result.group_time
    starts = np.array([found.cells[i].start for i in places])
    effects = np.array([found.cells[i].effect for i in places])
    shares = _shares(found, starts)
    loading = _loading(found, places, shares / shares.sum())
    return _effect(found, position, label, loading, _share_influence(found, starts, effects))


def _effect(found: GroupTime, position: int, label: str, loading: Floats, estimated: Floats) -> Effect:
    """The average with cell weights ``loading``; ``estimated`` (U,) is the influence of having estimated them."""
    effects = np.array([cell.effect for cell in found.cells])
    fixed = _of_cells(found, loading)
    influence = fixed + estimated
    effect = float((loading * effects).sum())
    return Effect(
        position,
        label,
        effect,
        float(np.sqrt((influence**2).mean() / found.panel.n_units)),
        welch_by_start(effect, fixed, found.panel.first_treated),
        int(np.count_nonzero(loading)),
        influence,
        loading,
    )


def welch_by_start(effect: float, influence: Floats, first_treated: Ints) -> TInference:
    """Σ_c s_c²/n_c over the starts c, from influence functions with fixed shares, with Satterthwaite's degrees of
    freedom."""
    _, start = np.unique(first_treated, return_inverse=True)
    sizes = np.bincount(start)
    centred = influence - (np.bincount(start, weights=influence) / sizes)[start]
    squares = np.bincount(start, weights=centred**2)
    free = np.maximum(sizes - 1, 1)
    variances = np.where(sizes > 1, sizes / free * squares, 0.0) / len(influence) ** 2
    total = float(variances.sum())
    df = total**2 / float((variances**2 / free).sum()) if total > 0.0 else float(free.sum())
    return TInference(effect, math.sqrt(total), df)


def _of_cells(found: GroupTime, loading: Floats) -> Floats:
    combined: Floats = np.einsum("nk,k->n", found.influence, loading)
    return combined


def _loading(found: GroupTime, places: Sequence[int], weights: Floats) -> Floats:
    loading = np.zeros(len(found.cells))
    loading[list(places)] = weights
    return loading


def _shares(found: GroupTime, starts: Ints) -> Floats:
    """p_g of each of ``starts``."""
    member = found.panel.first_treated[:, None] == starts[None, :]
    w = found.panel.unit_weights
    shares: Floats = (w[:, None] * member).sum(axis=0) / float(w.sum())
    return shares


def _share_influence(found: GroupTime, starts: Ints, effects: Floats) -> Floats:
    """The influence on Σ p_g θ_g / Σ p_g of the shares p_g having been estimated."""
    w = found.panel.unit_weights / found.panel.unit_weights.mean()
    member = found.panel.first_treated[:, None] == starts[None, :]
    deviation = w[:, None] * member - _shares(found, starts)[None, :]
    total = float(_shares(found, starts).sum())
    mean = float((_shares(found, starts) * effects).sum()) / total
    influence: Floats = np.einsum("nk,k->n", deviation, effects - mean) / total
    return influence
