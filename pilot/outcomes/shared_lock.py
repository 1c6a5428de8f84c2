"""The lock of a lake that several machines share: an advisory lock of their PostgreSQL server."""

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pilot.outcomes.errors import LakeLockLost
from pilot.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection


class SharedLock:
    """Held by one writer of ``root`` on all machines.

    A folder belongs to one machine, and so does an installation on SQLite: there the lock file is enough, and this is
    nothing. An object store has no lock of its own; a commit that overwrites another is refused by the store, but to
    compare with what is stored and then to add needs one writer at a time.
    """

    def __init__(self, settings: Settings, root: str) -> None:
        self._settings = settings
        self._needed = root.startswith("s3://") and settings.url.startswith("postgresql")
        digest = hashlib.sha256(f"{settings.database_schema}|{root}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)
        self._connection: Connection | None = None

    @contextmanager
    def held(self, *, wait: bool = True) -> Iterator[bool]:
        """Hold the lock, and say so; without ``wait`` say False, and hold nothing, where somebody else has it."""
        if not self._needed:
            yield True
            return
        from sqlalchemy import NullPool, create_engine, text

        # Its own connection without a transaction: the lock outlives the units of work in between.
        engine = create_engine(self._settings.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            if wait:
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": self._key})
            elif not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}):
                yield False
                return
            self._connection = connection
            try:
                yield True
            finally:
                self._connection = None
                with contextlib.suppress(Exception):  # a broken connection has released it
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})

    def require_held(self) -> None:
        """Raise ``LakeLockLost`` where the connection broke, and the lock with it."""
        from sqlalchemy import text
        from sqlalchemy.exc import DBAPIError

        if self._connection is None:
            return
        try:
            self._connection.execute(text("SELECT 1"))
        except DBAPIError as error:
            raise LakeLockLost from error
