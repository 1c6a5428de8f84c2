"""A durable Delta table: files and log entry synced before a commit counts, each batch once, every version kept."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pilot.outcomes.delta_log import TRANSACTION_HOURS, DataFile, DeltaLog, data_files
from pilot.outcomes.delta_log import Commit as Commit  # told to whoever asks for commits
from pilot.outcomes.engine import join_files
from pilot.outcomes.errors import BatchLost, LakeVersionVacuumed, NoSuchLakeVersion, NothingKnownYet
from pilot.outcomes.file_lock import locked
from pilot.outcomes.phases import phase
from pilot.outcomes.shared_lock import SharedLock
from pilot.outcomes.storage import Storage, raise_if_full, raise_if_refused, storage_of
from pilot.settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

WritePart = Callable[[str, Path], int]

# The default drops log entries after 30 days, and with them every older version: reports name versions for good.
_CONFIGURATION = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.setTransactionRetentionDuration": f"interval {TRANSACTION_HOURS} hours",
}
_HOUR_MS = 3_600_000
_SMALL_BYTES = 128 << 20
_JOINED_BYTES = 2 * _SMALL_BYTES
_MANY = 32


class DeltaStore:
    """One Delta table. Opening it for the first time creates it, empty (version 0).

    ``root`` is a folder or ``s3://bucket/prefix``; ``partition`` a column that is in the path and not in the files;
    ``order`` the columns by which compaction sorts; ``lock`` names the lock file of everything that changes the table;
    ``removed_days`` say how long checkpoints name files that were joined.
    """

    def __init__(
        self,
        settings: Settings,
        root: str,
        schema: pa.Schema,
        *,
        partition: str | None = None,
        order: Sequence[str] = (),
        lock: str = "lake",
        removed_days: int = 7,
    ) -> None:
        self.settings, self.schema, self.partition, self.order = settings, schema, partition, tuple(order)
        self.storage: Storage = storage_of(settings, root)
        self._log = DeltaLog(self.storage)
        self.root = self.storage.root
        self._configuration = {**_CONFIGURATION, "delta.deletedFileRetentionDuration": f"interval {removed_days} days"}
        self._lock_file = settings.locks_dir / f"{lock}.lock"
        self._making_lock = settings.locks_dir / f"{lock}-new.lock"
        self._vacuum_lock = settings.locks_dir / "vacuum.lock"
        self._shared = SharedLock(settings, self.root)

    @property
    def table_schema(self) -> pa.Schema:
        """The columns as an engine reads them: the partition's own comes last."""
        if self.partition is None:
            return self.schema
        return self.schema.append(pa.field(self.partition, pa.string(), nullable=False))

    def version(self) -> int:
        """The latest version."""
        return int(self._open().version())

    def files(self, version: int | None = None, parts: Sequence[str] | None = None) -> list[str]:
        """The Parquet files that hold ``version`` (None: the latest), of all partitions or of some.

        Raises ``NoSuchLakeVersion``, and ``LakeVersionVacuumed`` where an older version's files are gone.
        """
        asked, latest = version, self._open()
        if version is None:
            return self._files(latest, parts)
        files = self._files_at(version, latest, parts)
        now = self._files(latest, parts)
        while not self._are_there(files, now):
            version += 1  # what only joined files holds the same rows
            if version > latest.version() or self._log.commit_at(version) is not None:
                raise LakeVersionVacuumed(version=asked)
            files = self._files_at(version, latest, parts)
        return files

    def described(self) -> list[DataFile]:
        """The files of the latest version, with what the log says of them."""
        return data_files(self._open(), self.partition)

    def version_of(self, batch_id: str) -> int | None:
        """The version whose commit carried this batch; None where the table does not know it."""
        return self._version_of(self._open(), batch_id)

    def append(
        self,
        batch_id: str,
        parts: Sequence[str],
        write: WritePart,
        *,
        details: Mapping[str, str] | None = None,
        committed_at: datetime | None = None,
    ) -> int:
        """Add one file per partition as one commit; the caller holds ``writing()``. Returns the version of the batch.

        ``write(part, path)`` writes the rows of that partition (``schema``) and says how many there were; a table
        without partitions has the one part ``""``. A batch that is known is not written again. Files are on disk
        before the log entry names them, the entry is on disk and was read again before this returns: deltalake itself
        calls no fsync. Where anything fails, nothing of the batch stays.
        """
        table = self._open()
        known = self._version_of(table, batch_id)
        if known is not None:
            return known
        with phase(self.settings, "commit"):
            metadata = {
                "batch_id": batch_id,
                "committed_at": self._instant(table, committed_at or self.settings.now()).isoformat(),
                "details": json.dumps(dict(details or {}), sort_keys=True),
            }
            # The name follows from the batch: what a crash left behind is overwritten by the next attempt.
            paths = {part: self._path(part, f"{batch_id}.parquet") for part in parts}

            def commit() -> None:
                actions = [self._add(part, path, partial(write, part)) for part, path in paths.items()]
                self._commit(table, actions, metadata, batch_id)

            self._whole_or_nothing(commit, list(paths.values()))
            version = self._read_again(batch_id)
            self._keep_log_short(version)
            return version

    def commits(self, after: int, through: int | None = None) -> list[Commit]:
        """The commits that brought rows, from the version behind ``after`` to ``through`` (None: the latest)."""
        last = self.version() if through is None else through
        found = (self._log.commit_at(version) for version in range(after + 1, last + 1))
        return [commit for commit in found if commit is not None]

    def version_known_on(self, at: datetime) -> int:
        """The last version whose rows were all known at ``at``; compaction brings none. Raises ``NothingKnownYet``."""
        low, high, found = max(len(self._log.index()), 1), self.version(), None
        while low <= high:  # instants never go back from version to version: ``append`` sees to it
            middle = (low + high) // 2
            commit = self._log.last_commit(middle, low)
            if commit is None:
                low = middle + 1
            elif commit.committed_at <= at:
                found, low = commit.version, middle + 1
            else:
                high = commit.version - 1
        if found is None:
            found = self._log.known_on(at)
        if found is None:
            raise NothingKnownYet(at=f"{at.astimezone(UTC):%Y-%m-%d %H:%M}")
        return found

    def is_worth_compacting(self) -> bool:
        """Whether some partition has so many small files that joining them pays."""
        return any(len(files) >= _MANY for files in self._small(self._open()).values())

    def compact(self) -> None:
        """Join the small files of each partition, sorted by ``order``; older versions keep reading the old files.

        New files and log entry are synced like a commit's; nothing becomes known by it. Each join is a commit of its
        own, so a crash loses at most one.
        """
        with self.writing(), phase(self.settings, "compaction"):
            for part in self._small(self._open()):
                while len(files := self._small(table := self._open()).get(part, {})) > 1:
                    self._join(table, part, files)

    def vacuum(self, keep_versions: Sequence[int], *, grace_hours: int = 0) -> list[str]:
        """Delete files that neither the latest version nor any of ``keep_versions`` needs. Returns the deleted ones.

        What was joined (or left by a crash) less than ``grace_hours`` ago stays: who opened the table before may still
        be reading it. The log says nothing of it: it names what each version held.

        It alone takes files away, so a backup that copies them holds ``vacuum.lock`` and imports can go on.
        """
        with locked(self._vacuum_lock), self.writing():
            deleted = self._spare(keep_versions, _now_ms() - grace_hours * _HOUR_MS)
            for path in deleted:
                self.storage.remove(path)
            return deleted

    def _spare(self, keep_versions: Sequence[int], since_ms: int) -> list[str]:
        """The files that no version to keep and no reader since then needs, and nobody is writing."""
        table = self._open()
        latest = int(table.version())
        kept = sorted({version for version in keep_versions if 0 <= version < latest})
        needed = {self._relative(file) for version in kept for file in self._files_at(version, table)}
        needed.update(self._relative(file) for file in self._files(table, None))
        for entry in self._log.written_since(since_ms, latest):
            needed.update(entry.added, entry.removed)
        data = [path for path in self.storage.paths() if not path.startswith(("_", "."))]
        return [path for path in data if path not in needed and self.storage.modified_ms(path) < since_ms]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The one lock of everything that changes the table: publishing, compacting, vacuum; on every machine."""
        with locked(self._lock_file), self._shared.held():
            yield

    def _open(self, version: int | None = None) -> "DeltaTable":
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        options = self.storage.options
        try:
            table = DeltaTable(self.root, storage_options=options)
        except TableNotFoundError:
            self._create()
            table = DeltaTable(self.root, storage_options=options)
        except OSError as error:
            raise_if_refused(error, self.root)
            raise
        except DeltaError:
            if not self.storage.drop_torn_entry():
                raise
            table = DeltaTable(self.root, storage_options=options)
        if version is None or version == table.version():
            return table
        return DeltaTable(self.root, version=version, storage_options=options)

    def _create(self) -> None:
        from deltalake import DeltaTable
        from deltalake.exceptions import CommitFailedError

        self.storage.prepare()
        # Readers open without the lock of writers: of several who find no table, one makes it and the others go on with
        # that one; whoever is refused was second on another machine.
        with locked(self._making_lock), contextlib.suppress(CommitFailedError):
            DeltaTable.create(
                self.root,
                self.table_schema,
                mode="ignore",
                partition_by=[self.partition] if self.partition else None,
                configuration=self._configuration,
                storage_options=self.storage.options,
            )
        self.storage.sync_log(0)

    def _files(self, table: "DeltaTable", parts: Sequence[str] | None) -> list[str]:
        return self._of_parts(sorted(table.file_uris()), parts)

    def _files_at(self, version: int, latest: "DeltaTable", parts: Sequence[str] | None = None) -> list[str]:
        if not 0 <= version <= latest.version():
            raise NoSuchLakeVersion(version=version, latest=latest.version())
        if not self._log.is_packed(version):
            return self._files(self._open(version), parts)
        return self._of_parts([f"{self.root}/{path}" for path in self._log.paths_at(version)], parts)

    def _of_parts(self, files: list[str], parts: Sequence[str] | None) -> list[str]:
        if parts is None:
            return files
        wanted = {f"{self.partition}={part}" for part in parts}
        return [file for file in files if Path(file).parent.name in wanted]

    def _are_there(self, files: Sequence[str], latest: Sequence[str]) -> bool:
        return all(self.storage.exists(self._relative(file)) for file in set(files).difference(latest))

    def _relative(self, uri: str) -> str:
        return uri.removeprefix(self.root).lstrip("/")

    def _path(self, part: str, name: str) -> str:
        return f"{self.partition}={part}/{name}" if self.partition else name

    def _add(self, part: str, path: str, write: Callable[[Path], int], *, data_change: bool = True) -> Any:
        """Write one file durably; the action that adds it to the table."""
        from deltalake.transaction import AddAction

        with self.storage.new_file(path) as file:
            n = write(file)
        values = {self.partition: part} if self.partition else {}
        stats = json.dumps({"numRecords": n})
        return AddAction(path, self.storage.size(path), values, _now_ms(), data_change, stats)

    def _commit(self, table: "DeltaTable", actions: list[Any], metadata: dict[str, str], batch_id: str | None) -> None:
        from deltalake import CommitProperties, Transaction
        from deltalake.transaction import PostCommitHookProperties

        self._shared.require_held()
        # The transaction's number is where the commit is to be found; others may come in between, so it is a hint.
        transactions = [Transaction(batch_id, table.version() + 1, _now_ms())] if batch_id else None
        table.create_write_transaction(
            actions,
            "append",
            table.schema(),
            partition_by=[self.partition] if self.partition else None,
            commit_properties=CommitProperties(custom_metadata=metadata, app_transactions=transactions),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False),
        )

    def _whole_or_nothing(self, commit: Callable[[], None], paths: Sequence[str]) -> None:
        """Run ``commit``; where it fails and the table names none of ``paths``, they are removed again."""
        try:
            commit()
        except BaseException as error:
            with contextlib.suppress(Exception):  # what is not removed now is overwritten later, or vacuumed
                named = {self._relative(file) for file in self._open().file_uris()}
                for path in set(paths) - named:
                    self.storage.remove(path)
            raise_if_full(error, self.root)
            raise

    def _read_again(self, batch_id: str) -> int:
        version = self._version_of(self._open(), batch_id)
        if version is None:
            raise BatchLost(batch=batch_id, place=self.root)
        self.storage.sync_log(version)
        return version

    def _version_of(self, table: "DeltaTable", batch_id: str) -> int | None:
        hint: int | None = table.transaction_version(batch_id)
        return self._log.version_of(batch_id, hint, int(table.version()))

    def last_commit(self) -> Commit | None:
        """The latest commit that brought rows; None: there was none yet."""
        return self._last_commit(self.version())

    def _last_commit(self, version: int) -> Commit | None:
        return self._log.last_commit(version)

    def _instant(self, table: "DeltaTable", at: datetime) -> datetime:
        """``at``, or the instant of the last commit where a clock was set back: later versions are known later."""
        before = self._last_commit(table.version())
        return max(at, before.committed_at).astimezone(UTC) if before else at.astimezone(UTC)

    def _keep_log_short(self, version: int) -> None:
        """Pack what was written, and remove it from the log: unless a backup copies the log, then the next time."""
        if not self._log.is_long(version):
            return
        self._log.pack(version)
        # Not the library's own hook: transactions that expire are left out of a checkpoint, so they are packed first.
        table = self._open()
        table.create_checkpoint()
        self.storage.sync_log(int(table.version()))
        with locked(self._vacuum_lock, wait=False) as is_ours:
            if is_ours:
                self._log.shorten()

    def _small(self, table: "DeltaTable") -> dict[str, dict[str, int]]:
        """By partition the small files (path → bytes), the smallest first, as many as may be joined at once."""
        found: dict[str, dict[str, int]] = {}
        for file in sorted(data_files(table, self.partition), key=lambda file: (file.size_bytes, file.path)):
            files = found.setdefault(file.part, {})
            if file.size_bytes < _SMALL_BYTES and sum(files.values()) + file.size_bytes <= _JOINED_BYTES:
                files[file.path] = file.size_bytes
        return dict(sorted(found.items()))

    def _join(self, table: "DeltaTable", part: str, files: Mapping[str, int]) -> None:
        from deltalake.transaction import RemoveAction

        path = self._path(part, f"joined-{table.version() + 1}.parquet")
        values: dict[str, str | None] = {self.partition: part} if self.partition else {}
        sources = [f"{self.root}/{name}" for name in files]

        def commit() -> None:
            joined = self._add(
                part,
                path,
                lambda file: join_files(self.settings, self.storage, sources, file, self.schema.names, self.order),
                data_change=False,
            )
            gone = [RemoveAction(name, False, _now_ms(), size, values) for name, size in files.items()]
            self._commit(table, [joined, *gone], {"joined": part}, None)

        self._whole_or_nothing(commit, [path])
        version = self.version()
        self.storage.sync_log(version)
        self._keep_log_short(version)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
