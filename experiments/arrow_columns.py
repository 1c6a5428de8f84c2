"""Any table through Arrow: columns as labels, as numbers, and as periods of time."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import ExperimentError
from experiments.frame import NEVER, Bools, Floats, Ints, Labels
from experiments.messages import N_

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 5
_MONTH = re.compile(r"\d{4}-\d{2}")


class NotATable(ExperimentError):
    """Something that no table can be made of."""

    code = "not_a_table"
    template = N_(
        "{kind} is not a table that can be read ({problem}); pass a pandas, polars, Arrow or Ibis table, or a mapping "
        "of columns"
    )


class NotNumeric(ExperimentError):
    """Text where numbers are needed."""

    code = "not_numeric"
    template = N_("column {column!r} must hold numbers; row {row} holds {value!r}")


class MixedPeriods(ExperimentError):
    """A period that cannot be put in order with the others."""

    code = "mixed_periods"
    template = N_("column {column!r} must hold numbers or dates throughout; row {row} holds {value!r}")


class MissingLabels(ExperimentError):
    """Rows without a label where each needs one."""

    code = "missing_labels"
    template = N_("column {column!r} is empty in {n} rows ({rows}); every row needs a value there")


def to_arrow(data: Any) -> pa.Table:
    """``data`` as an Arrow table: Arrow itself, the Arrow capsule protocol (pandas, polars, DuckDB), Ibis, a mapping
    of columns. Raises ``NotATable``."""
    import pyarrow as pa

    try:
        if isinstance(data, pa.Table):
            return data
        if hasattr(data, "to_pyarrow"):
            found = data.to_pyarrow()
            if isinstance(found, pa.Table):
                return found
        if hasattr(data, "__arrow_c_stream__"):
            return pa.table(data)
        if hasattr(data, "collect") and hasattr(data, "collect_schema"):  # a lazy polars frame
            return pa.table(data.collect())
        if isinstance(data, Mapping):
            return pa.table({str(name): pa.array(values) for name, values in data.items()})
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise NotATable(kind=type(data).__name__, problem=str(error).strip().splitlines()[0]) from error
    raise NotATable(kind=type(data).__name__, problem="it has no Arrow stream")


def labels(table: pa.Table, column: str, *, missing: str | None = None) -> Labels:
    """A column as labels, compared as text: 1, 1.0 and "1" are the same. Empty values become ``missing``, or raise
    ``MissingLabels`` where that is None."""
    import pyarrow as pa

    array = _array(table, column)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = [_label(value) for value in array.dictionary.to_pylist()]
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    empty = np.array([*(value is None for value in values), True])[codes]
    if empty.any() and missing is None:
        raise MissingLabels(column=column, n=int(empty.sum()), rows=shown_rows(empty))
    texts = [missing or "" if value is None else value for value in values] + [missing or ""]
    used = np.zeros(len(texts), dtype=np.bool_)
    used[np.unique(codes)] = True
    names = tuple(sorted({text for text, is_used in zip(texts, used, strict=True) if is_used}))
    place = {name: position for position, name in enumerate(names)}
    return Labels(names, np.array([place.get(text, 0) for text in texts], dtype=np.int64)[codes])


def is_numeric(table: pa.Table, column: str) -> bool:
    """Whether the column holds numbers."""
    import pyarrow as pa

    kind = _value_type(table.schema.field(column).type)
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def numbers(table: pa.Table, column: str) -> Floats:
    """A column as numbers, NaN where it is empty; booleans are 0 and 1. Raises ``NotNumeric``."""
    import pyarrow as pa

    array = _array(table, column)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        row, value = next(
            ((i, v) for i, v in enumerate(array.to_pylist(), start=1) if v is not None and not _is_number(v)),
            (0, None),
        )
        if row:
            raise NotNumeric(column=column, row=row, value=str(value)[:60])
        return np.array([math.nan if v is None else float(v) for v in array.to_pylist()])
    found: Floats = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(found, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Periods in order: their names, the sort key of each (a number, or a date as its ordinal), and each row's
    place."""

    names: tuple[str, ...]
    keys: Floats
    of_row: Ints
    are_dates: bool

    def key(self, text: str) -> float | None:
        """Where ``text`` stands among the periods; None when it is neither a number nor a date as they are."""
        return _period_key(text, self.are_dates)


def periods(table: pa.Table, column: str) -> Periods:
    """A column of time. Numbers are ordered by number, dates by date. Raises ``MixedPeriods``, ``MissingLabels``."""
    found = labels(table, column)
    are_dates, keys = _period_keys(found.names)
    for name, key in zip(found.names, keys, strict=True):
        if key is None:
            row = int(np.flatnonzero(found.is_label(name))[0]) + 1
            raise MixedPeriods(column=column, row=row, value=name)
    known = np.array([key for key in keys if key is not None])
    order = np.argsort(known, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return Periods(tuple(found.names[i] for i in order), known[order], place[found.codes], are_dates)


def periods_of(names: Sequence[str]) -> Periods:
    """The ``Periods`` of names that are in order already."""
    are_dates, keys = _period_keys(names)
    known = np.array([key for key in keys if key is not None])
    return Periods(tuple(names), known, np.arange(len(names), dtype=np.int64), are_dates)


def starts(table: pa.Table, column: str, time: Periods) -> Ints:
    """(N,) the position in ``time`` of the first treated period: empty, 0 or later than the data mean never (−1)."""
    found = labels(table, column, missing="")
    places = np.full(len(found.names), NEVER, dtype=np.int64)
    for position, name in enumerate(found.names):
        if name.strip() in ("", "0"):
            continue
        key = time.key(name)
        if key is None:
            row = int(np.flatnonzero(found.is_label(name))[0]) + 1
            raise MixedPeriods(column=column, row=row, value=name)
        place = int(np.searchsorted(time.keys, key))
        if place < len(time.keys):
            places[position] = place
    return np.asarray(places[found.codes], dtype=np.int64)


def shown_rows(rows: Bools) -> str:
    """The numbers of the first rows that are marked, counted from 1, and how many more there are."""
    places = np.flatnonzero(rows)
    text = ", ".join(str(place + 1) for place in places[:_SHOWN])
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f"row {text}" if len(places) == 1 else f"rows {text}{more}"


def as_number_label(text: str) -> str:
    """The text of a label where the column is numeric: "1.0" and "01" are 1."""
    try:
        number = float(text)
    except ValueError:
        return text
    return _label(number) or text


def _array(table: pa.Table, column: str) -> Any:
    return table.column(column).combine_chunks()


def _value_type(kind: Any) -> Any:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _label(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, Decimal):
        return str(int(value)) if value == value.to_integral_value() else format(value.normalize(), "f")
    if isinstance(value, datetime):
        midnight = value.time() == datetime.min.time()
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    return text if text.strip() else None


def _period_key(text: str, are_dates: bool) -> float | None:
    try:
        if not are_dates:
            return float(text) if math.isfinite(float(text)) else None
        moment = datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
    except ValueError:
        return None
    return moment.toordinal() + (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86_400


def _period_keys(names: Sequence[str]) -> tuple[bool, list[float | None]]:
    are_dates = not all(_period_key(name, are_dates=False) is not None for name in names)
    return are_dates, [_period_key(name, are_dates) for name in names]


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
