"""Upgrade an installation: backup → migrate → check. The backup's name is said before anything is touched."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pilot.database import Database
from pilot.upkeep import migrating
from pilot.upkeep.backup import Progress, back_up
from pilot.upkeep.errors import SchemaDiffers
from pilot.upkeep.recording import record_upkeep, require_key


@dataclass(frozen=True, slots=True)
class Upgraded:
    """From which revision to which; ``backup`` is None where there was nothing to keep or nothing to do."""

    before: str | None
    after: str
    backup: Path | None


def upgrade(
    database: Database,
    *,
    now: datetime,
    target: Path | None = None,
    announce: Callable[[Path], None] | None = None,
    progress: Progress | None = None,
) -> Upgraded:
    """Bring the database to this version's head, with a backup first (into ``target`` or the home's ``backups``).

    The log says so afterwards. Raises ``SchemaAhead`` and ``KeyMissing`` before anything is touched, and
    ``SchemaDiffers`` where the migrated database is not what this version expects.
    """
    migrating.require_known(database)
    before, wanted = migrating.current(database), migrating.head()
    backup = None
    if before is not None and before != wanted:
        require_key(database)
        backup = target or database.settings.home / "backups" / f"before-{wanted}-{now:%Y%m%dT%H%M%SZ}"
        back_up(database, backup, now=now, progress=progress)
        if announce:
            announce(backup)
    if before != wanted:
        migrating.upgrade(database)
    if backup is not None:
        details = {"before": before, "after": wanted, "backup": backup.name}
        record_upkeep(database, "installation.upgraded", details, now=database.settings.now())
    found = migrating.differences(database)
    if found:
        raise SchemaDiffers(count=len(found), backup=str(backup or "–"))
    return Upgraded(before, wanted, backup)
