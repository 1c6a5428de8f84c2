"""Files of the analyst: a table as CSV of any dialect or as Parquet, and a plan as YAML, read whole and as they are."""

import codecs
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import yaml

from pilot.errors import Refused
from pilot.imports.arrow import pc
from pilot.words import N_

PARQUET_MAGIC, GZIP_MAGIC = b"PAR1", b"\x1f\x8b"
MOST_PLAN_BYTES = 1 << 20
_SAMPLE_BYTES = 1 << 20
_DELIMITERS = (",", ";", "\t")
_DECIMAL_COMMA = r"^\s*[+-]?\d+(,\d+)?\s*$"


class TableUnreadable(Refused):
    """A file that is no table."""

    code = "table_unreadable"
    template = N_("{path} cannot be read as a table: {problem}.")


class PlanUnreadable(Refused):
    """A plan that is no YAML mapping, or whose YAML contradicts itself."""

    code = "plan_file_unreadable"
    template = N_("{path}, line {line}: {problem}.")


class PlanMissing(Refused):
    """A plan file that cannot be opened."""

    code = "plan_file_missing"
    template = N_("{path} cannot be read: {problem}.")


def read_table(path: Path, columns: Iterable[str] | None = None, text: Iterable[str] = ()) -> pa.Table:
    """The table in ``path``: CSV (comma, semicolon or tab; UTF-8 with or without mark, cp1251 or cp1252; a decimal
    comma where the delimiter is another sign; gzip) or Parquet.

    Only ``columns`` (None: all), those that are there; ``text`` columns stay as they are written, so that 007 is not
    7. Raises ``TableUnreadable``.
    """
    try:
        names = table_columns(path)
        wanted = [name for name in names if columns is None or name in set(columns)]
        if _magic(path).startswith(PARQUET_MAGIC):
            return pq.read_table(path, columns=wanted)
        return _read_csv(path, wanted, [name for name in text if name in wanted])
    except (pa.ArrowException, OSError, EOFError, UnicodeError, csv.Error) as error:
        problem = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise TableUnreadable(path=str(path), problem=_one_line(problem)) from error


def table_columns(path: Path) -> tuple[str, ...]:
    """The names of the columns; raises ``TableUnreadable`` for an empty file and for a name that stands twice."""
    try:
        magic = _magic(path)
        if magic.startswith(PARQUET_MAGIC):
            names = tuple(pq.read_schema(path).names)
        else:
            sample = _sample(path)
            header = next(csv.reader(io.StringIO(sample), delimiter=_delimiter(sample)), [])
            names = tuple(name.strip() for name in header)
    except (pa.ArrowException, OSError, EOFError, csv.Error) as error:
        problem = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise TableUnreadable(path=str(path), problem=_one_line(problem)) from error
    if not any(names):
        raise TableUnreadable(path=str(path), problem="it is empty")
    for name in names:
        if names.count(name) > 1:
            raise TableUnreadable(path=str(path), problem=f"the column {name!r} stands there twice")
    return names


def read_plan_file(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises ``PlanUnreadable`` with the line of what is wrong, ``PlanMissing`` for a file
    that cannot be opened."""
    text = _plan_text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_doubled(path, node)
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark is not None else 1
        raise PlanUnreadable(path=str(path), line=line, problem=_one_line(str(problem))) from error
    if not isinstance(found, dict):
        raise PlanUnreadable(path=str(path), line=1, problem="a mapping of keys to values is expected")
    return found


def line_of(path: Path, key_path: str) -> int:
    """The line on which ``key_path`` (``metrics[1].kind``) stands in a plan file, or its nearest part that does."""
    node: Any = yaml.compose(_plan_text(path), Loader=yaml.SafeLoader)
    line = 1
    for part in re.findall(r"[^.\[\]]+", key_path):
        if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == part]
            if not pairs:
                break
            line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
        else:
            break
    return int(line)


def _plan_text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_PLAN_BYTES:
            raise PlanUnreadable(path=str(path), line=1, problem="it is too large for a plan")
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PlanUnreadable(path=str(path), line=line, problem="it is not text in UTF-8") from error
    except OSError as error:
        raise PlanMissing(path=str(path), problem=(error.strerror or str(error)).lower()) from error


def _refuse_doubled(path: Path, node: Any) -> None:
    """YAML keeps the last of two equal keys and says nothing: here the first mistake is named. Aliases are refused:
    a plan has no use for them, and nested ones grow without bound."""
    waiting, seen = [node], set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            line = current.start_mark.line + 1
            raise PlanUnreadable(path=str(path), line=line, problem="anchors and aliases are not used in a plan")
        seen.add(id(current))
        if isinstance(current, yaml.SequenceNode):
            waiting += current.value
        elif isinstance(current, yaml.MappingNode):
            keys = Counter(key.value for key, _ in current.value if isinstance(key, yaml.ScalarNode))
            for key, value in current.value:
                if isinstance(key, yaml.ScalarNode) and keys[key.value] > 1:
                    line = key.start_mark.line + 1
                    raise PlanUnreadable(path=str(path), line=line, problem=f"the key {key.value!r} stands there twice")
                waiting.append(value)


def _read_csv(path: Path, columns: Sequence[str], text: Sequence[str]) -> pa.Table:
    delimiter, encoding, names = _delimiter(_sample(path)), _encoding(path), table_columns(path)
    try:
        table = _parsed(path, names, columns, text, delimiter, encoding)
    except pa.ArrowInvalid:
        # A type guessed from the first block did not hold: everything as text, then what is all numbers as such.
        table = _parsed(path, names, columns, columns, delimiter, encoding)
        table = _typed(table, [name for name in columns if name not in text])
    return table if delimiter == "," else _with_decimal_points(table, text)


def _parsed(
    path: Path, names: Sequence[str], columns: Sequence[str], text: Sequence[str], delimiter: str, encoding: str
) -> pa.Table:
    with _opened(path) as file:
        return pacsv.read_csv(
            file,
            read_options=pacsv.ReadOptions(
                use_threads=False, encoding=encoding, column_names=list(names), skip_rows=1, block_size=1 << 22
            ),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(columns), column_types={name: pa.string() for name in text}
            ),
        )


def _typed(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    for name in columns:
        values = table.column(name)
        blank = pc.if_else(pc.equal(pc.utf8_trim_whitespace(values), ""), None, values)
        for kind in (pa.int64(), pa.float64()):
            try:
                table = table.set_column(table.column_names.index(name), name, blank.cast(kind))
                break
            except pa.ArrowInvalid:
                continue
    return table


def _with_decimal_points(table: pa.Table, text: Sequence[str]) -> pa.Table:
    """Columns of text in which every value is a number with a decimal comma become numbers."""
    for name in table.column_names:
        values = table.column(name)
        if name in text or not pa.types.is_string(values.type):
            continue
        blank = pc.if_else(pc.equal(pc.utf8_trim_whitespace(values), ""), None, values)
        fits = pc.match_substring_regex(blank, _DECIMAL_COMMA)
        if blank.null_count < len(blank) and pc.all(fits).as_py():
            points = pc.replace_substring(pc.utf8_trim_whitespace(blank), ",", ".")
            table = table.set_column(table.column_names.index(name), name, points.cast(pa.float64()))
    return table


def _opened(path: Path) -> BinaryIO:
    """The bytes of a CSV file, unpacked, after the mark of UTF-8 where there is one."""
    is_packed = _magic(path).startswith(GZIP_MAGIC)
    file = cast("BinaryIO", gzip.GzipFile(path) if is_packed else path.open("rb"))
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    return file


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _sample(path: Path) -> str:
    """The beginning of a CSV file as text, whole lines where there are several."""
    with _opened(path) as file:
        head = file.read(_SAMPLE_BYTES)
    if b"\0" in head:
        raise TableUnreadable(path=str(path), problem="it is neither CSV nor Parquet")
    cut = head.rfind(b"\n")
    head = head[: cut + 1] if len(head) == _SAMPLE_BYTES and cut > 0 else head
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError:
        return head.decode("cp1251" if _looks_cyrillic(head) else "cp1252", errors="replace")


def _encoding(path: Path) -> str:
    """UTF-8 where every byte agrees; else cp1251 (Cyrillic) where high bytes stand in runs, else cp1252 (Western)."""
    if _is_utf8(path):
        return "utf-8"
    with _opened(path) as file:
        return "cp1251" if _looks_cyrillic(file.read(_SAMPLE_BYTES)) else "cp1252"


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _opened(path) as file:
        try:
            while block := file.read(_SAMPLE_BYTES):
                decoder.decode(block)
        except UnicodeDecodeError:
            return False
    return True


def _looks_cyrillic(block: bytes) -> bool:
    """Russian words are runs of bytes 0xC0–0xFF; in Western text such letters stand alone among ASCII ones."""
    runs = [len(run) for run in re.findall(rb"[\xc0-\xff\xa8\xb8]+", block)]
    return sum(n for n in runs if n >= 3) > sum(n for n in runs if n < 3)


def _delimiter(sample: str) -> str:
    """The sign that splits the first lines into the same number of columns most often; a comma where none does."""
    lines = sample.splitlines()[:50]

    def fit(delimiter: str) -> tuple[int, int]:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        width, rows = widths.most_common(1)[0] if widths else (1, 0)
        return (rows if width > 1 else 0, width)

    return max(_DELIMITERS, key=fit)


def _one_line(text: str) -> str:
    return (text.strip().splitlines() or ["unknown"])[0].rstrip(".")[:300]
