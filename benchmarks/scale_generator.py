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

FEWER, RECEIPTS, ROUNDS = 4_000_000, 10_000_000, 3
BAR = 0.5


def main() -> int:
    """Print the section of the speed page; 0 where the bar is held. The bar is that of the larger number."""
    print("## Simulated receipts\n")
    print(f"{STORES} stores and {CUSTOMERS:,} customers, 14 columns, Parquet (zstd); the same table in both.\n")
    print("| receipts | pyarrow writes what is in memory | pilot simulate-network makes and writes it | ratio | bar |")
    print("|---|---|---|---|---|")
    held = True
    for n in (FEWER, RECEIPTS):
        mine, pyarrow = _rates(n)
        bar = f"≥ {BAR}" if n == RECEIPTS else ""
        print(f"| {n:,} | {pyarrow:,.0f} a second | {mine:,.0f} a second | {mine / pyarrow:.2f} | {bar} |")
        held = held and (n != RECEIPTS or mine >= BAR * pyarrow)
    print("\nThe customers take the simulator as long for few receipts as for many; pyarrow writes receipts alone.")
    return 0 if held else 1


def _rates(n: int) -> tuple[float, float]:
    """Receipts a second, ours and pyarrow's; the fastest of each."""
    folder = BENCH / "generator"
    shutil.rmtree(folder, ignore_errors=True)
    shape = Shape(STORES, CUSTOMERS, n, SEED, WEEKS)
    try:
        simulate_network(shape, folder / "first")
        tables = {file.name: pq.read_table(file) for file in sorted((folder / "first" / "receipts").iterdir())}
        ours, theirs = [], []
        for number in range(ROUNDS):
            ours.append(_seconds(lambda: simulate_network(shape, folder / "ours")))
            theirs.append(_seconds(lambda: _write(tables, folder / "theirs")))
            if number == 0:
                _assert_same(folder, n)
            shutil.rmtree(folder / "ours")
            shutil.rmtree(folder / "theirs")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return n / min(ours), n / min(theirs)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _write(tables: dict[str, pa.Table], folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, table in tables.items():
        with pq.ParquetWriter(folder / name, table.schema, **WRITING) as writer:
            writer.write_table(table, row_group_size=ROW_GROUP)


def _assert_same(folder: Path, n: int) -> None:
    ours, theirs = (ds.dataset(folder / name).to_table() for name in ("ours/receipts", "theirs"))
    assert ours.num_rows == n
    assert ours.equals(theirs)


if __name__ == "__main__":
    raise SystemExit(main())
