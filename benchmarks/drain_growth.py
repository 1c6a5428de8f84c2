"""How a drain grows with the lake onto which it comes: 10 M and 100 M receipts; ``--quick``: 1 M and 10 M.

Ten calls of 500 receipts, of a day in the simulated December, wait in the inbox and go to the lake; new ids, new
numbers. First as it is without the index of keys (what the worker does before it made one), then with it. The fastest
of five rounds counts. Bar: onto ten times as many receipts a round takes at most three times as long.
``python -m benchmarks.drain_growth``
"""

import hashlib
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from benchmarks.ingest_home import make_bodies, make_home
from benchmarks.scale_world import BENCH, STORES
from pilot.database import Database
from pilot.outcomes.inbox.accept import Reception
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.drain import drain
from pilot.outcomes.inbox.work import Call
from pilot.outcomes.key_index import KeyIndex
from pilot.outcomes.lake import MONTH, Lake
from pilot.settings import Settings
from pilot.simulation.service import Form, simulate_network
from pilot.simulation.shape import Shape
from web.api.bodies import receipts_in

SMALL, LARGE, ROUNDS, CALLS, SIZE = (1_000_000, 10_000_000), (10_000_000, 100_000_000), 5, 10, 500
GROWTH = 3.0
TODAY = datetime(2025, 12, 16, 12, tzinfo=UTC)


class Found(NamedTuple):
    """Seconds of a round without and with the index, of making it, and its bytes."""

    without: float
    indexed: float
    made: float
    size_bytes: int


def main(*, full: bool = False, keep: bool = False) -> int:
    """Print the section of the speed page; 0 where the bar is held."""
    sizes = LARGE if full else SMALL
    found = {size: _measured(size) for size in sizes}
    few, many = (found[size] for size in sizes)
    growth, before = many.indexed / few.indexed, many.without / few.without
    print(f"## A drain of {CALLS * SIZE:,} receipts onto {sizes[0]:,} and {sizes[1]:,}\n")
    print("| receipts in the lake | without the index, s | with it, s | making it, s | its size |")
    print("|---|---|---|---|---|")
    for size, one in found.items():
        kept = f"{one.size_bytes / 2**20:,.0f} MiB"
        print(f"| {size:,} | {one.without:.2f} | {one.indexed:.2f} | {one.made:.1f} | {kept} |")
    print(f"\nGrowth with the index {growth:.1f} × (bar ≤ {GROWTH:g} ×), without it {before:.1f} ×.")
    return 0 if growth <= GROWTH else 1


def _measured(size: int) -> Found:
    folder = BENCH / f"drain-{size}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        shape = Shape(stores=STORES, customers=size // 100, receipts=size, seed=1)
        home = make_home(folder, shape=shape)
        settings = Settings(home=home.settings.home, database_url=None, fixed_now=TODAY)
        lake = Lake(settings)
        _fill(lake, shape, folder / "simulated")
        inbox, index = _Inbox(settings, lake, home.store_codes), KeyIndex(lake)
        without = min(inbox.round(number) for number in range(ROUNDS))
        began = time.perf_counter()
        index.keep_up()
        made = time.perf_counter() - began
        indexed = min(inbox.round(ROUNDS + number) for number in range(ROUNDS))
        return Found(without, indexed, made, index.size_bytes())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(lake: Lake, shape: Shape, folder: Path) -> None:
    simulate_network(shape, folder, form=Form.LAKE)
    files = {path.parent.name.removeprefix(f"{MONTH}="): path for path in folder.rglob(f"{MONTH}=*/*.parquet")}

    def put(month: str, path: Path) -> int:
        shutil.move(files[month], path)
        return int(pq.read_metadata(path).num_rows)

    with lake.writing():
        lake.append("simulated", sorted(files), put)


class _Inbox:
    """Calls that come in, and the drain that takes them to the lake."""

    def __init__(self, settings: Settings, lake: Lake, stores: "list[str]") -> None:
        self._database, self._inbox = Database(settings), InboxDatabase(settings)
        self._lake, self._stores = lake, stores
        self._reception = Reception(settings, self._inbox)

    def round(self, number: int) -> float:
        """Seconds in which what came goes to the lake."""
        for body in make_bodies(self._stores, batches=CALLS, size=SIZE, seed=number, today=TODAY):
            call = Call(receipts_in(body, "application/json"), "bench", hashlib.sha256(body).hexdigest(), TODAY)
            with self._database.reading() as session:
                self._reception.accept(session, call, head=None)
        began = time.perf_counter()
        done = drain(self._database, self._inbox, self._lake, now=TODAY)
        assert done is not None
        assert done.n_new == CALLS * SIZE
        return time.perf_counter() - began


if __name__ == "__main__":
    import sys

    raise SystemExit(main(full="--quick" not in sys.argv))
