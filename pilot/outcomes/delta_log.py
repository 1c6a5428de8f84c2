"""The log of a Delta table, kept short: older entries are packed, and every version of the table can be told for good.

Each commit is a file in the log. Whoever opens the table lists them all, and a year of drains is a million. So every
hundred commits the log is packed: ``_history/entries/N`` holds a hundred entries and the files that there were before
them, ``_history/index`` what batch each version brought and when, sixteen bytes each. A checkpoint follows, and what
lies before the checkpoint of the time before is removed from the log. Nothing is removed that is not packed and synced.
"""

import gzip
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.outcomes.storage import LOG, Storage

if TYPE_CHECKING:
    from deltalake import DeltaTable

HISTORY = "_history"
INDEX = f"{HISTORY}/index"
PACKED = 100
"""So many entries are packed at once."""
TRANSACTION_HOURS = 24
"""So long the table's transactions tell which batches it has; without an end every checkpoint would hold them all."""
_HOUR_MS = 3_600_000
_OLD_MS = TRANSACTION_HOURS // 4 * _HOUR_MS  # then what is not packed is packed by the next commit
_ROW = np.dtype([("batch", "<u8"), ("at_us", "<i8")])
_CHECKPOINT = ".checkpoint.parquet"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that brought rows. ``files`` are those it added, as an engine reads them."""

    version: int
    batch_id: str
    files: tuple[str, ...]
    committed_at: datetime
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of the table's latest version, as the log tells it; ``path`` is relative to the table."""

    path: str
    part: str
    size_bytes: int
    modified_ms: int
    n_rows: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What one version did: the paths that it added and removed, and what it says of itself."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    info: Mapping[str, Any]

    @property
    def written_ms(self) -> int:
        """When, by the machine's clock, in milliseconds since 1970."""
        return int(self.info.get("timestamp", 0))


class DeltaLog:
    """The log below ``storage``, entry by entry, whether it is packed or not. Its table's lock is the caller's."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._index: npt.NDArray[Any] = np.empty(0, _ROW)
        self._segment: tuple[int, dict[str, Any]] | None = None

    def index(self) -> npt.NDArray[Any]:
        """By version, from 0 on, what is packed: the batch as a hash (0: it brought none), and the instant of the last
        commit up to there."""
        try:
            size = self._storage.size(INDEX)
        except FileNotFoundError:
            return self._index[:0]
        if size != self._index.nbytes:
            self._index = np.frombuffer(self._storage.read(INDEX), _ROW)
        return self._index

    def entry(self, version: int) -> Entry:
        """Raises ``FileNotFoundError`` where there is no such version."""
        return _parsed(self._text(version))

    def commit_at(self, version: int) -> Commit | None:
        """What the commit of ``version`` brought; None where it brought no rows (created, joined, vacuumed)."""
        entry = self.entry(version)
        info = entry.info
        if "batch_id" not in info:
            return None
        files = tuple(f"{self._storage.root}/{path}" for path in entry.added)
        return Commit(version, info["batch_id"], files, _instant(entry), json.loads(info.get("details", "{}")))

    def last_commit(self, version: int, first: int = 1) -> Commit | None:
        """The last commit that brought rows, from ``version`` down to ``first``."""
        found = (self.commit_at(earlier) for earlier in range(version, first - 1, -1))
        return next((commit for commit in found if commit is not None), None)

    def is_packed(self, version: int) -> bool:
        """Whether ``paths_at`` tells the files of ``version``."""
        return version < len(self.index()) // PACKED * PACKED

    def paths_at(self, version: int) -> list[str]:
        """The files of a version that ``is_packed``."""
        segment = self._read_segment(version // PACKED)
        paths = dict.fromkeys(segment["before"])
        for text in segment["entries"][: version % PACKED + 1]:
            entry = _parsed(text)
            paths.update(dict.fromkeys(entry.added))
            for path in entry.removed:
                paths.pop(path, None)
        return sorted(paths)

    def version_of(self, batch_id: str, hint: int | None, latest: int) -> int | None:
        """The version up to ``latest`` that brought this batch.

        ``hint`` is where its transaction says, unless others came in between; None: no transaction tells of it.
        """
        versions = itertools.chain(
            range(hint, latest + 1) if hint is not None else (),
            np.flatnonzero(self.index()["batch"] == _hash(batch_id)).tolist(),
            self._after_transactions(latest) if hint is None else range(hint),
        )
        found = (version for version in versions if self.entry(version).info.get("batch_id") == batch_id)
        return next(found, None)

    def known_on(self, at: datetime) -> int | None:
        """The last packed version whose rows were all known at ``at``."""
        index = self.index()
        place = int(np.searchsorted(index["at_us"], _us(at), side="right"))
        brought = np.flatnonzero(index["batch"][:place])
        return int(brought[-1]) if len(brought) else None

    def is_long(self, version: int) -> bool:
        """Whether so many entries up to ``version`` are not packed, or such old ones, that it is time to."""
        first = len(self.index())
        if version + 1 - first >= PACKED:
            return True
        return first <= version and self.entry(first).written_ms < _now_ms() - _OLD_MS

    def pack(self, version: int) -> None:
        """Pack everything up to ``version``. Killed at any moment, the next call writes the same again."""
        index = self.index()
        rows, at_us = np.zeros(version + 1 - len(index), _ROW), int(index["at_us"][-1]) if len(index) else 0
        for place, number in enumerate(range(len(index), version + 1)):
            entry = self.entry(number)
            if "batch_id" in entry.info:
                rows[place]["batch"] = _hash(entry.info["batch_id"])
                at_us = max(at_us, _us(_instant(entry)))
            rows[place]["at_us"] = at_us
        for number in range(len(index) // PACKED, (version + 1) // PACKED):
            self._write_segment(number)
        self._storage.put(INDEX, np.concatenate([index, rows]).tobytes())

    def shorten(self) -> None:
        """Remove the entries that the last checkpoint but one does without, and the checkpoints before that.

        Whoever read the index or the name of the checkpoint a moment ago still finds all that it leads to.
        """
        spare = (len(self.index()) // PACKED - 1) * PACKED
        numbered = [(int(name[:20]), path) for path in self._storage.paths(LOG) if (name := _name(path))[:20].isdigit()]
        bases = [number for number, path in numbered if path.endswith(_CHECKPOINT) and number <= spare]
        for number, path in numbered:
            if bases and number < max(bases):
                self._storage.remove(path)

    def written_since(self, written_ms: int, latest: int) -> Iterator[Entry]:
        """The entries written at or after an instant, the latest first."""
        for version in range(latest, -1, -1):
            entry = self.entry(version)
            if entry.written_ms < written_ms:
                return
            yield entry

    def _after_transactions(self, latest: int) -> range:
        """The versions that are not packed, where their transactions may have expired: only their entries know."""
        first = len(self.index())
        expire_ms = _now_ms() - TRANSACTION_HOURS // 2 * _HOUR_MS
        may_have = first <= latest and self.entry(first).written_ms < expire_ms
        return range(first, latest + 1) if may_have else range(0)

    def _text(self, version: int) -> str:
        try:
            return self._storage.read(f"{LOG}/{version:020d}.json").decode()
        except FileNotFoundError:
            if not self.is_packed(version):
                raise
        text: str = self._read_segment(version // PACKED)["entries"][version % PACKED]
        return text

    def _read_segment(self, number: int) -> dict[str, Any]:
        held = self._segment  # threads may read others beside
        if held is None or held[0] != number:
            held = self._segment = number, json.loads(gzip.decompress(self._storage.read(_segment(number))))
        return held[1]

    def _write_segment(self, number: int) -> None:
        first = number * PACKED
        before = self.paths_at(first - 1) if number else []
        entries = [self._text(version) for version in range(first, first + PACKED)]
        content = json.dumps({"before": before, "entries": entries}).encode()
        self._storage.put(_segment(number), gzip.compress(content, 6, mtime=0))


def data_files(table: "DeltaTable", partition: str | None) -> list[DataFile]:
    """The files of ``table`` as it was opened."""
    told = pa.table(table.get_add_actions(flatten=True))
    parts = told[f"partition.{partition}"].to_pylist() if partition else [""] * told.num_rows
    columns = [told[name].to_pylist() for name in ("path", "size_bytes", "modification_time", "num_records")]
    return [DataFile(path, part, *numbers) for part, path, *numbers in zip(parts, *columns, strict=True)]


def index_through(content: bytes, version: int) -> bytes:
    """An index without the versions after ``version``; what is packed of those is packed again."""
    return content[: (version + 1) * _ROW.itemsize]


def _parsed(text: str) -> Entry:
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    return Entry(
        tuple(line["add"]["path"] for line in lines if "add" in line),
        tuple(line["remove"]["path"] for line in lines if "remove" in line),
        next((line["commitInfo"] for line in lines if "commitInfo" in line), {}),
    )


def _instant(entry: Entry) -> datetime:
    if "committed_at" in entry.info:
        return datetime.fromisoformat(entry.info["committed_at"])
    return datetime.fromtimestamp(entry.written_ms / 1000, UTC)  # written before commits said when


def _us(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _hash(batch_id: str) -> int:
    return int.from_bytes(blake2b(batch_id.encode(), digest_size=8).digest()) or 1


def _segment(number: int) -> str:
    return f"{HISTORY}/entries/{number:012d}.json.gz"


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]
