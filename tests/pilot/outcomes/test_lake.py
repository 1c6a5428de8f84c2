"""The lake keeps every version that a report names, and gives exact integers at each of them."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilot.outcomes.errors import NoSuchLakeVersion
from pilot.outcomes.lake import SCHEMA, Lake
from pilot.settings import Settings

SIXTY_DAYS_MS = 60 * 24 * 3600 * 1000


def add(lake: Lake, batch: str, amounts: dict[str, int], month: str = "2026-01") -> int:
    """One receipt per entry of ``amounts`` (id → minor units), in one commit."""
    at = datetime.fromisoformat(f"{month}-10T12:00:00+00:00")
    n = len(amounts)
    given = {
        "receipt_id": list(amounts),
        "store_id": [1] * n,
        "kind": ["sale"] * n,
        "at": [at] * n,
        "business_date": [at.date()] * n,
        "net_minor": list(amounts.values()),
        "received_at": [datetime(2026, 3, 1, tzinfo=UTC)] * n,
        "batch_id": [batch] * n,
        **{name: [0] * n for name in ("vat_minor", "discount_minor", "reward_minor", "n_items")},
    }
    columns = [pa.array(given.get(field.name, [None] * n), field.type) for field in SCHEMA]

    def write(_month: str, path: Path) -> int:
        pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), path)
        return n

    with lake.writing():
        return lake.append(batch, [month], write)


def total(lake: Lake, version: int | None = None) -> int:
    return sum(lake.receipts(version).to_pyarrow()["net_minor"].to_pylist())


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings)


def test_a_new_lake_is_empty_and_has_all_columns(lake: Lake) -> None:
    assert lake.version() == 0
    table = lake.receipts().to_pyarrow()
    assert table.num_rows == 0
    assert table.column_names == [*SCHEMA.names, "business_month"]


def test_the_columns_have_the_same_types_empty_and_full(lake: Lake) -> None:
    empty = lake.receipts().schema()
    add(lake, "one", {"a": 1})
    full = lake.receipts().schema()
    assert {n: t.copy(nullable=True) for n, t in empty.items()} == {n: t.copy(nullable=True) for n, t in full.items()}


def test_every_version_stays_readable(lake: Lake) -> None:
    versions = [add(lake, f"batch-{n}", {f"r{n}": 10**n}) for n in range(3)]
    assert versions == [1, 2, 3]
    assert [total(lake, version) for version in (0, 1, 2, 3)] == [0, 1, 11, 111]


@pytest.mark.parametrize("version", [-1, 7])
def test_a_version_that_is_not_there_is_named(lake: Lake, version: int) -> None:
    with pytest.raises(NoSuchLakeVersion, match="the latest is 0"):
        lake.receipts(version)


def test_a_batch_is_written_once_however_often_it_comes(lake: Lake) -> None:
    assert add(lake, "one", {"a": 5}) == 1
    add(lake, "two", {"b": 7})
    assert add(lake, "one", {"a": 5}) == 1
    assert lake.version() == 2
    assert total(lake) == 12


def test_months_limit_the_files_that_are_read(lake: Lake) -> None:
    add(lake, "one", {"a": 1}, "2026-01")
    add(lake, "two", {"b": 2}, "2026-02")
    assert lake.receipts(months=["2026-02"]).to_pyarrow()["receipt_id"].to_pylist() == ["b"]
    assert lake.receipts(months=[]).to_pyarrow().num_rows == 0


def test_a_pinned_version_survives_sixty_days_a_checkpoint_compaction_and_vacuum(lake: Lake) -> None:
    """The defaults of Delta Lake would lose it: log entries older than 30 days go at the next checkpoint."""
    from deltalake import DeltaTable

    pinned = [add(lake, f"batch-{n}", {f"r{n}": 1 << n}) for n in range(3)][1]
    for number, entry in enumerate(sorted((lake.path / "_delta_log").glob("*.json"))):
        lines = [json.loads(line) for line in entry.read_text().splitlines()]
        for line in lines:
            if "commitInfo" in line:
                line["commitInfo"]["timestamp"] -= SIXTY_DAYS_MS
        entry.write_text("".join(json.dumps(line) + "\n" for line in lines))
        old = time.time() - SIXTY_DAYS_MS / 1000 + number
        os.utime(entry, (old, old))
    DeltaTable(lake.path).create_checkpoint()
    DeltaTable(lake.path).cleanup_metadata()
    lake.compact()
    deleted = lake.vacuum(keep_versions=[pinned])
    assert len(deleted) == 1  # the third file: joined with the others now, and no pinned version needs it
    assert total(lake, pinned) == 3
    assert total(lake) == 7
    assert add(lake, "later", {"x": 100}) == lake.version()
    assert total(lake) == 107


def test_files_that_a_crash_left_behind_are_vacuumed(lake: Lake) -> None:
    add(lake, "one", {"a": 1})
    stray = lake.path / "business_month=2026-01" / "crashed.parquet"
    stray.write_bytes((lake.path / "business_month=2026-01" / "one.parquet").read_bytes())
    assert total(lake) == 1
    assert lake.vacuum(keep_versions=[], grace_hours=1) == []  # perhaps it is being written
    assert stray.exists()
    lake.vacuum(keep_versions=[7])  # a version that there is not names nothing
    assert not stray.exists()
    assert total(lake) == 1
