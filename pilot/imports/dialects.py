"""How a CSV file is written: encoding and delimiter, guessed from the file, shown, and corrected by a person."""

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pilot.imports.errors import EmptyFile, NotText

BLOCK_BYTES = 1 << 20
ENCODINGS = ("utf-8-sig", "cp1251", "cp1252")
DELIMITERS = (",", ";", "\t")
PARQUET_MAGIC = b"PAR1"
_SAMPLE_LINES = 50
# Beginnings that tell a file which only pretends to be CSV.
_OTHER_FILES = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF document",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


class FileFormat(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Dialect:
    """All but ``format`` is for CSV; ``last_line_complete`` accepts a last line without line end."""

    format: FileFormat
    encoding: str = "utf-8-sig"
    delimiter: str = ","
    last_line_complete: bool = False


def guess_dialect(path: Path) -> Dialect:
    """The dialect of ``path``; raises ``EmptyFile`` and ``NotText``. Reads the whole file once, a block at a time."""
    with path.open("rb") as file:
        head = file.read(BLOCK_BYTES)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise EmptyFile
    if head.startswith(PARQUET_MAGIC):
        return Dialect(FileFormat.PARQUET)
    for beginning, what in _OTHER_FILES.items():
        if head.startswith(beginning):
            raise NotText(what=what)
    encoding = _guess_encoding(path)
    return Dialect(FileFormat.CSV, encoding, _guess_delimiter(head.decode(encoding, errors="replace")))


def _guess_encoding(path: Path) -> str:
    """UTF-8 where every byte agrees; else cp1251 (Cyrillic) where high bytes stand in runs, else cp1252 (Western)."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return "cp1251" if _looks_cyrillic(block) else "cp1252"
    return "utf-8-sig"


def _looks_cyrillic(block: bytes) -> bool:
    """Russian words are runs of bytes 0xC0-0xFF; in Western text such letters stand alone among ASCII ones."""
    runs = [len(run) for run in re.findall(rb"[\xc0-\xff\xa8\xb8]+", block)]
    return sum(n for n in runs if n >= 3) > sum(n for n in runs if n < 3)


def _guess_delimiter(sample: str) -> str:
    """The delimiter that splits the first lines into the same number of columns most often; a comma where none does."""
    lines = sample.splitlines()[:_SAMPLE_LINES]

    def fit(delimiter: str) -> tuple[int, int]:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        width, rows = widths.most_common(1)[0] if widths else (1, 0)
        return (rows if width > 1 else 0, width)

    try:
        return max(DELIMITERS, key=fit)
    except csv.Error:  # the reader names the line that is wrong
        return ","
