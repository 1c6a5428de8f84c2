"""The analysed table as arrays: rows, the units above them, variants, blocks, periods, and every number of the plan."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = -1


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """A column of labels: ``names`` sorted, ``codes`` (N,) the position of each row's label in them."""

    names: tuple[str, ...]
    codes: Ints

    def is_label(self, name: str) -> Bools:
        """(N,) whether the row carries ``name``."""
        found: Bools = self.codes == self.names.index(name)
        return found


class RowNumbers(Sequence[str]):
    """The names of units that are rows: their numbers from 1, as text, made only when asked for."""

    def __init__(self, numbers: Ints) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "RowNumbers": ...
    def __getitem__(self, place: int | slice) -> "str | RowNumbers":
        if isinstance(place, slice):
            return RowNumbers(self._numbers[place])
        return str(self._numbers[place])

    def __iter__(self) -> Iterator[str]:
        return (str(number) for number in self._numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """N rows of U units in T periods.

    ``units`` are the distinct units, sorted as text (row numbers where every row is a unit); ``unit_of`` (N,) leads
    from rows to them. ``variants`` has control first, the others sorted as text; ``variant_of`` (U,). Panels that
    know only when a unit was treated have the variants "not yet" and "treated". ``blocks`` is ("",) and ``block_of``
    (U,) zeros without blocks. ``weight`` (N,) is None where every row counts once. ``periods`` are sorted (numbers by
    number, dates by date), ``period_of`` (N,); ``first_treated`` (U,) is a position in ``periods``, −1 for never.
    ``received``, ``cost`` (N,) and ``columns`` (N,) hold the numbers that the plan names, NaN where a covariate is
    missing; ``segments`` the labels of the plan's segments. ``row_numbers`` (N,) are those of the file, from 1.
    """

    units: Sequence[str]
    unit_of: Ints
    rows_are_units: bool
    variants: tuple[str, ...]
    variant_of: Ints
    blocks: tuple[str, ...]
    block_of: Ints
    weight: Floats | None = None
    periods: tuple[str, ...] = ()
    period_of: Ints | None = None
    first_treated: Ints | None = None
    received: Floats | None = None
    cost: Floats | None = None
    columns: Mapping[str, Floats] = field(default_factory=dict)
    segments: Mapping[str, Labels] = field(default_factory=dict)
    row_numbers: Ints | None = None

    @property
    def n_rows(self) -> int:
        """N, the number of rows."""
        return len(self.unit_of)

    @property
    def n_units(self) -> int:
        """U, the number of units."""
        return len(self.units)

    @property
    def control(self) -> str:
        """The label of control."""
        return self.variants[0]

    @property
    def has_blocks(self) -> bool:
        """Whether the plan names a block."""
        return self.blocks != ("",)

    @property
    def row_variant(self) -> Ints:
        """(N,) the position of each row's variant."""
        return self.variant_of[self.unit_of]

    def weights(self) -> Floats:
        """(N,) the row weights, ones where the plan names none."""
        return np.ones(self.n_rows) if self.weight is None else self.weight

    def arm_sizes(self) -> Ints:
        """Units of each variant, in the order of ``variants``."""
        return np.bincount(self.variant_of, minlength=len(self.variants)).astype(np.int64)

    def restrict(self, rows: Bools) -> "Frame":
        """The frame of ``rows`` (N,) only; units without a row left are gone, all names keep their positions."""
        kept, unit_of = np.unique(self.unit_of[rows], return_inverse=True)
        units: Sequence[str]
        if isinstance(self.units, RowNumbers):
            units = RowNumbers(self.units._numbers[kept])
        else:
            units = tuple(self.units[place] for place in kept)

        def of_rows(values: Floats | None) -> Floats | None:
            return None if values is None else values[rows]

        return replace(
            self,
            units=units,
            unit_of=unit_of.astype(np.int64),
            rows_are_units=len(units) == int(np.count_nonzero(rows)),
            variant_of=self.variant_of[kept],
            block_of=self.block_of[kept],
            weight=of_rows(self.weight),
            period_of=None if self.period_of is None else self.period_of[rows],
            first_treated=None if self.first_treated is None else self.first_treated[kept],
            received=of_rows(self.received),
            cost=of_rows(self.cost),
            columns={name: values[rows] for name, values in self.columns.items()},
            segments={name: Labels(labels.names, labels.codes[rows]) for name, labels in self.segments.items()},
            row_numbers=None if self.row_numbers is None else self.row_numbers[rows],
        )

    def in_order(self) -> "Frame":
        """Rows that are units of their own, ordered by what they hold: redraws go by position, and a row without a
        name has no other."""
        keys: list[Floats | Ints] = [self.variant_of, self.block_of, *self.columns.values()]
        keys += [values for values in (self.weight, self.received, self.cost) if values is not None]
        keys += [labels.codes for labels in self.segments.values()]
        order = np.lexsort(keys[::-1])
        numbers = np.arange(1, self.n_rows + 1, dtype=np.int64) if self.row_numbers is None else self.row_numbers

        def of_rows(values: Floats | None) -> Floats | None:
            return None if values is None else values[order]

        return replace(
            self,
            units=RowNumbers(numbers[order]),
            variant_of=self.variant_of[order],
            block_of=self.block_of[order],
            weight=of_rows(self.weight),
            received=of_rows(self.received),
            cost=of_rows(self.cost),
            columns={name: values[order] for name, values in self.columns.items()},
            segments={name: Labels(labels.names, labels.codes[order]) for name, labels in self.segments.items()},
            row_numbers=numbers[order],
        )

    def unit_sum(self, values: Floats) -> Floats:
        """(U,) the weighted sum of ``values`` (N,) over each unit's rows."""
        weighted = values if self.weight is None else values * self.weight
        return np.bincount(self.unit_of, weights=weighted, minlength=self.n_units).astype(np.float64)

    def unit_weight(self) -> Floats:
        """(U,) the sum of the row weights of each unit."""
        return np.bincount(self.unit_of, weights=self.weight, minlength=self.n_units).astype(np.float64)

    def unit_mean(self, values: Floats) -> Floats:
        """(U,) the weighted mean of ``values`` (N,) over each unit's rows; NaN where a unit weighs nothing."""
        total = self.unit_weight()
        with np.errstate(divide="ignore", invalid="ignore"):
            means: Floats = np.where(total > 0, self.unit_sum(values) / total, np.nan)
        return means

    def matrix(self, column: str) -> Floats:
        """(U, T) the weighted mean of ``column`` per unit and period, NaN where a unit has no row in a period."""
        return self.matrix_of(self.columns[column])

    def matrix_of(self, values: Floats) -> Floats:
        """(U, T) the same for ``values`` (N,), such as ``cost``."""
        if self.period_of is None:
            raise ValueError("a frame without periods has no matrix")
        shape = (self.n_units, len(self.periods))
        cell = self.unit_of * shape[1] + self.period_of
        size = shape[0] * shape[1]
        weight = np.bincount(cell, weights=self.weight, minlength=size).astype(np.float64)
        weighted = values if self.weight is None else values * self.weight
        total = np.bincount(cell, weights=weighted, minlength=size)
        with np.errstate(divide="ignore", invalid="ignore"):
            means: Floats = np.where(weight > 0, total / weight, np.nan)
        return means.reshape(shape)
