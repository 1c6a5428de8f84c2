"""Check a whole file against an importer's rules and stage the good rows as one Parquet file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection
from sqlalchemy.orm import Session

from pilot.imports.engine import drop_lines, engine, find_doubled
from pilot.imports.errors import NoRows
from pilot.imports.importer import CLASHES_LIMIT, Clash, Context, Importer, Progress
from pilot.imports.mapping import FileMapping, require_fit
from pilot.imports.reader import LINE_COLUMN, TextTable
from pilot.imports.rules import HIDDEN, SHOWN_CHARACTERS, Field, Finding, check_batch
from pilot.imports.times import utc_today
from pilot.imports.values import Reading, Text, printable
from pilot.words import N_, Message

BAD_ROWS_LIMIT = 10_000
ATTRIBUTE_PREFIX = "attribute:"
DOUBLED = N_("Line {line} has the same {key} with other content.")


@dataclass(slots=True)
class CheckedFile:
    """``staged`` holds the good rows; of the ``n_bad`` bad ones the first 10,000 (or a few more) are named and kept.

    ``findings`` are sorted by line, ``bad_rows`` has the texts of each bad line by field. ``n_known``: rows left out
    because the same row stands earlier in the file or is stored already.
    """

    staged: Path
    n_rows: int = 0
    n_new: int = 0
    n_known: int = 0
    n_bad: int = 0
    findings: list[Finding] = field(default_factory=list)
    bad_rows: dict[int, dict[str, str]] = field(default_factory=dict)


def check_table(
    session: Session,
    importer: Importer,
    source: TextTable,
    mapping: FileMapping,
    context: Context,
    staged: Path,
    progress: Progress | None = None,
) -> CheckedFile:
    """Read ``source`` once in batches, stage what is good at ``staged``, compare it with itself and what is stored.

    ``progress`` is called with the number of rows read. Raises ``FileRefused`` and ``MappingRefused`` errors.
    """
    require_fit(importer, mapping, source)
    fields = [*importer.fields, *(Field(ATTRIBUTE_PREFIX + code, Text(120), code) for code in mapping.attributes)]
    columns = {**mapping.columns, **{ATTRIBUTE_PREFIX + code: name for code, name in mapping.attributes.items()}}
    checked = CheckedFile(staged)
    _stage_good_rows(importer, source, mapping, context, fields, columns, checked, progress)
    if checked.n_rows == 0:
        raise NoRows
    with engine(staged.parent / "spill") as connection:
        doubled = _within_file(connection, importer, checked)
        comparison = importer.compare(session, staged, context)
        checked.n_bad += comparison.n_clashes
        if comparison.clashes:
            lines = ", ".join(f"({clash.line})" for clash in comparison.clashes)
            drop_lines(connection, staged, f"SELECT line FROM (VALUES {lines}) clashing(line)")  # noqa: S608 - integers
    checked.n_new = comparison.n_new
    checked.n_known += comparison.n_same
    _name_clashes([*doubled, *comparison.clashes], source, columns, fields, checked)
    return checked


def _stage_good_rows(
    importer: Importer,
    source: TextTable,
    mapping: FileMapping,
    context: Context,
    fields: Sequence[Field],
    columns: dict[str, str],
    checked: CheckedFile,
    progress: Progress | None,
) -> None:
    reading = Reading(
        utc_today(context.now), mapping.decimal_mark, mapping.date_order, context.currency_exponent, context.known
    )
    rules = importer.rules(context)
    writer: pq.ParquetWriter | None = None
    try:
        for texts in _field_batches(source, columns):
            explain = checked.n_bad < BAD_ROWS_LIMIT
            batch = check_batch(texts, fields, rules, columns, reading, explain=explain)
            checked.n_rows += texts.num_rows
            checked.n_bad += batch.n_bad
            checked.findings += batch.findings
            checked.bad_rows |= _texts_of(texts, {finding.line for finding in batch.findings}, fields)
            rows = importer.finish(batch.good, mapping, context)
            writer = writer or pq.ParquetWriter(checked.staged, rows.schema, compression="zstd")
            writer.write_table(rows)
            if progress:
                progress(checked.n_rows)
    finally:
        if writer:
            writer.close()
        pa.default_memory_pool().release_unused()  # the engine needs the room next


def _field_batches(source: TextTable, columns: dict[str, str]) -> Iterable[pa.Table]:
    """Batches with our names; a column that serves two fields comes twice."""
    wanted = tuple(dict.fromkeys(columns.values()))
    for batch in source.batches(wanted):
        ours: dict[str, Any] = {LINE_COLUMN: batch.column(LINE_COLUMN)}
        yield pa.table(ours | {field: batch.column(theirs) for field, theirs in columns.items()})


def _texts_of(texts: pa.Table, lines: set[int], fields: Sequence[Field]) -> dict[int, dict[str, str]]:
    """The texts of bad rows by field, for quarantine; personal ones are left out."""
    if not lines:
        return {}
    kept = [f.name for f in fields if not f.is_personal and f.name in texts.column_names]
    places = [i for i, line in enumerate(texts.column(LINE_COLUMN).to_pylist()) if line in lines]
    rows = texts.select([LINE_COLUMN, *kept]).take(pa.array(places, pa.int64())).to_pylist()
    return {row.pop(LINE_COLUMN): {name: text or "" for name, text in row.items()} for row in rows}


def _within_file(connection: DuckDBPyConnection, importer: Importer, checked: CheckedFile) -> list[Clash]:
    """Take out rows that repeat an earlier line, and all that share a key but differ; the latter are returned."""
    find_doubled(connection, checked.staged, importer.keys)
    checked.n_bad += drop_lines(connection, checked.staged, "SELECT line FROM doubled WHERE differs")
    clashing = connection.execute(
        "SELECT line, first(other ORDER BY key), min(key) FROM doubled WHERE differs GROUP BY line"
        " ORDER BY line LIMIT ?",
        [CLASHES_LIMIT],
    ).fetchall()
    # A line that was dropped as differing is gone from the file and not counted again.
    same = "SELECT line FROM doubled WHERE line > other AND line NOT IN (SELECT line FROM doubled WHERE differs)"
    checked.n_known += drop_lines(connection, checked.staged, same)
    keys = [[importer.renamed.get(column, column) for column in key] for key in importer.keys]
    return [
        Clash(line, keys[key][0], Message("doubled_key", DOUBLED, {"line": other, "key": ", ".join(keys[key])}))
        for line, other, key in clashing
    ]


def _name_clashes(
    clashes: Sequence[Clash],
    source: TextTable,
    columns: dict[str, str],
    fields: Sequence[Field],
    checked: CheckedFile,
) -> None:
    """Add a finding for each clash, with the text that stands in the file (a second pass fetches it)."""
    named = {clash.line: clash for clash in clashes}
    if not named:
        return
    for texts in _field_batches(source, columns):
        lines: set[Any] = set(texts.column(LINE_COLUMN).to_pylist())
        checked.bad_rows |= _texts_of(texts, lines & set(named), fields)
    personal = {f.name for f in fields if f.is_personal}
    for line, clash in named.items():
        text = checked.bad_rows[line].get(clash.field, "")
        shown = HIDDEN if clash.field in personal else printable(text[:SHOWN_CHARACTERS])
        checked.findings.append(Finding(line, clash.field, columns.get(clash.field, clash.field), shown, clash.reason))
    checked.findings.sort(key=lambda finding: finding.line)
