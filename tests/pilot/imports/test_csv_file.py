"""The CSV reader: what it accepts, and that everything else is refused by name with the physical line."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.imports import csv_file
from pilot.imports.csv_file import MAX_LINE_BYTES, CsvFile
from pilot.imports.dialects import Dialect, FileFormat, guess_dialect
from pilot.imports.errors import (
    CutFile,
    CutRecord,
    DoubledHeader,
    EmptyFile,
    FileRefused,
    LineTooLong,
    NotText,
    NulByte,
    UnclosedQuote,
    ValueTooLong,
    WrongEncoding,
    WrongWidth,
)
from pilot.imports.plain_csv import read_plain


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
    rows = "".join(f"{n}\n" for n in range(45_000))
    plain, odd = a_file(tmp_path, "a\n" + rows), tmp_path / "odd.csv"
    odd.write_text("a\n" + rows + "\n")  # an empty line is for the careful reader
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "PLAIN_BYTES", 100_000)
        sizes = [batch.num_rows for batch in CsvFile(plain, Dialect(FileFormat.CSV)).batches(["a"])]
        assert len(sizes) == 3
        assert sum(sizes) == 45_000
    assert [batch.num_rows for batch in CsvFile(odd, Dialect(FileFormat.CSV)).batches(["a"])] == [20_000, 20_000, 5_000]


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


NASTY = st.lists(
    st.sampled_from(
        [
            "a",
            "1",
            ",",
            ",",
            ";",
            "\n",
            "\n",
            "\r\n",
            "\r",
            '"',
            '""',
            "\x00",
            "é",
            "Я",
            " ",
            "\ufeff",
            "\u2028",
            "\x0b",
            "b,c\n",
        ]
    ),
    max_size=40,
)


def all_of(path: Path, dialect: Dialect) -> tuple[object, ...]:
    """Header, rows and refusal: what a reader makes of a file."""
    rows: list[object] = []
    columns: object = None
    try:
        table = CsvFile(path, dialect)
        columns = table.columns
        for batch in table.batches([*table.columns, table.columns[0]]):
            arrays = [column.to_pylist() for column in batch.columns]
            rows += zip(*arrays, strict=True)
    except FileRefused as refused:
        return columns, refused.message.code, str(refused)
    return columns, rows


@settings(max_examples=600, deadline=None)
@given(
    head=st.sampled_from(["a,b\n", "a,b\r\n", '"a","b"\n', "a\n", "\ufeffa,b\n", "a;b\n"]),
    rows=st.lists(st.sampled_from(["1,2\n", '"1","2"\n', "x\n", "1,2\r\n", '"1,2",3\n', '"1\n2",3\n']), max_size=12),
    nasty=NASTY,
    place=st.integers(0, 12),
    encoding=st.sampled_from(["utf-8-sig", "cp1251", "cp1252"]),
    size=st.sampled_from([7, 16, 64, 1 << 20]),
    complete=st.booleans(),
)
def test_plain_blocks_and_the_careful_reader_give_the_same_rows_lines_and_refusals(
    tmp_path_factory: pytest.TempPathFactory,
    head: str,
    rows: list[str],
    nasty: list[str],
    place: int,
    encoding: str,
    size: int,
    complete: bool,
) -> None:
    text = head + "".join([*rows[:place], *nasty, *rows[place:]])
    path = tmp_path_factory.mktemp("nasty") / "file.csv"
    path.write_bytes(text.encode("utf-8" if encoding == "utf-8-sig" else encoding, "replace"))
    dialect = Dialect(FileFormat.CSV, encoding, ",", complete)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "PLAIN_BYTES", size)
        patch.setattr(csv_file, "BLOCK_BYTES", 32)
        found = all_of(path, dialect)
        patch.setattr(csv_file, "read_plain", lambda *_: None)
        patch.setattr(csv_file, "PLAIN_BYTES", 1 << 20)
        assert found == all_of(path, dialect)


@pytest.mark.parametrize("quoted", [False, True])
def test_reading_goes_on_where_it_stopped(tmp_path: Path, quoted: bool) -> None:
    row = '"{0}","two\nlines"\n' if quoted else "{0},x\n"
    path = a_file(tmp_path, "a,b\n" + "".join(row.format(n) for n in range(30_000)))
    table = CsvFile(path, Dialect(FileFormat.CSV))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "PLAIN_BYTES", 50_000)
        whole = [row for batch in table.batches(["a"]) for row in batch.to_pylist()]
        first, place = next(table.read(["a"]))
        rest = [row for batch, _ in table.read(["a"], place) for row in batch.to_pylist()]
    assert rest
    assert first.to_pylist() + rest == whole


def test_a_file_with_quotes_around_every_value_is_plain(tmp_path: Path) -> None:
    block = b'"1","Oak, Street"\r\n"2",""\n'
    table = read_plain(block, 2, ["a", "b"], ["b"], Dialect(FileFormat.CSV))
    assert table is not None
    assert table.to_pylist() == [{"line": 2, "b": "Oak, Street"}, {"line": 3, "b": ""}]
