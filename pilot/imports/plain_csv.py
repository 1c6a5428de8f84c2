"""Blocks of a CSV file that are plain enough for the library's parser: then a whole block is read at once.

A block is plain where nothing in it can be read in two ways: valid text, no NUL, line ends that are line ends to
everybody, no empty line, no line too long, quotes only around whole values on one line. Everything else, and every
error, is the careful reader's.
"""

import codecs
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from pilot.imports.dialects import Dialect

LINE_COLUMN = "line"
LONGEST_LINE = 100_000  # bytes; less than what a value may have
_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
_Bytes = npt.NDArray[np.uint8]


def read_plain(
    block: bytes, line: int, header: Sequence[str], columns: Sequence[str], dialect: Dialect
) -> pa.Table | None:
    """The rows of ``block`` (whole lines, the first being ``line``) with ``columns`` as text; None: not plain."""
    text = _as_utf8(block, dialect.encoding)
    if text is None or b"\0" in text or text.startswith(codecs.BOM_UTF8):  # which the library would swallow
        return None
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    if not _are_plain_lines(text, ends):
        return None
    has_quotes = b'"' in text
    if has_quotes and not _are_plain_quotes(data, ends, ord(dialect.delimiter)):
        return None
    source: Any = pa.BufferReader(text)
    # Names of our own: the parser need not know theirs, and one column may be asked for twice.
    names = [str(place) for place in range(len(header))]
    wanted = [str(header.index(name)) for name in columns]
    try:
        table = pacsv.read_csv(
            source,
            read_options=pacsv.ReadOptions(use_threads=False, column_names=names, block_size=len(text) + 1),
            parse_options=pacsv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char='"' if has_quotes else False,
                double_quote=has_quotes,
                ignore_empty_lines=False,
            ),
            convert_options=pacsv.ConvertOptions(
                check_utf8=False,
                include_columns=list(dict.fromkeys(wanted)),
                column_types=dict.fromkeys(wanted, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:  # a line with another number of values
        return None
    if table.num_rows != len(ends):
        return None
    lines = pa.array(np.arange(line, line + len(ends), dtype=np.int64))
    arrays: list[Any] = [table.column(name).combine_chunks() for name in wanted]
    return pa.table([lines, *arrays], names=[LINE_COLUMN, *columns])


def _as_utf8(block: bytes, encoding: str) -> bytes | None:
    if block.isascii():
        return block
    try:
        if encoding != "utf-8-sig":
            return block.decode(encoding).encode()
        block.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return block


def _are_plain_lines(text: bytes, ends: npt.NDArray[np.int64]) -> bool:
    """Lines that end in ``\\n`` or ``\\r\\n``, none empty, none too long."""
    returns = b"\r" in text
    if not len(ends) or (returns and text.count(b"\r") != text.count(b"\r\n")):
        return False
    sizes = np.diff(ends, prepend=-1)
    return int(sizes.min()) > (2 if returns else 1) and int(sizes.max()) <= LONGEST_LINE


def _are_plain_quotes(data: _Bytes, ends: npt.NDArray[np.int64], delimiter: int) -> bool:
    """Quotes come in pairs on one line, each pair around a whole value."""
    places = np.flatnonzero(data == _QUOTE)
    if len(places) % 2:
        return False
    opening, closing = places[::2], places[1::2]
    before = np.where(opening == 0, _NEWLINE, data[opening - 1])
    after = data[closing + 1]  # the block ends with a line end
    inside = np.searchsorted(places, ends) % 2 == 1  # line ends within a pair
    opens = (before == delimiter) | (before == _NEWLINE)
    closes = (after == delimiter) | (after == _NEWLINE) | (after == _RETURN)
    return bool((opens & closes).all()) and not bool(inside.any())
