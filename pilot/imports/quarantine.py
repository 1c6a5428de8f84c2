"""Parked rows: a person corrects and releases them into a new import, or drops them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.audit.service import record
from pilot.canonical import canonical_text, sha256_hex
from pilot.errors import NotFound
from pilot.imports.check import ATTRIBUTE_PREFIX
from pilot.imports.errors import MixedRelease, NotWaiting
from pilot.imports.importer import Importer
from pilot.imports.mapping import FileMapping
from pilot.imports.model import ImportRun, QuarantinedRow, QuarantineState
from pilot.imports.reader import MemoryTable
from pilot.imports.service import stage_table
from pilot.words import N_

FROM_INBOX = "released receipts"  # the name of an import whose rows came over HTTP


def release_quarantined(
    session: Session,
    importer: Importer,
    corrections: Mapping[int, Mapping[str, str]],
    *,
    actor: User,
    now: datetime,
    sent_as: FileMapping | None = None,
) -> ImportRun:
    """Stage parked rows again with corrected texts (row id → field → text; fields not named stay as they are).

    All rows must come from one import, and are read as that file was (decimal mark, dates, time zone), or all over
    HTTP, and are read by ``sent_as``. What is only implausible goes in: a person has looked at it. Returns the new
    staged run, to be published like any other; rows still wrong raise ``ImportRefused`` and nothing changes.
    """
    rows = _waiting(session, list(corrections))
    old, origin, filename = _origin(session, rows, sent_as)
    texts = {row.id: {**row.row, **corrections[row.id]} for row in rows}
    fields = sorted({name for text in texts.values() for name in text})
    mapping = FileMapping.from_dict(
        {
            **old.to_dict(),
            "columns": {name: name for name in fields if not name.startswith(ATTRIBUTE_PREFIX)},
            "attributes": {n.removeprefix(ATTRIBUTE_PREFIX): n for n in fields if n.startswith(ATTRIBUTE_PREFIX)},
        }
    )
    digest = sha256_hex(canonical_text([origin, [[row.batch_id, row.line, texts[row.id]] for row in rows]]))
    run = stage_table(
        session,
        importer,
        MemoryTable(_lines(rows), [dict(texts[row.id]) for row in rows]),
        mapping,
        batch_id=sha256_hex(canonical_text([str(importer.kind), digest, mapping.to_dict(), "released"])),
        digest=digest,
        filename=filename,
        actor=actor,
        now=now,
        waive=True,
    )
    for row in rows:
        row.state, row.released_run_id = QuarantineState.RELEASED, run.id
        row.decided_by, row.decided_at = actor.email, now
    session.flush()
    details = {"rows": len(rows), "import": run.batch_id}
    record(
        session,
        actor=actor.email,
        verb="quarantine.released",
        subject_kind="import",
        subject=origin,
        details=details,
        at=now,
    )
    return run


def _origin(
    session: Session, rows: Sequence[QuarantinedRow], sent_as: FileMapping | None
) -> tuple[FileMapping, str, str]:
    """How the rows are read, the batch that they belong to, and what the new import is called."""
    runs = {row.run_id for row in rows}
    if len(runs) != 1:
        raise MixedRelease
    run_id = runs.pop()
    if run_id is None:
        if sent_as is None:
            raise MixedRelease
        return sent_as, min(row.batch_id for row in rows), FROM_INBOX
    origin = session.get_one(ImportRun, run_id)
    return FileMapping.from_dict(origin.mapping), origin.batch_id, origin.filename


def _lines(rows: Sequence[QuarantinedRow]) -> list[int]:
    """The lines of a file; rows of several batches have equal ones and are told apart by their id."""
    lines = [row.line for row in rows]
    return lines if len(set(lines)) == len(lines) else [row.id for row in rows]


def drop_quarantined(session: Session, row_ids: Sequence[int], *, actor: User, now: datetime) -> None:
    """Give parked rows up: their texts are deleted, that they were there stays known."""
    rows = _waiting(session, row_ids)
    if not rows:
        return
    for row in rows:
        row.state, row.row, row.store = QuarantineState.DROPPED, {}, ""
        row.decided_by, row.decided_at = actor.email, now
    session.flush()
    details = {"rows": sorted(row_ids)}
    record(
        session,
        actor=actor.email,
        verb="quarantine.dropped",
        subject_kind="quarantine",
        subject=str(min(row_ids)),
        details=details,
        at=now,
    )


def _waiting(session: Session, row_ids: Sequence[int]) -> list[QuarantinedRow]:
    found = {
        row.id: row
        for row in session.scalars(
            select(QuarantinedRow)
            .where(QuarantinedRow.id.in_(row_ids))
            .order_by(QuarantinedRow.line, QuarantinedRow.id)
        )
    }
    for row_id in row_ids:
        if row_id not in found:
            raise NotFound(kind=N_("quarantined row"), name=row_id)
        if found[row_id].state != QuarantineState.WAITING:
            raise NotWaiting(row=row_id, state=str(found[row_id].state))
    return list(found.values())
