"""A CSV file as batches of text columns with physical line numbers: strict, streaming, bounded in memory."""

import codecs
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from pilot.imports.dialects import BLOCK_BYTES, Dialect
from pilot.imports.errors import (
    CutFile,
    CutRecord,
    DoubledHeader,
    EmptyFile,
    LineTooLong,
    NulByte,
    UnclosedQuote,
    ValueTooLong,
    WrongEncoding,
    WrongWidth,
)

LINE_COLUMN = "line"
MAX_LINE_BYTES = 1 << 20
BATCH_ROWS = 20_000
BATCH_CHARACTERS = 8 << 20
_MAX_VALUE = csv.field_size_limit()


class CsvFile:
    """``columns`` are the header's; ``batches`` yields tables of strings with the line on which each record begins."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        """Reads the header; raises the errors of ``_Lines`` and ``DoubledHeader``."""
        self._path, self._dialect = path, dialect
        _, header = next(self._records(), (1, []))
        if not any(header):
            raise EmptyFile
        self.columns = tuple(name.strip() for name in header)
        for name in self.columns:
            if self.columns.count(name) > 1:
                raise DoubledHeader(column=name[:80])

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Tables of ``columns`` (text) and ``line`` (int64), at most 20,000 rows or 8 M characters each."""
        places = [self.columns.index(name) for name in columns]
        lines: list[int] = []
        rows: list[list[str]] = []
        characters = 0
        for line, record in self._checked_records():
            lines.append(line)
            rows.append([record[place] for place in places])
            characters += sum(map(len, rows[-1]))
            if len(rows) >= BATCH_ROWS or characters >= BATCH_CHARACTERS:
                yield _table(columns, lines, rows)
                lines, rows, characters = [], [], 0
        if rows:
            yield _table(columns, lines, rows)

    def _checked_records(self) -> Iterator[tuple[int, list[str]]]:
        """Records after the header. One of the wrong width is refused; a short last one says: cut."""
        width = len(self.columns)
        records = self._records()
        next(records)
        for line, record in records:
            if not record:  # an empty line between records
                continue
            if len(record) != width:
                short_and_last = len(record) < width and next(records, None) is None
                error = CutRecord if short_and_last else WrongWidth
                raise error(line=line, found=len(record), expected=width)
            yield line, record

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """(line on which the record begins, values). Raises for bytes, quotes and lengths that are not right."""
        lines = _Lines(self._path, self._dialect)
        reader = csv.reader(iter(lines), delimiter=self._dialect.delimiter, strict=True)
        begins = 1
        while True:
            lines.record_characters = 0
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                # Which of the two it is stands in the library's words only; they are read, never shown.
                if "field limit" in str(error) and reader.line_num == begins:
                    raise ValueTooLong(line=begins, limit=_MAX_VALUE) from None
                raise UnclosedQuote(line=begins) from None
            yield begins, record
            begins = reader.line_num + 1


class _Lines:
    """The decoded lines of a file, each with its line end; ``\\n``, ``\\r\\n`` and ``\\r`` end a line."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._path, self._dialect = path, dialect
        self.record_characters = 0

    def __iter__(self) -> Iterator[str]:
        number = 0
        text = ""
        for number, raw in enumerate(self._raw_lines(), start=1):
            text = self._decode(raw, number)
            self.record_characters += len(text)
            if self.record_characters > 4 * MAX_LINE_BYTES:
                raise UnclosedQuote(line=number)
            yield text
        if text and not text.endswith(("\n", "\r")) and not self._dialect.last_line_complete:
            raise CutFile(line=number)

    def _decode(self, raw: bytes, number: int) -> str:
        if b"\0" in raw:
            raise NulByte(line=number)
        try:
            return codecs.decode(raw, "utf-8" if self._dialect.encoding == "utf-8-sig" else self._dialect.encoding)
        except UnicodeDecodeError:
            shown = "UTF-8" if self._dialect.encoding == "utf-8-sig" else self._dialect.encoding
            raise WrongEncoding(line=number, encoding=shown) from None

    def _raw_lines(self) -> Iterator[bytes]:
        number = 0
        rest = b""
        with self._path.open("rb") as file:
            block = file.read(BLOCK_BYTES).removeprefix(codecs.BOM_UTF8)
            while block:
                following = file.read(BLOCK_BYTES)
                pieces = (rest + block).splitlines(keepends=True)
                # The last piece may go on in the next block; so may a "\r" that waits for its "\n".
                rest = pieces.pop() if following else b""
                for piece in pieces:
                    number += 1
                    if len(piece) > MAX_LINE_BYTES:
                        raise LineTooLong(line=number, limit=MAX_LINE_BYTES)
                    yield piece
                if len(rest) > MAX_LINE_BYTES:
                    raise LineTooLong(line=number + 1, limit=MAX_LINE_BYTES)
                block = following


def _table(columns: Sequence[str], lines: list[int], rows: list[list[str]]) -> pa.Table:
    arrays = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)] if columns else []
    return pa.table([pa.array(lines, pa.int64()), *arrays], names=[LINE_COLUMN, *columns])
