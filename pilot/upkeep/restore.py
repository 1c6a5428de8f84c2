"""Bring a backup back into an empty home: the rows, and the lake at the version that the rows name."""

import contextlib
import json
import shutil
import tarfile
from pathlib import Path

from alembic.util.exc import CommandError

from pilot.database import Database
from pilot.outcomes.delta_log import INDEX, DeltaLog, index_through
from pilot.outcomes.storage import LOG, LocalFolder, storage_of
from pilot.settings import Settings
from pilot.upkeep import migrating, rows
from pilot.upkeep.backup import HOME_FILES, LAKE, Manifest, read_manifest
from pilot.upkeep.errors import (
    BackupDamaged,
    BackupFromTheFuture,
    HomeNotEmpty,
    LakeNotEmpty,
    NotAKeysFile,
    OtherDatabaseKind,
)
from pilot.upkeep.recording import note_restore, record_restore

_LAST_CHECKPOINT = "_last_checkpoint"


def restore(settings: Settings, backup: Path, *, keys_file: Path | None = None) -> Manifest:
    """Fill the home and the database of ``settings`` from ``backup`` and return what it held.

    Both must be empty; backup and keys are checked before anything is touched. Without ``keys_file`` the keys stay
    where the installation's keys are looked for (``settings.keys_dir``); until they are put there, the log can be read
    but not continued. The restored log says that it was restored, at once or as soon as the keys are there
    (``recording.py``). A backup without its lake restores everything else: the lake must be where the settings say.
    """
    manifest = read_manifest(backup)
    keys = read_keys_file(keys_file) if keys_file is not None else {}
    database = Database(settings)
    try:
        kind = database.engine.dialect.name
        if kind != manifest.database:
            raise OtherDatabaseKind(found=manifest.database, wanted=kind)
        if manifest.lake_left_at is None and storage_of(settings, settings.lake_root).paths():
            raise LakeNotEmpty(place=settings.lake_root)
        if not rows.is_empty(database):
            raise HomeNotEmpty(home=str(settings.home))
        try:
            rows.copy_in(database, backup, manifest.revision)
        except CommandError:
            raise BackupFromTheFuture(revision=manifest.revision) from None
    finally:
        database.dispose()
    settings.home.mkdir(parents=True, exist_ok=True)
    for name in HOME_FILES:
        if (backup / name).is_file() and not (settings.home / name).exists():
            shutil.copy2(backup / name, settings.home / name)
    if manifest.lake_version is not None and manifest.lake_left_at is None:
        _put_lake(settings, backup / LAKE, manifest.lake_version)
    _put_keys(settings, keys)
    _record(settings, manifest)
    return manifest


def _record(settings: Settings, manifest: Manifest) -> None:
    database = Database(settings)
    try:
        details = {"backup_head": manifest.audit_head, "backup_taken_at": manifest.taken_at}
        note_restore(database, details)
        if manifest.revision == migrating.head():  # else the upgrade that must follow finds the note
            record_restore(database)
    finally:
        database.dispose()


def _put_lake(settings: Settings, source: Path, version: int) -> None:
    """Copy the lake to its place, the log last: until then there is no lake."""
    storage = storage_of(settings, settings.lake_root)
    storage.prepare()
    kept = kept_entries(source / LOG, version)
    if not any(path.name == f"{0:020d}.json" or path.name.endswith(".checkpoint.parquet") for path in kept):
        raise BackupDamaged(file=f"{LAKE}/{LOG}")  # nothing in it leads to the version that the rows name
    if (index := source / INDEX).is_file():
        storage.put(INDEX, index_through(index.read_bytes(), _last_kept(source / LOG, version)))
    files = sorted(path for path in source.rglob("*") if path.is_file() and path.parent != source / LOG)
    for file in (*(file for file in files if file != index), *kept):
        with storage.new_file(str(file.relative_to(source))) as copy:
            shutil.copyfile(file, copy)


def kept_entries(log: Path, version: int) -> list[Path]:
    """The files of a log without what came after ``version``: the rows do not know it, its files are imported again.

    An import that had reached the lake but not the database when the backup was taken would otherwise count twice. What
    only joined files since stays: the older ones may have been vacuumed.
    """
    last = _last_kept(log, version)
    found = [path for path in sorted(log.iterdir()) if not path.name[:20].isdigit() or int(path.name[:20]) <= last]
    pointer = log / _LAST_CHECKPOINT
    if pointer.is_file() and int(json.loads(pointer.read_text("utf-8"))["version"]) > last:
        found.remove(pointer)
    return found


def _last_kept(log: Path, version: int) -> int:
    entries = DeltaLog(LocalFolder(log.parent))
    with contextlib.suppress(FileNotFoundError):
        while entries.commit_at(version + 1) is None:
            version += 1
    return version


def read_keys_file(file: Path) -> dict[str, bytes]:
    """The keys in a file that ``write_keys`` made, by file name. ``NotAKeysFile``."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                source = archive.extractfile(member)
                if source is not None and member.name.endswith(".key") and "/" not in member.name:
                    found[member.name] = source.read()
    except (OSError, tarfile.TarError):
        raise NotAKeysFile(path=str(file)) from None
    if not found:
        raise NotAKeysFile(path=str(file))
    return found


def _put_keys(settings: Settings, keys: dict[str, bytes]) -> None:
    for name, content in keys.items():
        settings.keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        goal = settings.keys_dir / name
        goal.touch(mode=0o600)
        goal.write_bytes(content)
