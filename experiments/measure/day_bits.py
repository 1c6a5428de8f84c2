"""The days on which a customer bought, as bits: distinct days are counted without grouping by day.

A calendar of days is cut into chunks of 62; a customer has one whole number per chunk, whose bit i says whether there
was a purchase on its day i. Marking a day twice changes nothing, the numbers of two parts of a history are joined by
``bit_or``, and any window is a mask: how many days it holds, and which is the first of them, are exact. 62 bits, so
that no number and no mask is ever negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import ibis.expr.types as ir

BITS = 62
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days from ``first`` to ``last``, both included, numbered from 0."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many there are."""
        return (self.last - self.first).days + 1

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the chunks' columns, in order."""
        return tuple(f"days_{chunk}" for chunk in range((self.days + BITS - 1) // BITS))

    def place(self, day: date) -> int:
        """The number of ``day``; negative before the calendar."""
        return (day - self.first).days

    def placed(self, t: ir.Table) -> ir.Table:
        """``t`` with the column ``place``: the number of each row's day, or -1 where it had no purchase."""
        place: Any = t.business_date.delta(self.first, unit="day")
        return t.mutate(place=(t.purchase_days > 0).ifelse(place, -1))

    def marks(self, t: ir.Table) -> dict[str, Any]:
        """The aggregates, by column, of the days of the rows of ``t`` by their ``place``."""
        starts = {column: BITS * chunk for chunk, column in enumerate(self.columns)}
        return {
            column: bit_or()(t.place.between(start, start + BITS - 1).ifelse(_one() << (t.place - start), 0))
            for column, start in starts.items()
        }

    def marks_of(self, place: Whole, starts: Whole) -> dict[str, Whole]:
        """The same of an array of places, for each of the runs that begin at ``starts``."""
        found = {}
        for chunk, column in enumerate(self.columns):
            inside = (place >= BITS * chunk) & (place < BITS * (chunk + 1))
            if inside.any():
                bits = np.where(inside, np.int64(1) << np.where(inside, place - BITS * chunk, 0), 0)
                found[column] = np.bitwise_or.reduceat(bits, starts)
            else:
                found[column] = np.zeros(len(starts), dtype=np.int64)
        return found

    def count(self, t: Any, first: Any, last: Any) -> Any:
        """How many of the days from number ``first`` to ``last`` each row of ``t`` has; whole numbers or columns.

        Of arrays by column name instead of a table it gives an array.
        """
        return reduce(add, [_counted(bits) for _, bits in self._within(t, first, last)])

    def earliest(self, t: ir.Table, first: Any, last: Any) -> Any:
        """The number of the first of the days from ``first`` to ``last`` that each row of ``t`` has, or null."""
        import ibis

        # The bits below the lowest set one are as many as its own place.
        found = [
            (bits > 0).ifelse(_counted((bits & -bits) - 1) + BITS * chunk, ibis.null("int64"))
            for chunk, bits in self._within(t, first, last)
        ]
        return ibis.coalesce(*found)

    def earliest_of(self, t: Mapping[str, Whole], first: Any, last: Any) -> Whole:
        """The same of arrays, or -1."""
        found: Whole = np.full((), -1)
        for chunk, bits in reversed(self._within(t, first, last)):
            found = np.where(bits > 0, _counted((bits & -bits) - 1) + BITS * chunk, found)
        return found

    def _within(self, t: Any, first: Any, last: Any) -> list[tuple[int, Any]]:
        """The chunks that may have a day from ``first`` to ``last``, without the bits of other days."""
        chunks = [
            (chunk, mask)
            for chunk in range(len(self.columns))
            if not isinstance(mask := _below(last + 1 - BITS * chunk) - _below(first - BITS * chunk), int) or mask
        ]
        return [(chunk, t[self.columns[chunk]] & mask) for chunk, mask in chunks or [(0, 0)]]


@cache
def bit_or() -> Any:
    """The aggregate function of the bits that any row has: DuckDB and Spark call it by the same name."""
    import ibis

    return ibis.udf.agg.builtin(name="bit_or", signature=(("int64",), "int64"))(_of_bits)


@cache
def bit_count() -> Any:
    """The function that counts the set bits of a number."""
    import ibis

    return ibis.udf.scalar.builtin(name="bit_count", signature=(("int64",), "int8"))(_of_bits)


def _counted(bits: Any) -> Any:
    """How many bits are set, in 64 bits: of an array, or as an expression."""
    if isinstance(bits, np.ndarray):
        return np.bitwise_count(bits).astype(np.int64)
    return bit_count()(bits).cast("int64")


def _below(place: Any) -> Any:
    """The mask of the bits below ``place``: a whole number for a whole number, an array for an array, an expression for
    an expression."""
    if isinstance(place, int):
        return (1 << min(max(place, 0), BITS)) - 1
    if isinstance(place, np.ndarray):
        return (np.int64(1) << np.clip(place, 0, BITS)) - 1
    return (_one() << place.clip(lower=0, upper=BITS)) - 1


def _one() -> Any:
    """1 in 64 bits: Spark would shift a plain 1 in 32."""
    import ibis

    return ibis.literal(1, "decimal(38,0)").cast("int64")


def _of_bits(bits: int) -> int:
    """Names the argument; the engine has the function."""
    return bits
