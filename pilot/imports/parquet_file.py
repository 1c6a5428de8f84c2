"""A Parquet file as batches of columns with row numbers: every type becomes, or can be written as, a CSV's text."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilot.imports.arrow import Column, column, pc
from pilot.imports.errors import (
    DamagedParquet,
    DoubledHeader,
    NotUtf8,
    RowGroupTooLarge,
    UnreadableColumn,
    ValueTooLong,
)
from pilot.imports.places import Place
from pilot.imports.plain_csv import LINE_COLUMN
from pilot.imports.typed import is_taken, written

BATCH_ROWS = 131_072
_FEW_ROWS = 8_192
MAX_CHUNK_BYTES = 128 << 20
MAX_VALUE = 131_072
_BUFFER_BYTES = 1 << 20
_TEXT_BYTES = 64 << 20


class ParquetFile:
    """``columns`` are the file's; ``batches`` yields tables of strings with the row number (1-based) as ``line``."""

    def __init__(self, path: Path) -> None:
        """Reads the footer; raises ``DamagedParquet``, ``DoubledHeader`` and ``RowGroupTooLarge``."""
        self._path = path
        try:
            with pq.ParquetFile(path) as file:
                schema, metadata = file.schema_arrow, file.metadata
        except (pa.ArrowException, OSError):
            raise DamagedParquet from None
        self.columns = tuple(schema.names)
        self._schema = schema
        self._group_rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        for name in self.columns:
            if self.columns.count(name) > 1:
                raise DoubledHeader(column=name[:80])
        _refuse_bombs(metadata)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Small tables of ``columns`` (text; missing values are null) and ``line`` (int64), from the beginning."""
        for table, _ in self._read(columns, None, _FEW_ROWS):
            texts = {name: written(column(table, name)) for name in columns}
            yield pa.table({LINE_COLUMN: column(table, LINE_COLUMN), **texts})

    def read(self, columns: Sequence[str], since: Place | None = None) -> Iterator[tuple[pa.Table, Place]]:
        """Tables of at most 131,072 rows, each with the place behind it; reading may begin at such a place again.

        Whole numbers, decimals and times are as they stand in the file (``typed.written`` gives their texts).
        """
        return self._read(columns, since, BATCH_ROWS)

    def _read(self, columns: Sequence[str], since: Place | None, rows: int) -> Iterator[tuple[pa.Table, Place]]:
        for name in columns:
            _refuse_nested(name, self._schema.field(name).type)
        texts = [name for name in columns if _is_text(self._schema.field(name).type)]
        begin = since.offset if since else 0
        try:
            # Dictionaries keep a long value that repeats from being copied into every row before its length is seen.
            with pq.ParquetFile(self._path, read_dictionary=texts, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
                groups, first = self._groups_from(begin)
                for batch in file.iter_batches(rows, groups, columns=list(columns), use_threads=False):
                    behind = first + batch.num_rows
                    kept = batch.slice(max(0, min(begin - first, batch.num_rows)))
                    for part in _small_enough(kept):
                        last = behind - kept.num_rows + part.num_rows
                        kept = kept.slice(part.num_rows)
                        lines = pa.array(np.arange(last - part.num_rows + 1, last + 1, dtype=np.int64))
                        arrays = [_as_text(name, part.column(name), last - part.num_rows + 1) for name in columns]
                        yield pa.table([lines, *arrays], names=[LINE_COLUMN, *columns]), Place(last, last + 1)
                    first = behind
        except (pa.ArrowException, OSError):
            raise DamagedParquet from None

    def share(self, place: Place) -> float:
        """How much of the file lies before ``place``, from 0 to 1."""
        return place.offset / max(sum(self._group_rows), 1)

    def _groups_from(self, row: int) -> tuple[list[int], int]:
        """The row groups from the one on that holds ``row``, and how many rows lie before them."""
        before = 0
        for group, n in enumerate(self._group_rows):
            if row < before + n:
                return list(range(group, len(self._group_rows))), before
            before += n
        return [], before


def _refuse_bombs(metadata: pq.FileMetaData) -> None:
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            size = metadata.row_group(group).column(place).total_uncompressed_size
            if size > MAX_CHUNK_BYTES:
                raise RowGroupTooLarge(group=group + 1, size=size, limit=MAX_CHUNK_BYTES)


def _small_enough(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """``batch`` in slices of which the texts fit into memory even where every row holds the longest."""
    coded: list[Any] = [values for values in batch.columns if pa.types.is_dictionary(values.type)]
    longest = sum(_longest(pc.binary_length(values.dictionary)) for values in coded if _is_coded_text(values))
    step = max(1, min(BATCH_ROWS, _TEXT_BYTES // max(longest, 1)))
    for first in range(0, batch.num_rows, step):
        yield batch.slice(first, step)


def _is_coded_text(values: Any) -> bool:
    return _is_text(values.type.value_type)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _refuse_nested(name: str, kind: pa.DataType) -> None:
    plain = (pa.types.is_dictionary(kind) and kind.value_type) or kind
    if pa.types.is_nested(plain) or pa.types.is_binary(plain) or pa.types.is_large_binary(plain):
        raise UnreadableColumn(column=name[:80], type=str(kind)[:80])


def _as_text(name: str, array: Column, first: int) -> Column:
    """``array`` as strings, floats in their shortest exact form; what can be taken as it is stays so."""
    if pa.types.is_dictionary(array.type):
        coded: Any = array
        _refuse_bad_text(name, coded.dictionary, first)
        plain: Column = coded.cast(array.type.value_type).cast(pa.string())
        return plain
    if is_taken(array.type):
        return array
    text = array.cast(pa.string())
    _refuse_bad_text(name, text, first)
    return text


def _refuse_bad_text(name: str, texts: Column, first: int) -> None:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        raise NotUtf8(column=name[:80], line=first) from None
    if _longest(pc.binary_length(texts)) > MAX_VALUE and _longest(pc.utf8_length(texts)) > MAX_VALUE:
        raise ValueTooLong(line=first, limit=MAX_VALUE)


def _longest(lengths: Column) -> int:
    return int(pc.max(lengths).as_py() or 0)
