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
from pilot.imports.places import Place
from pilot.imports.plain_csv import LINE_COLUMN, read_plain

__all__ = ["LINE_COLUMN", "CsvFile", "Place"]

MAX_LINE_BYTES = 1 << 20
PLAIN_BYTES = 8 << 20
_FIRST_BYTES = 512 << 10  # who wants to see a few rows reads no more
BATCH_ROWS = 20_000
BATCH_CHARACTERS = 8 << 20
_MAX_VALUE = csv.field_size_limit()


class CsvFile:
    """``columns`` are the header's; ``batches`` yields tables of strings with the line on which each record begins.

    Plain blocks are read at once, the others with care and record by record; both give the same.
    """

    def __init__(self, path: Path, dialect: Dialect) -> None:
        """Reads the header; raises the errors of ``_Lines`` and ``DoubledHeader``."""
        self._path, self._dialect = path, dialect
        _, header, self._first = next(self._records(Place()), (1, [], Place()))
        if not any(header):
            raise EmptyFile
        self.columns = tuple(name.strip() for name in header)
        for name in self.columns:
            if self.columns.count(name) > 1:
                raise DoubledHeader(column=name[:80])

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Tables of ``columns`` (text) and ``line`` (int64), from the beginning."""
        return (table for table, _ in self.read(columns))

    def read(self, columns: Sequence[str], since: Place | None = None) -> Iterator[tuple[pa.Table, Place]]:
        """Tables, each with the place where the next one begins; reading may begin at such a place again."""
        place, size = since or self._first, _FIRST_BYTES
        with self._path.open("rb") as file:
            while True:
                file.seek(place.offset)
                block = file.read(min(size, PLAIN_BYTES))
                size = PLAIN_BYTES
                if not block:
                    return
                block = block[: block.rfind(b"\n") + 1]
                table = read_plain(block, place.line, self.columns, columns, self._dialect) if block else None
                if table is not None:
                    place = Place(place.offset + len(block), place.line + table.num_rows)
                    yield table, place
                    continue
                until = place.offset + max(len(block), BLOCK_BYTES)
                for careful, behind in self._read_with_care(columns, place, until):
                    place = behind
                    if careful.num_rows:
                        yield careful, behind

    def share(self, place: Place) -> float:
        """How much of the file lies before ``place``, from 0 to 1."""
        return place.offset / max(self._path.stat().st_size, 1)

    def _read_with_care(self, columns: Sequence[str], since: Place, until: int) -> Iterator[tuple[pa.Table, Place]]:
        """Tables of at most 20,000 rows or 8 M characters, up to the first record that ends at ``until`` or later."""
        places = [self.columns.index(name) for name in columns]
        lines: list[int] = []
        rows: list[list[str]] = []
        characters = 0
        place = since
        for line, record, place in self._checked_records(since):
            if record:
                lines.append(line)
                rows.append([record[place] for place in places])
                characters += sum(map(len, rows[-1]))
            if len(rows) >= BATCH_ROWS or characters >= BATCH_CHARACTERS or place.offset >= until:
                yield _table(columns, lines, rows), place
                if place.offset >= until:
                    return
                lines, rows, characters = [], [], 0
        if place != since:
            yield _table(columns, lines, rows), place

    def _checked_records(self, since: Place) -> Iterator[tuple[int, list[str], Place]]:
        """Records; an empty one is an empty line. One of the wrong width is refused; a short last one says: cut."""
        width = len(self.columns)
        records = self._records(since)
        for line, record, place in records:
            if record and len(record) != width:
                short_and_last = len(record) < width and next(records, None) is None
                error = CutRecord if short_and_last else WrongWidth
                raise error(line=line, found=len(record), expected=width)
            yield line, record, place

    def _records(self, since: Place) -> Iterator[tuple[int, list[str], Place]]:
        """(line on which the record begins, values, where the next begins), from ``since`` on.

        Raises for bytes, quotes and lengths that are not right.
        """
        lines = _Lines(self._path, self._dialect, since)
        reader = csv.reader(iter(lines), delimiter=self._dialect.delimiter, strict=True)
        begins = since.line
        while True:
            lines.record_characters = 0
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                # Which of the two it is stands in the library's words only; they are read, never shown.
                if "field limit" in str(error) and lines.place.line == begins + 1:
                    raise ValueTooLong(line=begins, limit=_MAX_VALUE) from None
                raise UnclosedQuote(line=begins) from None
            yield begins, record, lines.place
            begins = lines.place.line


class _Lines:
    """The decoded lines of a file, each with its line end; ``\\n``, ``\\r\\n`` and ``\\r`` end a line."""

    def __init__(self, path: Path, dialect: Dialect, since: Place) -> None:
        self._path, self._dialect = path, dialect
        self.record_characters = 0
        self.place = since  # behind the line that was given last

    def __iter__(self) -> Iterator[str]:
        first = number = self.place.line
        text = ""
        for number, raw in enumerate(self._raw_lines(self.place), start=first):
            text = self._decode(raw, number)
            self.place = Place(self.place.offset + len(raw), number + 1)
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

    def _raw_lines(self, since: Place) -> Iterator[bytes]:
        number = since.line - 1
        rest = b""
        with self._path.open("rb") as file:
            file.seek(since.offset)
            block = file.read(BLOCK_BYTES)
            if since.offset == 0 and block.startswith(codecs.BOM_UTF8):
                block = block.removeprefix(codecs.BOM_UTF8)
                self.place = Place(len(codecs.BOM_UTF8), since.line)
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
    by_column = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [pa.array(values, pa.string()) for values in by_column]
    return pa.table([pa.array(lines, pa.int64()), *arrays], names=[LINE_COLUMN, *columns])
