"""The worker as a process: it takes a job from the queue, says that it is alive, and ends when it is told to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from pilot.access.model import Role
from pilot.cli.launcher import run_together
from pilot.database import Database
from pilot.jobs import queries, service
from pilot.jobs.model import JobKind, JobState, WorkerHeartbeat
from pilot.notices.model import OPEN, Delivery, DeliveryState
from pilot.notices.service import notify
from pilot.words import Message
from tests.builders import a_user

PATIENCE_SECONDS = 60


def environment(database: Database) -> dict[str, str]:
    found = {**os.environ, "PILOT_HOME": str(database.settings.home)}
    if database.settings.database_url:
        found["PILOT_DATABASE_URL"] = database.settings.database_url
    return found


@pytest.fixture
def worker(database: Database) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "pilot.cli", "worker"]
    process = subprocess.Popen(command, env=environment(database), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


def wait_until_over(database: Database, code: str) -> queries.Progress:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with database.unit_of_work() as session:
            found = queries.progress(session, code)
        if found.is_over:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{code} was not done in {PATIENCE_SECONDS} s")


def wait_until_sent(database: Database, user_id: int) -> str:
    for _ in range(5 * PATIENCE_SECONDS):
        with database.reading() as session:
            state = session.scalars(select(Delivery.state).where(Delivery.user_id == user_id)).one()
        if state not in OPEN:
            return state
        time.sleep(0.2)
    raise AssertionError(f"no mail left in {PATIENCE_SECONDS} s")


def test_a_worker_does_a_job_beats_and_ends_when_told(
    database: Database, worker: "subprocess.Popen[bytes]", now: datetime
) -> None:
    with database.unit_of_work() as session:
        analyst = a_user(session, Role.ANALYST)
        notify(session, user_id=analyst.id, message=Message("hello", "Hello."), link="/", at=now)
        job = service.enqueue(session, JobKind.TAKE_LOOK, {"pilot": "none", "stage": 1}, actor=analyst, now=now)
    found = wait_until_over(database, job.code)
    assert found.job.state == JobState.FAILED  # there is no such pilot, and the message says so
    assert found.job.message is not None
    assert found.job.message["values"]["name"] == "none"
    assert wait_until_sent(database, analyst.id) == DeliveryState.SENT  # the post has its threads
    with database.reading() as session:
        assert session.get(WorkerHeartbeat, 1) is not None
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=PATIENCE_SECONDS) == 0


LAUNCH = """
import sys
from pilot.cli.launcher import run_together
child = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
sys.exit(run_together([child, child], {}))
"""


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_the_launcher_ends_its_children(told: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", LAUNCH], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    children = [int(process.stderr.readline()) for _ in range(2)]
    process.send_signal(told)
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
    process.stderr.close()
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_the_launcher_ends_everything_when_one_child_ends() -> None:
    short, long = [sys.executable, "-c", "pass"], [sys.executable, "-c", "import time; time.sleep(600)"]
    started = time.monotonic()
    assert run_together([short, long], os.environ) == 1
    assert time.monotonic() - started < PATIENCE_SECONDS
