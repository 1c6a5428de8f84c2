"""The worker of a home: takes jobs from the queue, drains the inbox, sends the post, says it lives, keeps house."""

import fcntl
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from pilot.database import Database
from pilot.imports.service import sweep
from pilot.jobs.drainer import Drainer
from pilot.jobs.errors import WorkerRunsAlready
from pilot.jobs.lake_keeper import keep_lake_small
from pilot.jobs.post import Post
from pilot.jobs.queue import JobQueue, make_queue
from pilot.jobs.service import beat, fail_abandoned, push_forgotten
from pilot.jobs.uploads import sweep_uploads
from pilot.network.erasing import truncate_wal
from pilot.notices.model import Channel
from pilot.notices.outbox import sweep_outbox
from pilot.outcomes.inbox.alarm import inbox_alarm
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.settings import Settings

log = logging.getLogger(__name__)
BEAT_SECONDS = 15.0
_SWEEP_EVERY_BEATS = 240  # an hour


def work(settings: Settings, *, threads: int = 1) -> None:
    """Work until SIGINT (finishes what is at work) or SIGTERM. ``WorkerRunsAlready`` where another one is at work."""
    with _alone(settings):
        database, inbox, queue = Database(settings), InboxDatabase(settings), make_queue(settings)
        with database.unit_of_work() as session:
            fail_abandoned(session, now=settings.wall_clock())
            beat(session, now=settings.wall_clock())
        stop = threading.Event()
        beside = [
            threading.Thread(target=_keep_house, args=(database, inbox, queue, stop), name="heartbeat", daemon=True),
            threading.Thread(target=Drainer(database, stop).run, name="drain", daemon=True),
            threading.Thread(target=keep_lake_small, args=(database, stop), name="lake", daemon=True),
            *(threading.Thread(target=Post(database, one, stop).run, name=one, daemon=True) for one in Channel),
        ]
        for thread in beside:
            thread.start()
        try:
            queue.consumer(threads).run()
        finally:
            stop.set()
            for thread in beside:
                thread.join(timeout=BEAT_SECONDS)
            queue.close()
            inbox.dispose()
            database.dispose()


def _keep_house(database: Database, inbox: InboxDatabase, queue: JobQueue, stop: threading.Event) -> None:
    beats = 0
    while not stop.is_set():
        try:
            _one_round(database, inbox, queue, is_sweeping=beats % _SWEEP_EVERY_BEATS == 0)
            beats += 1
        except OperationalError:
            log.warning("the heartbeat could not be written; trying again in %s seconds", BEAT_SECONDS)
        stop.wait(BEAT_SECONDS)


def _one_round(database: Database, inbox: InboxDatabase, queue: JobQueue, *, is_sweeping: bool) -> None:
    now = database.settings.wall_clock()
    with database.unit_of_work() as session:
        beat(session, now=now)
        push_forgotten(session, queue, now=now)
        inbox_alarm(session, inbox, database.settings.now())
        if is_sweeping:
            sweep(session, now=database.settings.now())
            sweep_outbox(session, now=now)
    if is_sweeping:
        sweep_uploads(database.settings, now)
        truncate_wal(inbox.engine)
        truncate_wal(database.engine)  # somebody may have read while a customer was forgotten


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the worker's lock of this home; the system gives it back when the process ends, however it ends."""
    settings.locks_dir.mkdir(parents=True, exist_ok=True)
    with (settings.locks_dir / "worker.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkerRunsAlready(home=str(settings.home)) from None
        yield
