"""The verbs of an import: stage a file, publish it at once, or discard it; and keep the findings of a refused one."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.audit.service import record
from pilot.canonical import canonical_text, sha256_hex
from pilot.database import settings_of
from pilot.imports.bookkeeping import keep_findings, log, one_at_a_time, park, refuse_bad_rows, run_of
from pilot.imports.check import CheckedFile, Input, check_files
from pilot.imports.errors import BadRows, FileChanged, NotStaged, StagingGone
from pilot.imports.importer import Importer, Progress
from pilot.imports.mapping import FileMapping
from pilot.imports.model import (
    ColumnMapping,
    ImportFinding,
    ImportKind,
    ImportRun,
    QuarantinedRow,
    QuarantineState,
    RunState,
)
from pilot.imports.reader import TextTable, file_hash, open_table
from pilot.imports.staging import STAGED_FILE, own_folder, working_folder
from pilot.imports.times import utc_today


@dataclass(frozen=True, slots=True)
class CheckedImport:
    """Files that were checked, to be kept with ``keep_import``.

    ``checked`` is None where they are published already, or were staged by an earlier call and wait to be published.
    """

    importer: Importer
    batch_id: str
    digest: str
    filename: str
    mapping: FileMapping
    checked: CheckedFile | None


@dataclass(frozen=True, slots=True)
class ImportFile:
    """One file of an import: where it lies, what it is called, and how it is to be read."""

    path: Path
    mapping: FileMapping
    name: str


def stage_import(
    session: Session,
    importer: Importer,
    path: Path,
    mapping: FileMapping,
    *,
    actor: User,
    now: datetime,
    quarantine: bool = False,
    filename: str | None = None,
    progress: Progress | None = None,
) -> ImportRun:
    """Check every row of ``path`` and keep the good ones for ``publish``, which belongs in the next unit of work.

    It is ``check_import`` and ``keep_import`` in one transaction, for small files and tests.
    """
    checked = check_import(
        session, importer, path, mapping, now=now, quarantine=quarantine, filename=filename, progress=progress
    )
    return keep_import(session, checked, actor=actor, now=now)


def check_import(
    session: Session,
    importer: Importer,
    path: Path,
    mapping: FileMapping,
    *,
    now: datetime,
    quarantine: bool = False,
    filename: str | None = None,
    progress: Progress | None = None,
) -> CheckedImport:
    """``check_imports`` of one file, which people know as ``filename``."""
    files = [ImportFile(path, mapping, (filename or path.name)[:300])]
    return check_imports(session, importer, files, now=now, quarantine=quarantine, progress=progress)


def check_imports(
    session: Session,
    importer: Importer,
    files: Sequence[ImportFile],
    *,
    now: datetime,
    quarantine: bool = False,
    progress: Progress | None = None,
) -> CheckedImport:
    """Check every row of ``files``: the long part, which only reads the database. ``keep_import`` comes after it.

    All files are one import: its lines are counted through them, in the order given. A check that was killed is resumed
    by the next one of the same files. Raises ``FileRefused`` and ``MappingRefused`` for a file as a whole and
    ``BadRows`` (with ``findings``) for rows. With ``quarantine`` bad rows will be parked instead, up to 10,000.
    ``progress`` hears the rows read and those expected in all.
    """
    stamps = [_stamp(file.path) for file in files]
    digests = [file_hash(file.path) for file in files]
    digest = digests[0] if len(files) == 1 else sha256_hex(canonical_text(digests))
    first = files[0]
    name = first.name if len(files) == 1 else f"{first.name[:280]} (+{len(files) - 1})"
    batch_id, known = _batch_of(session, importer.kind, digest, _document(files))
    if known is not None and (known.is_published or _waits(session, known, quarantine)):
        return CheckedImport(importer, batch_id, digest, name, first.mapping, None)
    inputs = [Input(file.name, open_table(file.path, file.mapping.dialect), file.mapping) for file in files]

    def require_unchanged() -> None:
        for file, stamp in zip(files, stamps, strict=True):
            if _stamp(file.path) != stamp:
                raise FileChanged(name=file.name)

    checked = _check(session, importer, inputs, batch_id, name, now, quarantine, progress, require_unchanged)
    return CheckedImport(importer, batch_id, digest, name, first.mapping, checked)


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _document(files: Sequence[ImportFile]) -> dict[str, object]:
    """How the files are read, for the batch id; a single file's mapping as it is."""
    documents = [file.mapping.to_dict() for file in files]
    return documents[0] if all(document == documents[0] for document in documents) else {"files": documents}


def _waits(session: Session, run: ImportRun, quarantine: bool) -> bool:
    """Whether the run is staged as it would be now: its rows are there, and nothing was parked that should not be."""
    return run.state == RunState.STAGED and staged_file(session, run).is_file() and (quarantine or not run.n_bad)


def keep_import(session: Session, done: CheckedImport, *, actor: User, now: datetime) -> ImportRun:
    """Write down what ``check_import`` found, in a short unit of work. A published file comes back as it was.

    Every check has a folder of its own; here it becomes the import's. So the same file may be checked twice at once.
    """
    one_at_a_time(session)
    run = session.scalar(select(ImportRun).where(ImportRun.batch_id == done.batch_id))
    if run is not None and run.is_published:
        if done.checked is not None:
            shutil.rmtree(done.checked.staged.parent, ignore_errors=True)
        return run
    if done.checked is None and run is not None and run.state == RunState.STAGED:
        return run
    if done.checked is None or not done.checked.staged.is_file():
        raise StagingGone(run=done.batch_id[:12])
    checked = done.checked
    done.importer.on_staged(session, checked.staged, now)
    run = run_of(session, done.batch_id)
    run.kind, run.filename, run.file_hash = done.importer.kind, done.filename, done.digest
    run.mapping, run.state, run.actor, run.staged_at = done.mapping.to_dict(), RunState.STAGED, actor.email, now
    run.n_rows, run.n_new, run.n_known = checked.n_rows, checked.n_new, checked.n_known
    run.n_bad = run.n_quarantined = checked.n_bad
    run.lake_version, run.published_at = None, None
    session.add(run)
    session.flush()
    keep_findings(session, run, checked.findings)
    park(session, run, checked)
    session.flush()
    remove_staging(session, run)
    checked.staged.parent.rename(staged_file(session, run).parent)
    log(session, run, "import.staged", actor, now)
    return run


def stage_table(
    session: Session,
    importer: Importer,
    source: TextTable,
    mapping: FileMapping,
    *,
    batch_id: str,
    digest: str,
    filename: str,
    actor: User,
    now: datetime,
    waive: bool = False,
) -> ImportRun:
    """Stage rows that are here already (released from quarantine) under ``batch_id``; bad ones raise ``BadRows``.

    ``waive``: a person says that what is implausible is right, so the rules that may be waived are.
    """
    inputs = [Input(filename, source, mapping)]
    checked = _check(session, importer, inputs, batch_id, filename, now, False, None, waive=waive)
    return keep_import(
        session, CheckedImport(importer, batch_id, digest, filename, mapping, checked), actor=actor, now=now
    )


def publish(session: Session, importer: Importer, run: ImportRun, *, actor: User, now: datetime) -> ImportRun:
    """Take all staged rows in at once. A published run stays as it is; other states raise ``NotStaged``.

    For receipts the lake is written first, under the run's batch id; after a crash between lake and database the next
    call finds the batch in the lake and finishes the database.
    """
    one_at_a_time(session)
    session.refresh(run)  # another process may have been faster with the same file
    if run.is_published:
        return run
    if run.state != RunState.STAGED:
        raise NotStaged(run=run.batch_id[:12], state=str(run.state))
    staged = staged_file(session, run)
    if not staged.is_file():
        raise StagingGone(run=run.batch_id[:12])
    published = importer.publish(session, run, staged, now)
    run.n_new, run.n_known = published.n_new, run.n_known + run.n_new - published.n_new
    run.lake_version, run.published_at = published.lake_version, now
    run.state = RunState.PUBLISHED if published.n_new else RunState.UNCHANGED
    session.flush()
    log(session, run, "import.published", actor, now)
    return run


def discard(session: Session, run: ImportRun, *, actor: User, now: datetime) -> None:
    """Give a staged run up: its rows are deleted, parked rows that it had released wait again, those it parked go."""
    if run.state != RunState.STAGED:
        raise NotStaged(run=run.batch_id[:12], state=str(run.state))
    run.state = RunState.DISCARDED
    for row in session.scalars(select(QuarantinedRow).where(QuarantinedRow.released_run_id == run.id)):
        row.state, row.released_run_id, row.decided_by, row.decided_at = QuarantineState.WAITING, None, None, None
    session.execute(delete(QuarantinedRow).where(QuarantinedRow.run_id == run.id))
    session.flush()
    remove_staging(session, run)
    log(session, run, "import.discarded", actor, now)


def record_refusal(
    session: Session,
    refusal: BadRows,
    importer: Importer,
    path: Path,
    mapping: FileMapping,
    *,
    actor: User,
    now: datetime,
    filename: str | None = None,
) -> ImportRun:
    """Keep the findings of a refused file for the page that shows them (a job calls this in a new unit of work)."""
    digest = file_hash(path)
    document = mapping.to_dict()
    batch_id, _ = _batch_of(session, importer.kind, digest, document)
    run = run_of(session, batch_id)
    run.kind, run.filename, run.file_hash, run.mapping = importer.kind, (filename or path.name)[:300], digest, document
    run.state, run.actor, run.staged_at = RunState.REFUSED, actor.email, now
    run.n_rows, run.n_bad, run.n_new, run.n_known, run.n_quarantined = refusal.n_rows, refusal.n_bad, 0, 0, 0
    session.add(run)
    session.flush()
    keep_findings(session, run, list(refusal.findings))
    log(session, run, "import.refused", actor, now)
    return run


def save_mapping(
    session: Session, code: str, kind: ImportKind, mapping: FileMapping, *, actor: User, now: datetime
) -> ColumnMapping:
    """Keep ``mapping`` under ``code`` for the next file of the same kind; an older one of that name is replaced."""
    saved = session.scalar(select(ColumnMapping).where(ColumnMapping.code == code)) or ColumnMapping(code=code)
    saved.kind, saved.definition, saved.updated_at = kind, mapping.to_dict(), now
    session.add(saved)
    session.flush()
    details = {"kind": str(kind), "mapping": mapping.to_dict()}
    record(
        session, actor=actor.email, verb="mapping.saved", subject_kind="mapping", subject=code, details=details, at=now
    )
    return saved


def staged_runs(session: Session, digest: str) -> Sequence[ImportRun]:
    """Imports of the file with this hash that are staged and not published."""
    query = select(ImportRun).where(ImportRun.file_hash == digest, ImportRun.state == RunState.STAGED)
    return session.scalars(query).all()


def staged_file(session: Session, run: ImportRun) -> Path:
    """Where the staged rows of ``run`` lie."""
    return settings_of(session).staging_dir / run.batch_id / STAGED_FILE


def remove_staging(session: Session, run: ImportRun) -> None:
    """Delete the staged rows of ``run``; call it again after a commit, it does not mind."""
    shutil.rmtree(staged_file(session, run).parent, ignore_errors=True)


def sweep(session: Session, *, now: datetime) -> int:
    """Housekeeping: expired findings go, and rows of runs that are not staged any more. Returns findings deleted.

    A folder younger than a day may belong to a check that is at work and stays.
    """
    settings = settings_of(session)
    expired = select(ImportRun.id).where(ImportRun.staged_at < now - timedelta(days=settings.findings_keep_days))
    gone = session.execute(delete(ImportFinding).where(ImportFinding.run_id.in_(expired)))
    waiting = set(session.scalars(select(ImportRun.batch_id).where(ImportRun.state == RunState.STAGED)))
    yesterday = settings.wall_clock() - timedelta(days=1)
    for folder in settings.staging_dir.glob("*") if settings.staging_dir.is_dir() else ():
        if folder.name not in waiting and folder.stat().st_mtime < yesterday.timestamp():
            shutil.rmtree(folder, ignore_errors=True)
    return int(getattr(gone, "rowcount", 0))


def _batch_of(
    session: Session, kind: ImportKind, digest: str, mapping: dict[str, object]
) -> tuple[str, ImportRun | None]:
    """The batch id of this file in this state of things, and its run where there is one.

    Receipts can only be added, so a file always has the same id. Master data can be changed by a file in between: then
    the first file is new again, and its id names the import that it follows.
    """
    before = ""
    if kind is not ImportKind.RECEIPTS:
        latest = session.scalar(
            select(ImportRun)
            .where(ImportRun.kind == kind, ImportRun.published_at.is_not(None))
            .order_by(ImportRun.published_at.desc(), ImportRun.id.desc())
            .limit(1)
        )
        if latest is not None:
            if (latest.file_hash, latest.mapping) == (digest, mapping):
                return latest.batch_id, latest
            before = latest.batch_id
    batch_id = sha256_hex(canonical_text([str(kind), digest, mapping, before]))
    return batch_id, session.scalar(select(ImportRun).where(ImportRun.batch_id == batch_id))


def _check(
    session: Session,
    importer: Importer,
    inputs: Sequence[Input],
    batch_id: str,
    filename: str,
    now: datetime,
    quarantine: bool,
    progress: Progress | None,
    require_unchanged: Callable[[], None] = lambda: None,
    *,
    waive: bool = False,
) -> CheckedFile:
    """A folder of this check's own holds the good rows afterwards; it is gone again where the file is refused."""
    staging = settings_of(session).staging_dir
    with working_folder(staging, batch_id) as folder:
        context = importer.context(session, now)
        depends = [batch_id, context.known, context.depends, utc_today(now), context.currency_exponent, waive]
        fingerprint = sha256_hex(canonical_text(depends))
        checked = check_files(
            session, importer, inputs, context, folder, fingerprint=fingerprint, waive=waive, progress=progress
        )
        shutil.rmtree(folder / "spill", ignore_errors=True)
        refuse_bad_rows(checked, filename, quarantine)
        require_unchanged()
        # Under a name of its own nobody resumes what is finished.
        done = folder.rename(own_folder(staging, batch_id))
        checked.staged = done / checked.staged.name
    return checked
