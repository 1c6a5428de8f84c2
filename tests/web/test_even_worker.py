"""New connections go to the worker that holds fewer; who is stuck keeps nobody out."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.workers.gthread import ThreadWorker

from web import even_worker, gunicorn_hooks
from web.even_worker import EvenWorker, held

ROOT = Path(__file__).parents[2]
WHO = """
import os
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", str(len(str(os.getpid()))))])
    return [str(os.getpid()).encode()]
"""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    found: list[float] = []
    monkeypatch.setattr(even_worker, "time", SimpleNamespace(sleep=found.append))
    monkeypatch.setattr(ThreadWorker, "accept", lambda self, _: setattr(self, "nr_conns", self.nr_conns + 1))
    monkeypatch.setattr(ThreadWorker, "notify", lambda _: None)
    yield found
    held[:] = memoryview(bytes(4 * len(held))).cast("I")


def worker(age: int, connections: int) -> EvenWorker:
    made = EvenWorker.__new__(EvenWorker)
    made.age, made.nr_conns = age, connections
    made.notify()
    return made


def test_a_worker_leaves_a_connection_for_a_moment_to_one_that_holds_fewer(waits: list[float]) -> None:
    busy, idle = worker(1, 2), worker(2, 0)
    busy.accept(None)
    assert (len(waits), busy.nr_conns) == (1, 3)
    idle.accept(None)
    assert (len(waits), idle.nr_conns) == (1, 1)


def test_equal_workers_and_a_worker_alone_do_not_wait(waits: list[float]) -> None:
    one = worker(1, 5)
    one.accept(None)
    worker(2, 6)
    one.accept(None)
    assert (waits, one.nr_conns) == ([], 7)


def test_what_a_worker_took_is_seen_at_once_and_what_it_gave_back_in_its_next_round(waits: list[float]) -> None:
    one, other = worker(1, 0), worker(2, 1)
    one.accept(None)
    one.nr_conns = 0
    other.accept(None)
    assert waits == []
    one.notify()
    other.accept(None)
    assert len(waits) == 1


def test_nobody_waits_for_the_dead(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunicorn_hooks.multiprocess, "mark_process_dead", lambda _: None)
    dead, alive = worker(1, 0), worker(2, 3)
    gunicorn_hooks.child_exit(None, SimpleNamespace(pid=0, age=dead.age))
    alive.accept(None)
    assert waits == []


def test_the_server_uses_it() -> None:
    assert gunicorn_hooks.worker_class == f"{EvenWorker.__module__}.{EvenWorker.__qualname__}"


@pytest.mark.enable_socket
def test_tills_that_keep_their_connections_are_shared_by_two_real_workers(tmp_path: Path) -> None:
    """One after the other they call; what one got by chance would stay with it."""
    (tmp_path / "who.py").write_text(WHO, "ascii")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "4", "--bind", f"127.0.0.1:{port}"]
    command += ["--worker-class", even_worker.EvenWorker.__module__ + ".EvenWorker", "--keep-alive", "60", "who:app"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as server, ExitStack() as stack:
        stack.callback(server.terminate)
        both: set[int] = set()
        while len(both) < 2:  # until both have started
            with closing(till_of(port)) as till:
                both.add(asked(till))
        tills = [stack.enter_context(closing(till_of(port))) for _ in range(12)]
        found = Counter(asked(till) for till in tills)
    assert len(found) == 2
    assert min(found.values()) >= 4  # evenly but for what a loaded machine does to a moment


def till_of(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=30)


def asked(till: http.client.HTTPConnection) -> int:
    """The worker that answers; its connection stays open."""
    until = time.monotonic() + 30
    while True:
        try:
            till.request("GET", "/")
            return int(till.getresponse().read())
        except ConnectionRefusedError:
            till.close()
            assert time.monotonic() < until
            time.sleep(0.05)
