"""Where traces of a customer lie beside their row: findings, quarantine, staging, uploads, SQLite's write-ahead log."""

import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
from sqlalchemy import Engine, String, cast, delete, event, or_, select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.database import settings_of
from pilot.imports.dialects import ENCODINGS
from pilot.imports.engine import staged_parts
from pilot.imports.model import ImportFinding, ImportKind, ImportRun, QuarantinedRow, QuarantineState, RunState
from pilot.imports.rules import SHOWN_CHARACTERS
from pilot.imports.service import discard, staged_file
from pilot.settings import Settings

PATIENCE_SECONDS = 3.0
_FORGOTTEN = {"code": "forgotten", "template": "", "values": {}}


def erase_traces(session: Session, external_id: str, *, actor: User, now: datetime) -> None:
    """Delete what findings, quarantine, staging and uploads hold of the customer; the write-ahead log after the commit.

    Staged imports that hold the id are discarded. Uploaded files that hold it, or cannot be searched (Parquet), go too.
    """
    _erase_rows(session, external_id, actor=actor, now=now)
    for run in _staged_with(session, external_id):
        discard(session, run, actor=actor, now=now)
    _erase_files(session, external_id)
    engine = session.get_bind().engine
    event.listen(session, "after_commit", lambda _committed: truncate_wal(engine), once=True)


def truncate_wal(engine: Engine) -> bool:
    """Empty SQLite's write-ahead log, which keeps older pages; False where somebody reads from it just now."""
    if engine.dialect.name != "sqlite":
        return True
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={round(PATIENCE_SECONDS * 1000)}")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        found = cursor.fetchone()
        cursor.execute("PRAGMA busy_timeout=60000")  # the connection goes back to the others
        cursor.close()
    return found is not None and not found[0]


def _erase_rows(session: Session, external_id: str, *, actor: User, now: datetime) -> None:
    quoted = json.dumps(external_id)  # as the stored reason writes it
    named = or_(
        ImportFinding.value == external_id[:SHOWN_CHARACTERS],
        cast(ImportFinding.reason, String).contains(quoted, autoescape=True),
    )
    session.execute(delete(ImportFinding).where(named))
    for row in session.scalars(select(QuarantinedRow)):
        if external_id not in (text.strip() for text in row.row.values()):
            continue
        session.execute(delete(ImportFinding).where(ImportFinding.run_id == row.run_id, ImportFinding.line == row.line))
        row.row, row.store, row.reason, row.state = {}, "", _FORGOTTEN, QuarantineState.DROPPED
        row.decided_by, row.decided_at = actor.email, now


def _staged_with(session: Session, external_id: str) -> Sequence[ImportRun]:
    """Staged imports of people, receipts or answers in which this customer occurs."""
    kinds = (ImportKind.CUSTOMERS, ImportKind.RECEIPTS, ImportKind.SURVEYS)
    query = select(ImportRun).where(ImportRun.state == RunState.STAGED, ImportRun.kind.in_(kinds))
    return [
        run
        for run in session.scalars(query)
        if any(_holds(part, external_id) for part in staged_parts(staged_file(session, run)))
    ]


def _holds(staged: Path, external_id: str) -> bool:
    if not staged.is_file():
        return False
    with pq.ParquetFile(staged) as file:
        return any(
            external_id in batch.column("customer").to_pylist()
            for batch in file.iter_batches(batch_size=20_000, columns=["customer"])
        )


def _erase_files(session: Session, external_id: str) -> None:
    settings = settings_of(session)
    waiting = set(session.scalars(select(ImportRun.batch_id).where(ImportRun.state == RunState.STAGED)))
    for folder in settings.staging_dir.glob("*"):
        if folder.name not in waiting:  # left by finished imports and broken-off checks
            shutil.rmtree(folder, ignore_errors=True)
    for upload in _uploads(settings):
        if any(_may_name(file, external_id) for file in upload.iterdir()):
            shutil.rmtree(upload, ignore_errors=True)


def _uploads(settings: Settings) -> list[Path]:
    return [path for path in (settings.home / "uploads").glob("*") if path.is_dir()]


def _may_name(file: Path, external_id: str) -> bool:
    """Whether the id stands in the file's bytes, in any encoding that a file may have; Parquet is compressed."""
    content = file.read_bytes()
    forms = {external_id.encode(encoding, "ignore") for encoding in ("utf-8", *ENCODINGS[1:])}
    return content.startswith(b"PAR1") or any(form and form in content for form in forms)
