"""The one door for files: open a CSV or Parquet file as named text columns that come in batches."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from pilot.imports.csv_file import LINE_COLUMN, CsvFile
from pilot.imports.dialects import BLOCK_BYTES, Dialect, FileFormat
from pilot.imports.parquet_file import ParquetFile
from pilot.imports.places import Place

__all__ = ["LINE_COLUMN", "MemoryTable", "Place", "TextTable", "file_hash", "open_table", "sample_rows"]


class TextTable(Protocol):
    """Rows of text by named column. ``batches`` may be called again and reads from the beginning.

    ``read`` gives with every batch the place behind it, at which another ``read`` can begin, and leaves numbers and
    times of a typed file as they are (``typed.written``); ``share`` tells how much of the file lies before a place.
    """

    @property
    def columns(self) -> tuple[str, ...]: ...
    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]: ...
    def read(self, columns: Sequence[str], since: Place | None = None) -> Iterator[tuple[pa.Table, Place]]: ...
    def share(self, place: Place) -> float: ...


class MemoryTable:
    """A few rows that are already here (released from quarantine), each with the line it came from."""

    def __init__(self, lines: Sequence[int], rows: Sequence[dict[str, str | None]]) -> None:
        self._lines, self._rows = list(lines), list(rows)
        self.columns = tuple(sorted({name for row in rows for name in row}))

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        arrays = [pa.array([row.get(name) for row in self._rows], pa.string()) for name in columns]
        yield pa.table([pa.array(self._lines, pa.int64()), *arrays], names=[LINE_COLUMN, *columns])

    def read(self, columns: Sequence[str], since: Place | None = None) -> Iterator[tuple[pa.Table, Place]]:
        if since is None:
            yield next(self.batches(columns)), Place(len(self._rows), max(self._lines, default=0) + 1)

    def share(self, place: Place) -> float:
        return 1.0


def open_table(path: Path, dialect: Dialect) -> TextTable:
    """Open ``path`` as ``dialect`` says; raises the ``FileRefused`` errors."""
    return ParquetFile(path) if dialect.format is FileFormat.PARQUET else CsvFile(path, dialect)


def sample_rows(table: TextTable, n: int) -> list[dict[str, str | None]]:
    """The first ``n`` rows with all columns, for a person to look at and for the guess."""
    batch = next(table.batches(table.columns), None)
    return [] if batch is None else batch.slice(0, n).drop_columns([LINE_COLUMN]).to_pylist()


def file_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
