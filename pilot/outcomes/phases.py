"""What a writer is doing this moment (a drain, a commit, a compaction), for operators and for tests that interrupt it.

A process in a phase keeps the file ``locks/phase-<pid>`` and holds its lock; it names the phases, the outermost first.
Where a process of another container has the same id, the second adds a name of its own. The file goes with the last
phase. What a killed process left behind is not locked, so nobody takes it for living.
"""

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pilot.settings import Settings

_PREFIX = "phase-"
_guard = threading.Lock()
_open: dict[Path, tuple[Path, int, list[str]]] = {}
"""By folder this process' file, its descriptor, which holds the lock, and the phases it tells."""


@contextmanager
def phase(settings: Settings, name: str) -> Iterator[None]:
    """Say that this process is in the phase ``name`` for as long as the block runs; phases may be nested.

    Telling never stops the work: on a full or read-only disk it is silent.
    """
    _enter(settings.locks_dir, name)
    try:
        yield
    finally:
        _leave(settings.locks_dir, name)


def phases_now(settings: Settings) -> dict[int, tuple[str, ...]]:
    """The phases of every living process of this installation, by process id; an empty dict: nobody writes."""
    found: dict[int, tuple[str, ...]] = {}
    for path in sorted(settings.locks_dir.glob(f"{_PREFIX}*")):
        with contextlib.suppress(FileNotFoundError), path.open() as file:
            if _is_held(file) and (names := tuple(file.read().split())):
                process = int(path.name.removeprefix(_PREFIX).partition("-")[0])
                found[process] = (*found.get(process, ()), *names)
    return found


def _enter(folder: Path, name: str) -> None:
    with _guard, contextlib.suppress(OSError):
        if folder not in _open:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{_PREFIX}{os.getpid()}"
            try:
                file = _locked(path)
            except BlockingIOError:
                path = folder / f"{path.name}-{secrets.token_hex(4)}"
                file = _locked(path)
            _open[folder] = (path, file, [])
        _, file, names = _open[folder]
        names.append(name)
        _tell(file, names)


def _leave(folder: Path, name: str) -> None:
    with _guard, contextlib.suppress(OSError):
        if folder not in _open or name not in _open[folder][2]:  # not told, or a fork came in between
            return
        path, file, names = _open[folder]
        del names[len(names) - 1 - names[::-1].index(name)]  # the innermost of that name
        if names:
            _tell(file, names)
            return
        del _open[folder]
        path.unlink(missing_ok=True)
        os.close(file)


def _locked(path: Path) -> int:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


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
    for _, file, _ in _open.values():
        os.close(file)
    _open.clear()


os.register_at_fork(after_in_child=_forget)
