"""The queue that carries jobs to the worker: SQLite in its own file, or tables beside ours on PostgreSQL."""

from collections.abc import Callable
from typing import Any

from huey import Huey, PostgresHuey, SqliteHuey
from huey.consumer import Consumer
from sqlalchemy import make_url

from pilot.settings import Settings

NAME = "pilot"


class JobQueue:
    """Carries the codes of jobs, and how far each is: a job at work may hold the business database's write lock."""

    def __init__(self, huey: Huey, run: Callable[[str], None]) -> None:
        self._huey = huey
        self._run = huey.task()(run)

    def push(self, code: str) -> None:
        """Hand the job to the worker. Twice is harmless: a job is claimed once."""
        self._run(code)

    def is_empty(self) -> bool:
        """Whether nothing waits; what is at work does not wait."""
        return int(self._huey.pending_count()) == 0

    def store_progress(self, code: str, done: int, total: int) -> None:
        """Note that the job has done ``done`` of ``total`` steps (``total`` 0: unknown)."""
        self._huey.put(code, (done, total))

    def progress(self, code: str) -> tuple[int, int] | None:
        """How far the job is, as it last said; None where it has said nothing."""
        found: tuple[int, int] | None = self._huey.get(code, peek=True)
        return found

    def forget_progress(self, code: str) -> None:
        self._huey.delete(code)

    def consumer(self, threads: int) -> Consumer:
        """What takes jobs; its ``run()`` lasts until SIGINT (finish what is at work) or SIGTERM (at once)."""
        return self._huey.create_consumer(workers=threads, periodic=False, check_worker_health=True)

    def close(self) -> None:
        self._huey.storage.close()


def make_queue(settings: Settings) -> JobQueue:
    """The queue of an installation; its storage is opened or created."""

    def run_job(code: str) -> None:
        from pilot.jobs.running import run  # the worker needs it; those who only put jobs in do not

        run(code, settings)

    return JobQueue(_storage(settings), run_job)


def _storage(settings: Settings) -> Huey:
    options: dict[str, Any] = {"results": False}
    if settings.url.startswith("sqlite"):
        settings.home.mkdir(parents=True, exist_ok=True)
        return SqliteHuey(NAME, filename=str(settings.queue_file), timeout=30, **options)
    if settings.database_schema:
        options["options"] = f"-csearch_path={settings.database_schema}"
    dsn = make_url(settings.url).set(drivername="postgresql").render_as_string(hide_password=False)
    return PostgresHuey(NAME, dsn=dsn, **options)
