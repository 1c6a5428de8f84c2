"""All speed benchmarks in one run, beside their peers: ``make bench``; ``--write`` puts the tables into docs.

``--only scale_report --only ingest_http`` runs some parts. Growing to 100 M receipts takes some minutes and about 10 GB
under ``var/bench`` (deleted after unless ``--keep``); ``--quick`` grows to 10 M instead, where its bars are not judged.
"""

import argparse
import io
import os
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import version

from benchmarks.pages import put

PAGE = "speed.md"
PARTS = (
    "scale_report",
    "scale_growth",
    "drain_growth",
    "scale_generator",
    "ingest_files",
    "ingest_http",
    "lookup_http",
    "lookup_process",
    "speed_comparisons",
    "speed_permutation",
    "speed_wild_bootstrap",
    "speed_placebo_replay",
)
GROWING = ("scale_growth", "drain_growth")
PEERS = (
    *("numpy", "scipy", "pandas", "statsmodels", "tea-tasting", "pyfixest", "wildboottest"),
    *("duckdb", "pyarrow", "pyspark", "flask", "gunicorn", "growthbook", "planout"),
)


def main() -> int:
    """Run every part, or those that are named; print their tables; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="grow to 10 M receipts instead of 100 M")
    parser.add_argument("--keep", action="store_true", help="leave the simulated receipts under var/bench")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/speed.md")
    chosen = parser.parse_args()
    missed = []
    for name in chosen.only or PARTS:
        run: Callable[..., int] = import_module(f"benchmarks.{name}").main
        options = {"full": not chosen.quick, "keep": chosen.keep} if name in GROWING else {}
        printed = io.StringIO()
        with redirect_stdout(printed):
            if run(**options):
                missed.append(name)
        table = printed.getvalue().strip()
        print(table, end="\n\n", flush=True)
        if chosen.write:
            _write(name, table)
    if missed:
        print(f"A bar is missed in {', '.join(missed)}.", file=sys.stderr)
    return 1 if missed else 0


def _machine() -> str:
    versions: Mapping[str, str] = {name: version(name) for name in PEERS}
    listed = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f"Python {platform.python_version()}, {os.cpu_count()} cores; {listed}."


def _write(name: str, table: str) -> None:
    """Put one part's table between its marks on the page, and the machine's line above all of them."""
    put(PAGE, "machine", _machine(), is_measured=False)
    put(PAGE, name, table)


if __name__ == "__main__":
    sys.exit(main())
