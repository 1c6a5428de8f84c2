"""Snapshots and tills that a process keeps for as long as the audit log's head stands still."""

from datetime import datetime

from sqlalchemy.orm import Session

from pilot.assignment.snapshot import Place, Snapshot, read_snapshot
from pilot.assignment.till import Till

Head = tuple[int, str]


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
        found = self.held(head)
        if found is None:
            found = Kept(read_snapshot(session, self._held[1].snapshot if self._held else None))
            self._held = (head, found)
        return found

    def held(self, head: Head) -> Kept | None:
        """The snapshot if it is the one under ``head``."""
        held = self._held
        return held[1] if held is not None and held[0] == head else None
