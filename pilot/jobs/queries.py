"""Reading how long work goes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.database import settings_of
from pilot.jobs.errors import NoSuchJob
from pilot.jobs.model import JobRun, JobState
from pilot.jobs.queue import make_queue


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total`` steps; a total of 0 means that nobody knows yet how many there are."""

    job: JobRun
    done: int
    total: int

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def is_over(self) -> bool:
        return self.job.state in (JobState.DONE, JobState.FAILED)


def job(session: Session, code: str) -> JobRun:
    """The job of this code; ``NoSuchJob`` otherwise."""
    found = session.scalar(select(JobRun).where(JobRun.code == code))
    if found is None:
        raise NoSuchJob(job=code[:80])
    return found


def progress(session: Session, code: str) -> Progress:
    """How far the job is: while it works, from the queue; before and after, from its row."""
    found = job(session, code)
    steps = None
    if found.state == JobState.RUNNING:
        queue = make_queue(settings_of(session))
        steps = queue.progress(code)
        queue.close()
    done, total = steps or (found.done, found.total)
    return Progress(found, done, total)


def recent(session: Session, *, limit: int = 20) -> Sequence[JobRun]:
    """The newest jobs."""
    return session.scalars(select(JobRun).order_by(JobRun.id.desc()).limit(limit)).all()
