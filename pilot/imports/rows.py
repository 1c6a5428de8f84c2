"""Parsed rows as the rules between their values see them: plain arrays, each made once however many rules ask."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.imports.arrow import Column, pc

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Clocks = npt.NDArray[np.datetime64]


class Rows:
    """The parsed columns of some rows."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = columns
        self._made: dict[tuple[str, str], Any] = {}

    def numbers(self, name: str) -> Ints:
        """The numbers of a column; 0 where there is none."""
        return self._once("numbers", name, _numbers)  # type: ignore[no-any-return]

    def is_given(self, name: str) -> Mask:
        """Which rows have a value."""
        return self._once("given", name, _is_given)  # type: ignore[no-any-return]

    def times(self, name: str) -> Clocks:
        """The days, or the local times, of a column; NaT where there is none."""
        return self._once("times", name, _times)  # type: ignore[no-any-return]

    def places(self, name: str, among: Sequence[str]) -> Ints:
        """Where in ``among`` the texts of a column are; -1 where they are not. The same ``among`` for a column."""
        return self._once("places", name, lambda column: _places(column, among))  # type: ignore[no-any-return]

    def _once(self, what: str, name: str, makes: Any) -> Any:
        if (what, name) not in self._made:
            self._made[what, name] = makes(self._columns[name])
        return self._made[what, name]


def _numbers(column: Column) -> Ints:
    if column.null_count == len(column):
        return np.zeros(len(column), np.int64)
    filled = pc.fill_null(column, 0) if column.null_count else column
    numbers: Ints = filled.to_numpy(zero_copy_only=False)
    return numbers


def _is_given(column: Column) -> Mask:
    if not column.null_count:
        return np.ones(len(column), bool)
    given: Mask = column.is_valid().to_numpy(zero_copy_only=False)
    return given


def _times(column: Column) -> Clocks:
    whole = pc.struct_field(column, "local") if pa.types.is_struct(column.type) else column
    times: Clocks = whole.to_numpy(zero_copy_only=False)
    return times


def _places(column: Column, among: Sequence[str]) -> Ints:
    found = pc.index_in(column, value_set=pa.array(among, pa.string()))
    places: Ints = pc.fill_null(found, -1).to_numpy(zero_copy_only=False)
    return places
