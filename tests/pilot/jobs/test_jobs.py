"""Long work: handed over when committed, done once, its end written down, its progress readable meanwhile."""

import fcntl
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from pilot.access.model import Role, User
from pilot.database import Database
from pilot.errors import Refused
from pilot.jobs import queries, running, service, worker
from pilot.jobs.errors import NoSuchJob, WorkerRunsAlready
from pilot.jobs.model import JobKind, JobRun, JobState, WorkerHeartbeat
from pilot.jobs.queue import JobQueue, make_queue
from pilot.jobs.tasks import TASKS, Work
from pilot.words import N_
from tests.builders import a_user


class NoLuck(Refused):
    code = "no_luck"
    template = N_("No luck with {thing}.")


@pytest.fixture
def queue(database: Database) -> Iterator[JobQueue]:
    opened = make_queue(database.settings)
    yield opened
    opened.close()


@pytest.fixture
def analyst(database: Database) -> User:
    with database.unit_of_work() as session:
        return a_user(session, Role.ANALYST)


@pytest.fixture
def as_task(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Work], dict[str, Any]]], None]:
    def replace(task: Callable[[Work], dict[str, Any]]) -> None:
        monkeypatch.setitem(running.TASKS, JobKind.TAKE_LOOK, task)

    return replace


def a_job(session: Session, actor: User, now: datetime) -> JobRun:
    return service.enqueue(session, JobKind.TAKE_LOOK, {"pilot": "p", "stage": 1}, actor=actor, now=now)


def committed(database: Database, actor: User, now: datetime) -> str:
    with database.unit_of_work() as session:
        return a_job(session, actor, now).code


def state_of(database: Database, code: str) -> JobRun:
    with database.unit_of_work() as session:
        return queries.job(session, code)


def test_a_job_is_handed_over_when_its_transaction_commits(
    database: Database, analyst: User, queue: JobQueue, now: datetime
) -> None:
    with database.unit_of_work() as session:
        a_job(session, analyst, now)
        assert queue.is_empty()
    assert not queue.is_empty()


def test_a_job_that_rolls_back_is_never_handed_over(
    database: Database, analyst: User, queue: JobQueue, now: datetime
) -> None:
    with database.reading() as session:
        a_job(session, analyst, now)
    assert queue.is_empty()


def test_a_done_job_has_its_result_and_its_steps(
    database: Database, analyst: User, as_task: Any, now: datetime
) -> None:
    def task(work: Work) -> dict[str, Any]:
        work.progress(3, 3)
        return {"report": work.arguments["pilot"], "by": work.actor.email}

    as_task(task)
    code = committed(database, analyst, now)
    running.run(code, database.settings)
    job = state_of(database, code)
    assert (job.state, job.result) == (JobState.DONE, {"report": "p", "by": analyst.email})
    assert (job.done, job.total) == (3, 3)
    assert job.finished_at is not None


def test_progress_is_read_while_the_job_works(database: Database, analyst: User, as_task: Any, now: datetime) -> None:
    seen = []

    def task(work: Work) -> dict[str, Any]:
        work.progress(1, 4)
        with work.database.reading() as session:
            progress = queries.progress(session, work.code)
            seen.append((progress.done, progress.total, progress.share, progress.is_over))
        return {}

    as_task(task)
    code = committed(database, analyst, now)
    running.run(code, database.settings)
    assert seen == [(1, 4, 0.25, False)]
    with database.reading() as session:
        assert queries.progress(session, code).is_over


def test_progress_does_not_wait_for_the_write_lock(sqlite_database: Database, as_task: Any, now: datetime) -> None:
    def task(work: Work) -> dict[str, Any]:
        with work.database.unit_of_work() as session:
            a_user(session, Role.AUDITOR)
            work.progress(1, 2)
        return {}

    as_task(task)
    with sqlite_database.unit_of_work() as session:
        actor = a_user(session, Role.ANALYST)
    code = committed(sqlite_database, actor, now)
    running.run(code, sqlite_database.settings)
    assert state_of(sqlite_database, code).state == JobState.DONE


def test_a_refusal_becomes_the_jobs_message(database: Database, analyst: User, as_task: Any, now: datetime) -> None:
    def task(_work: Work) -> dict[str, Any]:
        raise NoLuck(thing="this")

    as_task(task)
    code = committed(database, analyst, now)
    running.run(code, database.settings)
    job = state_of(database, code)
    assert job.state == JobState.FAILED
    assert job.message == {"code": "no_luck", "template": "No luck with {thing}.", "values": {"thing": "this"}}


def test_a_mistake_of_ours_is_logged_and_says_where_to_look(
    database: Database, analyst: User, as_task: Any, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    def task(_work: Work) -> dict[str, Any]:
        raise KeyError("oops")

    as_task(task)
    code = committed(database, analyst, now)
    running.run(code, database.settings)
    job = state_of(database, code)
    assert job.state == JobState.FAILED
    assert job.message is not None
    assert job.message["values"] == {"job": code}
    assert "oops" in caplog.text


def test_a_job_is_done_once(database: Database, analyst: User, as_task: Any, now: datetime) -> None:
    calls = []
    as_task(lambda work: calls.append(work.code) or {})
    code = committed(database, analyst, now)
    running.run(code, database.settings)
    running.run(code, database.settings)
    running.run("job-unknown", database.settings)
    assert calls == [code]


def test_a_worker_that_starts_writes_off_what_was_cut_off(database: Database, analyst: User, now: datetime) -> None:
    code = committed(database, analyst, now)
    with database.unit_of_work() as session:
        assert service.claim(session, code) is not None
    with database.unit_of_work() as session:
        assert service.fail_abandoned(session, now=now) == 1
    job = state_of(database, code)
    assert (job.state, job.message is not None) == (JobState.FAILED, True)


def test_a_forgotten_job_is_handed_over_again(
    database: Database, analyst: User, queue: JobQueue, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    monkeypatch.setattr(service, "_push", lambda _session, _code: None)
    committed(database, analyst, now)
    with database.reading() as session:
        assert service.push_forgotten(session, queue, now=now) == 0
        later = now + service.PUSH_AGAIN_AFTER + timedelta(seconds=1)
        assert service.push_forgotten(session, queue, now=later) == 1
        assert service.push_forgotten(session, queue, now=later) == 0  # the queue is not empty: it will come


def test_the_heartbeat_is_the_last_one(database: Database, now: datetime) -> None:
    for moment in (now, now + timedelta(seconds=15)):
        with database.unit_of_work() as session:
            service.beat(session, now=moment)
    with database.reading() as session:
        heartbeat = session.get(WorkerHeartbeat, 1)
        assert heartbeat is not None
        assert heartbeat.beat_at == now + timedelta(seconds=15)


def test_one_worker_serves_a_home(sqlite_database: Database) -> None:
    settings = sqlite_database.settings
    settings.locks_dir.mkdir(parents=True)
    with (settings.locks_dir / "worker.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(WorkerRunsAlready, match="--threads"):
            worker.work(settings)


def test_a_job_belongs_to_who_asked(database: Database, analyst: User, now: datetime) -> None:
    code = committed(database, analyst, now)
    with database.reading() as session:
        assert queries.job(session, code).owner_id == analyst.id
        assert [job.code for job in queries.recent(session)] == [code]
        with pytest.raises(NoSuchJob):
            queries.job(session, "job-none")


def test_every_kind_of_job_has_its_task() -> None:
    assert set(TASKS) == set(JobKind)
