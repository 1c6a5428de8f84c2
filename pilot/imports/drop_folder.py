"""A folder into which other programs put files: which of them are complete, who has taken which, and where each went.

A file that is taken moves to ``.work/TOKEN``, a folder whose owner holds its lock; a dead owner's files are taken over
by the next who looks. A file that is finished moves to ``done`` or ``rejected`` beside its report, which is written
first; a name that is there already is not overwritten, the newcomer gets a number.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

_WORK = ".work"
_LOCK = ".lock"
# What programs call a file while they still write it.
_UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload", "~")

Look = tuple[int, int, int]


class Outcome(StrEnum):
    DONE = "done"
    REJECTED = "rejected"


@dataclass(slots=True)
class DropFolder:
    """``folder`` as one watcher sees it; ``seen`` remembers how each file looked the last time, ``named`` what was said
    to be passed over."""

    folder: Path
    token: str = field(default_factory=lambda: f"{os.getpid()}-{secrets.token_hex(4)}")
    seen: dict[str, Look] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The block in which this watcher may take files; what it has taken and not finished goes back."""
        mine = self._mine
        mine.mkdir(parents=True)
        with (mine / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                self._hand_back(mine)

    def take_next(self) -> Path | None:
        """A complete file, now ours alone, or None. A file is complete when it looks as it did at the last call."""
        self._take_over()
        looks = {path.name: look for path in self._candidates() if (look := _look(path)) is not None}
        ready = sorted(name for name, look in looks.items() if self.seen.get(name) == look)
        self.seen = looks
        for name in ready:
            taken = self._mine / name
            try:
                (self.folder / name).rename(taken)
            except FileNotFoundError:  # another watcher was faster
                continue
            if _look(taken) == looks[name]:
                return taken
            taken.rename(self.folder / name)  # somebody still writes it
        return None

    @property
    def is_waiting(self) -> bool:
        """Whether files lie there that were not taken yet."""
        return any(True for _ in self._candidates())

    def passed_over(self) -> list[str]:
        """What nobody takes, for it is no file (a link, a folder, a pipe): each name once."""
        found = {path.name for path in self._offered() if path.name not in set(Outcome) and _is_something_else(path)}
        new, self.named = sorted(found - self.named), found
        return new

    def finish(self, taken: Path, outcome: Outcome, document: Mapping[str, Any], text: str) -> Path:
        """Move ``taken`` to where it belongs, its report beside it as ``.report.json`` and ``.report.txt``."""
        folder = self.folder / outcome
        folder.mkdir(exist_ok=True)
        target, report = _reserve(folder, taken.name)
        with report:
            json.dump(document, report, ensure_ascii=False, indent=2, default=str)
        Path(report.name).with_suffix(".txt").write_text(text, "utf-8")
        taken.rename(target)
        return target

    @property
    def _mine(self) -> Path:
        return self.folder / _WORK / self.token

    def _candidates(self) -> Iterator[Path]:
        return (path for path in self._offered() if path.is_file() and not path.is_symlink())

    def _offered(self) -> Iterator[Path]:
        for path in self.folder.iterdir():
            if not path.name.startswith(".") and not path.name.lower().endswith(_UNFINISHED):
                yield path

    def _take_over(self) -> None:
        """Files of watchers that were killed go back to where all look."""
        for other in (self.folder / _WORK).iterdir():
            if other == self._mine:
                continue
            try:
                with (other / _LOCK).open("r+") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._hand_back(other)
            except OSError:  # alive, or gone in this moment
                continue

    def _hand_back(self, work: Path) -> None:
        for path in work.iterdir():
            if path.name != _LOCK:
                path.rename(_free(self.folder, path.name))
        (work / _LOCK).unlink(missing_ok=True)
        work.rmdir()


def _is_something_else(path: Path) -> bool:
    return path.is_symlink() or (path.exists() and not path.is_file())


def _look(path: Path) -> Look | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _numbered(name: str) -> Iterator[str]:
    stem, dot, suffix = name.rpartition(".")
    yield name
    number = 2
    while True:
        yield f"{stem}-{number}.{suffix}" if dot and stem else f"{name}-{number}"
        number += 1


def _free(folder: Path, name: str) -> Path:
    """A name in ``folder`` that nobody has."""
    return next(folder / one for one in _numbered(name) if not (folder / one).exists())


def _reserve(folder: Path, name: str) -> tuple[Path, IO[str]]:
    """A free name and its report, opened for writing: who makes the report has the name, also among several."""
    for one in _numbered(name):
        target = folder / one
        if target.exists():
            continue
        try:
            return target, (folder / f"{one}.report.json").open("x", encoding="utf-8")
        except FileExistsError:
            continue
    raise AssertionError("numbers do not end")
