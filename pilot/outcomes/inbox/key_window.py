"""The key window: which receipts of the last 35 business days arrived, as sorted 64-bit hashes.

A receipt has two keys, its id and (store, till, number, business date). Each is the first eight bytes of BLAKE2b over a
marked text, little-endian: the same on every machine and version, so stored segments stay readable. Two receipts can
share a hash: a hit says "perhaps", and only the real receipt (``originals.py``) says "known".
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import blake2b
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, bindparam, delete, func, insert, select
from sqlalchemy.engine import Connection

from pilot.outcomes.inbox.model import BatchState, InboxBatch, InboxKeys
from pilot.outcomes.inbox.statements import Statement

Hashes = npt.NDArray[np.uint64]

WINDOW_DAYS = 35
FANOUT = 8  # so many segments of one level and day are joined into one of the next level
_EPOCH = date(1970, 1, 1)
_BLAKE = blake2b(digest_size=8)
_FRESH = 64
_RECENT = 64
_NOTHING = -1  # before every batch, and before segments that belong to none
_BITE = 1 << 20
_FINER, _THREE, _SEVEN, _BIT = np.uint64(7), np.uint64(3), np.uint64(7), np.uint8(1)
_SMALL = 1 << 17  # a run that fits into the processor's cache is searched as it is
_NO_TABLE, _NO_BITS = np.zeros(0, np.int64), np.zeros(0, np.uint8)
NEWER = Statement(
    select(InboxKeys.arrival, InboxKeys.business_day, InboxKeys.batch_id, InboxKeys.hashes)
    .where(InboxKeys.arrival > bindparam("arrival"), InboxKeys.business_day >= bindparam("first"))
    .order_by(InboxKeys.arrival)
)
# Beside its batch, in one turn: no one knows the batch's number before it is written, but then it is the newest.
STORE = Statement(
    insert(InboxKeys).values(arrival=select(func.max(InboxBatch.id)).scalar_subquery()),
    *("business_day", "level", "batch_id", "n", "hashes"),
)


def hashes_of(keys: Iterable[bytes]) -> Hashes:
    """One 64-bit hash a key, in the order of ``keys``."""
    digests: list[bytes] = []
    another = _BLAKE.copy  # cheaper than a new one with its parameters
    for key in keys:
        hashed = another()
        hashed.update(key)
        digests.append(hashed.digest())
    return np.frombuffer(b"".join(digests), dtype="<u8")


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - _EPOCH).days


def _first_day(today: date) -> int:
    """The oldest business day of the window."""
    return day_number(today - timedelta(days=WINDOW_DAYS))


@dataclass(frozen=True, slots=True)
class Run:
    """Sorted hashes with a table of where each leading-bits bucket begins: a look-up touches two or three cache lines.

    Hashes are uniform, so a bucket holds about sixteen; ``steps`` halvings find a hash in the largest one. What no hash
    begins like is in none of them: ``begins`` has a bit for each of the beginnings, eight to sixteen a hash. A small
    run has no tables.
    """

    hashes: Hashes
    begins: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    shift: np.uint64
    steps: int

    @classmethod
    def of(cls, hashes: Hashes) -> "Run":
        """Index sorted ``hashes``."""
        if len(hashes) < _SMALL:
            return cls(hashes, _NO_BITS, _NO_TABLE, np.uint64(0), 0)
        bits = max(len(hashes).bit_length() - 4, 1)
        shift = np.uint64(64 - bits)
        first = np.searchsorted(hashes, np.arange(2**bits, dtype=np.uint64) << shift)
        starts = np.append(first, len(hashes)).astype(np.int64)
        return cls(hashes, _beginnings(hashes, bits), starts, shift, int(np.diff(starts).max()).bit_length())

    def __len__(self) -> int:
        return len(self.hashes)

    def holds(self, wanted: Hashes) -> npt.NDArray[np.bool_]:
        """Which of ``wanted`` are in: a binary search of all of them at once."""
        if self.starts is _NO_TABLE:
            return contains(self.hashes, wanted)
        places = wanted >> (self.shift - _FINER)
        likely = np.flatnonzero(self.begins[places >> _THREE] & (_BIT << (places & _SEVEN).astype(np.uint8)))
        found = np.zeros(len(wanted), bool)
        if len(likely):
            found[likely] = self._holds(wanted[likely])
        return found

    def _holds(self, wanted: Hashes) -> npt.NDArray[np.bool_]:
        bucket = (wanted >> self.shift).astype(np.int64)
        low, high, last = self.starts[bucket], self.starts[bucket + 1], len(self.hashes) - 1
        for _ in range(self.steps):
            middle = (low + high) >> 1
            open_, less = low < high, self.hashes[np.minimum(middle, last)] < wanted
            low, high = np.where(open_ & less, middle + 1, low), np.where(open_ & ~less, middle, high)
        found: npt.NDArray[np.bool_] = self.hashes[np.minimum(low, last)] == wanted
        return found


def _beginnings(hashes: Hashes, bits: int) -> npt.NDArray[np.uint8]:
    """A bit for each beginning of ``bits`` and seven more bits that one of ``hashes`` has."""
    every = np.zeros(1 << (bits + int(_FINER) - 3), np.uint8)
    for start in range(0, len(hashes), _BITE):
        places = hashes[start : start + _BITE] >> (np.uint64(64 - bits) - _FINER)
        np.bitwise_or.at(every, places >> _THREE, _BIT << (places & _SEVEN).astype(np.uint8))
    return every


@dataclass(frozen=True, slots=True)
class Segment:
    """Sorted hashes of a business day as the database holds them; ``batch_id`` where they are one batch's."""

    arrival: int
    day: int
    batch_id: str | None
    hashes: Hashes


@dataclass
class KeyWindow:
    """All hashes of the window in one process, eight bytes each and two or three of tables: a few sorted runs.

    ``arrival`` is the newest batch whose keys are in. ``fresh`` keeps the segments of batches that the drain has not
    taken, to tell where a hit's receipt is; ``recent`` the newest segments, which a call may not have seen when it
    looked. On every new day all is read anew, without what left the window. Threads share a window: what changes it
    holds the lock.
    """

    arrival: int = _NOTHING
    runs: list[Run] = field(default_factory=list)
    fresh: list[Segment] = field(default_factory=list)
    recent: list[Segment] = field(default_factory=list)
    refreshed: float = 0.0
    _recent_after: int = _NOTHING
    _first: int | None = None
    _prune_at: int = _FRESH
    _lock: Lock = field(default_factory=Lock)

    def refresh(self, connection: Connection, today: date) -> None:
        """Take in what other processes and this one committed since the last time; on a new day read all anew."""
        if self._first != _first_day(today):
            whole = KeyWindow(_first=_first_day(today))
            whole._take(newer_than(connection, _NOTHING, whole._first))
            with self._lock:
                self.arrival, self.runs, self.fresh, self.recent = whole.arrival, whole.runs, whole.fresh, []
                self._recent_after, self._first, self._prune_at = whole.arrival, whole._first, _FRESH
        self.catch_up(connection)
        if len(self.fresh) >= self._prune_at:
            self._forget_drained(connection)

    def catch_up(self, connection: Connection) -> None:
        """Take in what was committed since the last time."""
        self.hear(NEWER.rows(connection, self.question()))

    def question(self) -> dict[str, int]:
        """What to ask ``NEWER`` for to miss nothing."""
        return {"arrival": self.arrival, "first": self._first or 0}

    def hear(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take in the answer; where it was asked in a write transaction there is nothing newer then."""
        self.refreshed = time.monotonic()
        self.take(_segments(rows))

    def take(self, segments: Sequence[Segment]) -> None:
        """Take in committed segments; none before them is missing. What is in already is left alone."""
        with self._lock:
            self._take([segment for segment in segments if segment.arrival > self.arrival])

    def probe(self, wanted: Hashes) -> tuple[npt.NDArray[np.bool_], int]:
        """Which of ``wanted`` are in, and the newest batch that this answer knows of."""
        with self._lock:
            runs, arrival = list(self.runs), self.arrival
        hit = np.zeros(len(wanted), dtype=bool)
        for run in runs:
            hit |= run.holds(wanted)
        return hit, arrival

    def met_since(self, arrival: int, wanted: Hashes) -> bool:
        """Whether a batch after ``arrival`` may hold one of ``wanted``."""
        with self._lock:
            segments = [segment for segment in self.recent if segment.arrival > arrival]
            is_whole = arrival >= self._recent_after
        return not is_whole or any(contains(segment.hashes, wanted).any() for segment in segments)

    def batches_with(self, wanted: Hashes) -> list[str]:
        """The batches before the drain that hold one of ``wanted``, newest first."""
        found = (
            s.batch_id for s in reversed(self.fresh) if s.batch_id is not None and contains(s.hashes, wanted).any()
        )
        return list(dict.fromkeys(found))

    def _take(self, segments: Sequence[Segment]) -> None:
        if not segments:
            return
        inside = [segment for segment in segments if self._first is None or segment.day >= self._first]
        for segment in inside:
            self._add(segment.hashes)
        self.fresh = [*self.fresh, *(segment for segment in inside if segment.batch_id is not None)]
        self.recent.extend(inside)
        if len(self.recent) > _RECENT:
            self._recent_after = self.recent[-_RECENT].arrival
            self.recent = [segment for segment in self.recent if segment.arrival > self._recent_after]
        self.arrival = max(segment.arrival for segment in segments)

    def _forget_drained(self, connection: Connection) -> None:
        open_batches = select(InboxBatch.batch_id).where(InboxBatch.state != BatchState.DRAINED)
        waiting = set(connection.scalars(open_batches))
        with self._lock:
            self.fresh = [segment for segment in self.fresh if segment.batch_id in waiting]
            self._prune_at = 2 * len(self.fresh) + _FRESH

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


def newer_than(connection: Connection, arrival: int, first: int | None = None) -> list[Segment]:
    """The segments with batches after ``arrival``, oldest first. A joined segment may repeat older ones: no harm.

    ``first``: without those of earlier business days.
    """
    return _segments(NEWER.rows(connection, {"arrival": arrival, "first": first or 0}))


def _segments(rows: Iterable[Sequence[Any]]) -> list[Segment]:
    return [Segment(number, day, batch_id, np.frombuffer(keys, "<u8")) for number, day, batch_id, keys in rows]


def by_day(batch_id: str, days: npt.NDArray[np.int64], hashes: Hashes) -> list[dict[str, Any]]:
    """The keys of one batch, sorted, as rows for ``STORE``: a segment for each of their business days."""
    return [_row(day, 0, batch_id, hashes[days == day]) for day in sorted(set(days.tolist()))]


def segments_of(number: int, rows: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """What ``STORE`` made of ``rows`` for the batch that was given ``number``."""
    found = ((row["business_day"], row["batch_id"], np.frombuffer(row["hashes"], "<u8")) for row in rows)
    return [Segment(number, *each) for each in found]


def tidy(connection: Connection, today: date) -> None:
    """Drop the days that left the window and join small segments: the caller holds a write transaction of the inbox."""
    connection.execute(delete(InboxKeys).where(InboxKeys.business_day < _first_day(today)))
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
    connection.execute(
        insert(InboxKeys), [{"arrival": max(row.arrival for row in rows), **_row(day, level + 1, None, hashes)}]
    )
    connection.execute(delete(InboxKeys).where(InboxKeys.id.in_([row.id for row in rows])))


def _row(day: int, level: int, batch_id: str | None, hashes: Hashes) -> dict[str, Any]:
    return {
        "business_day": day,
        "level": level,
        "batch_id": batch_id,
        "n": len(hashes),
        "hashes": hashes.astype("<u8").tobytes(),
    }
