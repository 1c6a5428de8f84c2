"""DuckDB stays within its memory and spills the rest; its folders are its own, and go with it."""

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from experiments.measure.exact import exact_product, exact_sum
from pilot.outcomes.engine import DuckEngine
from pilot.outcomes.errors import EngineMemoryTooSmall
from pilot.outcomes.lake import Lake
from pilot.outcomes.spill import SpillFolder
from pilot.settings import Settings
from tests.pilot.outcomes.histories import measured, publish, some_receipts

SPILLING = """
import sys, time
from pathlib import Path
from pilot.outcomes.spill import SpillFolder
folder = SpillFolder(Path(sys.argv[1]))
(folder.path / "spilled").write_text("rows")
print("made", flush=True)
time.sleep(60)
"""


def test_the_engine_has_the_memory_of_the_settings_answers_in_utc_and_downloads_nothing(settings: Settings) -> None:
    engine = Lake(settings.model_copy(update={"engine_memory_mb": 256})).engine
    assert isinstance(engine, DuckEngine)
    asked = "memory_limit", "TimeZone", "autoinstall_known_extensions", "autoload_known_extensions"
    found = [engine.connection.execute(f"SELECT current_setting('{name}')").fetchone() for name in asked]
    assert found == [("244.1 MiB",), ("UTC",), (False,), (False,)]


def test_a_lake_has_one_engine_and_its_tables_stay_what_they_were(settings: Settings) -> None:
    lake = Lake(settings)
    publish(lake, "one", some_receipts(50, customers=5, days=3, seed=1))
    before = lake.receipts()
    publish(lake, "two", some_receipts(70, customers=5, days=3, seed=2))
    after = lake.receipts()
    assert [t.count().to_pyarrow().as_py() for t in (before, after, lake.receipts(1))] == [50, 120, 50]
    same = before.semi_join(after, "receipt_id")  # one engine joins them
    assert same.count().to_pyarrow().as_py() == 50


def test_a_long_lived_engine_forgets_tables_that_nobody_holds_any_more(settings: Settings) -> None:
    lake = Lake(settings)
    assert isinstance(lake.engine, DuckEngine)
    empty = lake.receipts()
    publish(lake, "one", some_receipts(50, customers=5, days=3, seed=1))
    held = lake.receipts().select("receipt_id")
    for _ in range(20):
        assert lake.receipts().count().to_pyarrow().as_py() == 50
    kept = lake.engine.connection.execute(
        "SELECT count(*) FROM duckdb_views() WHERE view_name LIKE 'lake_%' UNION ALL "
        "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'lake_%'"
    ).fetchall()
    assert kept == [(2,), (1,)], "the one that an expression reads, the last one, and the empty one"
    assert held.count().to_pyarrow().as_py() == 50
    assert empty.count().to_pyarrow().as_py() == 0


@pytest.mark.slow
def test_more_than_the_memory_holds_is_spilled_and_gives_the_same_moments(settings: Settings) -> None:
    """A group for each of 2 million receipts needs more than 192 MB."""
    customers, days = 400_000, 60
    roomy = Lake(settings.model_copy(update={"engine_memory_mb": 4096}))
    publish(roomy, "one", some_receipts(2_000_000, customers=customers, days=days, seed=1))
    small = Lake(settings.model_copy(update={"engine_memory_mb": 192}))

    def moments(lake: Lake) -> list[dict[str, int]]:
        t = lake.receipts()
        t = t.group_by("receipt_id", "customer_key", "business_date").aggregate(
            net_minor=t.net_minor.sum().cast("int64")
        )
        sums = t.aggregate(n=t.count(), y=exact_sum(t.net_minor), yy=exact_sum(exact_product(t.net_minor, t.net_minor)))
        return sums.to_pyarrow().to_pylist()

    with _watched(settings.spill_dir) as spilled:
        found = moments(small)
    assert max(spilled) > 1_000_000  # seen every hundredth of a second, so not always at its most
    assert found == moments(roomy)
    assert found[0]["n"] == 2_000_000
    assert measured(small, customers=customers, days=days) == measured(roomy, customers=customers, days=days)


@contextmanager
def _watched(folder: Path) -> Iterator[list[int]]:
    """How many bytes there are in ``folder``, again and again."""
    seen, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            with contextlib.suppress(FileNotFoundError):  # the engine takes its files away meanwhile
                seen.append(sum(path.stat().st_size for path in folder.glob("engine-*/*")))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def test_each_engine_spills_into_a_folder_of_its_own_and_takes_it_away(tmp_path: Path) -> None:
    one, two = SpillFolder(tmp_path), SpillFolder(tmp_path)
    assert one.path != two.path
    one.remove()
    assert (one.path.exists(), two.path.is_dir()) == (False, True)
    two.remove()
    assert [path.name for path in tmp_path.iterdir()] == [".sweeping"]


def test_what_a_killed_engine_left_is_swept_by_the_next_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SPILLING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"made\n"
        (left,) = (path for path in tmp_path.iterdir() if path.is_dir())
        living = SpillFolder(tmp_path)
        assert (left / "spilled").exists()  # its engine lives
        process.send_signal(signal.SIGKILL)
    SpillFolder(tmp_path).remove()
    assert not left.exists()
    assert living.path.is_dir()
    living.remove()


def test_too_little_memory_is_said_in_words_with_the_setting_that_helps(tmp_path: Path) -> None:
    """One list of all rows cannot be spilled."""
    settings = Settings(home=tmp_path, engine_memory_mb=128)
    engine = Lake(settings).engine
    rows = engine.backend.sql("SELECT range AS n FROM range(20_000_000)")
    with pytest.raises(EngineMemoryTooSmall, match="PILOT_ENGINE_MEMORY_MB"):
        rows.aggregate(many=rows.n.collect()).to_pyarrow()
    assert engine.backend.sql("SELECT 1 AS n").to_pyarrow()["n"].to_pylist() == [1]
