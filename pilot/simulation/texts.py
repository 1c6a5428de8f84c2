"""Codes as Arrow texts and amounts as Arrow decimals, for whole columns, straight from numbers."""

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.imports.arrow import Column

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_GROUP = 4  # digits that are looked up at once


@cache
def _letters(prefix: str) -> npt.NDArray[np.uint32]:
    """All groups of four letters that begin with ``prefix`` and go on with digits, each as one number."""
    digits = _GROUP - len(prefix)
    texts = "".join(f"{prefix}{number:0{digits}d}" for number in range(10**digits))
    return np.frombuffer(texts.encode("ascii"), np.uint32)


def codes(prefix: str, numbers: Ints, digits: int, valid: Bools | None = None) -> Column:
    """Texts of one width: ``prefix`` and the number with so many digits, together a multiple of four letters.

    Rows that are not ``valid`` are null.
    """
    groups: list[Ints] = []
    rest = numbers
    for _ in range((len(prefix) + digits) // _GROUP - 1):
        rest, last = np.divmod(rest, 10**_GROUP)
        groups.insert(0, last)
    return joined_codes(prefix, [rest, *groups], valid)


def joined_codes(prefix: str, groups: Sequence[Ints | int], valid: Bools | None = None) -> Column:
    """Texts of groups of four letters: ``prefix`` and digits first, then numbers below 10,000, four digits each.

    Rows that are not ``valid`` are null.
    """
    n = len(next(group for group in groups if not isinstance(group, int)))
    letters = np.empty((n, len(groups)), np.uint32)
    for place, group in enumerate(groups):
        letters[:, place] = _letters("" if place else prefix)[group]
    offsets = np.arange(n + 1, dtype=np.int32) * np.int32(len(groups) * _GROUP)
    return pa.StringArray.from_buffers(n, _buffer(offsets), _buffer(letters), _bitmap(valid))


def numbers(values: Ints, valid: Bools) -> Column:
    """Whole numbers; rows that are not ``valid`` are null."""
    return pa.Array.from_buffers(pa.int64(), len(values), [_bitmap(valid), _buffer(values)])


def amounts(minor: Ints) -> Column:
    """Minor units as decimals with two places: an Arrow decimal is a whole number of 128 bits."""
    words = np.empty((len(minor), 2), np.int64)
    words[:, 0] = minor
    np.right_shift(minor, 63, out=words[:, 1])
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(minor), [None, _buffer(words)])


def instants(at_us: Ints) -> Column:
    """UTC microseconds since 1970."""
    return pa.Array.from_buffers(pa.timestamp("us", "UTC"), len(at_us), [None, _buffer(at_us)])


def scattered(n: int, rows: Ints, values: Column) -> Column:
    """``n`` rows, null but for the ascending ``rows``, which hold ``values``, texts without a null."""
    before, valid = np.zeros(n + 1, np.int64), np.zeros(n, np.bool_)
    valid[rows] = True
    np.cumsum(valid, out=before[1:])
    offsets, letters = cast("tuple[Any, Any]", values.buffers()[1:])
    ends = np.frombuffer(offsets, np.int32)
    return pa.StringArray.from_buffers(n, _buffer(ends.take(before)), letters, _bitmap(valid))


def _bitmap(valid: Bools | None) -> Any:
    return None if valid is None else _buffer(np.packbits(valid, bitorder="little"))


def _buffer(values: Any) -> pa.Buffer:
    """The memory of an array, not a copy."""
    return pa.py_buffer(values)
