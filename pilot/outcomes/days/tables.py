"""The two derived tables as Delta tables: rows that only add up, each with the lake version that brought it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pilot.outcomes.delta import DeltaStore
from pilot.outcomes.delta_log import data_files
from pilot.outcomes.errors import EngineMemoryTooSmall
from pilot.outcomes.lake import SCHEMA
from pilot.outcomes.storage import beside_lake
from pilot.settings import Settings

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from duckdb import DuckDBPyConnection

# Count up when what a day counts changes (``experiments.measure.days``): tables made by other rules are made anew.
RULES = 2
YEAR = "business_year"
VERSION = "lake_version"
_ROW_GROUP = 122_880
_RECEIPTS = "receipts"
Reduce = Callable[["ir.Table"], "ir.Table"]
_DAY: list[Any] = [pa.field("business_date", pa.date32(), nullable=False)]
_VERSION: list[Any] = [pa.field(VERSION, pa.int64(), nullable=False)]


def _whole(*names: str) -> list[Any]:
    return [pa.field(name, pa.int64(), nullable=False) for name in names]


CUSTOMER_DAYS = pa.schema([*_whole("customer_key"), *_DAY, *_whole("net_minor", "sales", "purchase_days"), *_VERSION])
STORE_DAYS = pa.schema(
    [
        *_whole("store_id"),
        *_DAY,
        *_whole("net_minor", "sales", "identified_sales", "receipts", "identified_receipts"),
        pa.field("net_squares", pa.decimal128(38, 0), nullable=False),
        *_VERSION,
    ]
)


@dataclass(frozen=True, slots=True)
class Included:
    """What a derived table holds: every receipt of the lake as it was at ``base``, and those of each commit since.

    ``through`` is the last lake version that is in it wholly, ``batch`` that version's batch (another batch under the
    same number: another lake). While a base is being written ``through`` is None; ``is_dropped`` after a drop.
    ``generation`` counts the bases, ``rules`` is the ``RULES`` by which they were made.
    """

    generation: int
    base: int
    through: int | None
    batch: str
    is_dropped: bool = False
    rules: int = 0


@dataclass(frozen=True, slots=True)
class Size:
    """How big a table is now; older versions' files, which go with tidying, are not counted."""

    name: str
    rows: int
    files: int
    size_bytes: int


class DayTable(DeltaStore):
    """A derived table. Its last commit says what it holds, so rows and the word about them are one commit."""

    def __init__(self, settings: Settings, name: str, schema: pa.Schema, reduce: Reduce) -> None:
        # By customer (or store) and not by day: a pass that groups by customer then finds each one's rows together.
        order = [schema.names[0], "business_date"]
        root = beside_lake(settings, f"derived/{name}")
        super().__init__(settings, root, schema, partition=YEAR, order=order, lock=name)
        self._vacuum_lock = settings.locks_dir / f"{name}-vacuum.lock"  # no backup copies these files
        self._reduce, self.name = reduce, name

    def write_days(self, connection: DuckDBPyConnection, files: Sequence[str], version: int, path: Path) -> int:
        """Write the days of the receipts in ``files``, which came with lake ``version``, as a file. Returns how many
        rows. Raises ``EngineMemoryTooSmall``."""
        from duckdb import OutOfMemoryException

        columns = ", ".join(
            name if name != VERSION else f"{version:d}::BIGINT AS {VERSION}" for name in self.schema.names
        )
        listed = ", ".join(map(_literal, files))
        receipts = f"SELECT * FROM read_parquet([{listed}], hive_partitioning = false)"  # noqa: S608 - paths are quoted
        days = f"SELECT {columns} FROM ({_asked(self._reduce)}) ORDER BY {', '.join(self.order)}"  # noqa: S608 - our own names
        try:
            connection.execute(
                f"COPY (WITH {_RECEIPTS} AS ({receipts}) {days}) TO {_literal(str(path))} "
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
            )
        except OutOfMemoryException as error:
            memory, spill = self.settings.engine_memory_mb, str(self.settings.spill_dir)
            raise EngineMemoryTooSmall(megabytes=memory, spill=spill) from error
        file = pq.ParquetFile(path)
        if file.schema_arrow.types != self.schema.types:  # Ibis and DuckDB do not always mean the same type
            raise TypeError(f"{self.name} has {file.schema_arrow.types}, not {self.schema.types}")
        return int(file.metadata.num_rows)

    def included(self) -> Included | None:
        """What the table holds; None: it was never built."""
        held = self.held()
        return held[0] if held else None

    def held(self) -> tuple[Included, list[str]] | None:
        """What the table holds and in which files, as one moment; None: it was never built."""
        table = self._open()
        last = self._last_commit(int(table.version()))
        return None if last is None else (_included(last.details), sorted(table.file_uris()))

    def size(self) -> Size:
        """How big it is."""
        files = self.described()
        return Size(self.name, sum(f.n_rows for f in files), len(files), sum(f.size_bytes for f in files))

    def tidy(self) -> None:
        """Join the small files, sorted: the same rows, read faster. What earlier tidying replaced goes from the disk.

        Only after an hour, though: a report may still be reading it.
        """
        with self.writing():
            self._open().vacuum(retention_hours=1, dry_run=False, enforce_retention_duration=False)
        self.compact()

    def clear(self, included: Included) -> None:
        """Take every row out, as one commit that says ``included``; the files go with the next vacuum."""
        from deltalake.transaction import RemoveAction

        with self.writing():
            table = self._open()
            batch_id = f"clear-{included.generation}"
            metadata = {
                "batch_id": batch_id,
                "committed_at": self._instant(table, self.settings.wall_clock()).isoformat(),
                "details": json.dumps(details_of(included)),
            }
            now_ms = time.time_ns() // 1_000_000
            gone = [
                RemoveAction(file.path, True, now_ms, file.size_bytes, {YEAR: file.part})
                for file in data_files(table, YEAR)
            ]
            self._whole_or_nothing(lambda: self._commit(table, gone, metadata, batch_id), [])
            self._read_again(batch_id)


@cache
def _asked(reduce: Reduce) -> str:
    """The SQL of ``reduce``: Ibis takes longer to make it than DuckDB to answer it of a few receipts."""
    import ibis

    receipts = ibis.table(ibis.Schema.from_pyarrow(SCHEMA), name=_RECEIPTS)
    return str(ibis.to_sql(reduce(receipts), dialect="duckdb"))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def details_of(included: Included) -> dict[str, str]:
    """``included`` as the details of a commit."""
    return {name: json.dumps(value) for name, value in asdict(included).items()}


def _included(details: Mapping[str, str]) -> Included:
    return Included(**{name: json.loads(value) for name, value in details.items()})
