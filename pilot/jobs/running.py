"""Run one job: claim it, do its work, write down how it ended. Called by the worker, once per job."""

import logging
from typing import Any

from pilot.access.model import User
from pilot.database import Database
from pilot.jobs.messages import message_of
from pilot.jobs.model import JobKind, JobRun, JobState
from pilot.jobs.queue import make_queue
from pilot.jobs.service import claim, finish
from pilot.jobs.tasks import TASKS, Task, Work
from pilot.settings import Settings
from pilot.words import N_, Message

log = logging.getLogger(__name__)


def run(code: str, settings: Settings) -> None:
    """Do the job named ``code``; a job that is gone or already taken is left alone.

    A refusal (``PilotError``) becomes the job's message. Anything else is logged with the job's code, and the message
    says where to look.
    """
    database, queue = Database(settings), make_queue(settings)
    try:
        with database.unit_of_work() as session:
            job = claim(session, code)
            actor = session.get(User, job.created_by_id) if job is not None else None
        if job is None or actor is None:
            return
        work = Work(database, queue, code, job.arguments, actor)
        state, message, result = _outcome(work, job, TASKS[JobKind(job.kind)])
        with database.unit_of_work() as session:
            finish(session, code, state, message=message, result=result, steps=work.steps, now=settings.wall_clock())
        queue.forget_progress(code)
    finally:
        queue.close()
        database.dispose()


def _outcome(work: Work, job: JobRun, task: Task) -> tuple[JobState, Message | None, dict[str, Any] | None]:
    try:
        return JobState.DONE, None, task(work)
    except Exception as error:
        message = message_of(error)
        if message is None:
            log.exception("job %s (%s) broke", job.code, job.kind)
            template = N_(
                "This broke on our side. The worker's log has the reason under {job}. You may start it again."
            )
            message = Message("job_broke", template, {"job": job.code})
        return JobState.FAILED, message, None
