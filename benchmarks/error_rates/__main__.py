"""``python -m benchmarks.error_rates [--cells PATTERN] [--replications N] [--fresh] [--write]``."""

import argparse
import fnmatch
import sys
import time
from pathlib import Path

from benchmarks.error_rates.judging import judge
from benchmarks.error_rates.page import page
from benchmarks.error_rates.registry import cells
from benchmarks.error_rates.store import Measured, load, save

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "error_rates.md"


def main(arguments: list[str] | None = None) -> int:
    """Measure what is missing (or everything that matches, with ``--fresh``), say each verdict, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.error_rates", description=__doc__)
    parser.add_argument("--cells", nargs="+", default=["*"], help="only cells whose key matches, e.g. 'stores: 20*'")
    parser.add_argument("--replications", type=int, help="instead of each cell's own number; not kept, not written")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured before")
    parser.add_argument("--write", action="store_true", help="write docs/methods/error_rates.md from what was measured")
    options = parser.parse_args(arguments)
    for cell in cells():
        if not any(fnmatch.fnmatchcase(cell.key, pattern) for pattern in options.cells):
            continue
        measured = None if options.fresh or options.replications else load(cell)
        if measured is None or measured.replications < cell.replications:
            start = time.process_time()
            tally = cell.measure(options.replications)
            n = options.replications or cell.replications
            measured = Measured(tally, n, time.process_time() - start)
            if not options.replications:
                save(cell, measured)
        print(f"{cell.key} [{measured.seconds:.1f} s] {judge(cell, measured.tally).says}", flush=True)
    if options.write:
        missing = [cell.key for cell in cells() if load(cell) is None]
        PAGE.write_text(page(), encoding="utf-8")
        if missing:
            print(f"not measured yet: {', '.join(missing)}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
