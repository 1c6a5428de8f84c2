"""Interaction between groups of units: do the effects of K disjoint groups (regions, sizes) differ, by permutation?

With t̂ the treatment less its mean inside each cell (block and group), group g has the effect b_g = Σ t̂ y / Σ t̂² over
its units, with the squared error v_g = s_g² / Σ t̂² from its own residuals on n_g − cells − 1 degrees of freedom. The
statistic is Cochran's, Σ (b_g − b̄)² / v_g / (K − 1) with b̄ weighted by 1 / v_g, and its p-value the share of redraws
inside the cells whose statistic is at least the actual one. Under the hypothesis that the effect is the same in every
unit, whatever it is, y − b̄ t is what would have been without treatment; the statistic does not change when a common
effect is added, so redraws are read on y − b̄ t. b̄ is estimated, so the level is approximate: ``docs/methods``
has how often it errs. Reference: Cochran (1954), Biometrics 10.
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.interaction import InteractionTest
from experiments.estimate.redraws import Redraws
from experiments.estimate.unit_table import Flags, Floats, Ints
from experiments.messages import N_, Message

_TIE = 1e-9
_NEGLIGIBLE = 1e-12
_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class _Effects:
    """The common effect and the statistic of each draw (R)."""

    mean: Floats
    statistic: Floats


def groups_differ(values: Floats, treated: Floats, cell: Ints, group: Ints, redraws: Redraws) -> InteractionTest:
    """The test for groups of units. ``values``, ``treated`` (0/1), ``cell`` and ``group`` (both from 0) have one entry
    per unit; a cell lies in one group. ``redraws`` are of these units inside these cells.

    Raises ``NotEstimable`` with fewer than two groups, where a group has no cell with both arms, and where no degree of
    freedom is left.
    """
    y, t = np.asarray(values, dtype=np.float64), np.asarray(treated, dtype=np.float64)
    if redraws.treated.shape[1] != len(y):
        raise InvalidNumber(name="redraws", value=redraws.treated.shape[1], must_be=f"of the {len(y)} units")
    k = int(group.max()) + 1
    if k < 2:
        raise NotEstimable(Message("too_few_groups", N_("{n} groups are too few to compare; two are needed"), {"n": k}))
    y = y - (np.bincount(cell, weights=y) / np.bincount(cell))[cell]
    hat = _centred(t[None, :], cell)
    length = _by_group(hat * hat, group, k)
    cells = np.array([len(np.unique(cell[group == g])) for g in range(k)])
    df: Ints = np.bincount(group, minlength=k) - cells - 1
    if int(df.min()) < 1 or not bool((length > _NEGLIGIBLE).all()):
        raise NotEstimable(
            Message(
                "too_few_units_for_groups",
                N_("{n} units are too few to compare the effects of {k} groups: each needs both arms and two more"),
                {"n": len(y), "k": k},
            )
        )
    common = _effects(y, hat, group, k, df).mean[0]
    y = y - common * hat[0]
    actual = float(_effects(y, hat, group, k, df).statistic[0])
    found = np.concatenate(
        [
            _effects(y, _centred(redraws.treated[start : start + _ROWS_AT_ONCE], cell), group, k, df).statistic
            for start in range(0, len(redraws.treated), _ROWS_AT_ONCE)
        ]
    )
    as_far = int((found >= actual * (1.0 - _TIE)).sum())
    p_value = as_far / len(found) if redraws.listed else (1 + as_far) / (1 + len(found))
    return InteractionTest(actual, k - 1, float(df.sum()), p_value, "permutation")


def _effects(y: Floats, hat: Floats, group: Ints, k: int, df: Ints) -> _Effects:
    length = _by_group(hat * hat, group, k)
    effect = _by_group(hat * y, group, k) / length
    squares = np.array([float((y[group == g] ** 2).sum()) for g in range(k)])
    weight = length / np.maximum((squares - length * effect**2) / df, _NEGLIGIBLE * max(float(squares.sum()), 1e-300))
    mean = (weight * effect).sum(axis=1) / weight.sum(axis=1)
    return _Effects(mean, (weight * (effect - mean[:, None]) ** 2).sum(axis=1) / (k - 1))


def _centred(draws: Floats | Flags, cell: Ints) -> Floats:
    """(R × n) each draw less its means inside cells."""
    blocks = (cell[:, None] == np.arange(int(cell.max()) + 1)).astype(np.float64)
    rows = np.asarray(draws, dtype=np.float64)
    means = np.einsum("ri,ib->rb", rows, blocks) / blocks.sum(axis=0)
    found: Floats = rows - means[:, cell]
    return found


def _by_group(values: Floats, group: Ints, k: int) -> Floats:
    """(R × K) sums over the units of each group."""
    return np.column_stack([values[:, group == g].sum(axis=1) for g in range(k)])
