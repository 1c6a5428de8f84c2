"""What people see of imports: runs with their findings, saved mappings, and what waits in quarantine."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
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


@dataclass(frozen=True, slots=True)
class Waiting:
    """Which waiting rows are meant: of an import, a batch, a store, or with one kind of reason; None: all."""

    run_id: int | None = None
    batch_id: str | None = None
    store: str | None = None
    reason_code: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        given = {
            QuarantinedRow.run_id: self.run_id,
            QuarantinedRow.batch_id: self.batch_id,
            QuarantinedRow.store: self.store,
            QuarantinedRow.reason_code: self.reason_code,
        }
        return [
            QuarantinedRow.state == QuarantineState.WAITING,
            *(column == value for column, value in given.items() if value is not None),
        ]


def waiting_rows(
    session: Session, wanted: Waiting | None = None, *, run_id: int | None = None, offset: int = 0, limit: int = 200
) -> list[QuarantinedRow]:
    """Parked rows that wait for a person, in the order in which they came."""
    query = select(QuarantinedRow).where(*(wanted or Waiting(run_id)).conditions())
    ordered = query.order_by(QuarantinedRow.received_at, QuarantinedRow.id)
    return list(session.scalars(ordered.offset(offset).limit(limit)))


def quarantined_row(session: Session, row_id: int) -> QuarantinedRow:
    """The parked row with this id; raises ``NotFound``."""
    found = session.get(QuarantinedRow, row_id)
    if found is None:
        raise NotFound(kind=N_("quarantined row"), name=row_id)
    return found


def n_waiting(session: Session, wanted: Waiting | None = None) -> int:
    """How many parked rows wait for a person."""
    query = select(func.count(QuarantinedRow.id)).where(*(wanted or Waiting()).conditions())
    return session.scalar(query) or 0


def waiting_reasons(session: Session) -> list[tuple[str, int]]:
    """Why rows wait: each kind of reason with how many there are, the most frequent first."""
    number = func.count(QuarantinedRow.id)
    query = select(QuarantinedRow.reason_code, number).where(*Waiting().conditions())
    grouped = query.group_by(QuarantinedRow.reason_code).order_by(number.desc(), QuarantinedRow.reason_code)
    return [(code, int(n)) for code, n in session.execute(grouped)]


def waiting_stores(session: Session, limit: int = 200) -> list[str]:
    """The stores whose rows wait, as they were written."""
    query = select(QuarantinedRow.store).where(*Waiting().conditions(), QuarantinedRow.store != "").distinct()
    return list(session.scalars(query.order_by(QuarantinedRow.store).limit(limit)))
