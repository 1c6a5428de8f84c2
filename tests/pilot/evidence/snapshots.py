"""Installations at known points of the loop, made once a test run and copied for every test that wants one."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from pilot.access.model import User
from pilot.database import Database
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at

END = START + timedelta(days=27)
TWO_LOOKS = {
    "stages": [
        {"number": 1, "name": "A few", "starts_on": str(START), "weeks": 2, "looks": 2, "extension_weeks": 2},
        {"number": 2, "name": "All", "starts_on": str(START + timedelta(weeks=8)), "weeks": 4, "is_network": True},
    ]
}


class Point(StrEnum):
    """Where the pilot stands: one stage of one look, or (``TWO_…``) two looks and a second, network-wide stage."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    SEALED = "sealed"
    RUNNING = "running"
    AT_GATE = "at_gate"
    AT_GATE_WEAK = "at_gate_weak"
    TWO_RUNNING = "two_running"
    TWO_AT_GATE = "two_at_gate"


def _draft(network: SmallNetwork) -> None:
    network.set_up()
    network.draft()


def _submitted(network: SmallNetwork) -> None:
    network.submit()


def _sealed(network: SmallNetwork) -> None:
    network.sign()


def _running(network: SmallNetwork) -> None:
    network.draw_and_start()


def _at_gate(network: SmallNetwork) -> None:
    network.run_to(END)
    network.look()


def _at_gate_weak(network: SmallNetwork) -> None:
    network.run_to(END, lift=0)
    network.look()


def _two_running(network: SmallNetwork) -> None:
    network.running(**TWO_LOOKS)


def _two_at_gate(network: SmallNetwork) -> None:
    network.run_to(START + timedelta(days=13))
    network.look()


# Each point is the one before it, and one step more.
_STEPS: dict[Point, tuple[Point | None, Callable[[SmallNetwork], None]]] = {
    Point.DRAFT: (None, _draft),
    Point.SUBMITTED: (Point.DRAFT, _submitted),
    Point.SEALED: (Point.SUBMITTED, _sealed),
    Point.RUNNING: (Point.SEALED, _running),
    Point.AT_GATE: (Point.RUNNING, _at_gate),
    Point.AT_GATE_WEAK: (Point.RUNNING, _at_gate_weak),
    Point.TWO_RUNNING: (None, _two_running),
    Point.TWO_AT_GATE: (Point.TWO_RUNNING, _two_at_gate),
}


@contextmanager
def installation(point: Point, folder: Path) -> Iterator[SmallNetwork]:
    """A copy of the installation at ``point``, in ``folder``."""
    home = folder / "home"
    people = _made(point)
    shutil.copytree(_home(point), home)
    network = _opened(home, folder)
    network.people = dict(people)
    yield network
    network.database.dispose()


@lru_cache(maxsize=1)
def _root() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="pilot-snapshots-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _home(point: Point) -> Path:
    return _root() / point.value / "home"


@lru_cache
def _made(point: Point) -> dict[str, User]:
    """Make the snapshot of ``point`` and return its people."""
    before, step = _STEPS[point]
    folder = _root() / point.value
    if before is None:
        folder.mkdir(parents=True)
        network = _opened(folder / "home", folder)
        migrating.upgrade(network.database)
    else:
        people = _made(before)
        folder.mkdir(parents=True)
        shutil.copytree(_home(before), folder / "home")
        network = _opened(folder / "home", folder)
        network.people = dict(people)
    step(network)
    network.database.dispose()
    return network.people


def _opened(home: Path, folder: Path) -> SmallNetwork:
    return SmallNetwork(Database(Settings(home=home, fixed_now=day_at(START), json_logs=False)), folder)
