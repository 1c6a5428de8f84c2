"""New connections go to the worker that holds fewer; who is stuck keeps nobody out."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from gunicorn.workers.gthread import ThreadWorker

from web import even_worker, gunicorn_hooks
from web.even_worker import EvenWorker, held


@pytest.fixture(autouse=True)
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
