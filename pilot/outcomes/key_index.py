"""The keys of the lake's large files as sorted hashes: who asks for a few receipts need not read the whole lake.

Derived, and of this machine: an array for each file and key in ``derived/keys`` of the home. Whatever has none is read
itself, so no answer depends on what is kept here, only the time it takes. An array is named by what the log says of its
file (path, bytes, instant), so that it never stands for another one, and lies below the number of this form and the
engine's version, whose hashes they are. It begins with how long its sorted runs are and how many hashes there are: one
that was cut off is none.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

import duckdb
import numpy as np
from duckdb import DuckDBPyConnection

from pilot.imports.engine import engine, literal
from pilot.imports.hashes import Hashes, key_hashes, meeting_hashes, sorted_hashes
from pilot.outcomes.delta_log import DataFile
from pilot.outcomes.file_lock import locked
from pilot.outcomes.lake import Lake
from pilot.whole_files import whole_file

Key = tuple[str, ...]

RECEIPT_ID: Key = ("receipt_id",)
NATURAL_KEY: Key = ("store_id", "till", "number", "business_date")
REFERS_TO: Key = ("refers_to",)
_KEYS = (RECEIPT_ID, NATURAL_KEY, REFERS_TO)
_LARGE_BYTES = 1 << 20  # smaller files are read faster than kept up, and compaction takes them soon
_RUN_ROWS = 4_000_000  # so many hashes are sorted together: 32 MB
_FORM = 1
"""The number of what the arrays are: another one where their layout, or what is hashed of a row, changes."""
_HASH = np.dtype("<u8")
_HEAD = 2  # numbers before the hashes


class KeyIndex:
    """What is kept of the keys of one lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._root = lake.settings.home / "derived" / "keys"
        self._folder = self._root / f"{_FORM}-duckdb-{duckdb.__version__}"
        self._lock_file = lake.settings.locks_dir / "keys.lock"
        self._names: dict[str, str] | None = None

    def find(
        self,
        connection: DuckDBPyConnection,
        wanted: Hashes,
        key: Key,
        files: Sequence[str],
        part: int = 0,
        of: int = 1,
    ) -> tuple[Hashes, list[str]]:
        """Those of the sorted hashes ``wanted`` that rows of ``files`` have as ``key``, and the files they are in.

        Two keys may share a hash: whoever wants to be sure reads the rows. ``part`` of ``of``: which of the rows the
        hashes are of, where they were cut to fit into memory.
        """
        if not len(wanted) or not files:
            return wanted[:0], []
        names = self._known_names()
        kept = {file: self._folder / _file_name(names[file], key) for file in files if file in names}
        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            looked = threads.map(lambda file: _found(wanted, kept[file]) if file in kept else None, files)
            answers = dict(zip(files, looked, strict=True))
        met = [wanted[:0], *(found for found in answers.values() if found is not None)]
        there = [file for file, found in answers.items() if found is not None and len(found)]
        unread = [file for file, found in answers.items() if found is None]
        if unread:
            rest = meeting_hashes(connection, wanted, f"{rows_of(unread)} t", key, part, of)
            if len(rest):
                met.append(rest)
                there += unread
        return np.unique(np.concatenate(met)), there

    def files_with(
        self, connection: DuckDBPyConnection, rows: str, key: Key, asked: Key, files: Sequence[str]
    ) -> set[str]:
        """Those of ``files`` that may hold, as ``asked``, what some of ``rows`` (a SQL table) have as ``key``."""
        return set(self.find(connection, sorted_hashes(connection, f"{rows} t", key), asked, files)[1])

    def keep_up(self) -> int:
        """Take in the large files that are new, forget those that are gone. Returns how many were taken in.

        While another thread or process is at it, nothing: what is missing then is taken in the next time.
        """
        with locked(self._lock_file, wait=False) as is_ours:
            return self._keep_up() if is_ours else 0

    def _keep_up(self) -> int:
        self._names = None
        large = [file for file in self._lake.described() if file.size_bytes >= _LARGE_BYTES]
        names = {_file_name(_stamp(file), key): (file, key) for file in large for key in _KEYS}
        for folder in self._root.glob("*"):
            if folder != self._folder:
                shutil.rmtree(folder, ignore_errors=True)  # hashes of another form, or of another version of the engine
        kept = {path.name for path in self._folder.glob("*.hashes")}
        for name in kept - names.keys():
            (self._folder / name).unlink(missing_ok=True)
        missing = sorted(names.keys() - kept)
        if missing:
            spill = self._folder / "spill"
            with engine(spill, self._lake.storage.filesystem()) as connection:
                for name in missing:
                    file, key = names[name]
                    _write(connection, self._folder / name, f"{self._lake.root}/{file.path}", key)
            shutil.rmtree(spill, ignore_errors=True)
        return len({names[name][0].path for name in missing})

    def size_bytes(self) -> int:
        """What is kept takes so much of the disk."""
        return sum(path.stat().st_size for path in self._folder.glob("*.hashes"))

    def _known_names(self) -> dict[str, str]:
        if self._names is None:
            root = self._lake.root
            self._names = {f"{root}/{file.path}": _stamp(file) for file in self._lake.described()}
        return self._names


def _write(connection: DuckDBPyConnection, target: Path, file: str, key: Key) -> None:
    """Whole and synced before it has its name: an array that lacks a hash would let a receipt in twice."""
    n = 0
    with whole_file(target, synced=True) as partial, partial.open("wb") as out:
        out.write(np.zeros(_HEAD, _HASH).data)
        for run in _runs(key_hashes(connection, f"{rows_of([file])} t", key)):
            run.sort()
            out.write(run.astype(_HASH, copy=False).data)
            n += len(run)
        out.seek(0)
        out.write(np.array([_RUN_ROWS, n], _HASH).data)


def rows_of(files: Sequence[str]) -> str:
    """The rows of files of the lake as a SQL table expression."""
    return f"read_parquet([{', '.join(literal(file) for file in files)}], hive_partitioning = false)"


def _runs(batches: Iterator[Hashes]) -> Iterator[Hashes]:
    """The same hashes in arrays of ``_RUN_ROWS``, the last one excepted."""
    held: list[Hashes] = []
    for batch in batches:
        held.append(batch)
        while sum(map(len, held)) >= _RUN_ROWS:
            whole = np.concatenate(held)
            held = [whole[_RUN_ROWS:]]
            yield whole[:_RUN_ROWS]
    if held:
        yield np.concatenate(held)


def _found(wanted: Hashes, path: Path) -> Hashes | None:
    """Those of ``wanted`` that the array at ``path`` holds; None where there is no whole one."""
    try:
        head, kept = np.split(np.memmap(path, _HASH, mode="r"), [_HEAD])
    except (FileNotFoundError, ValueError):  # ValueError: it is empty, or no whole number of hashes
        return None
    if len(head) < _HEAD or len(kept) != head[1]:
        return None
    found, length = [wanted[:0]], int(head[0])
    for first in range(0, len(kept), length):
        run = kept[first : first + length]
        few, many = (wanted, run) if len(wanted) < len(run) else (run, wanted)
        places = np.searchsorted(many, few)
        places[places == len(many)] = 0
        found.append(few[many[places] == few])
    return np.unique(np.concatenate(found))


def _stamp(file: DataFile) -> str:
    return f"{file.path} {file.size_bytes} {file.modified_ms}"


def _file_name(stamp: str, key: Key) -> str:
    return f"{blake2b(stamp.encode(), digest_size=16).hexdigest()}-{key[0]}.hashes"
