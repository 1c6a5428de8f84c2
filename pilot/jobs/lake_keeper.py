"""The worker's hourly vacuum of the lake: what compaction replaced goes, what frozen reports and draws name stays."""

import logging
import threading

from pilot.audit.service import record
from pilot.database import Database
from pilot.evidence.queries import pinned_versions
from pilot.outcomes.lake import Lake
from pilot.outcomes.phases import phase

log = logging.getLogger(__name__)
GRACE_HOURS = 2  # a report, an export or a backup that opened its files before they were replaced has that long
_EVERY_SECONDS = 3600.0


def keep_lake_small(database: Database, stop: threading.Event) -> None:
    """Vacuum every hour until ``stop``; in a thread of its own, for it waits while a backup copies the lake."""
    while not stop.is_set():
        try:
            vacuum_lake(database)
        except Exception:
            log.exception("the lake could not be vacuumed; the next hour tries again")
        stop.wait(_EVERY_SECONDS)


def vacuum_lake(database: Database) -> int:
    """Delete the files that nobody needs any more, and record it where there were any. Returns how many."""
    settings = database.settings
    with database.reading() as session:
        # A report that is frozen after this was computed within the grace, and its files are as young.
        pinned = pinned_versions(session)
    with phase(settings, "vacuum"):
        deleted = Lake(settings).vacuum(pinned, grace_hours=GRACE_HOURS)
    if deleted:
        log.info("vacuumed %s files from the lake", len(deleted))
        with database.unit_of_work() as session:
            details = {"files": len(deleted), "pinned_versions": len(pinned)}
            record(session, actor="system", verb="lake.vacuumed", subject_kind="installation", subject="lake",
                   details=details, at=settings.now())  # fmt: skip
    return len(deleted)
