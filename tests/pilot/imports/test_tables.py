"""Files of the analyst: any CSV and Parquet as it is meant, and a plan whose mistakes have lines."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilot.imports.tables import (
    PlanMissing,
    PlanUnreadable,
    TableUnreadable,
    line_of,
    read_plan_file,
    read_table,
    table_columns,
)


def written(folder: Path, content: bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"store,sales\na,1.5\nb,2\n",
        b"store;sales\na;1,5\nb;2\n",
        b"store\tsales\r\na\t1,5\r\nb\t2\r\n",
        b"\xef\xbb\xbfstore,sales\na,1.5\nb,2",
        gzip.compress(b"store;sales\na;1,5\nb;2\n"),
        gzip.compress(b"\xef\xbb\xbfstore;sales\na;1,5\nb;2\n"),
        b'store,sales\n"a","1.5"\n"b","2"\n',
    ],
    ids=["comma", "semicolon", "tab", "mark", "gzip", "gzip and mark", "quotes"],
)
def test_a_csv_is_read_however_it_is_written(tmp_path: Path, content: bytes) -> None:
    table = read_table(written(tmp_path, content))
    assert table.column_names == ["store", "sales"]
    assert table.column("store").to_pylist() == ["a", "b"]
    assert table.column("sales").to_pylist() == [1.5, 2.0]


@pytest.mark.parametrize(("encoding", "word"), [("utf-8", "Москва"), ("cp1251", "Москва"), ("cp1252", "Köln")])
def test_words_are_read_in_their_encoding(tmp_path: Path, encoding: str, word: str) -> None:
    table = read_table(written(tmp_path, f"place,sales\n{word},1\n{word},2\n".encode(encoding)))
    assert table.column(0).to_pylist() == [word, word]


def test_codes_keep_their_zeros_and_only_named_columns_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, b"store,sales,note\n007,1,x\n07,2,y\n")
    table = read_table(path, ["store", "sales", "elsewhere"], ["store"])
    assert table.column_names == ["store", "sales"]
    assert table.column("store").to_pylist() == ["007", "07"]
    assert table_columns(path) == ("store", "sales", "note")


def test_a_column_that_turns_out_otherwise_far_below_is_read_again(tmp_path: Path) -> None:
    rows = "".join(f"s{i},1\n" for i in range(900_000)) + "s,1.5\n"
    table = read_table(written(tmp_path, f"store,sales\n{rows}".encode()))
    assert table.column("sales").to_pylist()[-1] == 1.5


def test_parquet_is_read_as_it_is(tmp_path: Path) -> None:
    table = pa.table({"store": ["a", "b"], "sales": [1, 2], "note": ["", ""]})
    pq.write_table(table, tmp_path / "table.parquet")
    assert read_table(tmp_path / "table.parquet", ["sales", "store"]).column_names == ["store", "sales"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"a,a\n1,2\n", "the column 'a' stands there twice"),
        (b"a,b\n1,2\n3\n", "Expected 2 columns, got 1"),
        (b"a\0b\n1", "neither CSV nor Parquet"),
        (b"PAR1 but not really", "arquet"),
        (b"\x1f\x8b but not really", "compression"),
    ],
)
def test_what_is_no_table_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(TableUnreadable) as caught:
        read_table(written(tmp_path, content))
    assert said.lower() in str(caught.value).lower()


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(TableUnreadable, match="No such file"):
        read_table(tmp_path / "nothing.csv")
    with pytest.raises(PlanMissing, match="no such file"):
        read_plan_file(tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "expected"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 3, "the key 'c' stands there twice"),
        ("- a\n", 1, "a mapping"),
        ("a: &x [1]\nb: *x\n", 1, "aliases"),
        ("a: !!python/object/apply:os.getcwd []\n", 1, "could not determine a constructor"),
    ],
)
def test_a_plan_that_is_no_plan_has_a_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(PlanUnreadable) as caught:
        read_plan_file(written(tmp_path, text.encode(), "plan.yaml"))
    assert caught.value.message.values["line"] == line
    assert said in str(caught.value)


def test_a_key_is_found_by_its_path(tmp_path: Path) -> None:
    text = "data: {unit: a}\nmetrics:\n  - {name: x}\n  - name: y\n    kind: z\nalpha: 2\n"
    path = written(tmp_path, text.encode(), "plan.yaml")
    assert [line_of(path, place) for place in ("alpha", "metrics[1].kind", "metrics[1]", "data.control")] == [
        6,
        5,
        4,
        1,
    ]
