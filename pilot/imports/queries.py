"""What people see of imports: runs with their findings, saved mappings, and what waits in quarantine."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pilot.errors import NotFound
from pilot.imports.mapping import FileMapping
from pilot.imports.model import ColumnMapping, ImportFinding, ImportKind, ImportRun, QuarantinedRow, QuarantineState
from pilot.words import N_


def run(session: Session, run_id: int) -> ImportRun:
    """The import with this id; raises ``NotFound``."""
    found = session.get(ImportRun, run_id)
    if found is None:
        raise NotFound(kind=N_("import"), name=run_id)
    return found


def run_of_batch(session: Session, batch_id: str) -> ImportRun | None:
    """The import that the lake's commit ``batch_id`` belongs to."""
    return session.scalar(select(ImportRun).where(ImportRun.batch_id == batch_id))


def recent_runs(session: Session, limit: int = 50) -> list[ImportRun]:
    """The latest imports, newest first."""
    return list(session.scalars(select(ImportRun).order_by(ImportRun.id.desc()).limit(limit)))


def findings(session: Session, run_id: int, *, offset: int = 0, limit: int = 200) -> list[ImportFinding]:
    """Bad cells of an import by line."""
    query = select(ImportFinding).where(ImportFinding.run_id == run_id)
    return list(session.scalars(query.order_by(ImportFinding.line, ImportFinding.id).offset(offset).limit(limit)))


def saved_mappings(session: Session, kind: ImportKind | None = None) -> list[ColumnMapping]:
    """Saved mappings by name, of one kind or all."""
    query = select(ColumnMapping).order_by(ColumnMapping.code)
    return list(session.scalars(query if kind is None else query.where(ColumnMapping.kind == kind)))


def saved_mapping(session: Session, code: str) -> FileMapping:
    """The mapping saved as ``code``; raises ``NotFound``."""
    found = session.scalar(select(ColumnMapping).where(ColumnMapping.code == code))
    if found is None:
        raise NotFound(kind=N_("mapping"), name=code)
    return FileMapping.from_dict(found.definition)


def waiting_rows(
    session: Session, *, run_id: int | None = None, offset: int = 0, limit: int = 200
) -> list[QuarantinedRow]:
    """Parked rows that wait for a person, by import and line."""
    query = select(QuarantinedRow).where(QuarantinedRow.state == QuarantineState.WAITING)
    if run_id is not None:
        query = query.where(QuarantinedRow.run_id == run_id)
    ordered = query.order_by(QuarantinedRow.run_id, QuarantinedRow.line, QuarantinedRow.id)
    return list(session.scalars(ordered.offset(offset).limit(limit)))


def n_waiting(session: Session) -> int:
    """How many parked rows wait for a person."""
    query = select(func.count()).where(QuarantinedRow.state == QuarantineState.WAITING)
    return session.scalar(query) or 0
