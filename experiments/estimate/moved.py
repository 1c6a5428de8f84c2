"""Sales that moved between arms: the effect on what treated-home customers buy in control stores.

For home unit i let o_i = Σ_j m_ij over the *other* control units j: what its customers spent there, per store-week of
their home, and p_i the same before the start. The statistic is the coefficient of t in the regression of o on t, p and
blocks. Which cells it adds up depends on the draw, so both o and p are taken anew from the matrix for every redraw. A
treated home has one control unit more to go to than a control home, and paired stores may be near each other: so the
mean over redraws, which has the same structure, is taken off. With b_r the coefficient of redraw r on the matrix and
a_r the one on the cells to which an effect of 1 would have added, the effect is (b − b̄) / (1 − ā), and everything
follows as for any permutation (``permutation``), assuming the same addition to every treated home.
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.arm_errors import Draws
from experiments.estimate.permutation import PermutationInference
from experiments.estimate.redraws import Redraws
from experiments.estimate.unit_table import Flags, Floats, Ints
from experiments.messages import N_, Message

_CHUNK = 2_000
_SPARE = 2  # degrees of freedom that the covariate must leave
_NEGLIGIBLE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Crossings:
    """Who bought where: ``window`` and ``before`` (n × n), rows homes, columns visited units, both per store-week of
    the home unit; ``treated`` (n) flags and ``block`` (n) from 0."""

    window: Floats
    before: Floats
    treated: Flags
    block: Ints

    def __post_init__(self) -> None:
        n = len(self.treated)
        for name in ("window", "before"):
            matrix: Floats = getattr(self, name)
            if matrix.shape != (n, n) or not np.isfinite(matrix).all():
                raise InvalidNumber(name=name, value=str(matrix.shape), must_be=f"{n} × {n} finite numbers")

    @property
    def mean_of_treated(self) -> float:
        """What a treated home spent in control units, per store-week."""
        to_control = self.window @ (~self.treated).astype(np.float64)
        return float(to_control[self.treated].mean())


def moved(crossings: Crossings, redraws: Redraws) -> PermutationInference:
    """The effect per store-week of a treated home, with the p-value and the intervals of its permutation.

    Raises ``NotEstimable`` where nobody buys in a control unit that is not the own, or the units are too few.
    """
    actual, treated = crossings.treated[None, :], crossings.treated
    n, n_blocks = len(treated), int(crossings.block.max()) + 1
    if n - n_blocks - 1 < 1:
        raise NotEstimable(Message("too_few_units_to_move", N_("{n} units are too few to see sales move"), {"n": n}))
    window, before = _elsewhere(crossings.window), _elsewhere(crossings.before)
    if not window.any():
        raise NotEstimable(Message("nobody_crosses", N_("no listed customer bought in another unit"), {}))
    adjust = n - n_blocks - 2 >= _SPARE and bool(before.any())
    rows = np.concatenate([actual, redraws.treated])
    parts = [
        _coefficients(rows[start : start + _CHUNK], window, before if adjust else None, treated, crossings.block)
        for start in range(0, len(rows), _CHUNK)
    ]
    b, a = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    tied = np.asarray((rows == actual).all(axis=1))
    if redraws.listed:  # the actual draw is one of them
        b, a, tied = b[1:], a[1:], tied[1:]
        own = int(np.flatnonzero(tied)[0])
        b_actual = float(b[own])
    else:
        b_actual = float(b[0])
    scale = 1.0 - float(a.mean())
    if not scale > _NEGLIGIBLE or not float(np.ptp(b)) > 0.0:
        raise NotEstimable(Message("too_few_units_to_move", N_("{n} units are too few to see sales move"), {"n": n}))
    draws = Draws((b - b.mean()) / scale, (a - a.mean()) / scale, None)
    effect = Draws(np.array([(b_actual - b.mean()) / scale]), np.ones(1), None)
    spread = float(np.sqrt(np.mean(draws.b**2)))
    return PermutationInference(draws, effect, tied, redraws.listed, spread, float(np.abs(window).max()))


def _elsewhere(matrix: Floats) -> Floats:
    """Without what customers bought at home."""
    return np.asarray(matrix * (1.0 - np.eye(len(matrix))))


def _coefficients(
    rows: Flags, window: Floats, before: Floats | None, treated: Flags, block: Ints
) -> tuple[Floats, Floats]:
    """(R) the coefficient of each draw on what is in the matrix, and on the cells to which an effect of 1 adds."""
    control = (~rows).astype(np.float64)
    sizes = np.bincount(block).astype(np.float64)
    member = (block[:, None] == np.arange(len(sizes))[None, :]).astype(np.float64)

    def within(values: Floats) -> Floats:
        means = (values @ member) / sizes
        return np.asarray(values - means[:, block])

    t = within(rows.astype(np.float64))
    if before is not None:
        p = within(control @ before.T)
        spread = (p * p).sum(axis=1)
        slope = np.where(spread > 0.0, (t * p).sum(axis=1) / np.where(spread > 0.0, spread, 1.0), 0.0)
        t = t - slope[:, None] * p
    left = (t * rows).sum(axis=1)
    was_control = (~treated).astype(np.float64)
    reached = (control @ was_control) / was_control.sum()  # of the control units that the effect was spread over
    added = reached[:, None] * treated[None, :]
    usable = left > _NEGLIGIBLE
    left = np.where(usable, left, 1.0)
    b, a = (t * (control @ window.T)).sum(axis=1) / left, (t * added).sum(axis=1) / left
    return np.where(usable, b, 0.0), np.where(usable, a, 0.0)
