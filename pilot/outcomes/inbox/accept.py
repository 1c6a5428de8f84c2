"""Accept a call of receipts: checked by the rules, told apart from what arrived before, durable before it is answered.

Everything slow happens before the write lock is taken: under it stand the look at what came in between and the inserts.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from threading import Lock

from sqlalchemy import insert, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pilot.network.queries import customer_keys
from pilot.outcomes.inbox import key_window
from pilot.outcomes.inbox.checking import Rulebook, check_call
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.errors import IdempotencyKeyReused, InboxIsFull
from pilot.outcomes.inbox.key_window import KeyWindow
from pilot.outcomes.inbox.model import InboxBatch, InboxParked, InboxPayload
from pilot.outcomes.inbox.originals import KNOWN, Original, find_originals
from pilot.outcomes.inbox.payload import pack
from pilot.outcomes.inbox.queries import seconds_until_room, waiting_receipts
from pilot.outcomes.inbox.statements import Statement
from pilot.outcomes.inbox.work import Accepted, Call, Work
from pilot.outcomes.lake import Lake
from pilot.settings import Settings

_BATCH = Statement(
    insert(InboxBatch).returning(InboxBatch.id),
    *("batch_id", "key_code", "idempotency_key", "body_hash", "received_at", "state", "drained_at", "store_codes"),
    *("n_accepted", "n_known", "n_conflict", "n_rejected", "n_quarantined", "verdicts"),
)
_PAYLOAD = Statement(insert(InboxPayload), "batch_id", "payload")
_PARKED = Statement(insert(InboxParked), "batch_id", "line", "receipt_id", "field", "row", "reason")
_STALE_SECONDS = 0.5
_ROOM_SECONDS, _ROOM = 0.2, 200_000  # far more receipts than come in during that time


@dataclass
class Reception:
    """What one process keeps between calls: the inbox, the key window, and what the rules ask of the business.

    ``head`` names a state of the business database: while it is the same, the rules are the same.
    """

    settings: Settings
    inbox: InboxDatabase
    window: KeyWindow = field(default_factory=KeyWindow)
    _book: tuple[object, Rulebook] | None = None
    _room_until: float = 0.0
    _lake_lock: Lock = field(default_factory=Lock)

    @cached_property
    def _lake(self) -> Lake:
        """One lake, and one engine, for all looks of this process at drained receipts; they take turns."""
        return Lake(self.settings)

    def accept(self, session: Session, call: Call, *, head: object) -> Accepted:
        """Take the call's receipts in and say what became of each; when this returns they are on disk.

        ``session`` reads the business database. Raises ``IdempotencyKeyReused`` and ``InboxIsFull``.
        """
        if call.idempotency_key is not None:
            with self.inbox.glancing() as connection:
                if (earlier := _replayed(connection, call)) is not None:
                    return earlier
        book = self._book_of(session, call.now, head)
        work = Work.of(call, check_call(call.texts, call.store_codes, book, call.now))
        if time.monotonic() - self.window.refreshed > _STALE_SECONDS:
            with self.inbox.glancing() as connection:
                self.window.refresh(connection, call.now.date())
        answer = None
        while answer is None:
            kept, arrival = self._told_apart(session, work, call.now.date())
            answer = self._stored(call, kept, arrival)
        return answer

    def _book_of(self, session: Session, now: datetime, head: object) -> Rulebook:
        if self._book is None or self._book[0] != head:
            self._book = (head, Rulebook.of(session, now))
        return self._book[1]

    def _told_apart(self, session: Session, work: Work, today: date) -> tuple[Work, int]:
        """``work`` without what arrived before, and the newest batch that was looked at."""
        hit, arrival = self.window.probe(work.hashes)
        if not hit.any():
            return work, arrival
        batches = self.window.batches_with(work.hashes[hit])
        lines = set(work.lines[hit].tolist())
        suspects = [row for row in work.rows() if row["line"] in lines]
        with self.inbox.glancing() as connection:
            with self._lake_lock:
                found = find_originals(
                    connection, batches, self._lake, lambda ids: customer_keys(session, ids), suspects, today
                )
            parked = _parked_before(connection, batches, work, lines)
        return work.without({**found, **parked}), arrival

    def _stored(self, call: Call, work: Work, arrival: int) -> Accepted | None:
        """Write the batch; None where one of its receipts came in after ``arrival``, to be looked at again."""
        batch = work.batch(call)
        payload = pack(work.staged) if len(work.staged) else None
        keys = key_window.by_day(batch["batch_id"], work.days, work.hashes)
        try:
            with self.inbox.turn(key_window.NEWER, self.window.question()) as turn:
                self.window.hear(turn.seen)
                self._require_room()
                if self.window.met_since(arrival, work.hashes):
                    return None
                turn.write(_BATCH, batch)
                if payload is not None:
                    turn.write(_PAYLOAD, {"batch_id": batch["batch_id"], "payload": payload})
                for row in work.parked_rows(call, batch["batch_id"]):
                    turn.write(_PARKED, row)
                for row in keys:
                    turn.write(key_window.STORE, row)
        except IntegrityError:
            with self.inbox.glancing() as connection:  # a call with the same key came in meanwhile
                if call.idempotency_key is not None and (earlier := _replayed(connection, call)) is not None:
                    return earlier
            raise
        if turn.number is not None:
            self.window.take(key_window.segments_of(turn.number, keys))
        return Accepted.stored(batch)

    def _require_room(self) -> None:
        """Refuse while the inbox is full. Far from the limit it is not counted anew for every call.

        Asked in a turn: another connection sees all that was committed, and nothing more comes in meanwhile.
        """
        limit, counted = self.settings.inbox_limit, time.monotonic()
        if self._room_until > counted:
            return
        with self.inbox.glancing() as connection:
            waiting = waiting_receipts(connection)
            if limit - waiting > _ROOM:
                self._room_until = counted + _ROOM_SECONDS
            if waiting >= limit:
                seconds = seconds_until_room(connection, waiting - limit + 1, self.settings)
                raise InboxIsFull(waiting=waiting, limit=limit, seconds=seconds)


def _replayed(connection: Connection, call: Call) -> Accepted | None:
    """The stored answer to an earlier call with this key; ``IdempotencyKeyReused`` where that had another body."""
    row = connection.execute(
        select(InboxBatch.__table__).where(
            InboxBatch.key_code == call.key_code, InboxBatch.idempotency_key == call.idempotency_key
        )
    ).first()
    if row is None:
        return None
    if row.body_hash != call.body_hash:
        raise IdempotencyKeyReused(key=call.idempotency_key)
    return Accepted.stored(row._mapping, replayed=True)


def _parked_before(connection: Connection, batches: Sequence[str], work: Work, lines: set[int]) -> dict[int, Original]:
    """The implausible receipts that wait already, with the same texts."""
    suspects = {index: row for index, row in work.texts.items() if index in lines}
    if not suspects:
        return {}
    waiting = connection.scalars(select(InboxParked.row).where(InboxParked.batch_id.in_(batches))).all()
    return {index: Original(True, KNOWN) for index, row in suspects.items() if row in waiting}
