"""The Parquet reader: every type as text, and refusals for what is damaged, nested or too large."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilot.imports import parquet_file
from pilot.imports.errors import DamagedParquet, DoubledHeader, RowGroupTooLarge, UnreadableColumn, ValueTooLong
from pilot.imports.parquet_file import ParquetFile


def a_file(tmp_path: Path, columns: dict[str, object]) -> Path:
    path = tmp_path / "file.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def rows_of(path: Path) -> list[dict[str, object]]:
    table = ParquetFile(path)
    return [row for batch in table.batches(table.columns) for row in batch.to_pylist()]


def test_every_type_becomes_text_with_its_row_number(tmp_path: Path) -> None:
    moment = datetime(2017, 3, 1, 18, 5, 7, 250, tzinfo=UTC)
    path = a_file(
        tmp_path,
        {
            "text": ["S1", None],
            "coded": pa.array(["x", "y"]).dictionary_encode(),
            "number": [12, -3],
            "money": [Decimal("12.50"), Decimal("-0.05")],
            "float": [12.1, float("nan")],
            "day": [date(2017, 3, 1), None],
            "zoned": pa.array([moment, None], pa.timestamp("ns", "America/New_York")),
            "local": pa.array([moment.replace(tzinfo=None), None], pa.timestamp("us")),
        },
    )
    first, second = rows_of(path)
    assert first == {
        "line": 1,
        "text": "S1",
        "coded": "x",
        "number": "12",
        "money": "12.50",
        "float": "12.1",
        "day": "2017-03-01",
        "zoned": "2017-03-01T18:05:07.000250Z",
        "local": "2017-03-01T18:05:07.000250",
    }
    assert second["line"] == 2
    assert second["float"] == "nan"
    assert second["zoned"] is None


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = a_file(tmp_path, {"id": ["a", "b"], "amount": [1, 2]}).read_bytes()
    cut = tmp_path / "cut.parquet"
    for length in range(4, len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(DamagedParquet):
            rows_of(cut)


def test_a_damaged_page_is_refused_without_the_library_s_words(tmp_path: Path) -> None:
    path = a_file(tmp_path, {"id": [f"customer-{n}" for n in range(5_000)]})
    content = bytearray(path.read_bytes())
    content[2_000:2_400] = bytes(400)
    path.write_bytes(bytes(content))
    with pytest.raises(DamagedParquet, match=r"^The Parquet file is damaged or cut off and cannot be read\."):
        rows_of(path)


def test_a_nested_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableColumn, match="“lines”"):
        rows_of(a_file(tmp_path, {"lines": [[1, 2], [3]]}))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(DoubledHeader):
        ParquetFile(path)


def test_a_value_of_a_megabyte_is_refused_before_it_is_copied_into_every_row(tmp_path: Path) -> None:
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), ["x" * 1_000_000])
    with pytest.raises(ValueTooLong):
        rows_of(a_file(tmp_path, {"id": repeated}))


def test_a_row_group_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "MAX_CHUNK_BYTES", 1_000)
    with pytest.raises(RowGroupTooLarge):
        rows_of(a_file(tmp_path, {"n": list(range(1_000))}))
