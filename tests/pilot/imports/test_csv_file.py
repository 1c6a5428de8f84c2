"""The CSV reader: what it accepts, and that everything else is refused by name with the physical line."""

from pathlib import Path

import pytest

from pilot.imports.csv_file import MAX_LINE_BYTES, CsvFile
from pilot.imports.dialects import Dialect, FileFormat, guess_dialect
from pilot.imports.errors import (
    CutFile,
    CutRecord,
    DoubledHeader,
    EmptyFile,
    LineTooLong,
    NotText,
    NulByte,
    UnclosedQuote,
    ValueTooLong,
    WrongEncoding,
    WrongWidth,
)


def a_file(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "file.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path: Path, **options: object) -> list[dict[str, object]]:
    table = CsvFile(path, Dialect(FileFormat.CSV, **options))  # type: ignore[arg-type]
    return [row for batch in table.batches(table.columns) for row in batch.to_pylist()]


def test_every_row_carries_the_line_on_which_it_begins(tmp_path: Path) -> None:
    path = a_file(tmp_path, 'a,b\n1,"two\nlines"\n\n3,4\n')
    assert rows_of(path) == [{"line": 2, "a": "1", "b": "two\nlines"}, {"line": 5, "a": "3", "b": "4"}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_is_a_line_end(tmp_path: Path, end: str) -> None:
    assert rows_of(a_file(tmp_path, f"a,b{end}1,2{end}3,4{end}"))[1] == {"line": 3, "a": "3", "b": "4"}


def test_a_byte_order_mark_is_not_part_of_the_first_header(tmp_path: Path) -> None:
    assert rows_of(a_file(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n"))[0]["a"] == "1"


def test_many_rows_come_in_batches(tmp_path: Path) -> None:
    path = a_file(tmp_path, "a\n" + "".join(f"{n}\n" for n in range(45_000)))
    table = CsvFile(path, Dialect(FileFormat.CSV))
    assert [batch.num_rows for batch in table.batches(["a"])] == [20_000, 20_000, 5_000]


def test_a_line_longer_than_a_block_is_put_together_again(tmp_path: Path) -> None:
    long = "x" * 100_000
    path = a_file(tmp_path, "a,b\n" + f"1,{long}\n" * 25)
    rows = rows_of(path)
    assert len(rows) == 25
    assert all(row["b"] == long for row in rows)


@pytest.mark.parametrize(
    ("content", "error", "line"),
    [
        (b"a,b\n1,2\n\xff\xfe,3\n", WrongEncoding, 3),
        (b"a,b\n1,2\n3,\x004\n", NulByte, 3),
        (b"a,b\n1," + b"x" * (MAX_LINE_BYTES + 1) + b"\n", LineTooLong, 2),
        (b"a,b\n1," + b"x" * 200_000 + b"\n", ValueTooLong, 2),
        (b'a,b\n1,"never closed\n3,4\n5,6\n', UnclosedQuote, 2),
        (b'a,b\n1,"closed" and on\n', UnclosedQuote, 2),
        (b"a,b\n1,2\n3,4", CutFile, 3),
        (b"a,b,c\n1,2,3\n4,5\n", CutRecord, 3),
        (b"a,b\n1,2,3\n4,5\n", WrongWidth, 2),
        (b"a,b\n1\n4,5\n", WrongWidth, 2),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_a_file_that_is_not_right_is_refused_with_its_line(
    tmp_path: Path, content: bytes, error: type[Exception], line: int
) -> None:
    with pytest.raises(error, match=f"(?i)line .*{line}"):
        rows_of(a_file(tmp_path, content))


def test_a_file_cut_anywhere_inside_a_record_is_refused(tmp_path: Path) -> None:
    whole = b'id,name,amount\n1,"North, east",12.50\n2,South,7.25\n'
    ends = {i + 1 for i, byte in enumerate(whole) if byte == 10}
    for length in range(16, len(whole)):
        if length not in ends:
            with pytest.raises((CutFile, CutRecord, UnclosedQuote)):
                rows_of(a_file(tmp_path, whole[:length]))


def test_a_person_can_say_that_the_last_line_is_complete(tmp_path: Path) -> None:
    assert rows_of(a_file(tmp_path, "a,b\n1,2"), last_line_complete=True) == [{"line": 2, "a": "1", "b": "2"}]


def test_an_open_quote_over_a_whole_file_does_not_collect_it(tmp_path: Path) -> None:
    with pytest.raises(UnclosedQuote):
        rows_of(a_file(tmp_path, 'a,b\n1,"' + "1,2\n" * 500_000))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DoubledHeader, match="“a”"):
        rows_of(a_file(tmp_path, "a,b,a\n1,2,3\n"))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(EmptyFile):
        guess_dialect(a_file(tmp_path, content))


@pytest.mark.parametrize(
    "beginning", [b"PK\x03\x04....", b"\xd0\xcf\x11\xe0....", b"%PDF-1.7", "a,b\n".encode("utf-16")]
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, beginning: bytes) -> None:
    with pytest.raises(NotText):
        guess_dialect(a_file(tmp_path, beginning))


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("id;name\n1;Север\n", "utf-8", ("utf-8-sig", ";")),
        ("id;name\n1;Северный район\n2;Юг\n", "cp1251", ("cp1251", ";")),
        ("id;nimi\n1;Etelä-Häme\n2;Åland\n", "cp1252", ("cp1252", ";")),
        ("id\tname\n1\tA, B\n", "utf-8-sig", ("utf-8-sig", "\t")),
        ("id,amount\n1,12.5\n", "utf-8", ("utf-8-sig", ",")),
        ("id;amount\n1;12,5\n2;13,5\n", "utf-8", ("utf-8-sig", ";")),
    ],
)
def test_encoding_and_delimiter_are_guessed(
    tmp_path: Path, text: str, encoding: str, expected: tuple[str, str]
) -> None:
    dialect = guess_dialect(a_file(tmp_path, text.encode(encoding)))
    assert (dialect.encoding, dialect.delimiter) == expected


def test_a_letter_beyond_ascii_far_down_the_file_is_seen(tmp_path: Path) -> None:
    path = a_file(tmp_path, b"a,b\n" + b"1,plain\n" * 300_000 + "2,Привет\n".encode("cp1251"))
    assert guess_dialect(path).encoding == "cp1251"
