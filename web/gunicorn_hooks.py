"""What gunicorn does around its workers: share connections, load heavy libraries after the fork, forget the dead."""

import importlib
import sys
from typing import Any

from prometheus_client import multiprocess

from web.even_worker import held, place_of

worker_class = "web.even_worker.EvenWorker"

# Loaded by one thread before the first request: two requests that import pandas at once can see it half made.
HEAVY = ("pandas", "ibis", "duckdb", "deltalake", "scipy.stats", "altair")

# A thread that comes back from the disk holds the inbox's write lock: it must not wait long for a thread that computes.
_SWITCH_SECONDS = 0.0005


def warm_up() -> None:
    """Load the libraries that the pages with numbers need."""
    for name in HEAVY:
        importlib.import_module(name)


def post_fork(_server: Any, _worker: Any) -> None:
    """Load them in each worker, never before the fork: some of them start threads."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    warm_up()


def child_exit(_server: Any, worker: Any) -> None:
    """Let ``/metrics`` forget the live gauges of a worker that ended, and the others what it held."""
    held[place_of(worker)] = 0
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call] # the library is untyped here
