"""Bodies whose receipts are all written alike, as a program writes them: cut into columns without an object a receipt.

The first two receipts and the end of the body are parsed as every body is. In the others all but the values must be
the first one's bytes; values lie between quotation marks without an escape, or are digits. So nothing is taken here
that the parser would refuse or read otherwise; of whatever is not alike, nothing is said here.
"""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.imports.arrow import Column

_FEWEST = 16  # fewer are parsed as quickly
_LONGEST_COUNT = 9  # digits
_QUOTE, _FIRST_PRINTABLE, _ZERO = ord('"'), 0x20, ord("0")

_Places = npt.NDArray[np.int32]


def alike_columns(
    body: bytes, listed: Callable[[bytes], list[Any]], counts: Collection[str]
) -> Mapping[str, Column] | None:
    """The values of each name: texts, or integers for names in ``counts``; None: not alike, or not a good body.

    ``listed`` parses a small body strictly.
    """
    raw = np.frombuffer(body, np.uint8)
    if b"\\" in body or not len(raw) or raw.min() < _FIRST_PRINTABLE:
        return None
    try:
        first = _first_receipt(body)
        names, is_text = list(first), [type(value) is str for value in first.values()]
        if not names or is_text != [name not in counts for name in names]:
            return None
        places = _places(body, raw, is_text)
        if places is None:
            return None
        start_and_end = listed(body[: places[1, -1]] + body[places[-1, -1] :])
    except Exception:  # whatever it is, the parser says it properly
        return None
    kinds = [str if flag else int for flag in is_text]
    if [(list(each), list(map(type, each.values()))) for each in start_and_end] != [(names, kinds)] * 2:
        return None
    return _columns(body, places, names, is_text)


def _first_receipt(body: bytes) -> dict[str, Any]:
    text = body.decode()
    found, _ = json.JSONDecoder().raw_decode(text, text.index("[") + 1)
    return dict(found)


def _places(body: bytes, raw: npt.NDArray[np.uint8], is_text: list[bool]) -> _Places | None:
    """Where each value begins and ends, a row a receipt, if all between the values is the same in every receipt."""
    quotes = np.flatnonzero(raw == _QUOTE).astype(np.int32)[2:]  # without those of the outer name
    of_one = 2 * len(is_text) + 2 * sum(is_text)
    n, rest = divmod(len(quotes), of_one)
    if rest or n < _FEWEST:
        return None
    ends_at = len(body.rstrip(b" ]}"))  # behind the last value, and its quotation mark
    marks = quotes.reshape(n, of_one)
    places = np.empty((n, 2 * len(is_text)), np.int32)
    mark = 0
    for place, flag in enumerate(is_text):
        start, end = places[:, 2 * place], places[:, 2 * place + 1]
        mark += 2  # those of the name
        if flag:
            start[:], end[:] = marks[:, mark] + 1, marks[:, mark + 1]
            mark += 2
            continue
        behind = marks[:, mark] if mark < of_one else np.append(marks[1:, 0], np.int32(0))
        between = body[marks[0, mark - 1] + 1 : behind[0]]  # the first receipt's ": 12, "
        digits = between.strip(b" :,{}")
        before = between.index(digits)
        start[:] = marks[:, mark - 1] + 1 + before
        end[:] = behind - (len(between) - before - len(digits))
        if mark == of_one:
            end[-1] = ends_at
    return places if _is_alike(body, places) else None


def _is_alike(body: bytes, places: _Places) -> bool:
    """Whether all receipts have the bytes of the first one before, between and behind their values."""
    n, width = places.shape[0], places.shape[1] // 2
    flat = places.ravel()
    lengths = np.diff(flat)
    if lengths.min() < 0:
        return False
    gaps = np.append(lengths[1::2], lengths[2 * width - 1]).reshape(n, width)
    if (gaps != gaps[0]).any():
        return False
    between = _pieces(body, flat, np.arange(1, 2 * n * width - 1, 2))
    model = b"".join([body[flat[at] : flat[at + 1]] for at in range(1, 2 * width, 2)])
    return between.buffers()[2].to_pybytes() == (model * n)[: len(model) * n - int(gaps[0, -1])]


def _columns(body: bytes, places: _Places, names: list[str], is_text: list[bool]) -> Mapping[str, Column] | None:
    n, width = places.shape[0], len(names)
    by_column = (np.arange(0, 2 * n * width, 2 * width) + 2 * np.arange(width)[:, None]).ravel()
    every = _pieces(body, places.ravel(), by_column)
    columns: dict[str, Column] = {}
    for place, name in enumerate(names):
        columns[name] = every.slice(place * n, n)
        if not is_text[place]:
            if not _are_counts(body, places[:, 2 * place], places[:, 2 * place + 1]):
                return None
            columns[name] = columns[name].cast(pa.int64())
    return columns


def _pieces(body: bytes, offsets: _Places, wanted: npt.NDArray[np.int64]) -> Column:
    """Of the pieces of ``body`` between neighbouring ``offsets`` the ``wanted`` ones, one after the other."""
    every: Any = pa.Array.from_buffers(pa.string(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(body)])
    pieces: Column = every.take(pa.array(wanted))
    return pieces


def _are_counts(body: bytes, starts: _Places, ends: _Places) -> bool:
    """Whether these pieces are digits as JSON writes them."""
    raw, lengths = np.frombuffer(body, np.uint8), ends - starts
    if lengths.min() < 1 or lengths.max() > _LONGEST_COUNT or ((lengths > 1) & (raw[starts] == _ZERO)).any():
        return False
    digits = [raw[starts[lengths > place] + place] for place in range(int(lengths.max()))]
    return all(((each - _ZERO) < 10).all() for each in digits)
