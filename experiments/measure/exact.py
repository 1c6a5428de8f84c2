"""Exact arithmetic inside the engine: whole numbers never become floats and never overflow, on any number of threads.

Sums are taken over ``decimal(38,0)``, which every engine adds exactly in any order. Products of 64-bit numbers are
taken in 64 bits where both factors are small enough and in ``decimal(38,0)`` where they are not, row by row. What an
engine hands over is added up by ``totals``, exactly as well.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

EXACT = "decimal(38,0)"
_SMALL = 3_000_000_000  # its square is below 2**63
_EXACT_FLOATS = 2**53


def exact_sum(expression: Any) -> Any:
    """The sum of whole numbers as an exact decimal, zero where there is nothing to add."""
    import ibis

    return ibis.coalesce(expression.cast(EXACT).sum().cast(EXACT), ibis.literal(0).cast(EXACT))


def whole_sum(expression: Any) -> Any:
    """The sum of 64-bit whole numbers, in 64 bits; the engine raises where it does not fit, it never wraps."""
    # DuckDB sums in 128 bits where Ibis believes 64 and would leave the cast out: so the sum is told to be a decimal.
    return _sum()(expression).cast("int64")


@cache
def _sum() -> Any:
    import ibis

    return ibis.udf.agg.builtin(name="sum", signature=(("int64",), EXACT))(_of_whole)


def _of_whole(values: int) -> int:
    """Names the argument; the engine has the function."""
    return values


def exact_product(a: ir.IntegerValue, b: ir.IntegerValue) -> Any:
    """``a`` times ``b`` of each row as an exact decimal."""
    small = a.between(-_SMALL, _SMALL) & b.between(-_SMALL, _SMALL)
    return small.ifelse((a * b).cast(EXACT), a.cast(EXACT) * b.cast(EXACT)).cast(EXACT)


def totals(column: pa.ChunkedArray[Any], groups: npt.NDArray[np.int64], n_groups: int) -> npt.NDArray[np.object_]:
    """(n_groups) the sums of ``column`` by group, as Python's whole numbers.

    ``column`` has 64-bit whole numbers or decimals without a fraction, and no null; ``groups`` says whose each row is.
    """
    import pyarrow as pa

    if not pa.types.is_decimal(column.type):
        return whole_totals(column.to_numpy(), groups, n_groups)
    words = np.concatenate([_words(chunk) for chunk in column.chunks] or [np.zeros((0, 2), dtype=np.uint64)])
    low, high = np.ascontiguousarray(words[:, 0]), np.ascontiguousarray(words[:, 1]).view(np.int64)
    if bool((high == (low.view(np.int64) >> 63)).all()):  # they all fit into 64 bits
        return whole_totals(low.view(np.int64), groups, n_groups)
    found: npt.NDArray[np.object_] = whole_totals(high, groups, n_groups) * 2**64
    found += _unsigned_totals(low, groups, n_groups)
    return found


def whole_totals(
    values: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], n_groups: int
) -> npt.NDArray[np.object_]:
    """(n_groups) the sums of ``values`` by group, as Python's whole numbers."""
    if not len(values):
        return np.zeros(n_groups, dtype=np.int64).astype(object)
    largest = max(abs(int(values.min())), abs(int(values.max())))
    if largest * len(values) < _EXACT_FLOATS:
        return np.bincount(groups, values, n_groups).astype(np.int64).astype(object)
    negative = np.bincount(groups[values < 0], minlength=n_groups).astype(object)
    found: npt.NDArray[np.object_] = _unsigned_totals(values.view(np.uint64), groups, n_groups) - negative * 2**64
    return found


def sums_of_runs(values: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n_runs) the sum of each run of ``values``, which begin at ``starts``; ``OverflowError`` where one is beyond 64
    bits."""
    largest = max(abs(int(values.min(initial=0))), int(values.max(initial=0)))
    if largest * len(values) < 2**63:
        return np.add.reduceat(values, starts)
    return np.add.reduceat(values.astype(object), starts).astype(np.int64)


def products_totals(
    a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], n_groups: int
) -> npt.NDArray[np.object_]:
    """(n_groups) the sums of the products of ``a`` and ``b`` by group, as Python's whole numbers."""
    small = (a >= -_SMALL) & (a <= _SMALL) & (b >= -_SMALL) & (b <= _SMALL)
    if bool(small.all()):
        return whole_totals(a * b, groups, n_groups)
    found = whole_totals(np.where(small, a, 0) * np.where(small, b, 0), groups, n_groups)
    for place in np.flatnonzero(~small):
        found[groups[place]] += int(a[place]) * int(b[place])
    return found


def _unsigned_totals(
    values: npt.NDArray[np.uint64], groups: npt.NDArray[np.int64], n_groups: int
) -> npt.NDArray[np.object_]:
    """Sums of parts of 22 bits, which floats hold exactly for billions of rows."""
    found = np.zeros(n_groups, dtype=np.int64).astype(object)
    for shift in (0, 22, 44):
        part = (values >> np.uint64(shift)) & np.uint64(2**22 - 1)
        found = found + np.bincount(groups, part, n_groups).astype(np.int64).astype(object) * 2**shift
    return found


def _words(chunk: Any) -> npt.NDArray[np.uint64]:
    """(n × 2) the low and the high 64 bits of a chunk of 128-bit decimals."""
    start = 2 * chunk.offset
    return np.frombuffer(chunk.buffers()[1], dtype=np.uint64)[start : start + 2 * len(chunk)].reshape(-1, 2)
