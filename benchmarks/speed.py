"""All speed benchmarks in one run, beside their peers: ``make bench``; ``--write`` puts the tables into docs."""

import argparse
import io
import os
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
BEGIN, END = "<!-- written by benchmarks/speed.py: begin -->", "<!-- written by benchmarks/speed.py: end -->"
PARTS = ("speed_comparisons", "speed_permutation", "speed_wild_bootstrap", "speed_placebo_replay")
PEERS = ("numpy", "scipy", "pandas", "statsmodels", "tea-tasting", "pyfixest", "wildboottest")


def main() -> int:
    """Run every part, or those that are named; print their tables; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", help=f"one of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/speed.md")
    chosen = parser.parse_args()
    tables, missed = [], 0
    for name in chosen.part or PARTS:
        run: Callable[[], int] = import_module(f"benchmarks.{name}").main
        printed = io.StringIO()
        with redirect_stdout(printed):
            missed += bool(run())
        tables.append(printed.getvalue().strip())
        print(tables[-1], end="\n\n", flush=True)
    if chosen.write:
        _write("\n\n".join([_machine(), *tables]))
    return 1 if missed else 0


def _machine() -> str:
    versions: Mapping[str, str] = {name: version(name) for name in PEERS}
    listed = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f"Python {platform.python_version()}, {os.cpu_count()} cores; {listed}."


def _write(text: str) -> None:
    page = PAGE.read_text("utf-8")
    before, after = page[: page.index(BEGIN)], page[page.index(END) :]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{after}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
