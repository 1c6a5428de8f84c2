"""Check files against an importer's rules and stage the good rows: read, judge and write at the same time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection
from sqlalchemy.orm import Session

from pilot.imports.arrow import column, pc, plain_memory
from pilot.imports.engine import drop_lines, engine, leave_out, table
from pilot.imports.errors import NoRows
from pilot.imports.hashes import find_doubled
from pilot.imports.importer import CLASHES_LIMIT, Clash, Context, Importer, Progress
from pilot.imports.mapping import FileMapping, require_fit
from pilot.imports.model import ImportKind
from pilot.imports.reader import LINE_COLUMN, Place, TextTable
from pilot.imports.rules import HIDDEN, SHOWN_CHARACTERS, Checked, Field, Finding, RowRule, check_batch
from pilot.imports.staging import ROWS_A_PART, Parts, Stand
from pilot.imports.times import utc_today
from pilot.imports.typed import written
from pilot.imports.values import Reading, Text, printable
from pilot.words import N_, Message

BAD_ROWS_LIMIT = 10_000
ATTRIBUTE_PREFIX = "attribute:"
DOUBLED = N_("Line {line} has the same {key} with other content.")
_THREADS = 2
_AHEAD = 3  # batches that are read while others are judged


@dataclass(frozen=True, slots=True)
class Input:
    """One file of an import."""

    name: str
    source: TextTable
    mapping: FileMapping


@dataclass(frozen=True, slots=True)
class FileCount:
    """What was found in one file, in rows. ``first_line``: how many lines of all files lie before its own."""

    name: str
    first_line: int
    n_rows: int
    n_bad: int
    n_new: int = 0
    n_known: int = 0


@dataclass(slots=True)
class CheckedFile:
    """``staged`` holds the good rows; of the ``n_bad`` bad ones the first 10,000 (or a few more) are named and kept.

    ``findings`` are sorted by line, ``bad_rows`` has the texts of each bad line by field. ``n_known``: rows left out
    because the same row stands earlier in the file or is stored already. Lines are counted through all ``files``.
    """

    staged: Path
    n_rows: int = 0
    n_new: int = 0
    n_known: int = 0
    n_bad: int = 0
    findings: list[Finding] = field(default_factory=list)
    bad_rows: dict[int, dict[str, str]] = field(default_factory=dict)
    files: list[FileCount] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Work:
    """What judging the rows of one file takes."""

    importer: Importer
    fields: Sequence[Field]
    columns: Mapping[str, str]
    rules: Sequence[RowRule]
    reading: Reading
    mapping: FileMapping
    context: Context

    def judge(self, texts: pa.Table, explain: bool) -> tuple[Checked, dict[int, dict[str, str]], pa.Table]:
        batch = check_batch(texts, self.fields, self.rules, self.columns, self.reading, explain=explain)
        bad_rows = _texts_of(texts, {finding.line for finding in batch.findings}, self.fields)
        return batch, bad_rows, self.importer.finish(batch.good, self.mapping, self.context)


def check_files(
    session: Session,
    importer: Importer,
    inputs: Sequence[Input],
    context: Context,
    folder: Path,
    *,
    fingerprint: str = "",
    waive: bool = False,
    progress: Progress | None = None,
) -> CheckedFile:
    """Read ``inputs`` in batches, stage what is good in ``folder``, compare it with itself and what is stored.

    A check of the same files (``fingerprint``) that was cut off in this folder is resumed. ``progress`` is called with
    the rows read and those expected in all. ``waive``: rules that a person may waive are waived. Raises
    ``FileRefused`` and ``MappingRefused`` errors.
    """
    for each in inputs:
        require_fit(importer, each.mapping, each.source)
    is_large = importer.kind is ImportKind.RECEIPTS
    parts = Parts(folder, ROWS_A_PART if is_large else None)
    stand = parts.resume(fingerprint)
    rules = [rule for rule in importer.rules(context) if not (waive and rule.may_be_waived)]
    works = [_work(importer, each.mapping, context, rules) for each in inputs]
    with plain_memory():  # released at the end: the engine needs the room next
        try:
            for place in range(stand.file, len(inputs)):
                _stage_good_rows(inputs, place, works[place], parts, stand, progress)
        except BaseException:
            parts.abandon()
            raise
        staged = parts.close()
    if stand.n_rows == 0:
        raise NoRows
    checked = CheckedFile(staged, stand.n_rows, n_bad=stand.n_bad, findings=stand.findings, bad_rows=stand.bad_rows)
    names = [each.name for each in inputs]
    checked.files = [FileCount(*one) for one in zip(names, stand.first_lines, stand.rows_of, stand.bad_of, strict=True)]
    take_out = leave_out if is_large else drop_lines
    with engine(folder / "spill") as connection, ThreadPoolExecutor(1) as aside:
        seeking = aside.submit(find_doubled, connection, staged, importer.keys)
        importer.look_up(session, staged)
        seeking.result()
        doubled = _leave_doubled_out(connection, importer, checked, take_out)
        comparison = importer.compare(session, staged, context)
        checked.n_bad += comparison.n_clashes
        if comparison.clashes and not is_large:
            lines = ", ".join(f"({clash.line})" for clash in comparison.clashes)
            drop_lines(connection, staged, f"SELECT line FROM (VALUES {lines}) clashing(line)")  # noqa: S608 - integers
        checked.n_new = comparison.n_new
        checked.n_known += comparison.n_same
        checked.files = _counted(connection, checked, [*doubled, *comparison.clashes])
    _name_clashes([*doubled, *comparison.clashes], inputs, works, checked)
    if len(inputs) > 1:
        checked.findings = [_with_file(finding, checked.files) for finding in checked.findings]
    return checked


def _work(importer: Importer, mapping: FileMapping, context: Context, rules: Sequence[RowRule]) -> _Work:
    fields = [*importer.fields, *(Field(ATTRIBUTE_PREFIX + code, Text(120), code) for code in mapping.attributes)]
    columns = {**mapping.columns, **{ATTRIBUTE_PREFIX + code: name for code, name in mapping.attributes.items()}}
    reading = Reading(
        utc_today(context.now),
        mapping.decimal_mark,
        mapping.date_order,
        context.currency_exponent,
        context.known,
        context.phone_region,
    )
    return _Work(importer, fields, columns, rules, reading, mapping, context)


def _stage_good_rows(
    inputs: Sequence[Input], file: int, work: _Work, parts: Parts, stand: Stand, progress: Progress | None
) -> None:
    """All rows of one file from where the check stands, which is noted with every part that is finished."""
    source = inputs[file].source
    if len(stand.first_lines) == file:
        earlier = stand.first_lines[-1] + 1 if file else 0  # a file without rows had its header
        stand.first_lines.append(stand.place.line - 1 if stand.place else earlier)
        stand.rows_of.append(0)
        stand.bad_of.append(0)
        stand.place = None
    first = stand.first_lines[file]
    place = stand.place and Place(stand.place.offset, stand.place.line - first)
    batches = ((_numbered(texts, first), behind) for texts, behind in _field_batches(source, work.columns, place))
    for texts, behind, (batch, bad_rows, rows) in _judged(batches, work, lambda: stand.n_bad < BAD_ROWS_LIMIT):
        stand.rows_of[file] += texts.num_rows
        stand.bad_of[file] += batch.n_bad
        stand.findings += batch.findings
        stand.bad_rows |= bad_rows
        stand.file, stand.place = file, Place(behind.offset, behind.line + first)
        parts.write(rows, stand)
        if progress:
            read = source.share(behind)
            progress(stand.n_rows, max(stand.n_rows, round(stand.n_rows * len(inputs) / (file + read))))
    stand.file = file + 1


def _numbered(texts: pa.Table, first: int) -> pa.Table:
    """Lines counted through all files."""
    return texts.set_column(0, LINE_COLUMN, pc.add(column(texts, LINE_COLUMN), first)) if first else texts


def _judged(
    batches: Iterable[tuple[pa.Table, Place]], work: _Work, explain: Callable[[], bool]
) -> Iterator[tuple[pa.Table, Place, tuple[Checked, dict[int, dict[str, str]], pa.Table]]]:
    """Batches with what was found, in their order; a few are judged on other threads while the next are read."""
    waiting: deque[tuple[pa.Table, Place, Future[tuple[Checked, dict[int, dict[str, str]], pa.Table]]]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for texts, behind in batches:
            waiting.append((texts, behind, pool.submit(work.judge, texts, explain())))
            if len(waiting) >= _AHEAD:
                earliest, place, found = waiting.popleft()
                yield earliest, place, found.result()
        for earliest, place, found in waiting:
            yield earliest, place, found.result()


def _field_batches(
    source: TextTable, columns: Mapping[str, str], since: Place | None = None
) -> Iterator[tuple[pa.Table, Place]]:
    """Batches with our names; a column that serves two fields comes twice."""
    wanted = tuple(dict.fromkeys(columns.values()))
    for batch, behind in source.read(wanted, since):
        ours: dict[str, Any] = {LINE_COLUMN: batch.column(LINE_COLUMN)}
        yield pa.table(ours | {field: batch.column(theirs) for field, theirs in columns.items()}), behind


def _texts_of(texts: pa.Table, lines: set[int], fields: Sequence[Field]) -> dict[int, dict[str, str]]:
    """The texts of bad rows by field, for quarantine; personal ones are left out."""
    if not lines:
        return {}
    kept = [f.name for f in fields if not f.is_personal and f.name in texts.column_names]
    places = pc.is_in(column(texts, LINE_COLUMN), value_set=pa.array(sorted(lines), pa.int64()))
    found = texts.select([LINE_COLUMN, *kept]).filter(places)
    as_text = {name: written(column(found, name)) for name in kept}
    rows = pa.table({LINE_COLUMN: column(found, LINE_COLUMN), **as_text}).to_pylist()
    return {row.pop(LINE_COLUMN): {name: text or "" for name, text in row.items()} for row in rows}


def _leave_doubled_out(
    connection: DuckDBPyConnection,
    importer: Importer,
    checked: CheckedFile,
    take_out: Callable[[DuckDBPyConnection, Path, str], int],
) -> list[Clash]:
    """Take out rows that repeat an earlier line, and all that share a key but differ; the latter are returned."""
    checked.n_bad += take_out(connection, checked.staged, "SELECT line FROM doubled WHERE differs")
    clashing = connection.execute(
        "SELECT line, first(other ORDER BY key), min(key) FROM doubled WHERE differs GROUP BY line"
        " ORDER BY line LIMIT ?",
        [CLASHES_LIMIT],
    ).fetchall()
    # A line that was dropped as differing is gone from the file and not counted again.
    same = "SELECT line FROM doubled WHERE line > other AND line NOT IN (SELECT line FROM doubled WHERE differs)"
    checked.n_known += take_out(connection, checked.staged, same)
    keys = [[importer.renamed.get(column, column) for column in key] for key in importer.keys]
    return [
        Clash(line, keys[key][0], Message("doubled_key", DOUBLED, {"line": other, "key": ", ".join(keys[key])}))
        for line, other, key in clashing
    ]


def _counted(connection: DuckDBPyConnection, checked: CheckedFile, clashes: Sequence[Clash]) -> list[FileCount]:
    """The files with what is left of each: new rows; what is neither bad nor new was known."""
    if len(checked.files) == 1:
        return [replace(checked.files[0], n_bad=checked.n_bad, n_new=checked.n_new, n_known=checked.n_known)]
    counted = []
    ends = [*(file.first_line for file in checked.files[1:]), 1 << 62]
    for file, end in zip(checked.files, ends, strict=True):
        here = f"SELECT count(*) FROM {table(checked.staged)} WHERE line > {file.first_line} AND line <= {end}"  # noqa: S608 - quoted
        found = connection.execute(here).fetchone()
        n_new = int(found[0]) if found else 0
        n_bad = file.n_bad + sum(file.first_line < clash.line <= end for clash in clashes)
        counted.append(replace(file, n_bad=n_bad, n_new=n_new, n_known=file.n_rows - n_bad - n_new))
    return counted


def _name_clashes(
    clashes: Sequence[Clash], inputs: Sequence[Input], works: Sequence[_Work], checked: CheckedFile
) -> None:
    """Add a finding for each clash, with the text that stands in the file (a second pass fetches it)."""
    named = {clash.line: clash for clash in clashes}
    if not named:
        return
    for each, work, counted in zip(inputs, works, checked.files, strict=True):
        for texts, _ in _field_batches(each.source, work.columns):
            numbered = _numbered(texts, counted.first_line)
            for line, row in _texts_of(numbered, set(named), work.fields).items():
                checked.bad_rows[line] = row
                clash = named[line]
                is_personal = any(f.is_personal for f in work.fields if f.name == clash.field)
                text = row.get(clash.field, "")
                shown = HIDDEN if is_personal else printable(text[:SHOWN_CHARACTERS])
                theirs = work.columns.get(clash.field, clash.field)
                checked.findings.append(Finding(line, clash.field, theirs, shown, clash.reason))
    checked.findings.sort(key=lambda finding: finding.line)


def _with_file(finding: Finding, files: Sequence[FileCount]) -> Finding:
    """The finding with the name of its file, and the line there, beside the column."""
    file = max((f for f in files if f.first_line < finding.line), key=lambda f: f.first_line)
    return replace(finding, column=f"{finding.column} ({file.name}, {finding.line - file.first_line})")
