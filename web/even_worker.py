"""Workers that share connections evenly: tills keep theirs open, and what one process got by chance stays with it."""

import mmap
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

_MOST = 64  # processes; more would share places, and only be less even
_MOMENT = 0.002  # seconds: an idle worker needs far less, and a caller does not notice it
# Made before the fork, so all processes see it: for each one how many connections it holds and one, 0 where none lives.
held = memoryview(mmap.mmap(-1, 4 * _MOST)).cast("I")


class EvenWorker(ThreadWorker):
    """gunicorn's worker with threads, which leaves a new connection for a moment to those that hold fewer.

    Both wake when somebody calls; who is still there after the moment is taken by whoever comes first, so that no
    worker that is stuck can keep a caller out.
    """

    def notify(self) -> None:
        """Called in every round of its loop."""
        super().notify()
        held[place_of(self)] = self.nr_conns + 1

    def accept(self, listener: Any) -> None:
        """Take a waiting connection, if nobody else did."""
        if any(0 < others <= self.nr_conns for others in held):
            time.sleep(_MOMENT)
        super().accept(listener)
        held[place_of(self)] = self.nr_conns + 1


def place_of(worker: Any) -> int:
    """Where ``held`` speaks of ``worker``."""
    return int(worker.age) % _MOST
