"""How fast the simulator writes receipts, beside pyarrow writing the same table from memory.

The whole of ``pilot simulate-network`` (stores and customers too) in the import form, against the tables that it made,
kept in memory and written by pyarrow with the same settings, row groups and files. What is in the files is asserted
equal first. ``python -m benchmarks.scale_generator``
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks.scale_world import BENCH, CUSTOMERS, SEED, STORES, WEEKS
from pilot.simulation.files import ROW_GROUP, WRITING
from pilot.simulation.service import simulate_network
from pilot.simulation.shape import Shape

RECEIPTS, ROUNDS = 10_000_000, 3
BAR = 0.5


def main() -> int:
    """Print the section of the speed page; 0 where the bar is held."""
    folder = BENCH / "generator"
    shutil.rmtree(folder, ignore_errors=True)
    shape = Shape(STORES, CUSTOMERS, RECEIPTS, SEED, WEEKS)
    try:
        simulate_network(shape, folder / "first")
        tables = {file.name: pq.read_table(file) for file in sorted((folder / "first" / "receipts").iterdir())}
        ours, theirs = [], []
        for number in range(ROUNDS):
            ours.append(_seconds(lambda: simulate_network(shape, folder / "ours")))
            theirs.append(_seconds(lambda: _write(tables, folder / "theirs")))
            if number == 0:
                _assert_same(folder)
            shutil.rmtree(folder / "ours")
            shutil.rmtree(folder / "theirs")
        size = sum(file.stat().st_size for file in (folder / "first" / "receipts").iterdir())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    mine, pyarrow = RECEIPTS / min(ours), RECEIPTS / min(theirs)
    print("## Simulated receipts\n")
    print(
        f"{RECEIPTS:,} receipts of {STORES} stores and {CUSTOMERS:,} customers, 14 columns, Parquet (zstd), "
        f"{size / RECEIPTS:.0f} bytes a receipt; the same table in both.\n"
    )
    print("| what | receipts a second | × pyarrow | bar |\n|---|---|---|---|")
    print(f"| pyarrow writes what is in memory | {pyarrow:,.0f} | 1.00 | |")
    print(f"| pilot simulate-network makes and writes it | {mine:,.0f} | {mine / pyarrow:.2f} | ≥ {BAR} |")
    return 0 if mine >= BAR * pyarrow else 1


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _write(tables: dict[str, pa.Table], folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, table in tables.items():
        with pq.ParquetWriter(folder / name, table.schema, **WRITING) as writer:
            writer.write_table(table, row_group_size=ROW_GROUP)


def _assert_same(folder: Path) -> None:
    ours, theirs = (ds.dataset(folder / name).to_table() for name in ("ours/receipts", "theirs"))
    assert ours.num_rows == RECEIPTS
    assert ours.equals(theirs)


if __name__ == "__main__":
    raise SystemExit(main())
