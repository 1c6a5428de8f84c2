"""Snapshots and tills that a process keeps for as long as the audit log says nothing that matters to them."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.assignment.snapshot import Place, Snapshot, read_snapshot
from pilot.assignment.till import Till
from pilot.audit.model import AuditEntry

Head = tuple[int, str]
# What is written all day and decides nothing about who gets what: a drain every few seconds, people who sign in.
QUIET = frozenset({"receipts.drained", "user.signed_in", "notice.read", "lake.vacuumed"})
_MOST_ENTRIES = 1_000  # beyond them reading the snapshot is no dearer


class Kept:
    """One snapshot with the tills made from it: one per store, for the business day that was asked about last."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._tills: dict[str, Till] = {}

    def till(self, place: Place, at: datetime) -> Till:
        """The till of a store on its business day at ``at``."""
        day = self.snapshot.day(place, at)
        till = self._tills.get(place.code)
        if till is None or till.day != day:
            till = self._tills[place.code] = Till(self.snapshot, place, day)
        return till


class Keeper:
    """The current snapshot of a process. Threads may make the same one twice; none is ever changed."""

    def __init__(self) -> None:
        self._held: tuple[Head, Kept] | None = None

    def at(self, session: Session, head: Head) -> Kept:
        """The snapshot under ``head``, the audit log's head as ``session`` sees it."""
        held = self._held
        if held is None:
            found = Kept(read_snapshot(session))
        elif held[0] == head or _only_quiet(session, held[0], head):
            found = held[1]
        else:
            found = Kept(read_snapshot(session, held[1].snapshot))
        self._held = (head, found)
        return found

    def held(self, head: Head) -> Kept | None:
        """The snapshot if it is the one under ``head``."""
        held = self._held
        return held[1] if held is not None and held[0] == head else None


def _only_quiet(session: Session, before: Head, now: Head) -> bool:
    """Whether the log went on from ``before`` to ``now`` with nothing but entries that decide nothing."""
    if not before[0] < now[0] <= before[0] + _MOST_ENTRIES:
        return False
    query = select(AuditEntry.hash, AuditEntry.verb).where(AuditEntry.seq.between(before[0], now[0]))
    entries = session.execute(query.order_by(AuditEntry.seq)).all()
    is_whole = len(entries) == now[0] - before[0] + 1 and (entries[0][0], entries[-1][0]) == (before[1], now[1])
    return is_whole and all(verb in QUIET for _, verb in entries[1:])
