"""The index of keys answers as the files themselves would, and saves reading them; without it nothing changes."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pilot.imports.errors import EngineStopped
from pilot.imports.hashes import Hashes, given, hashed, sorted_hashes
from pilot.outcomes import key_index
from pilot.outcomes.importers import keep_days_up
from pilot.outcomes.inbox.rounds import keep_lake
from pilot.outcomes.key_index import NATURAL_KEY, RECEIPT_ID, REFERS_TO, KeyIndex, rows_of
from pilot.outcomes.lake import Lake
from pilot.outcomes.receipt_store import append_new
from pilot.settings import Settings
from tests.pilot.outcomes.histories import publish, some_receipts

KEYS = (RECEIPT_ID, NATURAL_KEY, REFERS_TO)


@pytest.fixture(autouse=True)
def every_file_is_large_and_runs_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_index, "_LARGE_BYTES", 1)
    monkeypatch.setattr(key_index, "_RUN_ROWS", 700)  # several in a file


@pytest.fixture
def lake(settings: Settings) -> Lake:
    lake = Lake(settings)
    for number in range(3):
        publish(lake, f"batch-{number}", _numbered(3_000, first=3_000 * number, seed=number))
    return lake


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def test_it_finds_what_the_files_hold_and_in_which_of_them(lake: Lake, connection: duckdb.DuckDBPyConnection) -> None:
    files = lake.files()
    index = KeyIndex(lake)
    assert index.keep_up() == len(files) > 3
    assert index.keep_up() == 0
    random = np.random.default_rng(7)
    for key in KEYS:
        of_file = {file: np.unique(sorted_hashes(connection, f"{rows_of([file])} t", key)) for file in files}
        stored = np.unique(np.concatenate(list(of_file.values())))
        for n_known, n_other in ((0, 50), (1, 0), (40, 40), (len(stored), 5_000)):
            known = random.choice(stored, n_known, replace=False)
            asked: Hashes = np.sort(np.concatenate([known, random.integers(0, 1 << 63, n_other, dtype=np.uint64)]))
            found, there = index.find(connection, asked, key, files)
            assert np.array_equal(found, np.intersect1d(asked, stored))
            assert set(there) == {file for file, hashes in of_file.items() if len(np.intersect1d(asked, hashes))}


def test_files_without_an_array_are_read(lake: Lake, connection: duckdb.DuckDBPyConnection) -> None:
    index = KeyIndex(lake)
    index.keep_up()
    publish(lake, "later", _numbered(200, first=50_000, seed=9))
    both = _hashes_of(connection, ["n5", "n50007", "never"])
    found, there = KeyIndex(lake).find(connection, both, RECEIPT_ID, lake.files())
    assert np.array_equal(found, _hashes_of(connection, ["n5", "n50007"]))
    assert any("batch-0" in file for file in there)
    assert any("later" in file for file in there)


def test_the_worker_and_an_import_keep_it_up(lake: Lake, settings: Settings) -> None:
    keep_days_up(settings)
    assert len(_kept(settings)) == len(KEYS) * len(lake.files())
    publish(lake, "later", _numbered(200, first=50_000, seed=9))
    keep_lake(lake)
    assert len(_kept(settings)) == len(KEYS) * len(lake.files())


def test_arrays_of_joined_files_and_of_other_engines_go(lake: Lake, settings: Settings) -> None:
    index = KeyIndex(lake)
    other = settings.home / "derived" / "keys" / "1-duckdb-0.0.1"
    other.mkdir(parents=True)
    index.keep_up()
    assert not other.exists()
    before = _kept(settings)
    lake.compact()
    index.keep_up()
    after = _kept(settings)
    assert len(after) == len(KEYS) * len(lake.files())
    assert not before & after
    assert not list((settings.home / "derived" / "keys").rglob("spill*"))


@pytest.mark.parametrize("damage", ["empty", "cut off", "only its head", "an odd byte"])
def test_an_array_that_is_not_whole_is_not_believed(
    lake: Lake, settings: Settings, connection: duckdb.DuckDBPyConnection, damage: str
) -> None:
    KeyIndex(lake).keep_up()
    for path in (settings.home / "derived" / "keys").rglob("*.hashes"):
        content = path.read_bytes()
        cut = {"empty": 0, "cut off": 24, "only its head": 16, "an odd byte": len(content) - 3}
        path.write_bytes(content[: cut[damage]])
    asked = _hashes_of(connection, ["n5", "n8999", "never"])
    found, _ = KeyIndex(lake).find(connection, asked, RECEIPT_ID, lake.files())
    assert len(found) == 2


def test_while_one_takes_files_in_another_does_nothing_and_nobody_sees_half_an_array(
    lake: Lake, settings: Settings, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, files = _hashes_of(connection, ["n5", "n3005", "n8999"]), lake.files()
    hashes, answers = key_index.key_hashes, []

    def slowly(*asked_of: Any) -> Iterator[Hashes]:
        for batch in hashes(*asked_of):
            answers.append(KeyIndex(lake).keep_up())
            answers.append(len(KeyIndex(lake).find(connection, asked, RECEIPT_ID, files)[0]))
            yield batch

    monkeypatch.setattr(key_index, "key_hashes", slowly)
    assert KeyIndex(lake).keep_up() == len(files)
    assert answers == [0, 3] * (len(files) * len(KEYS))
    assert len(_kept(settings)) == len(files) * len(KEYS)


def test_what_a_kill_left_half_written_goes_with_a_write_a_day_later(lake: Lake, settings: Settings) -> None:
    index = KeyIndex(lake)
    index.keep_up()
    (folder,) = (settings.home / "derived" / "keys").iterdir()
    old, young = folder / "old.partial", folder / "young.partial"
    for path, hours in ((old, 25), (young, 1)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - hours * 3600,) * 2)
    publish(lake, "later", _numbered(200, first=50_000, seed=9))
    index.keep_up()
    assert (old.exists(), young.exists()) == (False, True)


def test_an_older_version_is_answered_too(lake: Lake, connection: duckdb.DuckDBPyConnection) -> None:
    before = lake.files(2)
    lake.compact()
    KeyIndex(lake).keep_up()
    asked = _hashes_of(connection, ["n5", "n3005", "n8999"])
    found, there = KeyIndex(lake).find(connection, asked, RECEIPT_ID, before)
    assert np.array_equal(found, _hashes_of(connection, ["n5", "n3005"]))
    assert set(there) <= set(before)


def test_the_form_has_another_number_where_what_is_hashed_changes() -> None:
    """Who changes these texts, or the layout of an array, counts ``_FORM`` up."""
    assert key_index._FORM == 1
    assert hashed(RECEIPT_ID, "t") == 'hash(t."receipt_id", reverse(t."receipt_id"::VARCHAR))'
    assert hashed(NATURAL_KEY, "t") == 'hash(t."store_id", t."till", t."number", t."business_date")'
    assert given(REFERS_TO, "t") == 't."refers_to" IS NOT NULL'


def test_a_file_of_the_same_name_and_another_content_is_not_mistaken(
    lake: Lake, settings: Settings, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """A lake that was put back from a backup may give the same name again."""
    KeyIndex(lake).keep_up()
    other = Lake(settings.model_copy(update={"home": tmp_path / "other"}))
    publish(other, "batch-0", _numbered(3_000, first=90_000, seed=5))
    (tmp_path / "other" / "derived").mkdir()
    (settings.home / "derived" / "keys").rename(tmp_path / "other" / "derived" / "keys")
    found, _ = KeyIndex(other).find(connection, _hashes_of(connection, ["n5", "n90005"]), RECEIPT_ID, other.files())
    assert np.array_equal(found, _hashes_of(connection, ["n90005"]))


def test_new_receipts_are_stored_without_reading_the_files_that_have_none_of_their_keys(
    lake: Lake, tmp_path: Path
) -> None:
    KeyIndex(lake).keep_up()
    aside = [(Path(file), Path(file).with_suffix(".aside")) for file in lake.files() if "batch-1" in file]
    for file, place in aside:
        file.rename(place)  # whoever reads it now fails
    now = lake.settings.now()
    done = append_new(lake, _staged(_sales(100, first=70_000, seed=11), tmp_path / "one"), {}, "fresh", now)
    assert done.n_new == pq.read_metadata(tmp_path / "one" / "rows.parquet").num_rows > 5
    with pytest.raises(EngineStopped):
        append_new(lake, _staged(_sales(100, first=3_000, seed=1), tmp_path / "two"), {}, "known", now)
    for file, place in aside:
        place.rename(file)
    known = _staged(_sales(100, first=3_000, seed=1), tmp_path / "three")
    done = append_new(lake, known, {}, "known", now)
    assert (done.n_new, len(done.known_lines)) == (0, pq.read_metadata(known).num_rows)


def _numbered(n: int, *, first: int, seed: int) -> pa.Table:
    """Receipts with ids and numbers of their own from ``first`` on; what they refer to is of the same batch."""
    receipts = some_receipts(n, customers=40, days=70, seed=seed)
    columns = {
        "receipt_id": pa.array([f"n{first + number}" for number in range(n)]),
        "refers_to": pa.array([text and f"n{first + int(text[1:])}" for text in receipts["refers_to"].to_pylist()]),
        "till": pa.array([f"{number % 3}" for number in range(n)]),
        "number": pa.array([None if number % 5 == 0 else str(first + number) for number in range(n)], pa.string()),
    }
    for name, values in columns.items():
        place = receipts.schema.get_field_index(name)
        receipts = receipts.set_column(
            place, receipts.schema.field(place), values.cast(receipts.schema.field(place).type)
        )
    return receipts


def _sales(n: int, *, first: int, seed: int) -> pa.Table:
    """Those of ``_numbered`` that are complete by themselves and of nobody in particular."""
    receipts = _numbered(3_000, first=first, seed=seed).slice(0, n)
    alone = pc.and_(pc.equal(receipts["kind"], "sale"), pc.is_null(receipts["customer_key"]))
    return receipts.filter(alone)


def _staged(receipts: pa.Table, folder: Path) -> Path:
    """Receipts as an importer stages them."""
    folder.mkdir()
    month = pc.strftime(receipts["business_date"].cast(pa.timestamp("s")), format="%Y-%m")
    staged = receipts.drop_columns(["customer_key", "received_at", "batch_id"])
    staged = staged.append_column("business_month", month)
    staged = staged.append_column("customer", pa.nulls(staged.num_rows, pa.string()))
    staged = staged.append_column("line", pa.array(range(staged.num_rows), pa.int64()))
    pq.write_table(staged, folder / "rows.parquet")
    return folder / "rows.parquet"


def _hashes_of(connection: duckdb.DuckDBPyConnection, ids: list[str]) -> Hashes:
    rows = ", ".join(f"('{text}')" for text in ids)
    return sorted_hashes(connection, f"(VALUES {rows}) t(receipt_id)", RECEIPT_ID)


def _kept(settings: Settings) -> set[str]:
    return {path.name for path in (settings.home / "derived" / "keys").rglob("*.hashes")}
