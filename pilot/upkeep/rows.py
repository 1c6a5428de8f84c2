"""Both databases into files and back: SQLite by its backup interface, PostgreSQL by COPY from one snapshot.

No drain works meanwhile: so what it moves from the inbox to quarantine is in one of the two copies.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, Table, func, inspect, select, text
from sqlalchemy.engine import Connection

from pilot.database import Database
from pilot.outcomes.inbox.draining import alone
from pilot.upkeep import migrating

SQLITE_FILE = "database.sqlite"
INBOX_FILE = "inbox.sqlite"
ROWS_FOLDER = "database"
TABLES_FILE = "tables.json"

# Everything that names a version of the lake; the newest of them, the inbox's included, is the version to open.
_LAKE_VERSIONS = (
    "SELECT max(version) FROM (SELECT max(lake_version) AS version FROM import_run "
    "UNION ALL SELECT max(lake_version) FROM draw UNION ALL SELECT max(lake_version) FROM frozen_report) AS named"
)

_INBOX_VERSIONS = "SELECT max(lake_version) FROM inbox_batch"


def copy_out(database: Database, target: Path) -> int | None:
    """Write all rows into ``target``, business first; return the newest lake version that they name (None: none)."""
    with alone(database.settings):
        return _copy_out(database, target)


def _copy_out(database: Database, target: Path) -> int | None:
    if database.engine.dialect.name == "sqlite":
        found = [_sqlite_out(Path(str(database.engine.url.database)), target / SQLITE_FILE, _LAKE_VERSIONS)]
        inbox = migrating.inbox_file(database)
        if inbox is not None and migrating.has_inbox(database):  # else it is copied before its upgrade
            found.append(_sqlite_out(inbox, target / INBOX_FILE, _INBOX_VERSIONS))
        return _newest(found)
    folder = target / ROWS_FOLDER
    folder.mkdir()
    snapshot = database.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with snapshot.connect() as connection, connection.begin():
        tables = _tables(connection)
        for table in tables:
            _copy_table_out(connection, table, folder / f"{table.name}.copy")
        columns = {table.name: [column.name for column in table.columns] for table in tables}
        (folder / TABLES_FILE).write_text(json.dumps(columns), "utf-8")
        found = [connection.execute(text(_LAKE_VERSIONS)).scalar()]
        if migrating.has_inbox(database):
            found.append(connection.execute(text(_INBOX_VERSIONS)).scalar())
    return _newest(found)


def copy_in(database: Database, source: Path, revision: str) -> None:
    """Bring the empty ``database`` to ``revision`` and fill it with the rows of a backup."""
    if database.engine.dialect.name == "sqlite":
        _sqlite_in(source / SQLITE_FILE, Path(str(database.engine.url.database)))
        inbox = migrating.inbox_file(database)
        if inbox is not None and (source / INBOX_FILE).is_file():
            _sqlite_in(source / INBOX_FILE, inbox)
        return
    migrating.upgrade(database, revision)
    folder = source / ROWS_FOLDER
    columns: dict[str, list[str]] = json.loads((folder / TABLES_FILE).read_text("utf-8"))
    with database.engine.begin() as connection:
        for name, names in columns.items():  # in the order of their foreign keys
            _copy_table_in(connection, name, names, folder / f"{name}.copy")
        _restart_sequences(connection)


def is_empty(database: Database) -> bool:
    """Whether the database has no table of ours."""
    if database.engine.dialect.name == "sqlite" and not Path(str(database.engine.url.database)).exists():
        return True
    with database.engine.connect() as connection:
        return not inspect(connection).get_table_names()


def _sqlite_out(live: Path, file: Path, versions: str) -> int | None:
    with closing(sqlite3.connect(live, timeout=60)) as source, closing(sqlite3.connect(file)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, no log beside it
        found = copy.execute(versions).fetchone()
    return None if found is None or found[0] is None else int(found[0])


def _sqlite_in(source: Path, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(file)) as new:
        old.backup(new)


def _newest(versions: list[int | None]) -> int | None:
    return max((version for version in versions if version is not None), default=None)


def _tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if migrating.is_ours(table.name)]


def _copy_table_out(connection: Connection, table: Table, file: Path) -> None:
    statement = f"COPY {_named(table.name, [column.name for column in table.columns])} TO STDOUT"
    with _cursor(connection) as cursor, cursor.copy(statement) as copy, file.open("wb") as out:
        for block in copy:
            out.write(block)


def _copy_table_in(connection: Connection, name: str, columns: list[str], file: Path) -> None:
    statement = f"COPY {_named(name, columns)} FROM STDIN"
    with _cursor(connection) as cursor, cursor.copy(statement) as copy, file.open("rb") as source:
        while block := source.read(1 << 20):
            copy.write(block)


def _restart_sequences(connection: Connection) -> None:
    """After COPY with explicit ids each sequence goes on behind the highest id."""
    for table in _tables(connection):
        for column in table.primary_key.columns:
            found = connection.execute(
                text("SELECT pg_get_serial_sequence(:table, :column)"),
                {"table": f'"{table.name}"', "column": column.name},
            ).scalar()
            if found is not None:
                highest = connection.execute(select(func.max(column))).scalar() or 0
                connection.execute(select(func.setval(found, highest + 1, False)))


def _named(table: str, columns: list[str]) -> str:
    return f'"{table}" (' + ", ".join(f'"{column}"' for column in columns) + ")"


def _cursor(connection: Connection) -> Any:
    raw: Any = connection.connection.driver_connection
    return raw.cursor()
