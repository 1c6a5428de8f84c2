"""The quick way for the texts that nearly every row holds: whole columns of bytes, no regular expression.

Each function answers (sure, values): for a row of which it is sure, the value is exactly the one that the careful
parser in ``values`` and ``times`` would give; every other row is left to that parser.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.imports.arrow import Column, pc

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_DIGIT, _LETTER, _E, _T, _SIGN, _OTHER = 1, 2, 4, 8, 16, 32
_MAX_SHAPES = 4
_LONGEST_AMOUNT = 12  # characters, which are exact in a double
_MOST_CODED = 4  # a column is coded where a quarter of its values, or fewer, differ
_CODED_SAMPLE = 2_000
_SAMPLE_DISTINCT = 256


def _classes() -> Bytes:
    table = np.full(256, _OTHER, np.uint8)
    for codes, bits in (
        (b"0123456789", _DIGIT),
        (b"abcdfghijklmnopqrsuvwxyzABCDFGHIJKLMNOPQRSUVWXYZ", _LETTER),
        (b"eE", _E),
        (b"tT", _T),
        (b"._:/#-", _SIGN),
    ):
        table[list(codes)] = bits
    return table


_CLASS = _classes()
# First bytes of white space that is trimmed, also of its longer forms in UTF-8, and the last ones.
_LAST_SPACE, _FIRST_WIDE = ord(" "), 0x80
_SPACE_FIRST = np.isin(np.arange(256), list(b" \t\r\n\xc2\xe2\xef"))
_SPACE_LAST = np.isin(np.arange(256), list(b" \t\r\n\xa0\xaf\xbf"))


def _array(buffer: Any, kind: type[Any]) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = np.frombuffer(buffer, kind)
    return found


@dataclass(frozen=True, slots=True)
class Texts:
    """The bytes of a text column: row ``i`` is ``data[starts[i]:ends[i]]``; a row without a text has no bytes."""

    data: Bytes
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]

    @classmethod
    def of(cls, texts: Column) -> "Texts | None":
        """None where there is nothing to see: no rows, or no bytes at all."""
        _, offsets, data = texts.buffers()
        if len(texts) == 0 or data is None or offsets is None:
            return None
        places = _array(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
        return cls(_array(data, np.uint8), places[:-1], places[1:])

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        return self.ends - self.starts


def needs_trimming(raw: Texts) -> bool:
    """Whether a text begins or ends with a byte that might belong to white space."""
    seen = raw.data[raw.starts[0] : raw.ends[-1]]
    if len(seen) and seen.min() > _LAST_SPACE and seen.max() < _FIRST_WIDE:
        return False  # no such byte anywhere
    given = raw.ends > raw.starts
    starts, ends = (raw.starts, raw.ends) if given.all() else (raw.starts[given], raw.ends[given])
    return bool(_SPACE_FIRST[raw.data[starts]].any() or _SPACE_LAST[raw.data[ends - 1]].any())


def coded(texts: Column) -> Column | None:
    """``texts`` as a dictionary where few values repeat often, so that each is parsed once; None where they do not."""
    if len(texts) < 2 * _CODED_SAMPLE:
        return None
    if len(texts.slice(len(texts) // 2, _CODED_SAMPLE).unique()) > _SAMPLE_DISTINCT:
        return None
    found: Any = texts.dictionary_encode()
    return found if len(found.dictionary) * _MOST_CODED <= len(texts) else None


def with_fast_path(texts: Column, sure: Mask | None, values: Column, careful: Callable[[Column], Column]) -> Column:
    """``values`` where they are ``sure``, the ``careful`` parser's elsewhere. ``sure`` None: nowhere."""
    if sure is None:
        return careful(texts)
    if sure.all():
        return values
    doubtful = pa.array(~sure)
    result: Column = pc.replace_with_mask(values, doubtful, careful(texts.filter(doubtful)))
    return result


def id_rows(texts: Column, longest: int) -> Mask | None:
    """Rows that are surely ids as they stand."""
    raw = Texts.of(texts)
    if raw is None:
        return None
    lengths = raw.lengths
    empty = lengths == 0
    fits = lengths <= longest
    if empty.any():
        bare = _only_given(raw, ~empty)
        sure = np.array(empty)  # no text, no value: nothing to doubt
        if bare is not None:
            sure[~empty] = _id_rows(bare)
        return sure & fits
    return _id_rows(raw) & fits


def _only_given(raw: Texts, given: Mask) -> Texts | None:
    return Texts(raw.data, raw.starts[given], raw.ends[given]) if given.any() else None


def _id_rows(raw: Texts) -> Mask:
    """All digits; or begins with a letter and ends with a digit; or a digit first and a letter that no number has."""
    first, last = raw.starts[0], raw.ends[-1]
    n_other = int(np.count_nonzero(raw.data[first:last] - np.uint8(48) > 9))
    if n_other == 0 or (n_other == len(raw.starts) and _begin_with_letter(raw)):
        return np.ones(len(raw.starts), bool)
    kinds = _CLASS[raw.data[first:last]]
    of_row = np.bitwise_or.reduceat(kinds, raw.starts - first)
    plain = (of_row & _OTHER) == 0
    begins, ends = kinds[raw.starts - first], kinds[raw.ends - 1 - first]
    by_letter = ((begins & (_LETTER | _E | _T)) != 0) & (ends == _DIGIT)
    by_digit = (begins == _DIGIT) & ((of_row & _LETTER) != 0) & ((of_row & _T) == 0)
    sure: Mask = plain & (by_letter | by_digit | (of_row == _DIGIT))
    return sure


def _begin_with_letter(raw: Texts) -> bool:
    """Whether every row has a letter, and more behind it."""
    begins = _CLASS[raw.data[raw.starts]]
    return bool(((begins & (_LETTER | _E | _T)) != 0).all() and raw.lengths.min() > 1)


def whole_numbers(texts: Column, longest: int) -> tuple[Mask | None, Column]:
    """Texts of digits, with or without a minus, as integers."""
    sure = _number_rows(texts, longest, "")
    numbers = _cast(texts, sure, pa.int64())
    return (None, texts) if numbers is None else (sure, numbers)


def amounts(texts: Column, decimal_mark: str, exponent: int) -> tuple[Mask | None, Column]:
    """Amounts without groups of digits, of at most twelve characters, as minor units.

    Twelve digits are exact in a double, and two decimals of at most fifteen digits never share one: so a text that
    reads as ``minor / 10**exponent`` to the last bit is that amount and no finer one.
    """
    fixed = _fixed_amounts(texts, ord(decimal_mark), exponent)
    if fixed is not None:
        return np.ones(len(texts), bool), fixed
    sure = _number_rows(texts, _LONGEST_AMOUNT, decimal_mark)
    if sure is not None and decimal_mark == ",":
        texts = _with_points(texts)
    numbers = _cast(texts, sure, pa.float64())
    if numbers is None or sure is None:
        return None, texts
    major = pc.fill_null(numbers, 0.0).to_numpy(zero_copy_only=False)
    scale = float(10**exponent)
    minor = np.rint(major * scale)
    sure = sure & (minor / scale == major)
    given = numbers.is_valid() if numbers.null_count else None
    values: Column = pa.array(minor.astype(np.int64), pa.int64())
    if given is not None:
        values = pc.if_else(given, values, pa.scalar(None, pa.int64()))
    return sure, values


def _fixed_amounts(texts: Column, mark: int, exponent: int) -> Column | None:
    """Amounts that all have their decimals and nothing but digits else, after a minus perhaps, as minor units."""
    raw = Texts.of(texts)
    if raw is None or not exponent:
        return None
    given = raw.lengths > 0
    if texts.null_count:
        given &= texts.is_valid().to_numpy(zero_copy_only=False)
    bare = raw if given.all() else _only_given(raw, given)
    if bare is None or bare.lengths.max() > _LONGEST_AMOUNT or bare.lengths.min() < exponent + 2:
        return None
    is_negative = bare.data[bare.starts] == ord("-")
    first = bare.starts + is_negative
    if (bare.data[bare.ends - 1 - exponent] != mark).any() or (bare.ends - first < exponent + 2).any():
        return None
    minor, worth = np.zeros(len(first), np.int64), 1
    for place in range(1, int((bare.ends - first).max()) + 1):
        if place == exponent + 1:
            continue
        at = bare.ends - place
        digits = bare.data[np.maximum(at, first)] - np.uint8(48)
        digits *= at >= first
        if digits.max() > 9:
            return None
        minor += digits * np.int64(worth)
        worth *= 10
    minor = np.where(is_negative, -minor, minor)
    if bare is raw:
        return pa.array(minor)
    whole = np.zeros(len(texts), np.int64)
    whole[given] = minor
    return pa.array(whole, mask=~given)


def _number_rows(texts: Column, longest: int, mark: str) -> Mask | None:
    """Rows of digits with a minus or a mark where these belong: not twice, not alone, not first or last."""
    raw = Texts.of(texts)
    if raw is None:
        return None
    allowed = np.full(256, _OTHER, np.uint8)
    allowed[list(b"0123456789")] = _DIGIT
    allowed[list(b"-")] = _SIGN
    if mark:
        allowed[list(mark.encode())] = _LETTER
    lengths = raw.lengths
    given = lengths > 0
    sure = np.ones(len(lengths), bool)
    bare = _only_given(raw, given)
    if bare is not None:
        kinds = allowed[bare.data]
        ends_well = (kinds[bare.ends - 1] == _DIGIT) & (bare.ends - bare.starts <= longest)
        begins = kinds[bare.starts]
        after = kinds[np.minimum(bare.starts + 1, bare.ends - 1)]
        begins_well = (begins == _DIGIT) | ((begins == _SIGN) & (after == _DIGIT))
        first, last = int(bare.starts[0]), int(bare.ends[-1])
        seen = kinds[first:last]
        fits = ends_well & begins_well
        if (seen != _DIGIT).any():
            fits &= _once(seen, bare.starts - first, begins)
        sure[given] = fits
    return sure


def _once(kinds: Bytes, starts: npt.NDArray[np.int32], begins: Bytes) -> Mask:
    """Rows with nothing foreign, no minus but the first character, and one mark at most."""
    # Digits count 0, a mark 1, a minus 16, anything else far more than a row can hold.
    weights = np.zeros(256, np.int32)
    weights[[_LETTER, _SIGN, _OTHER]] = 1, 16, 1 << 12
    total = np.add.reduceat(weights[kinds], starts)
    rest = total - np.where(begins == _SIGN, 16, 0)
    once: Mask = (rest == 0) | (rest == 1)
    return once


def _cast(texts: Column, sure: Mask | None, kind: pa.DataType) -> Column | None:
    """Numbers where they are sure, null elsewhere; None where there is nothing or the library disagrees."""
    if sure is None or not sure.any():
        return None
    plain = texts if sure.all() else pc.if_else(pa.array(sure), texts, pa.scalar(None, pa.string()))
    try:
        numbers: Column = plain.cast(kind)
    except pa.ArrowInvalid:
        return None
    return numbers


def _with_points(texts: Column) -> Column:
    """Every comma a point; rows that had a point are not sure already."""
    validity, offsets, data = texts.buffers()
    if data is None:
        return texts
    points = _array(data, np.uint8).copy()
    points[points == ord(",")] = ord(".")
    result: Column = pa.Array.from_buffers(
        pa.string(), len(texts), [validity, offsets, pa.py_buffer(points.data)], offset=texts.offset
    )
    return result


def shapes(
    texts: Column, pattern: re.Pattern[str]
) -> Iterator[tuple[Ints, dict[str, Ints | str | None], dict[str, int]]]:
    """Rows of one shape at a time (digits where digits are, the same character elsewhere), with groups and lengths.

    Rows of one shape match ``pattern`` in the same places, because it asks of digits only whether they are digits. A
    group is an array of numbers where it holds digits alone, else the first row's text, or None where it took no part.
    """
    raw = Texts.of(texts)
    if raw is None:
        return
    lengths = raw.lengths
    left = np.flatnonzero((lengths > 0) & (lengths < 64))
    for _ in range(_MAX_SHAPES):
        if not len(left):
            return
        first = int(left[0])
        size = int(lengths[first])
        model = raw.data[raw.starts[first] : raw.ends[first]]
        match = pattern.fullmatch(bytes(model).decode("utf-8", "replace")) if (model < 128).all() else None
        same_size = left[lengths[left] == size]
        matrix = _matrix(raw, same_size, size)
        is_digit = (model >= 48) & (model <= 57)
        fits = np.ones(len(same_size), bool)
        for place in range(size):
            column = matrix[place]
            fits &= (column - 48 < 10) if is_digit[place] else (column == model[place])
        here = same_size[fits]
        if match is not None:
            groups = {name: _group(matrix, fits, match, name) for name in pattern.groupindex}
            yield here, groups, {name: len(match[name] or "") for name in pattern.groupindex}
        left = np.setdiff1d(left, here, assume_unique=True)


def _matrix(raw: Texts, rows: Ints, size: int) -> Bytes:
    """The bytes of ``rows``, each ``size`` long: one row of the matrix per place in the text."""
    if len(rows) == len(raw.starts):  # all of them, one after the other
        block = raw.data[raw.starts[0] : raw.ends[-1]].reshape(len(rows), size)
    else:
        block = raw.data[raw.starts[rows][:, None] + np.arange(size, dtype=np.int32)]
    return np.ascontiguousarray(block.T)


def _group(matrix: Bytes, rows: Mask, match: "re.Match[str]", name: str) -> Ints | str | None:
    text = match[name]
    if text is None or not text.isdigit():
        return text
    first, last = match.span(name)
    number = np.zeros(matrix.shape[1], np.int32 if last - first < 9 else np.int64)
    for place in range(first, last):
        number = number * 10 + (matrix[place] - 48)
    return (number if rows.all() else number[rows]).astype(np.int64)
