"""Group-time effects: for every start and period, the change against units that were treated in neither period.

For the units first treated in period g and a period t with base b (g − 1 for t ≥ g, t − 1 before: each early cell is
one step of the pre-trend):

    ATT(g, t) = mean of (Y_t − Y_b) over units that started in g − the same over the controls

Controls never start (``never_treated``) or start only after t and b (``not_yet_treated``, those never treated
included). With covariates the difference is doubly robust. ψ_i is the influence function on all n units: ATT − truth ≈
mean ψ_i, the error √(mean ψ²/n). Assumes parallel trends (given covariates), no anticipation, and independent units.
Reference: Callaway and Sant'Anna (2021), Journal of Econometrics 225.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.doubly_robust import Separated, TwoByTwo, doubly_robust
from experiments.estimate.unit_panel import NEVER, Bools, Floats, Ints, LeftOut, UnitPanel, usable
from experiments.messages import N_, Message


class Controls(StrEnum):
    """Whom the treated are compared with."""

    NEVER_TREATED = "never_treated"
    NOT_YET_TREATED = "not_yet_treated"


@dataclass(frozen=True, slots=True)
class Cell:
    """The effect on the units that started at position ``start``, in period ``period`` against period ``base``."""

    start: int
    period: int
    base: int
    effect: float
    std_error: float
    n_treated: int
    n_control: int

    @property
    def event(self) -> int:
        """Periods since the start; negative before it."""
        return self.period - self.start


@dataclass(frozen=True, slots=True)
class Unidentified:
    """A start and period without an effect: no control is left (``no_control``), or the covariates leave none that is
    comparable (``no_overlap``)."""

    start: int
    period: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class GroupTime:
    """All cells of ``panel`` (the units that could be used) and their influence functions ``influence`` (U, cells)."""

    panel: UnitPanel
    controls: Controls
    cells: tuple[Cell, ...]
    influence: Floats
    unidentified: tuple[Unidentified, ...]
    left_out: LeftOut

    @property
    def unidentified_after_start(self) -> tuple[Unidentified, ...]:
        """The unidentified cells that an average over treated periods must do without."""
        return tuple(cell for cell in self.unidentified if cell.period >= cell.start)


def group_time(panel: UnitPanel, *, controls: Controls, keep_alone: bool = False) -> GroupTime:
    """The group-time effects of ``panel``; covariates in the panel make them doubly robust.

    Raises ``NotEstimable`` when no cell after a start has a control.
    """
    kept, left_out = usable(panel, keep_alone=keep_alone)
    cells: list[Cell] = []
    columns: list[Floats] = []
    unidentified: list[Unidentified] = []
    for start, period, base in cell_periods(kept.starts, kept.n_periods):
        treated = kept.first_treated == start
        control = controls_of(kept.first_treated, start, max(period, base), controls)
        if not control.any():
            unidentified.append(Unidentified(start, period, "no_control"))
            continue
        try:
            found = _two_by_two(kept, kept.y[:, period] - kept.y[:, base], treated, control)
        except Separated:
            unidentified.append(Unidentified(start, period, "no_overlap"))
            continue
        error = float(np.sqrt((found.influence**2).mean() / kept.n_units))
        counts = int(np.count_nonzero(treated)), int(np.count_nonzero(control))
        cells.append(Cell(start, period, base, found.effect, error, *counts))
        columns.append(found.influence)
    if not any(cell.event >= 0 for cell in cells):
        raise NotEstimable(
            Message(
                "no_untreated_control",
                N_("in no period after a start is there a unit still untreated to compare with ({controls})"),
                {"controls": controls.value},
            )
        )
    return GroupTime(kept, controls, tuple(cells), np.column_stack(columns), tuple(unidentified), left_out)


def cell_periods(starts: tuple[int, ...], n_periods: int) -> list[tuple[int, int, int]]:
    """(start, period, base) of every cell: base is the period before the start, or before the start the one before."""
    return [(g, t, g - 1 if t >= g else t - 1) for g in starts for t in range(1, n_periods)]


def controls_of(first_treated: Ints, start: int, last: int, controls: Controls) -> Bools:
    """Which units (or starts) are controls of ``start`` in cells whose last period is ``last``."""
    never: Bools = first_treated == NEVER
    if controls is Controls.NEVER_TREATED:
        return never
    later: Bools = (first_treated > last) & (first_treated != start)
    return np.logical_or(never, later)


def _two_by_two(panel: UnitPanel, change: Floats, treated: Bools, control: Bools) -> TwoByTwo:
    """The difference of the changes and its influence function on all units of the panel."""
    w = panel.unit_weights
    if panel.covariates is not None and panel.covariates.shape[1] > 0:
        used = treated | control
        part = doubly_robust(change[used], treated[used], panel.covariates[used], w[used])
        influence = np.zeros(panel.n_units)
        influence[used] = part.influence * (panel.n_units / np.count_nonzero(used))
        return TwoByTwo(part.effect, influence)
    share1, share0 = (w * group / float((w * group).sum()) for group in (treated, control))
    mean1, mean0 = float((share1 * change).sum()), float((share0 * change).sum())
    influence = panel.n_units * (share1 * (change - mean1) - share0 * (change - mean0))
    return TwoByTwo(mean1 - mean0, influence)
