"""What the verbs of an import write down: the run, its findings, the rows it parks, the entry in the log."""

from datetime import datetime

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.audit.service import record
from pilot.imports.check import BAD_ROWS_LIMIT, CheckedFile
from pilot.imports.errors import ImportRefused, TooManyBadRows
from pilot.imports.model import ImportFinding, ImportRun, QuarantinedRow
from pilot.imports.rules import Finding

STORED_FINDINGS = 1_000
_ADVISORY_LOCK = 7_162_006  # any constant of its own


def one_at_a_time(session: Session) -> None:
    """Until the end of the transaction nobody else keeps or publishes an import; SQLite's write lock does it too."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})


def run_of(session: Session, batch_id: str) -> ImportRun:
    """The run of this batch: a new one, or the one of an earlier attempt with what it left behind removed."""
    run = session.scalar(select(ImportRun).where(ImportRun.batch_id == batch_id))
    if run is None:
        return ImportRun(batch_id=batch_id)
    session.execute(delete(ImportFinding).where(ImportFinding.run_id == run.id))
    session.execute(delete(QuarantinedRow).where(QuarantinedRow.run_id == run.id))
    return run


def refuse_bad_rows(checked: CheckedFile, filename: str, quarantine: bool) -> None:
    """Raise ``BadRows`` unless all rows are right, or are to be parked and not too many."""
    if not checked.n_bad or (quarantine and checked.n_bad <= BAD_ROWS_LIMIT):
        return
    error = TooManyBadRows if quarantine else ImportRefused
    raise error(findings=checked.findings, n_bad=checked.n_bad, n_rows=checked.n_rows, filename=filename)


def keep_findings(session: Session, run: ImportRun, findings: list[Finding]) -> None:
    """Keep the first 1,000 findings for the page that shows them."""
    session.add_all(
        ImportFinding(run_id=run.id, line=f.line, column=f.column[:200], value=f.value, reason=f.reason.to_dict())
        for f in findings[:STORED_FINDINGS]
    )


def park(session: Session, run: ImportRun, checked: CheckedFile) -> None:
    """Park every bad row with its first finding."""
    first: dict[int, Finding] = {}
    for finding in checked.findings:
        first.setdefault(finding.line, finding)
    session.add_all(
        QuarantinedRow.parked(
            run.kind,
            run.batch_id,
            line,
            finding.field,
            checked.bad_rows[line],
            finding.reason,
            run.staged_at,
            run_id=run.id,
        )
        for line, finding in sorted(first.items())
    )


def log(session: Session, run: ImportRun, verb: str, actor: User, now: datetime) -> None:
    """The entry in the log, with the counts of the run."""
    details = {
        "kind": str(run.kind),
        "file_hash": run.file_hash,
        "rows": run.n_rows,
        "new": run.n_new,
        "known": run.n_known,
        "bad": run.n_bad,
        "lake_version": run.lake_version,
    }
    record(session, actor=actor.email, verb=verb, subject_kind="import", subject=run.batch_id, details=details, at=now)
