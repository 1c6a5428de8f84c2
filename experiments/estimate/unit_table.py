"""The table that unit-level estimates start from: value, covariates, arm, block and weight per unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.design.mechanisms import CONTROL, Mechanism, MechanismKind
from experiments.errors import DuplicateUnit, InvalidNumber, NotEstimable, UnknownUnit, UnknownVariant
from experiments.measure.metrics import Metric
from experiments.measure.unit_moments import UnitMoments
from experiments.messages import N_, Message

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class UnitTable:
    """Units of one variant and control, in sorted order inside the blocks, and of other variants that stand by.

    ``y`` (n) is the value in the window, ``treated`` (n) 1 for the variant and 0 otherwise, ``block`` (n) numbers the
    blocks from 0, ``covariates`` (n × k, k may be 0) are values from before the start. ``bystanders`` (n × m, m may
    be 0) are indicators of the other variants: their units hold blocks and covariates, but never move. ``weight`` (n)
    is what a unit counts in the rows estimand, the sum of the weights of its rows; None: every unit counts once.
    ``lost`` are drawn units without data, ``partners`` the units that left with them because their pair was broken.
    """

    units: tuple[str, ...]
    y: Floats
    treated: Floats
    block: Ints
    covariates: Floats
    bystanders: Floats
    weight: Floats | None
    n_rows: int
    lost: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.units)
        if len(set(self.units)) != n:
            raise DuplicateUnit(unit=next(u for u in self.units if self.units.count(u) > 1))
        for name in ("y", "treated", "block", "weight"):
            values: npt.NDArray[Any] | None = getattr(self, name)
            if values is not None and (values.shape != (n,) or not np.isfinite(values).all()):
                raise InvalidNumber(name=name, value=str(values), must_be=f"{n} finite numbers, one per unit")
        for name in ("covariates", "bystanders"):
            matrix: Floats = getattr(self, name)
            if matrix.ndim != 2 or len(matrix) != n or not np.isfinite(matrix).all():
                raise InvalidNumber(name=name, value=str(matrix), must_be=f"finite columns of {n} numbers")
        if self.weight is not None and not bool((self.weight > 0.0).all()):
            raise InvalidNumber(name="weight", value=str(self.weight), must_be="positive")

    @property
    def moves(self) -> Flags:
        """(n) whether the unit belongs to one of the two variants of the contrast."""
        return np.asarray(~self.bystanders.any(axis=1), dtype=np.bool_)

    @property
    def n_units(self) -> int:
        """The number of units of the two variants."""
        return int(np.count_nonzero(self.moves))

    @property
    def n_blocks(self) -> int:
        """The number of blocks."""
        return int(self.block.max()) + 1 if len(self.block) else 0

    def mean(self, treated: bool) -> float:
        """The (weighted) mean of the units' values in one of the two arms."""
        rows = self.moves & (self.treated == float(treated))
        values = self.y[rows]
        if self.weight is None:
            return float(values.sum() / len(values))
        return float((self.weight[rows] * values).sum() / self.weight[rows].sum())

    def arm_counts(self) -> list[tuple[int, int]]:
        """(control units, treated units) of each block."""
        sizes = np.bincount(self.block[self.moves], minlength=self.n_blocks)
        treated = np.bincount(self.block[self.treated == 1.0], minlength=self.n_blocks)
        return [(int(size - n), int(n)) for size, n in zip(sizes, treated, strict=True)]

    def smaller_arm(self) -> int:
        """Units of the smaller arm, counting only blocks that hold both arms."""
        mixed = [(c, t) for c, t in self.arm_counts() if c and t]
        return min(sum(c for c, _ in mixed), sum(t for _, t in mixed))


def columns(n: int, *values: Floats) -> Floats:
    """``values`` side by side as an n × k matrix; without any of them n × 0."""
    return np.column_stack(values) if values else np.zeros((n, 0))


def unit_table(
    metric: Metric,
    moments: Sequence[UnitMoments],
    *,
    mechanism: Mechanism,
    assignment: Mapping[str, str],
    variant: str,
    keep_partners: bool = False,
) -> UnitTable:
    """The table of ``variant`` against control on the units of their own draw.

    A drawn unit without moments, or with nothing to divide by, is lost: of a matched pair its partner leaves too
    (both are named), unless ``keep_partners`` asks for the sensitivity analysis without pairs. The covariate is the
    metric before the start; it is left out where some unit has none, and where it does not vary. Raises
    ``UnknownVariant``, ``UnknownUnit``, ``DuplicateUnit``, and ``NotEstimable`` when an arm is empty.
    """
    if variant not in mechanism.treated_variants:
        raise UnknownVariant(variant=variant, variants=", ".join(mechanism.treated_variants))
    by_unit = _by_unit(moments, assignment)
    paired = mechanism.kind is MechanismKind.MATCHED_PAIRS
    kept: list[str] = []
    blocks: list[int] = []
    lost: list[str] = []
    partners: list[str] = []
    number = 0
    for codes in mechanism.blocks:
        drawn = sorted(code for code in codes if assignment.get(code) in (CONTROL, variant))
        usable = [code for code in drawn if code in by_unit and by_unit[code].n > 0]
        lost += [code for code in drawn if code not in usable]
        if paired and not keep_partners and 0 < len(usable) < len(drawn):
            partners += usable
            continue
        if usable:
            kept += usable
            blocks += [0 if keep_partners else number] * len(usable)
            number += 1
    treated = np.array([float(assignment[code] == variant) for code in kept])
    _require_both_arms(metric, variant, treated)
    rows = [by_unit[code] for code in kept]
    return UnitTable(
        units=tuple(kept),
        y=np.array([metric.value(row) for row in rows]),
        treated=treated,
        block=np.array(blocks, dtype=np.int64),
        covariates=columns(len(rows), *_baseline(metric, rows)),
        bystanders=columns(len(rows)),
        weight=None,
        n_rows=sum(row.n for row in rows),
        lost=tuple(lost),
        partners=tuple(partners),
    )


def _by_unit(moments: Sequence[UnitMoments], assignment: Mapping[str, str]) -> dict[str, UnitMoments]:
    by_unit: dict[str, UnitMoments] = {}
    for row in moments:
        if row.unit in by_unit:
            raise DuplicateUnit(unit=row.unit)
        if row.unit not in assignment:
            raise UnknownUnit(unit=row.unit)
        by_unit[row.unit] = row
    return by_unit


def _baseline(metric: Metric, rows: Sequence[UnitMoments]) -> tuple[Floats, ...]:
    if any(row.n_x == 0 for row in rows):
        return ()
    return (np.array([metric.baseline(row) for row in rows]),)


def _require_both_arms(metric: Metric, variant: str, treated: Floats) -> None:
    n_treated = int(treated.sum())
    n_control = len(treated) - n_treated
    if min(n_treated, n_control) == 0:
        raise NotEstimable(
            Message(
                "empty_arm",
                N_(
                    "{metric}: {n_variant} units of {variant} and {n_control} of control have data; "
                    "each arm needs at least one"
                ),
                {"metric": metric.code, "variant": variant, "n_variant": n_treated, "n_control": n_control},
            )
        )
