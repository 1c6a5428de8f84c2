"""The kinds of long work: a plain function each, from arguments to the result that a page goes on with."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from pilot.access.model import User
from pilot.assignment.exclusions import exclusions
from pilot.database import Database
from pilot.evidence import service as evidence
from pilot.evidence.explored_kept import KeptExplorations
from pilot.evidence.known import compared
from pilot.evidence.known_kept import KeptComparisons
from pilot.evidence.queries import report
from pilot.evidence.truths import load_truths
from pilot.imports import service as imports
from pilot.imports.errors import BadRows
from pilot.imports.mapping import FileMapping
from pilot.imports.model import ImportKind, ImportRun
from pilot.jobs.model import JobKind
from pilot.jobs.queue import JobQueue
from pilot.jobs.uploads import forget_upload
from pilot.outcomes.importers import importer_for, keep_days_up
from pilot.outcomes.lake import Lake
from pilot.planning.queries import pilot as pilot_by_code
from pilot.planning.submission import as_submitted
from pilot.planning.wizard import working_plan
from pilot.planning.wizard_model import StudyKind

_SAY_PROGRESS_EVERY_SECONDS = 0.25


@dataclass(slots=True)
class Work:
    """What a task gets: the database, its arguments, who asked, and where to say how far it is."""

    database: Database
    queue: JobQueue
    code: str
    arguments: dict[str, Any]
    actor: User
    steps: tuple[int, int] = (0, 0)
    _said_at: float = 0.0

    @property
    def now(self) -> datetime:
        """The business clock."""
        return self.database.settings.now()

    def progress(self, done: int, total: int = 0) -> None:
        """Say that ``done`` of ``total`` steps are done (``total`` 0: unknown); cheap to call often."""
        self.steps = (done, total)
        moment = time.monotonic()
        if moment - self._said_at >= _SAY_PROGRESS_EVERY_SECONDS or done == total:
            self._said_at = moment
            self.queue.store_progress(self.code, done, total)


def stage_import(work: Work) -> dict[str, Any]:
    """Check a file while only reading, then stage its rows; or keep the findings of a refused one.

    An uploaded file is deleted once its rows are staged; a refused one stays for a corrected mapping.

    Arguments: ``kind``, ``path``, ``filename``, ``mapping`` (``FileMapping.to_dict``), ``quarantine``. Result: ``run``
    (batch id) and its ``state``.
    """
    importer = importer_for(ImportKind(work.arguments["kind"]))
    path, mapping = Path(work.arguments["path"]), FileMapping.from_dict(work.arguments["mapping"])
    filename = work.arguments["filename"]
    try:
        with work.database.reading() as session:
            checked = imports.check_import(
                session,
                importer,
                path,
                mapping,
                now=work.now,
                quarantine=bool(work.arguments.get("quarantine")),
                filename=filename,
                progress=work.progress,
            )
        with work.database.unit_of_work() as session:
            run = imports.keep_import(session, checked, actor=work.actor, now=work.now)
        forget_upload(work.database.settings, path)
    except BadRows as refusal:
        with work.database.unit_of_work() as session:
            run = imports.record_refusal(
                session, refusal, importer, path, mapping, actor=work.actor, now=work.now, filename=filename
            )
    return {"run": run.batch_id, "state": str(run.state)}


def publish_import(work: Work) -> dict[str, Any]:
    """Take a staged import in. Arguments: ``run`` (batch id). Result: ``run`` and its ``state``."""
    with work.database.unit_of_work() as session:
        run = session.scalars(select(ImportRun).where(ImportRun.batch_id == work.arguments["run"])).one()
        importer = importer_for(ImportKind(run.kind))
        run = imports.publish(session, importer, run, actor=work.actor, now=work.now)
    with work.database.reading() as session:
        imports.remove_staging(session, run)
    if run.kind == ImportKind.RECEIPTS:
        keep_days_up(work.database.settings)
    return {"run": run.batch_id, "state": str(run.state)}


def take_look(work: Work) -> dict[str, Any]:
    """Compute a report without holding a lock, then freeze it. Arguments: ``pilot``, ``stage``. Result: ``report``."""
    lake = Lake(work.database.settings)
    with work.database.reading() as session:
        computed = evidence.compute_report(
            session,
            pilot_by_code(session, work.arguments["pilot"]),
            int(work.arguments["stage"]),
            lake=lake,
            now=work.now,
            truths=load_truths(work.database.settings),
            progress=work.progress,
        )
    with work.database.unit_of_work() as session:
        frozen = evidence.freeze(session, computed, actor=work.actor, now=work.now)
    return {"report": frozen.code}


def compare_known(work: Work) -> dict[str, Any]:
    """Compute a look again as it was known, and as it is known now, and keep both: an exploration, never frozen.

    Arguments: ``pilot``, ``report``, ``version``, ``on`` (the day, for the page). Result: ``report``.
    """
    settings, code, version = work.database.settings, work.arguments["report"], int(work.arguments["version"])
    with work.database.reading() as session:
        frozen = report(session, code).document
        pilot = pilot_by_code(session, work.arguments["pilot"])
        found = compared(session, pilot, frozen, lake=Lake(settings), version=version)
    KeptComparisons(settings.home).keep(code, version, found)
    return {"report": code}


def explore(work: Work) -> dict[str, Any]:
    """Compute what the data say today, at a gate or beyond the planned looks, and keep it: stamped and never frozen.

    Arguments: ``pilot``, ``stage``. Result: ``report``.
    """
    settings = work.database.settings
    with work.database.reading() as session:
        computed = evidence.compute_report(
            session,
            pilot_by_code(session, work.arguments["pilot"]),
            int(work.arguments["stage"]),
            lake=Lake(settings),
            now=work.now,
            truths=load_truths(settings),
            exploratory=True,
            progress=work.progress,
        )
    KeptExplorations(settings.home).keep(computed)
    return {"report": computed.code}


def study_design(work: Work) -> dict[str, Any]:
    """Search a stage's designs, or replay the one it has, while only reading; then keep the answer.

    Arguments: ``pilot``, ``stage``, ``kind`` (``StudyKind``), ``amending``. Result: ``stage``.
    """
    from pilot.planning import studies  # the statistics are loaded where they are used

    number, lake = int(work.arguments["stage"]), Lake(work.database.settings)
    kind = StudyKind(work.arguments["kind"])
    with work.database.reading() as session:
        pilot = pilot_by_code(session, work.arguments["pilot"])
        plan = as_submitted(session, pilot, working_plan(session, pilot))
        excluded = exclusions(session, pilot, number, plan)
        if kind is StudyKind.SEARCH:
            answer = studies.search_stage(session, lake, plan, number, excluded=excluded, progress=work.progress)
        else:
            answer = studies.replay_of_stage(session, lake, plan, number, excluded=excluded)
    with work.database.unit_of_work() as session:
        pilot = pilot_by_code(session, work.arguments["pilot"])
        studies.keep(session, pilot, number, kind, plan, answer, now=work.now)
    return {"stage": number}


Task = Callable[[Work], dict[str, Any]]

TASKS: dict[JobKind, Task] = {
    JobKind.STAGE_IMPORT: stage_import,
    JobKind.PUBLISH_IMPORT: publish_import,
    JobKind.TAKE_LOOK: take_look,
    JobKind.COMPARE_KNOWN: compare_known,
    JobKind.SEARCH_DESIGNS: study_design,
    JobKind.REPLAY_DESIGN: study_design,
    JobKind.EXPLORE: explore,
}
