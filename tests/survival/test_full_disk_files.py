"""An import on a disk without room: refused in words wherever it happens, and whole once there is room."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilot.database import Database
from pilot.imports.model import ImportRun, RunState
from pilot.outcomes.lake import Lake
from tests.survival.shop import ADMIN, Shop
from tests.survival.test_full_disk import small_disk as small_disk  # a fixture
from tests.survival.tills import today

ROWS = 20_000
FREE_KIB = (0, 100, 600, 1200, 1600)  # for nothing, for a little of the checking, …, for nearly all
pytestmark = pytest.mark.slow


def test_an_import_that_finds_no_room_says_so_and_is_whole_the_next_time(small_disk: Path, tmp_path: Path) -> None:
    shop = Shop.open(small_disk / "home", None)
    file = tmp_path / "receipts.csv"
    rows = [f"f{n},S{n % 5 + 1},{today()} 00:05,{n % 90 + 1}.25,n{n},c{n % 3000}" for n in range(ROWS)]
    file.write_text("\n".join(["receipt,store,at,net,number,customer", *rows]) + "\n", "utf-8")
    filler, refused = small_disk / "filler", 0
    for kib in FREE_KIB:
        free = os.statvfs(small_disk)
        filler.write_bytes(b"x" * max(free.f_bavail * free.f_frsize - kib * 1024, 0))
        done = _import(shop, file)
        filler.unlink()
        stored = Lake(shop.settings).receipts().count().to_pyarrow().as_py()
        if done.returncode:
            refused += 1
            assert stored == 0
            assert "no room" in done.stderr.lower() or "No space left" in done.stderr, done.stderr
            assert "Traceback" not in done.stderr
    assert refused >= 3
    _import(shop, file)
    lake = Lake(shop.settings)
    assert lake.receipts().receipt_id.nunique().to_pyarrow().as_py() == ROWS
    assert lake.receipts().count().to_pyarrow().as_py() == ROWS
    database = Database(shop.settings)
    with database.reading() as session:
        assert [run.state for run in session.query(ImportRun)].count(RunState.PUBLISHED) == 1
    database.dispose()


def _import(shop: Shop, file: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pilot.cli", "import", "receipts", str(file), "--as", ADMIN]
    return subprocess.run(command, env=shop._environment(), capture_output=True, text=True, timeout=120)
