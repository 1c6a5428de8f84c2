"""Put long work in the queue, and note how it goes. A job's row is progress; what the work changes records itself."""

import secrets
import sqlite3
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.database import settings_of
from pilot.jobs.model import JobKind, JobRun, JobState, WorkerHeartbeat
from pilot.jobs.queue import JobQueue, make_queue
from pilot.words import N_, Message

PUSH_AGAIN_AFTER = timedelta(seconds=30)


def enqueue(session: Session, kind: JobKind, arguments: dict[str, Any], *, actor: User, now: datetime) -> JobRun:
    """A job for ``actor``, handed to the worker as soon as the transaction has committed.

    ``arguments`` are JSON (``tasks.py`` says what each kind takes). ``now`` is the wall clock: a job's times say how
    long people waited, also where the business clock of a demonstration stands still.
    """
    job = JobRun(
        code=f"job-{secrets.token_hex(8)}",
        kind=JobKind(kind),
        state=JobState.QUEUED,
        done=0,
        total=0,
        message=None,
        arguments=arguments,
        result=None,
        created_by_id=actor.id,
        created_at=now,
        finished_at=None,
    )
    session.add(job)
    session.flush()
    event.listen(session, "after_commit", lambda committed: _push(committed, job.code), once=True)
    return job


def claim(session: Session, code: str) -> JobRun | None:
    """Take a waiting job to work; None where it is not there or no longer waits (somebody else took it)."""
    job = session.scalar(select(JobRun).where(JobRun.code == code).with_for_update())
    if job is None or job.state != JobState.QUEUED:
        return None
    job.state = JobState.RUNNING
    session.flush()
    return job


def finish(
    session: Session,
    code: str,
    state: JobState,
    *,
    message: Message | None,
    result: dict[str, Any] | None,
    steps: tuple[int, int],
    now: datetime,
) -> None:
    """Write down how a job ended, with the steps it had done."""
    job = session.scalars(select(JobRun).where(JobRun.code == code)).one()
    job.state, job.finished_at = state, now
    job.message = message.to_dict() if message else None
    job.result = result
    job.done, job.total = steps
    session.flush()


def fail_abandoned(session: Session, *, now: datetime) -> int:
    """When a worker starts, nobody is at work: jobs that say they are were cut off. Returns how many there were."""
    abandoned = session.scalars(select(JobRun).where(JobRun.state == JobState.RUNNING)).all()
    message = Message(
        "job_cut_off", N_("The worker stopped in the middle of this. Nothing was changed; start it again.")
    )
    for job in abandoned:
        job.state, job.finished_at, job.message = JobState.FAILED, now, message.to_dict()
    session.flush()
    return len(abandoned)


def push_forgotten(session: Session, queue: JobQueue, *, now: datetime) -> int:
    """Hand over again what waits although the queue is empty (a process died between commit and hand-over)."""
    if not queue.is_empty():
        return 0
    waiting = select(JobRun.code).where(JobRun.state == JobState.QUEUED, JobRun.created_at < now - PUSH_AGAIN_AFTER)
    codes = session.scalars(waiting.order_by(JobRun.id)).all()
    for code in codes:
        queue.push(code)
    return len(codes)


def beat(session: Session, *, now: datetime) -> None:
    """Note that a worker is alive at ``now`` (the wall clock)."""
    heartbeat = session.get(WorkerHeartbeat, 1) or WorkerHeartbeat(id=1)
    heartbeat.beat_at = now
    session.add(heartbeat)
    session.flush()


def _push(session: Session, code: str) -> None:
    queue = make_queue(settings_of(session))
    # The row is committed: where the queue cannot be reached now, the worker finds the row by itself.
    with suppress(sqlite3.Error, psycopg.Error):
        queue.push(code)
    queue.close()
