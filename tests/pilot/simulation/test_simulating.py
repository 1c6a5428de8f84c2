"""Simulating a network: what is written, the same for the same seed, imports clean; what cannot be is refused."""

import json
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.cli import main
from pilot.outcomes.lake import SCHEMA, Lake
from pilot.settings import Settings
from pilot.simulation.errors import (
    FolderNotEmpty,
    LakeFilesAreMonths,
    SimulationOutOfRange,
    TooFewReceipts,
    TooManyFiles,
)
from pilot.simulation.files import ROW_GROUP, receipt_files
from pilot.simulation.service import Form, simulate_network
from pilot.simulation.shape import Shape
from pilot.simulation.texts import amounts, codes

SMALL = Shape(stores=12, customers=400, receipts=8_000, seed=5, weeks=6)


def contents(folder: Path) -> dict[str, str]:
    """The hash of every file in ``folder``."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_writes_the_same_bytes_and_another_one_other_receipts(tmp_path: Path) -> None:
    for name in ("once", "again"):
        simulate_network(SMALL, tmp_path / name)
    other = Shape(SMALL.stores, SMALL.customers, SMALL.receipts, SMALL.seed + 1, SMALL.weeks)
    simulate_network(other, tmp_path / "other")
    assert contents(tmp_path / "once") == contents(tmp_path / "again")
    same = contents(tmp_path / "once").items() & contents(tmp_path / "other").items()
    assert [name for name, _ in same] == ["regions.csv"]  # the names of regions are not drawn


@pytest.mark.parametrize("files", [1, 2, 42])
def test_the_receipts_are_the_same_in_any_number_of_files(tmp_path: Path, files: int) -> None:
    simulate_network(SMALL, tmp_path / "months")
    simulate_network(SMALL, tmp_path / "files", files=files)
    by_month, by_number = (pq.read_table(tmp_path / name / "receipts") for name in ("months", "files"))
    assert by_number.equals(by_month)
    assert len(list((tmp_path / "files" / "receipts").iterdir())) == files


def test_what_is_told_is_what_is_written(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    found = simulate_network(SMALL, tmp_path / "out", progress=lambda done, total: heard.append((done, total)))
    receipts = pq.read_table(tmp_path / "out" / "receipts")
    kinds = receipts["kind"].to_pylist()
    assert (found.receipts, found.sales, found.returns) == (8_000, kinds.count("sale"), kinds.count("return"))
    assert found.identified == 8_000 - receipts["customer"].null_count
    assert (found.first_day, found.last_day) == (date(2025, 1, 6), date(2025, 2, 16))
    assert heard[-1] == (8_000, 8_000)
    assert heard == sorted(heard)
    assert pq.read_table(tmp_path / "out" / "customers.parquet").num_rows == 400


def test_the_lake_has_its_own_columns_by_month(tmp_path: Path) -> None:
    simulate_network(SMALL, tmp_path / "out", form=Form.LAKE)
    months = sorted((tmp_path / "out" / "lake").iterdir())
    assert [month.name for month in months] == ["business_month=2025-01", "business_month=2025-02"]
    for month in months:
        table = pq.ParquetFile(month / "simulated.parquet").read()
        assert table.schema == SCHEMA
        assert {f"business_month={day:%Y-%m}" for day in table["business_date"].to_pylist()} == {month.name}


def test_what_is_written_imports_clean_and_gives_the_lake_that_is_written_directly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOT_FIXED_NOW", "2026-03-02T09:30:00Z")
    where = ("--home", str(tmp_path / "home"), "--json")
    size = ("--stores", "12", "--customers", "400", "--receipts", "8000", "--weeks", "6", "--seed", "5")
    assert main(["simulate-network", *size, "--files", "1", "--out", str(tmp_path / "files"), *where]) == 0
    assert json.loads(capsys.readouterr().out)["receipts"] == 8_000
    network = ("--name", "Simulated", "--currency", "EUR", "--timezone", "Europe/Helsinki", "--cutoff-hour", "4")
    assert main(["init", *network, "--admin", "a@example.org", *where]) == 0
    for kind, file in (
        ("regions", "regions.csv"),
        ("stores", "stores.csv"),
        ("customers", "customers.parquet"),
        ("receipts", "receipts/receipts-0001.parquet"),
    ):
        capsys.readouterr()
        assert main(["import", kind, str(tmp_path / "files" / file), "--as", "a@example.org", *where]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["new"], told["quarantined"]) == (told["rows"], 0)
    simulate_network(SMALL, tmp_path / "direct", form=Form.LAKE)
    files = sorted((tmp_path / "direct" / "lake").glob("*/*.parquet"))
    written = pa.concat_tables([pq.ParquetFile(file).read() for file in files])
    imported = Lake(Settings(home=tmp_path / "home")).receipts().to_pyarrow()
    assert rows_of(imported) == rows_of(written)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """What a receipt says, without when and by which batch it came; milliseconds are cut by the import."""
    kept = [name for name in SCHEMA.names if name not in ("received_at", "batch_id", "at")]
    rows = table.select(kept).to_pylist()
    seconds = [at.replace(microsecond=0) for at in table["at"].to_pylist()]
    both = ({**row, "at": at} for row, at in zip(rows, seconds, strict=True))
    return sorted(both, key=lambda row: str(row["receipt_id"]))


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"stores": 0}, "stores"),
        ({"stores": 5_001}, "stores"),
        ({"customers": 99}, "customers"),
        ({"receipts": 999}, "receipts"),
        ({"receipts": 2_000_000_001}, "receipts"),
        ({"weeks": 0}, "weeks"),
        ({"weeks": 157}, "weeks"),
        ({"seed": -1}, "seeds"),
    ],
)
def test_a_network_out_of_range_is_refused_by_name(given: dict[str, int], what: str) -> None:
    asked = {"stores": 3, "customers": 200, "receipts": 2_000, "seed": 1, "weeks": 4}
    with pytest.raises(SimulationOutOfRange) as refused:
        Shape(**{**asked, **given})  # type: ignore[arg-type]  # the other fields are whole numbers
    assert what in str(refused.value)
    assert f"not {next(iter(given.values())):,}" in str(refused.value)


def test_receipts_are_enough_for_every_store_and_week() -> None:
    with pytest.raises(TooFewReceipts, match="5,200"):
        Shape(stores=100, customers=1_000, receipts=5_199, seed=1)


def test_a_folder_that_holds_something_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(FolderNotEmpty):
        simulate_network(SMALL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_without_a_folder_the_network_goes_into_one_named_after_its_seed_that_is_not_written_into_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["simulate-network", "--stores", "5", "--customers", "200", "--receipts", "1000", "--seed", "1"]
    assert main(asked) == 0
    assert "network-1" in capsys.readouterr().out
    assert {"regions.csv", "stores.csv", "customers.parquet"} <= {path.name for path in Path("network-1").iterdir()}
    assert main(asked) == 1
    assert "network-1 is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["network-1"]


def test_numbers_of_files_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TooManyFiles):
        simulate_network(SMALL, tmp_path / "out", files=43)
    with pytest.raises(LakeFilesAreMonths):
        simulate_network(SMALL, tmp_path / "out", form=Form.LAKE, files=3)
    assert not (tmp_path / "out").exists()


def test_the_command_says_which_option_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["simulate-network", "--stores", "12", "--customers", "many", "--receipts", "8000", "--out", str(tmp_path)]
    assert main(asked) == 2
    assert "--customers" in capsys.readouterr().err
    asked[4], asked[6] = "400", "0"
    assert main(asked) == 1
    assert "receipts" in capsys.readouterr().err


def test_a_file_that_was_cut_short_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_until_interrupted(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["short.parquet.part", "whole.parquet"]


def write_until_interrupted(folder: Path) -> None:
    with receipt_files() as files:
        files.begin(folder / "whole.parquet")
        files.add(pa.table({"x": [1]}))
        files.begin(folder / "short.parquet")
        files.add(pa.table({"x": range(ROW_GROUP)}))
        raise KeyboardInterrupt


@settings(max_examples=50, deadline=None)
@given(
    numbers=st.lists(st.tuples(st.integers(0, 10**9 - 1), st.booleans()), min_size=1, max_size=40),
    prefix=st.sampled_from(["", "C", "C-"]),
)
def test_codes_are_the_numbers_in_so_many_digits(numbers: list[tuple[int, bool]], prefix: str) -> None:
    values, valid = np.array([n for n, _ in numbers]), np.array([v for _, v in numbers])
    digits = 12 - len(prefix)
    expected = [f"{prefix}{n:0{digits}d}" if v else None for n, v in numbers]
    assert codes(prefix, values, digits, valid).to_pylist() == expected


@settings(max_examples=50, deadline=None)
@given(minor=st.lists(st.integers(-(10**12) + 1, 10**12 - 1), min_size=1, max_size=40))
def test_amounts_are_hundredths(minor: list[int]) -> None:
    found = amounts(np.array(minor, np.int64)).to_pylist()
    assert [int(amount.scaleb(2)) for amount in found] == minor
