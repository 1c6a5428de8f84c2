"""Take a backup while everything runs: the database first, then the lake's log, then its files; the keys apart.

The lake is copied from wherever it is, a folder or a bucket, unless it is left out by name: then the manifest says so.

In this order whatever the database names is in the lake's log, and whatever the log names is among the files: both only
grow, and vacuum is locked out for the time. (The lake first would miss what an import adds in between.)
"""

import fcntl
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pilot import __version__
from pilot.audit.service import head as audit_head
from pilot.database import Database
from pilot.evidence.truths import TRUTHS_FILE
from pilot.outcomes.delta_log import HISTORY, INDEX
from pilot.outcomes.storage import LOG, Storage, storage_of
from pilot.settings import SETTINGS_FILE, Settings
from pilot.upkeep import migrating, rows
from pilot.upkeep.errors import BackupDamaged, KeysInsideBackup, NotABackup, TargetNotEmpty
from pilot.upkeep.recording import record_upkeep

MANIFEST = "manifest.json"
LAKE = "lake"
HOME_FILES = (SETTINGS_FILE, TRUTHS_FILE)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. ``files`` maps each path inside the backup to its SHA-256.

    ``lake_left_at`` says where the lake stayed when it was left out; None: it is inside.
    """

    format: int
    version: str
    revision: str
    database: str
    taken_at: str
    lake_version: int | None
    audit_head: str
    files: dict[str, str]
    lake_left_at: str | None = None


def back_up(
    database: Database,
    target: Path,
    *,
    now: datetime,
    keys_file: Path | None = None,
    with_lake: bool = True,
    progress: Progress | None = None,
) -> Manifest:
    """Write a backup of the installation into the new folder ``target`` and return what it holds.

    The log says so, in the copy too; only a database that waits for its upgrade is copied as it is (the upgrade
    records itself).

    ``with_lake=False`` leaves the receipts where they are. Keys are left out; ``keys_file`` (outside ``target``)
    receives them as a tar file of mode 0600. Raises ``TargetNotEmpty``, ``KeysInsideBackup`` and ``KeyMissing``. The
    folder appears under its name only when it is complete.
    """
    settings, target = database.settings, target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise TargetNotEmpty(path=str(target))
    if keys_file is not None and target in keys_file.absolute().parents:
        raise KeysInsideBackup(path=str(target))
    if migrating.current(database) == migrating.head():
        details = {"name": target.name, "keys": keys_file is not None, "lake": with_lake}
        record_upkeep(database, "installation.backed_up", details, now=settings.now())
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with _no_vacuum(settings):
        # The head is read before the rows: the log may have grown since, but every entry up to this head is inside.
        with database.reading() as session:
            head = str(audit_head(session))
        lake_version = rows.copy_out(database, partial)
        if with_lake:
            _copy_lake(settings, partial / LAKE, progress)
    for name in HOME_FILES:
        if (settings.home / name).is_file():
            shutil.copy2(settings.home / name, partial / name)
    manifest = Manifest(
        format=1,
        version=__version__,
        revision=migrating.current(database) or "",
        database=database.engine.dialect.name,
        taken_at=now.isoformat(),
        lake_version=lake_version,
        audit_head=head,
        files={str(path.relative_to(partial)): file_digest(path) for path in _files(partial)},
        lake_left_at=None if with_lake else settings.lake_root,
    )
    _write_durably(partial / MANIFEST, json.dumps(asdict(manifest), indent=1, sort_keys=True))
    if keys_file is not None:
        write_keys(settings, keys_file)
    if target.exists():
        target.rmdir()
    partial.rename(target)
    return manifest


def read_manifest(backup: Path) -> Manifest:
    """The manifest of a backup, its files checked against it. ``NotABackup`` or ``BackupDamaged``."""
    try:
        found: dict[str, Any] = json.loads((backup / MANIFEST).read_text("utf-8"))
        manifest = Manifest(**found)
    except (OSError, ValueError, TypeError):
        raise NotABackup(path=str(backup)) from None
    for name, digest in manifest.files.items():
        if not (backup / name).is_file() or file_digest(backup / name) != digest:
            raise BackupDamaged(file=name)
    return manifest


def write_keys(settings: Settings, file: Path) -> None:
    """All keys of the installation as a tar file that only its owner can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
        os.fchmod(raw.fileno(), 0o600)
        with tarfile.open(fileobj=raw, mode="w") as archive:
            for key in sorted(settings.keys_dir.glob("*.key")):
                archive.add(key, arcname=key.name)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy_lake(settings: Settings, target: Path, progress: Progress | None) -> None:
    storage = storage_of(settings, settings.lake_root)
    # Each is copied before what it names is listed, so that is there by then: the index of the packed entries, these,
    # the log (nothing is removed from it while vacuum is locked out), the files.
    if storage.exists(INDEX):
        _fetch(storage, INDEX, target)
    for path in [*storage.paths(HISTORY), *storage.paths(LOG)]:
        if path != INDEX and not Path(path).name.startswith("."):
            _fetch(storage, path, target)
    data = [path for path in storage.paths() if not path.startswith((LOG, HISTORY))]
    for number, path in enumerate(data, start=1):
        _fetch(storage, path, target)
        if progress:
            progress(number, len(data))


def _fetch(storage: Storage, path: str, target: Path) -> None:
    goal = target / path
    goal.parent.mkdir(parents=True, exist_ok=True)
    storage.fetch(path, goal)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write_durably(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _no_vacuum(settings: Settings) -> Iterator[None]:
    settings.locks_dir.mkdir(parents=True, exist_ok=True)
    with (settings.locks_dir / "vacuum.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
