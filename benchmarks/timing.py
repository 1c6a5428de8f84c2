"""How the speed benchmarks time: the fastest of several runs, after one that warms the caches."""

import time
from collections.abc import Callable


def fastest(work: Callable[[], object], repeats: int) -> float:
    """The least seconds of several runs: what the machine's other work adds is left out, for all alike."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
