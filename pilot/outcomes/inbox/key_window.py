"""The key window: which receipts of the last 35 business days arrived, as sorted 64-bit hashes.

A receipt has two keys, its id and (store, till, number, business date). Each is the first eight bytes of BLAKE2b over a
marked text, little-endian: the same on every machine and version, so stored segments stay readable. Two receipts can
share a hash: a hit says "perhaps", and only the real receipt (``originals.py``) says "known".
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import blake2b
from threading import Lock

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, delete, func, insert, select
from sqlalchemy.engine import Connection

from pilot.outcomes.inbox.model import BatchState, InboxBatch, InboxKeys

Hashes = npt.NDArray[np.uint64]

WINDOW_DAYS = 35
FANOUT = 8  # so many segments of one level and day are joined into one of the next level
_EPOCH = date(1970, 1, 1)
_FRESH = 64
_SMALL = 1 << 17  # a run that fits into the processor's cache is searched as it is


def hashes_of(keys: Iterable[bytes]) -> Hashes:
    """One 64-bit hash a key, in the order of ``keys``."""
    return np.frombuffer(b"".join([blake2b(key, digest_size=8).digest() for key in keys]), dtype="<u8")


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - _EPOCH).days


@dataclass(frozen=True, slots=True)
class Run:
    """Sorted hashes with a table of where each leading-bits bucket begins: a look-up touches two or three cache lines.

    Hashes are uniform, so a bucket holds about sixteen; ``steps`` halvings find a hash in the largest one.
    """

    hashes: Hashes
    starts: npt.NDArray[np.int64]
    shift: np.uint64
    steps: int

    @classmethod
    def of(cls, hashes: Hashes) -> "Run":
        """Index sorted ``hashes``."""
        bits = max(len(hashes).bit_length() - 4, 1)
        shift = np.uint64(64 - bits)
        first = np.searchsorted(hashes, np.arange(2**bits, dtype=np.uint64) << shift)
        starts = np.append(first, len(hashes)).astype(np.int64)
        return cls(hashes, starts, shift, int(np.diff(starts).max()).bit_length())

    def __len__(self) -> int:
        return len(self.hashes)

    def holds(self, wanted: Hashes) -> npt.NDArray[np.bool_]:
        """Which of ``wanted`` are in: a binary search of all of them at once."""
        if len(self.hashes) < _SMALL:
            return contains(self.hashes, wanted)
        bucket = (wanted >> self.shift).astype(np.int64)
        low, high, last = self.starts[bucket], self.starts[bucket + 1], len(self.hashes) - 1
        for _ in range(self.steps):
            middle = (low + high) >> 1
            open_, less = low < high, self.hashes[np.minimum(middle, last)] < wanted
            low, high = np.where(open_ & less, middle + 1, low), np.where(open_ & ~less, middle, high)
        found: npt.NDArray[np.bool_] = self.hashes[np.minimum(low, last)] == wanted
        return found


@dataclass(frozen=True, slots=True)
class Segment:
    """Sorted hashes as the database holds them; ``batch_id`` where they are one batch's."""

    arrival: int
    batch_id: str | None
    hashes: Hashes


@dataclass
class KeyWindow:
    """All hashes of the window in one process, eight bytes each, as a few sorted runs of growing size.

    ``arrival`` is the newest batch whose keys are in. ``fresh`` keeps the segments of batches that the drain has not
    taken, to tell where a hit's receipt is. Threads share a window: what changes it holds the lock.
    """

    arrival: int = 0
    runs: list[Run] = field(default_factory=list)
    fresh: list[Segment] = field(default_factory=list)
    refreshed: float = 0.0
    _prune_at: int = _FRESH
    _lock: Lock = field(default_factory=Lock)

    def refresh(self, connection: Connection) -> None:
        """Take in what other processes and this one committed since the last time."""
        with self._lock:
            self.refreshed = time.monotonic()
            segments = newer_than(connection, self.arrival)
            if not segments:
                return
            for segment in segments:
                self._add(segment.hashes)
            self.fresh = [*self.fresh, *(segment for segment in segments if segment.batch_id is not None)]
            self.arrival = max(segment.arrival for segment in segments)
            if len(self.fresh) >= self._prune_at:
                open_batches = select(InboxBatch.batch_id).where(InboxBatch.state != BatchState.DRAINED)
                waiting = set(connection.scalars(open_batches))
                self.fresh = [segment for segment in self.fresh if segment.batch_id in waiting]
                self._prune_at = 2 * len(self.fresh) + _FRESH

    def probe(self, wanted: Hashes) -> tuple[npt.NDArray[np.bool_], int]:
        """Which of ``wanted`` are in, and the newest batch that this answer knows of."""
        with self._lock:
            runs, arrival = list(self.runs), self.arrival
        hit = np.zeros(len(wanted), dtype=bool)
        for run in runs:
            hit |= run.holds(wanted)
        return hit, arrival

    def batches_with(self, wanted: Hashes) -> list[str]:
        """The batches before the drain that hold one of ``wanted``, newest first."""
        found = (
            s.batch_id for s in reversed(self.fresh) if s.batch_id is not None and contains(s.hashes, wanted).any()
        )
        return list(dict.fromkeys(found))

    def _add(self, hashes: Hashes) -> None:
        """A run is joined with its neighbour while that is not much larger: few runs, and each hash moves rarely."""
        runs, last = list(self.runs), hashes
        while runs and len(runs[-1]) <= 2 * len(last):
            last = joined([runs.pop().hashes, last])
        self.runs = [*runs, Run.of(last)]


def contains(run: Hashes, wanted: Hashes) -> npt.NDArray[np.bool_]:
    """Which of ``wanted`` the sorted ``run`` holds."""
    if not len(run):
        return np.zeros(len(wanted), dtype=bool)
    places = np.searchsorted(run, wanted)
    places[places == len(run)] = 0
    found: npt.NDArray[np.bool_] = run[places] == wanted
    return found


def joined(runs: Sequence[Hashes]) -> Hashes:
    """Sorted runs as one, each hash once."""
    every = np.concatenate(runs)
    every.sort(kind="stable")  # finds the sorted runs and merges them
    is_first = np.ones(len(every), dtype=bool)
    np.not_equal(every[1:], every[:-1], out=is_first[1:])
    return every if is_first.all() else every[is_first]


def newer_than(connection: Connection, arrival: int) -> list[Segment]:
    """The segments with batches after ``arrival``, oldest first. A joined segment may repeat older ones: no harm."""
    rows = connection.execute(
        select(InboxKeys.arrival, InboxKeys.batch_id, InboxKeys.hashes)
        .where(InboxKeys.arrival > arrival)
        .order_by(InboxKeys.arrival)
    )
    return [Segment(number, batch_id, np.frombuffer(packed, dtype="<u8")) for number, batch_id, packed in rows]


def store(connection: Connection, arrival: int, batch_id: str, days: npt.NDArray[np.int64], hashes: Hashes) -> None:
    """Write the keys of one batch, a segment for each of its business days."""
    rows = []
    for day in np.unique(days).tolist():
        of_day = np.unique(hashes[days == day])
        rows.append(_row(arrival, day, 0, batch_id, of_day))
    if rows:
        connection.execute(insert(InboxKeys), rows)


def tidy(connection: Connection, today: date) -> None:
    """Drop the days that left the window and join small segments: the caller holds a write transaction of the inbox."""
    connection.execute(
        delete(InboxKeys).where(InboxKeys.business_day < day_number(today - timedelta(days=WINDOW_DAYS)))
    )
    crowded = (
        select(InboxKeys.business_day, InboxKeys.level)
        .where(_drained())
        .group_by(InboxKeys.business_day, InboxKeys.level)
        .having(func.count() >= FANOUT)
        .order_by(InboxKeys.level)
        .limit(1)
    )
    while (found := connection.execute(crowded).first()) is not None:
        _join(connection, *found)


def _drained() -> ColumnElement[bool]:
    """The segments whose receipts are in the lake: those of a waiting batch must go on naming it."""
    waiting = select(InboxBatch.batch_id).where(InboxBatch.state != BatchState.DRAINED)
    return InboxKeys.batch_id.is_(None) | InboxKeys.batch_id.not_in(waiting)


def _join(connection: Connection, day: int, level: int) -> None:
    """All segments of one day and level become one of the next level."""
    wanted = (InboxKeys.business_day == day) & (InboxKeys.level == level) & _drained()
    rows = connection.execute(select(InboxKeys.id, InboxKeys.arrival, InboxKeys.hashes).where(wanted)).all()
    hashes = joined([np.frombuffer(packed, dtype="<u8") for *_, packed in rows])
    connection.execute(insert(InboxKeys), [_row(max(row.arrival for row in rows), day, level + 1, None, hashes)])
    connection.execute(delete(InboxKeys).where(InboxKeys.id.in_([row.id for row in rows])))


def _row(arrival: int, day: int, level: int, batch_id: str | None, hashes: Hashes) -> dict[str, object]:
    return {
        "arrival": arrival,
        "business_day": day,
        "level": level,
        "batch_id": batch_id,
        "n": len(hashes),
        "hashes": hashes.astype("<u8").tobytes(),
    }
