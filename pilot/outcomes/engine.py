"""The engines that read the lake, as Ibis backends: DuckDB in this process within fixed memory, or Apache Spark."""

import itertools
import os
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from pilot.outcomes.errors import EngineMemoryTooSmall
from pilot.outcomes.spill import SpillFolder
from pilot.outcomes.storage import Storage
from pilot.settings import Settings

if TYPE_CHECKING:
    import ibis
    from duckdb import DuckDBPyConnection

_names = itertools.count(1)
_THREAD_MB = 128  # with less for each of its threads DuckDB gives up rather than spill


class Engine(Protocol):
    """What turns Ibis expressions into rows. Tables of one engine can be joined with each other."""

    @property
    def backend(self) -> Any:
        """The Ibis backend, made when it is first asked for."""

    def read_parquet(self, files: Sequence[str], schema: pa.Schema, *, root: str, hive: bool = True) -> "ibis.Table":
        """The rows of ``files`` below ``root``; with ``hive``, the folder names ``column=value`` are a column.

        ``schema`` says all columns, those of the folders included; without files the table is empty.
        """


def engine_of(settings: Settings, storage: Storage) -> Engine:
    """The engine that the settings name; it reads through ``storage``."""
    if settings.engine == "duckdb":
        return DuckEngine(settings, storage)
    from pilot.outcomes.spark import SparkEngine

    return SparkEngine(settings, storage)


class DuckEngine:
    """DuckDB in this process: ``engine_memory_mb`` of memory, then it spills to disk; instants are in UTC."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._settings, self._storage = settings, storage
        self._backend: Any = None
        self._unused: deque[str] = deque()  # what drops the tables that nobody holds any more

    @property
    def backend(self) -> Any:
        if self._backend is None:
            spill = SpillFolder(self._settings.spill_dir)
            memory = self._settings.engine_memory_mb
            self._backend = _bounded_backend(self._settings).connect(
                memory_limit=f"{memory}MB",
                threads=max(1, min(os.cpu_count() or 1, memory // _THREAD_MB)),
                preserve_insertion_order=False,  # rows of the lake have no order, and keeping one costs memory
                temp_directory=str(spill.path),
                autoinstall_known_extensions=False,
                autoload_known_extensions=False,
            )
            weakref.finalize(self._backend, spill.remove)
            self._backend.con.execute("SET TimeZone = 'UTC'")
            filesystem = self._storage.filesystem()
            if filesystem is not None:
                self._backend.con.register_filesystem(filesystem)
        return self._backend

    @property
    def connection(self) -> "DuckDBPyConnection":
        """DuckDB itself, for what is SQL rather than an expression."""
        connection: DuckDBPyConnection = self.backend.con
        return connection

    def read_parquet(self, files: Sequence[str], schema: pa.Schema, *, root: str, hive: bool = True) -> "ibis.Table":
        while self._unused:  # not at once: a collector may run within a statement
            self.connection.execute(self._unused.popleft())
        # Each table has a name of its own: a view that was replaced would change what an older expression reads.
        name = f"lake_{next(_names)}"
        if not files:
            import ibis

            empty = self.backend.create_table(name, schema=ibis.Schema.from_pyarrow(schema), temp=True)
            weakref.finalize(empty.op(), self._unused.append, f"DROP TABLE {name}")
            return empty
        # Ibis' own read_parquet would download an extension for an address that our file system serves.
        self.connection.execute(
            f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{', '.join(map(_literal, files))}], "  # noqa: S608 - quoted
            f"hive_partitioning = {hive}, hive_types_autocast = false)"
        )
        table = self.backend.table(name)
        weakref.finalize(table.op(), self._unused.append, f"DROP VIEW {name}")  # alive while an expression reads it
        return table


def _bounded_backend(settings: Settings) -> Any:
    """Ibis on DuckDB that says in our words when the memory does not suffice."""
    from duckdb import OutOfMemoryException
    from ibis.backends.duckdb import Backend

    @contextmanager
    def within_memory() -> Iterator[None]:
        try:
            yield
        except OutOfMemoryException as error:
            spill = str(settings.spill_dir)
            raise EngineMemoryTooSmall(megabytes=settings.engine_memory_mb, spill=spill) from error

    class BoundedBackend(Backend):  # type: ignore[misc]  # ibis ships no types
        def to_pyarrow(self, expr: Any, /, **kwargs: Any) -> Any:
            with within_memory():
                return super().to_pyarrow(expr, **kwargs)

        def to_parquet(self, expr: Any, /, path: Any, **kwargs: Any) -> None:
            with within_memory():
                super().to_parquet(expr, path, **kwargs)

        def create_table(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
            with within_memory():
                return super().create_table(name, *args, **kwargs)

    return BoundedBackend()


def join_files(
    settings: Settings,
    storage: Storage,
    files: Sequence[str],
    target: Path,
    columns: Sequence[str],
    order: Sequence[str],
) -> int:
    """Write the rows of ``files`` as one Parquet file, in ``order``, within the engine's memory. Returns how many."""
    connection = DuckEngine(settings, storage).connection
    selected = ", ".join(_name(column) for column in columns)
    listed = ", ".join(_literal(file) for file in files)
    ordered = f" ORDER BY {', '.join(_name(column) for column in order)}" if order else ""
    source = f"SELECT {selected} FROM read_parquet([{listed}], hive_partitioning = false){ordered}"  # noqa: S608 - names and paths are quoted
    copied = connection.execute(
        f"COPY ({source}) TO {_literal(str(target))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 61440)"
    ).fetchone()
    return int(copied[0]) if copied else 0


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
