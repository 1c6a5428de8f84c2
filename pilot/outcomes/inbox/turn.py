"""A turn at the inbox's write lock, kept as short as it can be: the driver's own connection, and writes sent together.

Everything that is written in a turn is committed at its end, or nothing is; when the turn is over it is on disk.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from pilot.outcomes.inbox.statements import Statement

ADVISORY_LOCK = 7_162_008
TAKE_TURN = f"SELECT set_config('synchronous_commit', 'on', true), pg_advisory_xact_lock({ADVISORY_LOCK})"


class Line:
    """On SQLite writers wait where the kernel wakes the next at once; SQLite itself sleeps and looks again.

    It only saves time: the write lock decides, also for those who do not stand in this line.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._threads = path, Lock()
        self._file: int | None = None

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Behind the threads of this process, then behind the other processes."""
        with self._threads:
            with suppress(OSError):  # a full disk is said by the transaction
                if self._file is None:
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                    self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
                fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                if self._file is not None:
                    fcntl.flock(self._file, fcntl.LOCK_UN)

    def leave(self) -> None:
        """Close the file; whoever stands in line again opens it anew."""
        with self._threads:
            if self._file is not None:
                os.close(self._file)
                self._file = None


class Turn:
    """``seen``: the rows of what was asked when the turn began, with everything in that was committed before.

    ``number``: what the first write returned, once the turn is over.
    """

    def __init__(self, engine: Engine, connection: Any, statement: Statement, values: Mapping[str, Any]) -> None:
        self._dialect, self._connection = engine.dialect, connection
        self._writes: list[tuple[str, Any]] = []
        self.number: int | None = None
        question = statement.bound(self._dialect, values)
        self.seen: list[Any] = self._begin_sqlite(question) if self._is_sqlite else self._begin_postgres(question)

    @property
    def _is_sqlite(self) -> bool:
        return self._dialect.name == "sqlite"

    def write(self, statement: Statement, row: Mapping[str, Any]) -> None:
        """Insert ``row`` at the end of the turn, in the order of these calls."""
        self._writes.append(statement.bound(self._dialect, row))

    def end(self) -> None:
        """Write and commit; with nothing to write, nothing has happened."""
        if not self._writes:
            self._connection.rollback()
        elif self._is_sqlite:
            self._end_sqlite()
        else:
            self._end_postgres()

    def _begin_sqlite(self, question: tuple[str, Any]) -> list[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        return list(self._connection.execute(*question))

    def _end_sqlite(self) -> None:
        returned = [self._connection.execute(*write).fetchone() for write in self._writes]
        self._connection.commit()
        self.number = returned[0] and returned[0][0]

    def _begin_postgres(self, question: tuple[str, Any]) -> list[Any]:
        """In one trip: the question is asked when the lock is ours, and sees what was committed until then."""
        with self._connection.pipeline():
            self._connection.execute(TAKE_TURN)
            answer = self._connection.execute(*question)
        return list(answer.fetchall())

    def _end_postgres(self) -> None:
        """In one trip: the others wait for the server only."""
        with self._connection.pipeline():
            answers = [self._connection.execute(*write) for write in self._writes]
            self._connection.commit()
        returned = answers[0].fetchone() if answers[0].description else None
        self.number = returned and returned[0]


@contextmanager
def turn(engine: Engine, line: Line | None, statement: Statement, values: Mapping[str, Any]) -> Iterator[Turn]:
    """One write transaction that begins with a question. The driver's errors are raised as SQLAlchemy's."""
    pooled = engine.raw_connection()
    try:
        if line is None:
            yield from _taken(engine, pooled.driver_connection, statement, values)
        else:
            with line.standing():
                yield from _taken(engine, pooled.driver_connection, statement, values)
    except engine.dialect.loaded_dbapi.Error as error:
        is_gone = engine.dialect.is_disconnect(error, pooled.driver_connection, None)
        if is_gone:
            pooled.invalidate(error)
            engine.dispose()  # the other connections rest on the same server
        raise DBAPIError.instance(
            None, None, error, engine.dialect.loaded_dbapi.Error, connection_invalidated=is_gone, dialect=engine.dialect
        ) from error
    finally:
        pooled.close()  # takes back what was not committed


def _taken(engine: Engine, connection: Any, statement: Statement, values: Mapping[str, Any]) -> Iterator[Turn]:
    taken = Turn(engine, connection, statement, values)
    try:
        yield taken
    except BaseException:
        connection.rollback()
        raise
    taken.end()
