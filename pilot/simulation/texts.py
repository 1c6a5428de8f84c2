"""Codes as Arrow texts and amounts as Arrow decimals, for whole columns, straight from numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.imports.arrow import Column

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_GROUP = 4
_DIGITS = np.array([f"{number:0{_GROUP}d}".encode() for number in range(10**_GROUP)]).view("V4")


def codes(parts: list[tuple[str, Ints, int]], valid: Bools | None = None) -> Column:
    """Texts of one width: for each part its prefix and its number with that many digits (a multiple of four).

    Rows that are not ``valid`` are null.
    """
    n = len(parts[0][1])
    width = sum(len(prefix) + digits for prefix, _, digits in parts)
    letters = np.empty((n, width), np.uint8)
    start = 0
    for prefix, numbers, digits in parts:
        letters[:, start : start + len(prefix)] = np.frombuffer(prefix.encode("ascii"), np.uint8)
        start += len(prefix)
        for place in range(digits - _GROUP, -1, -_GROUP):
            group = numbers // 10**place % 10**_GROUP if place else numbers % 10**_GROUP
            letters[:, start : start + _GROUP] = _DIGITS[group].view(np.uint8).reshape(n, _GROUP)
            start += _GROUP
    offsets = np.arange(n + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(n, _buffer(offsets), _buffer(letters), _bitmap(valid))


def numbers(values: Ints, valid: Bools) -> Column:
    """Whole numbers; rows that are not ``valid`` are null."""
    return pa.Array.from_buffers(pa.int64(), len(values), [_bitmap(valid), _buffer(values)])


def amounts(minor: Ints) -> Column:
    """Minor units as decimals with two places: an Arrow decimal is a whole number of 128 bits."""
    words = np.empty((len(minor), 2), np.int64)
    words[:, 0] = minor
    words[:, 1] = minor >> 63
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(minor), [None, _buffer(words)])


def instants(at_us: Ints) -> Column:
    """UTC microseconds since 1970."""
    return pa.Array.from_buffers(pa.timestamp("us", "UTC"), len(at_us), [None, _buffer(at_us)])


def scattered(n: int, rows: Ints, values: Column) -> Column:
    """``n`` rows, null but for ``rows``, which hold ``values``."""
    places = np.zeros(n, np.int64)
    places[rows] = np.arange(len(rows))
    valid = np.zeros(n, np.bool_)
    valid[rows] = True
    return values.take(numbers(places, valid))


def _bitmap(valid: Bools | None) -> Any:
    return None if valid is None else _buffer(np.packbits(valid, bitorder="little"))


def _buffer(values: Any) -> pa.Buffer:
    """The memory of an array, not a copy."""
    return pa.py_buffer(values)
