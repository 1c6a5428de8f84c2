"""The lake of receipts: one Delta table, partitioned by business month, written once, read at any version."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pilot.outcomes.errors import NoSuchLakeVersion
from pilot.settings import Settings

if TYPE_CHECKING:
    import ibis
    from deltalake import DeltaTable

WriteMonth = Callable[[str, Path], int]

MONTH = "business_month"
_FIELDS: list[Any] = [
    pa.field("receipt_id", pa.string(), nullable=False),
    pa.field("store_id", pa.int64(), nullable=False),
    pa.field("till", pa.string()),
    pa.field("number", pa.string()),
    pa.field("kind", pa.string(), nullable=False),
    pa.field("refers_to", pa.string()),
    pa.field("at", pa.timestamp("us", "UTC"), nullable=False),
    pa.field("business_date", pa.date32(), nullable=False),
    pa.field("customer_key", pa.int64()),
    pa.field("net_minor", pa.int64(), nullable=False),
    pa.field("vat_minor", pa.int64(), nullable=False),
    pa.field("discount_minor", pa.int64(), nullable=False),
    pa.field("cost_minor", pa.int64()),
    pa.field("reward_minor", pa.int64(), nullable=False),
    pa.field("n_items", pa.int64(), nullable=False),
    pa.field("offer_id", pa.int64()),
    pa.field("received_at", pa.timestamp("us", "UTC"), nullable=False),
    pa.field("batch_id", pa.string(), nullable=False),
]
SCHEMA = pa.schema(_FIELDS)
_TABLE_SCHEMA = SCHEMA.append(pa.field(MONTH, pa.string(), nullable=False))
# The default drops log entries after 30 days, and with them every older version: reports name versions for good.
_CONFIGURATION = {"delta.logRetentionDuration": "interval 36500 days"}


class Lake:
    """The lake of one installation. Opening it for the first time creates an empty table (version 0)."""

    def __init__(self, settings: Settings) -> None:
        self.path: Path = settings.lake_dir
        self._lock: Path = settings.locks_dir / "lake.lock"
        self._vacuum_lock: Path = settings.locks_dir / "vacuum.lock"

    def version(self) -> int:
        """The latest version."""
        return self._open().version()

    def receipts(self, version: int | None = None, months: Sequence[str] | None = None) -> "ibis.Table":
        """The receipts as they were known at ``version`` (None: now), an Ibis table with ``SCHEMA``'s columns.

        ``months`` (``"2017-01"``) limits the files that are read; filter on ``business_date`` beside. Raises
        ``NoSuchLakeVersion``.
        """
        import ibis

        files = self.files(version, months)
        if not files:
            # An empty result of the right types, in the same engine.
            connection = ibis.duckdb.connect()
            return connection.create_table("receipts", schema=ibis.Schema.from_pyarrow(_TABLE_SCHEMA))
        return ibis.duckdb.connect().read_parquet(
            files, table_name="receipts", hive_partitioning=True, hive_types_autocast=False
        )

    def files(self, version: int | None = None, months: Sequence[str] | None = None) -> list[str]:
        """The Parquet files that hold ``version``, of all months or of some."""
        files = sorted(self._open(version).file_uris())
        if months is None:
            return files
        wanted = {f"{MONTH}={month}" for month in months}
        return [file for file in files if Path(file).parent.name in wanted]

    def version_of(self, batch_id: str) -> int | None:
        """The version whose commit carried this batch; None where the lake does not know it."""
        table = self._open()
        if table.transaction_version(batch_id) is None:
            return None
        return next(int(entry["version"]) for entry in table.history() if entry.get("batch_id") == batch_id)

    def append(self, batch_id: str, months: Sequence[str], write: WriteMonth) -> int:
        """Add one file per month as one commit; the caller holds ``writing()``. Returns the version of the batch.

        ``write(month, path)`` writes that month's rows (``SCHEMA``) and says how many there were. A batch that is known
        already is not written again. Files are on disk before the log entry names them, and the entry is on disk before
        this returns: deltalake itself calls no fsync.
        """
        from deltalake import CommitProperties, Transaction
        from deltalake.transaction import PostCommitHookProperties

        known = self.version_of(batch_id)
        if known is not None:
            return known
        table = self._open()
        table.create_write_transaction(
            [self._add(batch_id, month, write) for month in months],
            "append",
            table.schema(),
            partition_by=[MONTH],
            commit_properties=CommitProperties(
                custom_metadata={"batch_id": batch_id}, app_transactions=[Transaction(batch_id, 1)]
            ),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )
        log = self.path / "_delta_log"
        version = self._open().version()
        _sync(log / f"{version:020d}.json")
        _sync(log)
        return version

    def compact(self) -> None:
        """Join small files of a month into larger ones; older versions keep reading the old files."""
        with self.writing():
            self._open().optimize.compact()

    def vacuum(self, keep_versions: Sequence[int]) -> list[str]:
        """Delete files that neither the latest version nor any of ``keep_versions`` needs. Returns the deleted ones.

        It alone takes files away, so a backup that copies them holds ``vacuum.lock`` and imports can go on.
        """
        with _locked(self._vacuum_lock), self.writing():
            deleted: list[str] = self._open().vacuum(
                retention_hours=0,
                dry_run=False,
                enforce_retention_duration=False,
                keep_versions=sorted({*keep_versions, self.version()}),
            )
            return deleted

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The one lock of everything that changes the table: publishing, compacting, vacuum."""
        with _locked(self._lock):
            yield

    def _open(self, version: int | None = None) -> "DeltaTable":
        from deltalake import DeltaTable

        if not DeltaTable.is_deltatable(str(self.path)):
            self.path.mkdir(parents=True, exist_ok=True)
            DeltaTable.create(
                self.path, _TABLE_SCHEMA, mode="ignore", partition_by=[MONTH], configuration=dict(_CONFIGURATION)
            )
        table = DeltaTable(self.path)
        if version is None or version == table.version():
            return table
        if not 0 <= version < table.version():
            raise NoSuchLakeVersion(version=version, latest=table.version())
        return DeltaTable(self.path, version=version)

    def _add(self, batch_id: str, month: str, write: WriteMonth) -> Any:
        """Write one month's file and sync it to disk; the action that adds it to the table."""
        from deltalake.transaction import AddAction

        folder = self.path / f"{MONTH}={month}"
        folder.mkdir(exist_ok=True)
        # The name follows from the batch: what a crash left behind is overwritten by the next attempt.
        file = folder / f"{batch_id}.parquet"
        n = write(month, file)
        for path in (file, folder, self.path):
            _sync(path)
        stat = file.stat()
        modified_ms, stats = stat.st_mtime_ns // 1_000_000, json.dumps({"numRecords": n})
        return AddAction(f"{MONTH}={month}/{file.name}", stat.st_size, {MONTH: month}, modified_ms, True, stats)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
