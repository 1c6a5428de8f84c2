"""What gunicorn does around its workers: heavy libraries are warmed after the fork, a dead worker's counters are closed."""

import contextlib
from typing import Any

from prometheus_client import multiprocess


def post_fork(_server: Any, _worker: Any) -> None:
    """Import what the first request would otherwise wait for (never before the fork: some libraries start threads)."""
    with contextlib.suppress(ImportError):
        import altair  # noqa: F401 - imported for its side effect of being loaded


def child_exit(_server: Any, worker: Any) -> None:
    """Let ``/metrics`` forget the live gauges of a worker that ended."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call] # the library is untyped here
