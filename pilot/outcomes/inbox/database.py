"""The inbox database: every commit is on disk before it is said, and its writers stand in one line."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from sqlalchemy import MetaData, text
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase, Session

from pilot.database import Base, Database
from pilot.settings import Settings

_ADVISORY_LOCK = 7_162_008


class InboxBase(DeclarativeBase):
    """Every entity of the inbox database: a file of its own beside SQLite, tables beside the others on PostgreSQL."""

    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class InboxDatabase(Database):
    """The engine of the inbox and its doors: the ORM's ``unit_of_work()`` and ``reading()``, and ``writing()``.

    SQLite: a file of its own with ``synchronous=FULL`` and ``BEGIN IMMEDIATE``. PostgreSQL: the same server, with
    ``synchronous_commit=on`` whatever its default, and an advisory lock that gives batches the order of their commits.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.model_copy(update={"database_url": settings.inbox_url}))
        self._line = settings.locks_dir / "inbox-line"
        self._writer = self.engine.execution_options(pilot_begin="BEGIN IMMEDIATE")

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """One transaction in the line of writers, as ``Database.unit_of_work``."""
        with super().unit_of_work() as session:
            take_turn(session.connection())
            yield session

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction without entities: what every receipt passes through is kept short."""
        with self._in_line(), self._writer.connect() as connection, connection.begin():
            take_turn(connection)
            yield connection

    @contextmanager
    def _in_line(self) -> Iterator[None]:
        """On SQLite wait where the kernel wakes the next at once; SQLite itself sleeps and looks again.

        It only saves time: the write lock decides, also for those who do not stand in this line.
        """
        with ExitStack() as stack:
            if self.engine.dialect.name == "sqlite":
                with suppress(OSError):  # a full disk is said by the transaction
                    self._line.parent.mkdir(parents=True, exist_ok=True)
                    file = stack.enter_context(self._line.open("a"))
                    fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def glancing(self) -> Iterator[Connection]:
        """One reading transaction without entities."""
        with self.engine.connect() as connection:
            yield connection
            connection.rollback()


def take_turn(connection: Connection) -> None:
    """On PostgreSQL wait for the other writers and promise durability; on SQLite the write lock is held already."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT set_config('synchronous_commit', 'on', true), pg_advisory_xact_lock(:key)"),
            {"key": _ADVISORY_LOCK},
        )
