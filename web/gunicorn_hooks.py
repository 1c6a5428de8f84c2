"""What gunicorn does around its workers: load heavy libraries after the fork, close a dead worker's gauges."""

import importlib
from typing import Any

from prometheus_client import multiprocess

# Loaded by one thread before the first request: two requests that import pandas at once can see it half made.
HEAVY = ("pandas", "ibis", "duckdb", "deltalake", "scipy.stats", "altair")


def warm_up() -> None:
    """Load the libraries that the pages with numbers need."""
    for name in HEAVY:
        importlib.import_module(name)


def post_fork(_server: Any, _worker: Any) -> None:
    """Load them in each worker, never before the fork: some of them start threads."""
    warm_up()


def child_exit(_server: Any, worker: Any) -> None:
    """Let ``/metrics`` forget the live gauges of a worker that ended."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call] # the library is untyped here
