"""The rows that a check has found good, in parts on disk: what is finished survives a kill and is not checked again.

A part is a Parquet file with a note beside it. The note is written last, in one piece, and names the file, the place up
to which was read, and what was found; a part without a note does not count.
"""

import fcntl
import json
import os
import secrets
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pilot.imports.reader import LINE_COLUMN, Place
from pilot.imports.rules import Finding
from pilot.words import Message

STAGED_FILE = "rows.parquet"
ROWS_A_PART = 1_000_000
_GROUP_ROWS = 122_880
_SAMPLE, _FEW = 2_000, 4
_SOUGHT = ("kind", "business_month")  # rows are asked for by these
_AHEAD = 2  # tables that may wait for the writer


@dataclass(slots=True)
class Stand:
    """Where a check stands: reading file ``file`` at ``place`` (None: from its beginning), with what it found so far.

    ``first_lines``: for each file that was begun, the number that its first line has among the lines of all files.
    """

    fingerprint: str
    file: int = 0
    place: Place | None = None
    first_lines: list[int] = field(default_factory=list)
    rows_of: list[int] = field(default_factory=list)
    bad_of: list[int] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    bad_rows: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        return sum(self.rows_of)

    @property
    def n_bad(self) -> int:
        return sum(self.bad_of)

    def to_dict(self) -> dict[str, Any]:
        """The note as JSON holds it."""
        findings = [[f.line, f.field, f.column, f.value, f.reason.to_dict()] for f in self.findings]
        return {
            "fingerprint": self.fingerprint,
            "file": self.file,
            "place": self.place and [self.place.offset, self.place.line],
            "first_lines": [*self.first_lines],
            "rows_of": [*self.rows_of],
            "bad_of": [*self.bad_of],
            "findings": findings,
            "bad_rows": [[line, row] for line, row in self.bad_rows.items()],
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Stand":
        """What ``to_dict`` stored."""
        place = Place(*stored["place"]) if stored["place"] else None
        findings = [
            Finding(line, field, column, value, Message.from_dict(reason))
            for line, field, column, value, reason in stored["findings"]
        ]
        rows = dict(stored["bad_rows"])
        plain = {name: stored[name] for name in ("fingerprint", "file", "first_lines", "rows_of", "bad_of")}
        return cls(**plain, place=place, findings=findings, bad_rows=rows)


class Parts:
    """The parts of one check in ``folder``; ``rows_a_part`` None: all rows go into one file.

    Rows are written in a thread of its own while the next ones are read and judged. In another one finished parts are
    brought to the disk and noted, in their order, while the next part is written.
    """

    def __init__(self, folder: Path, rows_a_part: int | None = None) -> None:
        self.folder, self._rows_a_part = folder, rows_a_part
        self._n_parts = self._n_rows = 0
        self._writer: pq.ParquetWriter | None = None
        self._thread, self._notary = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._noted: Future[None] | None = None

    def resume(self, fingerprint: str) -> Stand:
        """Where an earlier check of the same files under the same rules was cut off; else the beginning."""
        stand = Stand(fingerprint)
        for part in range(len(list(self.folder.glob("*.note")))):
            try:
                stored = json.loads(self._note(part).read_text("utf-8"))
                if stored["fingerprint"] != fingerprint or stored["bytes"] != self._file(part).stat().st_size:
                    break
            except (OSError, ValueError, KeyError):
                break
            stand, self._n_parts = Stand.from_dict(stored), part + 1
        for left in self.folder.iterdir():
            if left.name not in self._finished():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        return stand

    def write(self, rows: pa.Table, stand: Stand) -> None:
        """Add rows; ``stand`` is where the check will be once they are on disk."""
        if self._writer is None:
            few = _few_valued(rows)
            # Dictionaries and statistics where they are worth their time, and nothing compressed: these files are read
            # a few times within a minute, mostly before they are on disk, and deleted.
            self._writer = pq.ParquetWriter(
                self._file(self._n_parts),
                rows.schema,
                compression="none",
                use_dictionary=few,  # type: ignore[arg-type]  # the published stubs do not know of lists
                write_statistics=[LINE_COLUMN, *(column for column in few if column in _SOUGHT)],
            )
        self._waiting.append(self._thread.submit(self._writer.write_table, rows, row_group_size=_GROUP_ROWS))
        self._wait(_AHEAD)
        self._n_rows += rows.num_rows
        if self._rows_a_part is not None and self._n_rows >= self._rows_a_part:
            self._finish(stand)

    def close(self) -> Path:
        """The last part is written; returns the first one. Notes go: nothing is left to be resumed."""
        self._wait()
        if self._writer is not None:
            self._writer.close()
        self._thread.shutdown()
        self._wait_for_note()
        self._notary.shutdown()
        for note in self.folder.glob("*.note"):
            note.unlink()
        return self._file(0)

    def abandon(self) -> None:
        """Stop writing; finished parts stay."""
        self._thread.shutdown(cancel_futures=True)
        self._waiting.clear()
        if self._writer is not None:
            self._writer.close()
        self._notary.shutdown()

    def _wait(self, most: int = 0) -> None:
        """Until at most so many tables wait to be written."""
        while len(self._waiting) > most:
            self._waiting.popleft().result()

    def _finish(self, stand: Stand) -> None:
        self._wait()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._wait_for_note()
        self._noted = self._notary.submit(self._note_down, self._n_parts, stand.to_dict())
        self._n_parts, self._n_rows = self._n_parts + 1, 0

    def _wait_for_note(self) -> None:
        if self._noted is not None:
            self._noted.result()

    def _note_down(self, part: int, stand: dict[str, Any]) -> None:
        """Note what the finished part holds, once all of it is on the disk."""
        file = self._file(part)
        with file.open("rb") as written:
            os.fsync(written.fileno())
        note = self._note(part)
        draft = note.with_suffix(".draft")
        with draft.open("w", encoding="utf-8") as out:
            json.dump({**stand, "bytes": file.stat().st_size}, out)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(note)

    def _file(self, part: int) -> Path:
        return self.folder / (f"rows-{part:05d}.parquet" if part else STAGED_FILE)

    def _note(self, part: int) -> Path:
        return self.folder / f"{part:05d}.note"

    def _finished(self) -> set[str]:
        parts = range(self._n_parts)
        return {path.name for part in parts for path in (self._file(part), self._note(part))} | {_LOCK}


def _few_valued(rows: pa.Table) -> list[str]:
    """The columns whose first values repeat often."""
    first = rows.slice(0, _SAMPLE)
    return [name for name in rows.column_names if len(first.column(name).unique()) * _FEW <= first.num_rows]


_LOCK = "lock"


@contextmanager
def working_folder(staging: Path, batch_id: str) -> Iterator[Path]:
    """A folder for a check of this batch: the one that an earlier check left, else (it is taken) one of its own.

    Refused or broken off by an error, it goes; where the process was ended, it stays and the next check goes on there.
    """
    folder = staging / f"{batch_id}.work"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = os.path.samestat(os.fstat(lock.fileno()), (folder / _LOCK).stat())
        except OSError:  # somebody is at work here, or has just finished
            mine = False
        if not mine:
            folder = own_folder(staging, batch_id)
            folder.mkdir()
        try:
            yield folder
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def own_folder(staging: Path, batch_id: str) -> Path:
    """A name that nobody else uses."""
    return staging / f"{batch_id}.{secrets.token_hex(4)}"
