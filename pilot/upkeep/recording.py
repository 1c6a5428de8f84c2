"""What upkeep writes into the append-only log: backups, restores and upgrades, in the name of the system.

A backup is recorded *before* it copies: the copy then holds the entry too, and its log and the live one agree up to
there. Nothing is written into a copy afterwards, so its checksums hold.

A restore is recorded in the restored log. Without its keys a log cannot go on: then a note stays in the home, and the
first command that finds the keys in place writes the entry.
"""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import select

from pilot.audit.model import AuditEntry
from pilot.audit.seal import KEY_NAME
from pilot.audit.service import record
from pilot.database import Database
from pilot.keys import key_path, read_key

SYSTEM = "system"
NOTE = "restored.json"


def record_upkeep(database: Database, verb: str, details: dict[str, Any], *, now: datetime) -> None:
    """One entry about the installation as a whole. Raises ``KeyMissing``."""
    with database.unit_of_work() as session:
        record(
            session,
            actor=SYSTEM,
            verb=verb,
            subject_kind="installation",
            subject="installation",
            details=details,
            at=now,
        )


def require_key(database: Database) -> None:
    """``KeyMissing`` where there is a log that could not go on."""
    with database.reading() as session:
        if session.scalar(select(AuditEntry.seq).limit(1)) is not None:
            read_key(database.settings, KEY_NAME)


def note_restore(database: Database, details: dict[str, Any]) -> None:
    """Remember that this home was restored until ``record_restore`` has written it down."""
    text = json.dumps(details, indent=1, sort_keys=True)
    (database.settings.home / NOTE).write_text(text + "\n", "utf-8")


def record_restore(database: Database) -> bool:
    """Write the entry of a restore that is not in the log yet, once the keys are there. True where it did."""
    note = database.settings.home / NOTE
    if not note.is_file() or not key_path(database.settings, KEY_NAME).is_file():
        return False
    record_upkeep(database, "installation.restored", json.loads(note.read_text("utf-8")), now=database.settings.now())
    note.unlink()
    return True
