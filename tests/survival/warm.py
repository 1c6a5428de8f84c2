"""Commands of ``pilot`` that need no start-up: processes of their own, forked from one that has loaded the product.

A campaign starts something after every kill, and most of its time would be imports. What is killed is a process like
any other: its own id, its own group, its own files.
"""

import multiprocessing
import os
import subprocess
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Protocol

_LOADED = (
    "ibis.backends.duckdb",
    "deltalake",
    "pyarrow.parquet",
    "pilot.cli.drain",
    "pilot.cli.imports",
    "pilot.cli.serving",
    "pilot.jobs.tasks",
    "pilot.jobs.worker",
    "pilot.outcomes.days.service",
    "pilot.outcomes.inbox.drain",
    "pilot.outcomes.receipt_store",
)


class Process(Protocol):
    """What the tests ask of a process, however it was started."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...


class WarmProcess:
    """A forked command, with the methods of ``subprocess.Popen``."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = command
        self._process: ForkServerProcess = _context().Process(
            target=_run, args=(tuple(command), dict(environment), str(log)), daemon=False
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._command, timeout or 0.0)
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_LOADED))  # heard by the server when it starts, with the first process
    return context


def _run(command: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    """In the child: what a shell would do, then the command."""
    os.setsid()
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for descriptor in (1, 2):
        os.dup2(out, descriptor)
    os.environ.clear()
    os.environ.update(environment)
    from pilot.cli import main

    raise SystemExit(main(command))
