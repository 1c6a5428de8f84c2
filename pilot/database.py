"""The business database: one declarative base, column idioms named once, and the unit of work."""

import errno
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    Text,
    create_engine,
    event,
)
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from pilot.settings import Settings

_REST_SECONDS = 5.0
_AT_ONCE = "BEGIN IMMEDIATE"
_POSTGRES_DISK_FULL = "53100"
_SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)  # the second: who opens a database anew
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Instant(TypeDecorator[datetime]):
    """An instant in UTC, aware in Python on every database. Column names end in ``_at``."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"instant without time zone: {value!r}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


pk = Annotated[int, mapped_column(Integer, primary_key=True)]
code = Annotated[str, mapped_column(String(120), unique=True)]
name = Annotated[str, mapped_column(String(300))]
text = Annotated[str, mapped_column(Text)]
digest = Annotated[str, mapped_column(String(64))]
instant = Annotated[datetime, mapped_column(Instant)]
key64 = Annotated[int, mapped_column(BigInteger)]
document = Annotated[dict[str, Any], mapped_column(JSON)]


class Base(DeclarativeBase):
    """Every entity of the business database. Schemas come to be by migrations only."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Database:
    """The engine of one installation and its two doors: ``unit_of_work()`` writes, ``reading()`` does not."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = make_engine(settings)
        self._beginning = {begin: self.engine.execution_options(pilot_begin=begin) for begin in ("BEGIN", _AT_ONCE)}

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """One transaction that commits at the end of the block and rolls back on any exception.

        On SQLite it takes the write lock at once (``BEGIN IMMEDIATE``): a deferred transaction that reads first and
        writes later loses against a second writer.
        """
        with self._session(_AT_ONCE) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session whose changes are never committed; what it loaded stays readable after the block."""
        with self._session("BEGIN") as session:
            yield session
            session.expunge_all()
            session.rollback()

    @contextmanager
    def glimpse(self) -> Iterator[Any]:
        """A cursor of the driver for reads that are each consistent by themselves: one trip a read, no transaction."""
        with closing(self.engine.raw_connection()) as pooled:
            connection: Any = pooled.driver_connection
            if self.engine.dialect.name == "postgresql":
                connection.autocommit = True
            try:
                with closing(connection.cursor()) as cursor:
                    yield cursor
            finally:
                if self.engine.dialect.name == "postgresql" and not connection.closed:
                    connection.autocommit = False

    def dispose(self) -> None:
        self.engine.dispose()

    def _session(self, begin: str) -> Session:
        return Session(self._beginning[begin], expire_on_commit=False, info={"settings": self.settings})


def settings_of(session: Session) -> Settings:
    """The settings of the installation that ``session`` belongs to."""
    settings: Settings = session.info["settings"]
    return settings


def make_engine(settings: Settings) -> Engine:
    """An engine for SQLite (WAL, foreign keys, secure delete) or PostgreSQL (psycopg 3, optional schema)."""
    if settings.url.startswith("sqlite"):
        settings.home.mkdir(parents=True, exist_ok=True)
        engine = create_engine(settings.url, connect_args={"timeout": 60})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    options = {"options": f"-csearch_path={settings.database_schema}"} if settings.database_schema else {}
    engine = create_engine(settings.url, connect_args=options)
    event.listen(engine, "checkin", _note_the_time)
    event.listen(engine, "checkout", partial(_ask_after_a_rest, engine.dialect))
    return engine


def _note_the_time(_connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
    entry.info["rests_since"] = time.monotonic()


def _ask_after_a_rest(
    dialect: Dialect, connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: object
) -> None:
    """Ask a connection that rested whether it still stands; the pool takes another one where it does not.

    One in steady use finds out by itself: asking it each time costs as much as a short transaction.
    """
    if time.monotonic() - entry.info.get("rests_since", math.inf) > _REST_SECONDS:
        try:
            dialect.do_ping(connection)
        except Exception as error:
            raise DisconnectionError from error


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the begin listener below opens transactions, not the driver
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "secure_delete=ON", "synchronous=FULL", "busy_timeout=60000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("pilot_begin", "BEGIN"))


def is_disk_full(error: Exception) -> bool:
    """Whether a database (its driver's error, or SQLAlchemy's around it) or the system says so."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, OSError):
        return cause.errno in _NO_ROOM
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", None) in _SQLITE_FULL
    return getattr(cause, "sqlstate", None) == _POSTGRES_DISK_FULL
