"""Folders into which an engine spills what does not fit into its memory: one for each engine, swept after a crash."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_PREFIX = "engine-"


class SpillFolder:
    """A folder of one engine: two in one folder would overwrite each other's files. Its lock says that it is used."""

    def __init__(self, parent: Path) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        with _sweeping(parent):
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._lock = _lock_of(self.path).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """The folder and its lock go; the engine is done."""
        shutil.rmtree(self.path, ignore_errors=True)
        _lock_of(self.path).unlink(missing_ok=True)
        self._lock.close()


@contextmanager
def _sweeping(parent: Path) -> Iterator[None]:
    """Remove what killed engines left behind; nobody makes a folder or sweeps meanwhile."""
    with (parent / ".sweeping").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        for folder in parent.glob(f"{_PREFIX}*/"):
            lock = _lock_of(folder)
            with lock.open("a") as file:
                if _is_free(file):
                    shutil.rmtree(folder, ignore_errors=True)
                    lock.unlink(missing_ok=True)
        yield


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _is_free(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
