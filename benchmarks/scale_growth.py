"""How a full report grows from 10 M to 100 M receipts, and the memory it takes; ``--quick``: from 1 M to 10 M.

Each size runs in a process of its own (``ru_maxrss`` is the peak of that process and nothing else): a full report
from receipts, then the derived days are made and the report is read from them. The fastest of two counts. Bars: ten
times as many receipts take at most twelve times as long, and 100 M at most 2 GiB. ``python -m benchmarks.scale_growth``
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.scale_estimates import estimates_of
from benchmarks.scale_world import STORES, World, world_files, world_of

SMALL, LARGE, ROUNDS = (1_000_000, 10_000_000), (10_000_000, 100_000_000), 2
GROWTH, MEMORY = 12.0, 2 << 30
_OF = {"receipts": "from receipts", "days": "from customer-days"}


def main(*, full: bool = False, keep: bool = False) -> int:
    """Print the section of the speed page; 0 where every bar is held. The bars are those of ``full``."""
    sizes = LARGE if full else SMALL
    found = {}
    for size in sizes:
        with world_files(size, keep=keep):
            found[size] = {source: _in_a_process(size, source) for source in _OF}
    few, many = sizes
    print(f"## Growth from {few:,} to {many:,} receipts\n")
    print(f"{STORES} stores, 1,000,000 customers; every run in a process of its own, its peak memory by the system.\n")
    print("| report | s | s | growth | bar | peak memory | bar |\n|---|---|---|---|---|---|---|")
    held = True
    growth_bar, memory_bar = f"≤ {GROWTH:g} ×", f"≤ {MEMORY / 2**20:,.0f} MiB"
    if not full:
        growth_bar = memory_bar = "the bar is at 100 M"
    for source, words in _OF.items():
        less, more = found[few][source], found[many][source]
        growth = more["seconds"] / less["seconds"]
        held = held and growth <= GROWTH and more["peak"] <= MEMORY
        print(
            f"| {words} | {less['seconds']:.2f} | {more['seconds']:.2f} | {growth:.1f} × | {growth_bar} "
            f"| {more['peak'] / 2**20:,.0f} MiB | {memory_bar} |"
        )
    made = found[many]["days"]
    print(
        f"\nMaking the days of {many:,} receipts for the first time took {made['made']:.0f} s, within the same memory."
    )
    return 0 if held or not full else 1


def _in_a_process(size: int, source: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scale_growth", "--child", str(size), source]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _child(size: int, source: str) -> None:
    with world_of(size, keep=True) as world:
        print(json.dumps(_of_receipts(world) if source == "receipts" else _of_days(world)))


def _of_receipts(world: World) -> dict[str, float]:
    seconds = _fastest(lambda: estimates_of(world.moments(world.facts_of_receipts(world.lake())), world.assignment))
    return {"seconds": seconds, "peak": _peak()}


def _of_days(world: World) -> dict[str, float]:
    from pilot.outcomes.days.service import Days

    began = time.perf_counter()
    Days(world.lake()).keep_up()
    made = time.perf_counter() - began

    def report() -> None:
        lake = world.lake()
        facts = Days(lake).day_facts(lake.version())
        assert facts is not None
        estimates_of(world.moments(facts), world.assignment)

    return {"seconds": _fastest(report), "made": made, "peak": _peak()}


def _fastest(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _peak() -> int:
    """The most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    if "--child" in sys.argv:
        number, chosen = sys.argv[sys.argv.index("--child") + 1 :][:2]
        _child(int(number), chosen)
        raise SystemExit(0)
    raise SystemExit(main(full="--quick" not in sys.argv, keep="--keep" in sys.argv))
