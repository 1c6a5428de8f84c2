"""Max-T: p-values of several variants against one control, adjusted over joint redraws of the recorded mechanism.

For a set S of variants, "no variant of S does anything" lets the units of S and control change places inside blocks
while the other variants stand by. The largest |score| over S of each such redraw gives the p-value of the set; the
adjusted p-value of a variant is the largest p-value of all sets that hold it (closed testing), so the chance of one
false claim is held whatever the other variants do, and it is never below the variant's own p-value. All variants are
in one regression with blocks and covariates; the score is that of the studentised permutation (``arm_errors``).
References: Westfall and Young (1993), Resampling-Based Multiple Testing; Marcus, Peritz and Gabriel (1976), Biometrika
63 (closed testing).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from experiments.checks import at_least
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.arm_errors import normal_score
from experiments.estimate.joint_redraws import joint_redraws
from experiments.estimate.redraws import DEFAULT_DRAWS
from experiments.estimate.unit_means import Nuisance, nuisance_of
from experiments.estimate.unit_table import Flags, Floats, Ints
from experiments.messages import N_, Message

MOST_VARIANTS = 6
_TIE = 1e-9
_CHUNK = 200  # redraws whose arrays stay in the cache

AcceptLabels = Callable[[Ints], Flags]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The units of all arms: ``label`` (n) 0 for control and 1 … V for the variants, values, blocks and covariates as
    in ``UnitTable``."""

    y: Floats
    label: Ints
    block: Ints
    covariates: Floats
    weight: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.y)
        if any(len(values) != n for values in (self.label, self.block, self.covariates)):
            raise InvalidNumber(name="labels", value="of differing length", must_be=f"{n} units each")
        present = np.unique(self.label)
        if not np.array_equal(present, np.arange(len(present))):
            raise InvalidNumber(name="label", value=str(present), must_be="0 for control and 1, 2, … for the variants")

    @property
    def n_variants(self) -> int:
        """The number of variants besides control."""
        return int(self.label.max())


def max_t(
    labels: Labels,
    p_values: Sequence[float],
    *,
    seed: int,
    draws: int = DEFAULT_DRAWS,
    studentise: bool = True,
    accept: AcceptLabels | None = None,
) -> tuple[float, ...]:
    """The adjusted p-value of each variant, in the order of ``p_values``, their own p-values by permutation.

    ``studentise`` False divides by the pooled error: where an arm has under three units. ``accept`` is the rule of a
    rerandomised draw over rows of labels. Raises ``InvalidNumber`` for p-values that do not fit the labels,
    ``NotEstimable`` for more than six variants (adjust by Holm) and where a variant cannot be told from the blocks.
    """
    at_least("seed", seed, 0)
    at_least("draws", draws, 99)
    variants = range(1, labels.n_variants + 1)
    if len(p_values) != labels.n_variants or not all(0.0 <= p <= 1.0 for p in p_values):
        raise InvalidNumber(name="p_values", value=str(list(p_values)), must_be="one p-value for each variant")
    if labels.n_variants > MOST_VARIANTS:
        raise NotEstimable(
            Message("too_many_variants", N_("{n} variants are too many for joint redraws"), {"n": labels.n_variants})
        )
    adjusted = list(p_values)
    nuisance = nuisance_of(labels.block, labels.covariates, labels.weight)
    actual = _scores(labels, nuisance, labels.label[None, :], studentise)[0]
    for size in range(2, labels.n_variants + 1):
        for group in combinations(variants, size):
            p = _p_of(labels, nuisance, actual, group, seed, draws, studentise, accept)
            for variant in group:
                adjusted[variant - 1] = max(adjusted[variant - 1], p)
    return tuple(adjusted)


def _p_of(
    labels: Labels, nuisance: Nuisance, actual: Floats, group: tuple[int, ...], seed: int, draws: int,
    studentise: bool, accept: AcceptLabels | None,
) -> float:  # fmt: skip
    """The p-value of "no variant of ``group`` does anything": the share of joint redraws with as large a maximum."""
    moves = np.isin(labels.label, (0, *group))
    found = joint_redraws(labels.label, labels.block, moves, seed=seed, draws=draws, accept=accept)
    columns = [variant - 1 for variant in group]
    largest = np.abs(actual[columns]).max()
    hits = sum(
        int(np.count_nonzero(np.abs(_scores(labels, nuisance, rows, studentise)[:, columns]).max(axis=1)
                             >= largest * (1.0 - _TIE)))
        for rows in _parts(found.labels)
    )  # fmt: skip
    return hits / len(found.labels) if found.listed else (1 + hits) / (1 + len(found.labels))


def _parts(rows: Ints) -> Iterator[Ints]:
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]


def _scores(labels: Labels, nuisance: Nuisance, rows: Ints, studentise: bool) -> Floats:
    """(R × V) the score of every variant in the regression that holds all of them, for each row of labels (R × n)."""
    y = nuisance.out_of(labels.y)
    arms = np.arange(labels.n_variants + 1)
    is_arm = (rows[:, None, :] == arms[:, None]).astype(np.float64)  # R × (V + 1) × n
    t = _out_of(nuisance, is_arm[:, 1:])
    inner = np.einsum("rvn,rwn->rvw", t, t)
    smallest = np.linalg.eigvalsh(inner)[:, 0]
    if not (smallest > _TIE * inner.trace(axis1=1, axis2=2)).all():
        raise NotEstimable(
            Message("variants_confounded", N_("a variant cannot be told from the blocks in every redraw"), {})
        )
    bread = np.linalg.inv(inner)
    b = np.einsum("rvw,rwn,n->rv", bread, t, y)
    loading = np.einsum("rvw,rwn->rvn", bread, t)  # b = loading y
    residual = y - np.einsum("rv,rvn->rn", b, t)
    slack = 1.0 - nuisance.leverage - np.einsum("rvn,rvn->rn", loading, t)
    if not studentise:
        df = max(len(y) - len(nuisance.block_weight) - nuisance.basis.shape[1] - t.shape[1], 1)
        variance = (residual**2).sum(axis=1)[:, None] / df * bread.diagonal(axis1=1, axis2=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.nan_to_num(b / np.sqrt(variance), nan=0.0, posinf=np.inf, neginf=-np.inf))
    arm_df = np.einsum("ran,rn->ra", is_arm, slack)
    spread = np.einsum("ran,rn->ra", is_arm, residual**2) / np.maximum(arm_df, _TIE)
    share = np.einsum("ran,rvn->rva", is_arm, loading**2) * spread[:, None, :]  # what each arm adds to the variance
    variance = share.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):  # no spread in any arm: the score is 0 or infinite
        df = variance**2 / (share**2 / (arm_df + 2.0)[:, None, :]).sum(axis=2)
    return normal_score(b, variance, df)


def _out_of(nuisance: Nuisance, columns: Floats) -> Floats:
    """√w times indicator ``columns`` (R × V × n) with the nuisance columns taken out."""
    weight, totals = nuisance.root**2, nuisance.block_weight
    in_block = (nuisance.block[:, None] == np.arange(len(totals))).astype(np.float64)
    means = np.einsum("rvn,nb->rvb", columns, weight[:, None] * (in_block / totals), optimize=False)
    hats = nuisance.root * (columns - means[:, :, nuisance.block])
    for column in nuisance.basis.T:
        hats = hats - np.einsum("rvn,n->rv", hats, column)[:, :, None] * column
    return np.asarray(hats)
