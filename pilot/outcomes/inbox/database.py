"""The inbox database: every commit is on disk before it is said, and its writers stand in one line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import MetaData
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase, Session

from pilot.database import Base, Database
from pilot.outcomes.inbox.statements import Statement
from pilot.outcomes.inbox.turn import TAKE_TURN, Line, Turn, turn
from pilot.settings import Settings


class InboxBase(DeclarativeBase):
    """Every entity of the inbox database: a file of its own beside SQLite, tables beside the others on PostgreSQL."""

    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class InboxDatabase(Database):
    """The engine of the inbox and its doors: the ORM's ``unit_of_work()`` and ``reading()``, and ``turn()``.

    SQLite: a file of its own with ``synchronous=FULL`` and ``BEGIN IMMEDIATE``. PostgreSQL: the same server, with
    ``synchronous_commit=on`` whatever its default, and an advisory lock that gives batches the order of their commits.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.model_copy(update={"database_url": settings.inbox_url}))
        self._line = Line(settings.locks_dir / "inbox-line") if self.engine.dialect.name == "sqlite" else None

    def dispose(self) -> None:
        super().dispose()
        if self._line is not None:
            self._line.leave()

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """One transaction in the line of writers, as ``Database.unit_of_work``."""
        with super().unit_of_work() as session:
            take_turn(session.connection())
            yield session

    @contextmanager
    def turn(self, statement: Statement, values: Mapping[str, Any]) -> Iterator[Turn]:
        """One write transaction without entities, that begins with a question: every receipt passes through it."""
        with turn(self.engine, self._line, statement, values) as taken:
            yield taken

    @contextmanager
    def glancing(self) -> Iterator[Connection]:
        """One reading transaction without entities."""
        with self.engine.connect() as connection:
            yield connection
            connection.rollback()


def take_turn(connection: Connection) -> None:
    """On PostgreSQL wait for the other writers and promise durability; on SQLite the write lock is held already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(TAKE_TURN)
