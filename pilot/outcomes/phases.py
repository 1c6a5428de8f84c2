"""What a writer is doing this moment (a drain, a commit, a compaction), for operators and for tests that interrupt it.

A process in a phase keeps the file ``locks/phase-<pid>`` and holds its lock; it names the phases, the outermost first.
The file goes with the last phase. What a killed process left behind is not locked, so nobody takes it for living.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pilot.settings import Settings

_PREFIX = "phase-"
_guard = threading.Lock()
_open: dict[Path, tuple[int, list[str]]] = {}
"""By this process' file: its descriptor, which holds the lock, and the phases it tells."""


@contextmanager
def phase(settings: Settings, name: str) -> Iterator[None]:
    """Say that this process is in the phase ``name`` for as long as the block runs; phases may be nested.

    Telling never stops the work: on a full or read-only disk it is silent.
    """
    path = settings.locks_dir / f"{_PREFIX}{os.getpid()}"
    _enter(path, name)
    try:
        yield
    finally:
        _leave(path, name)


def phases_now(settings: Settings) -> dict[int, tuple[str, ...]]:
    """The phases of every living process of this installation, by process id; an empty dict: nobody writes."""
    found = {}
    for path in sorted(settings.locks_dir.glob(f"{_PREFIX}*")):
        with contextlib.suppress(FileNotFoundError), path.open() as file:
            if _is_held(file) and (names := tuple(file.read().split())):
                found[int(path.name.removeprefix(_PREFIX))] = names
    return found


def _enter(path: Path, name: str) -> None:
    with _guard, contextlib.suppress(OSError):
        if path not in _open:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
            fcntl.flock(file, fcntl.LOCK_EX)
            _open[path] = (file, [])
        _open[path][1].append(name)
        _tell(*_open[path])


def _leave(path: Path, name: str) -> None:
    with _guard, contextlib.suppress(OSError):
        if path not in _open or name not in _open[path][1]:  # it could not be told, or a fork came in between
            return
        file, names = _open[path]
        del names[len(names) - 1 - names[::-1].index(name)]  # the innermost of that name
        if names:
            _tell(file, names)
            return
        del _open[path]
        path.unlink(missing_ok=True)
        os.close(file)


def _tell(file: int, names: list[str]) -> None:
    text = "\n".join(names).encode()
    os.pwrite(file, text, 0)
    os.ftruncate(file, len(text))


def _is_held(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _forget() -> None:
    """A forked child is in no phase: its parent's file and lock stay the parent's."""
    global _guard
    _guard = threading.Lock()
    for file, _ in _open.values():
        os.close(file)
    _open.clear()


os.register_at_fork(after_in_child=_forget)
