"""The one lock of everything that moves or copies what waits in the inbox: drains, erasing, the copy of a backup."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import text

from pilot.database import make_engine
from pilot.settings import Settings

_ADVISORY_LOCK = 7_162_010  # any constant of its own


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Wait until nobody else drains, and keep it so for the block.

    A file's lock for the processes of this machine; on PostgreSQL, where several machines may drain, an advisory lock
    of the database beside it. The system gives both back however the process ends.
    """
    settings.locks_dir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        file = held.enter_context((settings.locks_dir / "drain.lock").open("w"))
        fcntl.flock(file, fcntl.LOCK_EX)
        if not settings.url.startswith("sqlite"):
            held.enter_context(_advisory_lock(settings))
        yield


@contextmanager
def _advisory_lock(settings: Settings) -> Iterator[None]:
    """It belongs to the connection, which is used for nothing else and goes with the block."""
    engine = make_engine(settings)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
            yield
    finally:
        engine.dispose()
