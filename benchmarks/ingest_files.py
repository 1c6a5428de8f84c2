"""How fast receipt files are imported, beside DuckDB's own anti-join insert of the same file without any validation.

Eight million receipts of 500 stores in eight weeks: one half is there already, the other half and one in twenty of the
first arrive as one file, CSV and Parquet. The product checks every cell and row, gives keys to customers, leaves out
what is known by id and by till number, and publishes one synced commit: ``pilot import receipts``, without the start of
the interpreter. The derived days and the index of keys that follow a commit are no part of what DuckDB does and are
timed apart; no index is there before. DuckDB inserts into a table of its own what the table does not hold by id, all
threads, no memory limit. What is stored after is asserted equal first. Every import and every insert runs in a process
of its own, and the few thousand first receipts of the file go into a copy before: libraries are loaded then, on both
sides alike. ``python -m benchmarks.ingest_files``
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from benchmarks.ingest_home import ADMIN, Home, make_home
from benchmarks.scale_world import BENCH
from pilot.cli import imports
from pilot.cli import main as pilot
from pilot.imports.arrow import pc
from pilot.outcomes.days.service import Days
from pilot.outcomes.lake import MONTH, Lake
from pilot.settings import Settings
from pilot.simulation.files import ROW_GROUP, WRITING
from pilot.simulation.service import Form, simulate_network
from pilot.simulation.shape import Shape

SHAPE = Shape(stores=500, customers=400_000, receipts=8_000_000, seed=3, weeks=8)
REPEATED, ROUNDS = 0.05, 2
WARMING = 3_000  # receipts
BAR = 0.5


def main() -> int:
    """Print the section of the speed page; 0 where both bars are held."""
    folder = BENCH / "files"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        files, n_rows, n_new = _prepare(folder)
        print("## Receipt files\n")
        print(f"{n_rows:,} receipts in one file, {n_rows - n_new:,} of them known, onto {SHAPE.receipts - n_new:,}.\n")
        print(
            "| file | DuckDB, receipts/s | pilot import, receipts/s | ratio | bar | by CPU time "
            "| days and keys follow, s | peak memory, DuckDB | peak memory, import |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        held = True
        for name in files:
            ours, theirs, upkeep = [], [], []
            for _ in range(ROUNDS):
                spent, following = _in_a_process("import", folder, name)
                ours.append(spent)
                upkeep.append(following.seconds)
                theirs += _in_a_process("insert", folder, name)
                _assert_same(folder)
            mine, duck = _best(ours), _best(theirs)
            held = held and duck.seconds >= BAR * mine.seconds
            rates = f"{n_rows / duck.seconds:,.0f} | {n_rows / mine.seconds:,.0f} | {duck.seconds / mine.seconds:.2f}"
            peaks = f"{duck.peak >> 20:,} MiB | {mine.peak >> 20:,} MiB"
            print(f"| {name} | {rates} | ≥ {BAR} | {duck.cpu / mine.cpu:.2f} | {min(upkeep):.1f} | {peaks} |")
        print("\nDerived days and the index of keys follow after the commit and are not part of the ratio.")
        print("Each import and insert in a process of its own; its peak memory by the system.")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if held else 1


def _prepare(folder: Path) -> tuple[dict[str, Path], int, int]:
    """A home and a DuckDB database that hold one half, and the files with the other half and some of the first."""
    simulate_network(SHAPE, folder / "import", files=1)
    simulate_network(SHAPE, folder / "lake", form=Form.LAKE)
    home = make_home(folder / "prepared", shape=SHAPE)
    _quiet(home, "customers", folder / "import" / "customers.parquet")
    receipts = pq.read_table(folder / "import" / "receipts" / "receipts-0001.parquet")
    rng = np.random.default_rng(3)
    is_there = rng.random(receipts.num_rows) < 0.5
    comes = ~is_there | (rng.random(receipts.num_rows) < REPEATED)
    _fill(home, folder / "lake" / "lake", is_there)
    arriving = receipts.filter(pa.array(comes))
    files = {"CSV": folder / "arriving.csv", "Parquet": folder / "arriving.parquet"}
    pv.write_csv(arriving, files["CSV"])
    pq.write_table(arriving, files["Parquet"], **WRITING, row_group_size=ROW_GROUP)
    pv.write_csv(arriving.slice(0, WARMING), _warming(files["CSV"]))
    pq.write_table(arriving.slice(0, WARMING), _warming(files["Parquet"]), **WRITING)
    there = receipts.filter(pa.array(is_there))
    with duckdb.connect(str(folder / "prepared.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("there", there)
        connection.execute("CREATE TABLE receipts AS SELECT * FROM there")
    return files, arriving.num_rows, int((~is_there).sum())


def _fill(home: Home, files: Path, is_there: "np.typing.NDArray[np.bool_]") -> None:
    """The lake gets the same half, month by month in the order of the simulator."""
    months = sorted(folder.name.removeprefix(f"{MONTH}=") for folder in files.iterdir())
    tables = {month: pq.ParquetFile(files / f"{MONTH}={month}" / "simulated.parquet").read() for month in months}
    start = 0
    kept = {}
    for month, table in tables.items():
        kept[month] = table.filter(pa.array(is_there[start : start + table.num_rows]))
        start += table.num_rows

    def put(month: str, path: Path) -> int:
        pq.write_table(kept[month], path, **WRITING, row_group_size=ROW_GROUP)
        return int(kept[month].num_rows)

    lake = Lake(home.settings)
    with lake.writing():
        lake.append("simulated", months, put)
    Days(lake).keep_up()  # an import finds them as the one before left them


def _warming(file: Path) -> Path:
    return file.with_stem("warming")


def _in_a_process(what: str, folder: Path, name: str) -> "list[_Spent]":
    command = [sys.executable, "-m", "benchmarks.ingest_files", "--child", what, str(folder), name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [_Spent(*spent) for spent in json.loads(done.stdout.splitlines()[-1])]


def _child(what: str, folder: Path, name: str) -> "list[_Spent]":
    file = folder / ("arriving.csv" if name == "CSV" else "arriving.parquet")
    work = _import if what == "import" else _insert
    work(folder, name, _warming(file))
    return work(folder, name, file)


def _import(folder: Path, _name: str, file: Path) -> "list[_Spent]":
    """What ``pilot import receipts`` into a copy of the prepared home takes, and apart what its derived days take."""
    shutil.rmtree(folder / "ours", ignore_errors=True)
    shutil.copytree(folder / "prepared", folder / "ours")
    home = Home(Settings(home=folder / "ours" / "home", database_url=None), "", [])
    following: list[_Spent] = []
    keep_up = imports.keep_days_up

    def apart(settings: Settings) -> None:
        following.append(_spent(lambda: keep_up(settings)))

    imports.keep_days_up = apart
    try:
        os.sync()
        whole = _spent(lambda: _quiet(home, "receipts", file))
    finally:
        imports.keep_days_up = keep_up
    days = following[0]
    return [_Spent(whole.seconds - days.seconds, whole.cpu - days.cpu, whole.peak), days]


def _quiet(home: Home, kind: str, file: Path) -> None:
    said, complained = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        code = pilot(["import", kind, str(file), "--as", ADMIN, "--home", str(home.settings.home)])
    assert code == 0, said.getvalue() + complained.getvalue()


def _insert(folder: Path, name: str, file: Path) -> "list[_Spent]":
    """What DuckDB's anti-join insert into a copy of its prepared database takes."""
    target = folder / "theirs.duckdb"
    shutil.copyfile(folder / "prepared.duckdb", target)
    reader = "read_csv" if name == "CSV" else "read_parquet"

    def insert() -> None:
        with duckdb.connect(str(target)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(
                f"INSERT INTO receipts BY NAME SELECT * FROM {reader}('{file}') AS new "  # noqa: S608 - our own file
                "ANTI JOIN receipts ON new.receipt = receipts.receipt"
            )
            connection.execute("CHECKPOINT")

    os.sync()
    return [_spent(insert)]


def _assert_same(folder: Path) -> None:
    lake = Lake(Settings(home=folder / "ours" / "home", database_url=None))
    stored = lake.receipts().select("receipt_id", "net_minor").to_pyarrow()
    with duckdb.connect(str(folder / "theirs.duckdb")) as connection:
        row = connection.execute("SELECT count(*), sum(net) * 100, count(DISTINCT receipt) FROM receipts").fetchone()
    mine = (stored.num_rows, int(pc.sum(stored["net_minor"]).as_py()), pc.count_distinct(stored["receipt_id"]).as_py())
    assert row is not None
    assert mine == (row[0], int(row[1]), row[2]) == (SHAPE.receipts, mine[1], SHAPE.receipts)


class _Spent(NamedTuple):
    seconds: float
    cpu: float
    peak: int


def _best(rounds: Sequence[_Spent]) -> _Spent:
    """The fastest by each clock; of memory the most."""
    seconds, cpu, peak = zip(*rounds, strict=True)
    return _Spent(min(seconds), min(cpu), max(peak))


def _spent(work: Callable[[], object]) -> _Spent:
    """What ``work`` takes, and the most memory that this process has held by then, in bytes."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return _Spent(time.perf_counter() - began, time.process_time() - cpu, _peak())


def _peak() -> int:
    # Not ``ru_maxrss``: a process begins with that of the one that started it, which has prepared everything.
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


if __name__ == "__main__":
    if "--child" in sys.argv:
        asked, place, kind = sys.argv[sys.argv.index("--child") + 1 :][:3]
        print(json.dumps(_child(asked, Path(place), kind)))
        raise SystemExit(0)
    raise SystemExit(main())
