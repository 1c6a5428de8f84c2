"""What the inbox says of itself: what waits, since when, how fast it empties, and what became of a batch."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from pilot.imports.values import printable
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.errors import NoSuchBatch
from pilot.outcomes.inbox.model import BatchState, InboxBatch
from pilot.settings import Settings

_OPEN = (BatchState.WAITING, BatchState.DRAINING, BatchState.SET_ASIDE)
_RECENT_BATCHES = 500
_LONGEST_WAIT = 600


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for the drain: receipts, and since when the oldest does (what is set aside waits for people)."""

    receipts: int
    oldest_at: datetime | None

    def lag_seconds(self, now: datetime) -> float:
        """How long the oldest receipt has waited; 0 where none does."""
        return max((now - self.oldest_at).total_seconds(), 0.0) if self.oldest_at else 0.0


def backlog(inbox: InboxDatabase) -> Backlog:
    """What waits now."""
    with inbox.glancing() as connection:
        waiting = InboxBatch.state.in_((BatchState.WAITING, BatchState.DRAINING))
        oldest = connection.scalar(select(func.min(InboxBatch.received_at)).where(waiting))
        return Backlog(waiting_receipts(connection), oldest)


def waiting_receipts(connection: Connection) -> int:
    """Accepted receipts that no drain has taken to the lake yet."""
    wanted = select(func.coalesce(func.sum(InboxBatch.n_accepted), 0)).where(InboxBatch.state.in_(_OPEN))
    return int(connection.scalar(wanted) or 0)


def seconds_until_room(connection: Connection, receipts: int, settings: Settings) -> int:
    """When ``receipts`` will have left, by the pace of the latest drains; without one, after two rounds."""
    latest = connection.execute(
        select(InboxBatch.n_accepted, InboxBatch.drained_at)
        .where(InboxBatch.state == BatchState.DRAINED, InboxBatch.lake_version.is_not(None))
        .order_by(InboxBatch.id.desc())
        .limit(_RECENT_BATCHES)
    ).all()
    ends = [drained_at for _, drained_at in latest if drained_at is not None]
    seconds = (max(ends) - min(ends)).total_seconds() if ends else 0.0
    wait = receipts * seconds / sum(n for n, _ in latest) if seconds else 0.0
    return min(max(math.ceil(wait), math.ceil(2 * settings.drain_seconds)), _LONGEST_WAIT)


def batch_for(session: Session, batch_id: str, *, key_code: str, store_codes: Collection[str]) -> InboxBatch:
    """The batch, if this key sent it or is for all of its stores (a key without stores is for all of them).

    Raises ``NoSuchBatch``, also for one that exists: who may not see it does not learn that.
    """
    could_be = batch_id.isascii() and batch_id.isalnum()  # PostgreSQL takes no NUL in a text
    batch = session.scalar(select(InboxBatch).where(InboxBatch.batch_id == batch_id)) if could_be else None
    if batch is None:
        raise NoSuchBatch(batch=printable(batch_id[:64]))
    covers = not store_codes or (bool(batch.store_codes) and set(batch.store_codes) <= set(store_codes))
    if batch.key_code != key_code and not covers:
        raise NoSuchBatch(batch=batch_id[:64])
    return batch
