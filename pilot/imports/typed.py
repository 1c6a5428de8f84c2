"""Numbers and times of a Parquet file: taken as they are where their text would surely say the same, else written."""

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from pilot.imports.arrow import Column, pc
from pilot.imports.times import Instant
from pilot.imports.values import Count, Id, Money, Reading, ValueType

_EXACT_DIGITS = 18  # of a decimal: its unscaled value fits into 64 bits
_WHOLE_DIGITS = 12  # that an amount may have before the mark
_PLAIN_SCALE = 6  # finer decimals are written with an exponent
_LONGEST_COUNT = 10**9
_LONGEST_AMOUNT = 10**_WHOLE_DIGITS
_ISO = "YYYY-MM-DD"


def is_taken(kind: pa.DataType) -> bool:
    """Whether columns of this type are read as they are and become text only where somebody asks."""
    is_whole = pa.types.is_integer(kind) and not pa.types.is_uint64(kind)
    return is_whole or pa.types.is_decimal128(kind) or pa.types.is_timestamp(kind)


def written(array: Column) -> Column:
    """``array`` as strings: times in ISO form with their offset, numbers in their shortest exact form."""
    if pa.types.is_string(array.type):
        return array
    return _instants_as_text(array) if pa.types.is_timestamp(array.type) else array.cast(pa.string())


def as_it_is(holds: ValueType, array: Column, reading: Reading) -> Column | None:
    """What ``holds`` reads from the texts of ``array``; None: the texts have to be read."""
    kind = array.type
    if isinstance(holds, Instant) and pa.types.is_timestamp(kind) and reading.date_order == _ISO:
        return _instants(holds, array, reading)
    if isinstance(holds, Money) and pa.types.is_decimal128(kind):
        return _amounts(array, reading)
    if isinstance(holds, (Money, Count, Id)) and pa.types.is_integer(kind):
        return _whole(holds, array.cast(pa.int64()), reading)
    return None


def _instants(holds: Instant, array: Column, reading: Reading) -> Column:
    micros: Any = array.cast(pa.timestamp("us", array.type.tz), safe=False).cast(pa.int64())
    local = pc.fill_null(micros, np.iinfo(np.int64).min).to_numpy(zero_copy_only=False).view("datetime64[us]")
    after = np.datetime64(reading.today + timedelta(days=2), "us")
    fits = (local >= np.datetime64(holds.first, "us")) & (local < after)
    offset = np.zeros(len(array), np.int32)
    has_no_offset = ~fits if array.type.tz is not None else np.ones(len(array), bool)
    struct: Column = pa.StructArray.from_arrays(
        [pa.array(local, pa.timestamp("us"), mask=~fits), pa.array(offset, pa.int32(), mask=has_no_offset)],
        names=["local", "offset_minutes"],
        mask=pa.array(~fits),
    )
    return struct


def _amounts(array: Any, reading: Reading) -> Column | None:
    precision, scale = array.type.precision, array.type.scale
    is_plain = scale == reading.currency_exponent <= _PLAIN_SCALE and precision - scale <= _WHOLE_DIGITS
    if reading.decimal_mark != "." or not is_plain or precision > _EXACT_DIGITS or not len(array):
        return None
    _, data = array.buffers()
    low_halves = np.frombuffer(data, np.int64)[::2][array.offset : array.offset + len(array)]
    minor: Column = pa.array(low_halves, pa.int64(), mask=_is_null(array))
    return minor


def _whole(holds: ValueType, numbers: Column, reading: Reading) -> Column | None:
    if numbers.null_count == len(numbers):
        return None
    ends = pc.min_max(numbers)
    first, last = ends["min"].as_py(), ends["max"].as_py()
    if isinstance(holds, Id):
        return numbers.cast(pa.string()) if first >= 0 else None
    longest = _LONGEST_COUNT if isinstance(holds, Count) else _LONGEST_AMOUNT
    if first <= -longest or last >= longest:
        return None
    scale = 10**reading.currency_exponent if isinstance(holds, Money) else 1
    result: Column = numbers if scale == 1 else pc.multiply(numbers, scale)
    return result


def _is_null(array: Column) -> Any:
    return pc.is_null(array).to_numpy(zero_copy_only=False) if array.null_count else None


def _instants_as_text(array: Column) -> Column:
    """Zoned times are written in UTC with a ``Z``, local ones without; microseconds, as the receipt holds them."""
    zoned = array.type.tz is not None
    # safe=False: nanoseconds are cut, not refused.
    naive: Any = array.cast(pa.timestamp("us", array.type.tz), safe=False).cast(pa.int64()).cast(pa.timestamp("us"))
    text = pc.replace_substring(naive.cast(pa.string()), " ", "T")
    result: Column = pc.binary_join_element_wise(text, "Z", "") if zoned else text
    return result
