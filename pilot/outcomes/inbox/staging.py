"""The receipts of some batches as one file for the lake, and the way back from its lines to batch and index."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pilot.imports.arrow import column, pc
from pilot.imports.engine import drop_lines, engine, name, table
from pilot.outcomes.inbox.model import InboxBatch
from pilot.outcomes.inbox.payload import unpack
from pilot.outcomes.key_index import NATURAL_KEY, RECEIPT_ID

_ARRIVAL = ("batch_id", "received_at")
_NOT_CONTENT = ("line", "receipt_id", "received_at", "batch_id")
_ROWS_AT_ONCE = 50_000


class UnreadablePayload(Exception):
    """A batch whose stored receipts cannot be read back: the bytes are damaged, or of another version's columns."""

    def __init__(self, batch_id: str, problem: str) -> None:
        super().__init__(f"{batch_id}: {problem}")
        self.batch_id = batch_id


@dataclass(frozen=True, slots=True)
class Doubled:
    """A receipt that came again in one drain, after ``first``; ``is_same``: with the same content, its id aside."""

    line: int
    first: str
    is_same: bool
    row: dict[str, Any]


@dataclass(slots=True)
class Staged:
    """``path``: the staged columns with ``batch_id`` and ``received_at``; ``line`` runs through all batches.

    ``customers``: the external ids that occur.
    """

    path: Path
    n_rows: int = 0
    customers: set[str] = field(default_factory=set)
    _first: list[int] = field(default_factory=list)
    _batches: list[InboxBatch] = field(default_factory=list)
    _indices: list[npt.NDArray[np.int64]] = field(default_factory=list)

    def place(self, line: int) -> tuple[InboxBatch, int]:
        """The batch that the line belongs to, and the receipt's index in its call."""
        at = bisect_right(self._first, line) - 1
        return self._batches[at], int(self._indices[at][line - self._first[at]])

    def rows(self, lines: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The staged rows on these lines."""
        if not lines:
            return {}
        found = pq.read_table(self.path, filters=pc.field("line").isin(sorted(lines)))
        return {row["line"]: row for row in found.to_pylist()}

    def _add(self, batch: InboxBatch, receipts: pa.Table) -> pa.Table:
        self._first.append(self.n_rows)
        self._batches.append(batch)
        self._indices.append(column(receipts, "line").to_numpy(zero_copy_only=False))
        lines = pa.array(np.arange(self.n_rows, self.n_rows + receipts.num_rows, dtype=np.int64))
        self.n_rows += receipts.num_rows
        self.customers.update(pc.unique(column(receipts, "customer")).drop_null().to_pylist())
        n = receipts.num_rows
        whole = receipts.set_column(receipts.column_names.index("line"), "line", lines)
        whole = whole.append_column("batch_id", pa.repeat(pa.scalar(batch.batch_id), n))
        return whole.append_column("received_at", pa.repeat(pa.scalar(batch.received_at, pa.timestamp("us", "UTC")), n))


def stage(path: Path, payloads: Iterable[tuple[InboxBatch, bytes]]) -> Staged:
    """Write the payloads to ``path`` one after the other; raises ``UnreadablePayload``.

    The file is scratch: after a crash it is written again from the inbox.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged, waiting, n_waiting = Staged(path), list[pa.Table](), 0
    with ExitStack() as opened:
        writer: pq.ParquetWriter | None = None
        schema: pa.Schema | None = None
        for batch, payload in payloads:
            receipts = staged._add(batch, _readable(batch, payload, schema))
            if writer is None:
                schema = receipts.schema
                writer = opened.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
            waiting.append(receipts)
            n_waiting += receipts.num_rows
            if n_waiting >= _ROWS_AT_ONCE:  # calls are small, row groups are not
                writer.write_table(pa.concat_tables(waiting))
                waiting, n_waiting = [], 0
        if writer is not None and waiting:
            writer.write_table(pa.concat_tables(waiting))
    return staged


def _readable(batch: InboxBatch, payload: bytes, schema: pa.Schema | None) -> pa.Table:
    """The receipts of a batch, with the columns of the batches before it. All in memory: no fault of a disk is met."""
    try:
        receipts = unpack(payload)
        if schema is None:
            return receipts
        wanted = pa.schema([field for field in schema if field.name not in _ARRIVAL])
        return receipts.select(wanted.names).cast(wanted)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise UnreadablePayload(batch.batch_id, str(error).splitlines()[0]) from error


def drop_doubled(staged: Staged) -> list[Doubled]:
    """Leave the first of receipts with the same id, or the same number on a till, in the file; return the others.

    The door keeps them out within the key window already; two that are older may meet here.
    """
    if not staged.n_rows:
        return []
    found: dict[int, tuple[str, bool]] = {}
    with engine(staged.path.parent / "spill") as connection:
        for key in (RECEIPT_ID, NATURAL_KEY):
            for line, first, is_same in connection.execute(_doubled_by(key, staged.path)).fetchall():
                found.setdefault(line, (first, bool(is_same)))
        rows = staged.rows(list(found))
        if found:
            drop_lines(connection, staged.path, f"SELECT unnest([{', '.join(map(str, found))}]) AS line")
    return [Doubled(line, *found[line], rows[line]) for line in sorted(found)]


def _doubled_by(key: Sequence[str], path: Path) -> str:
    """The lines whose ``key`` an earlier line has: (line, the earlier receipt's id, whether their content is equal)."""
    columns = [c for c in pq.read_schema(path).names if c not in _NOT_CONTENT]
    equal = " AND ".join(f"l.{name(c)} IS NOT DISTINCT FROM f.{name(c)}" for c in columns)
    same_key = " AND ".join(f"l.{name(c)} = d.{name(c)}" for c in key)
    given = " AND ".join(f"{name(c)} IS NOT NULL" for c in key)
    return f"""
        WITH d AS (
            SELECT {", ".join(map(name, key))}, min(line) AS line FROM {table(path)} WHERE {given}
            GROUP BY ALL HAVING count(*) > 1
        )
        SELECT l.line, f.receipt_id, {equal}
        FROM {table(path)} l JOIN d ON {same_key} JOIN {table(path)} f ON f.line = d.line
        WHERE l.line <> d.line
        """  # noqa: S608 - names and paths are quoted
