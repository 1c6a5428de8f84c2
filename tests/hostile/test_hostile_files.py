"""Hostile files: twelve kinds × every importer × CSV and Parquet. Each is refused by name and changes nothing."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from pilot.database import Base, Database
from pilot.errors import PilotError, Refused
from pilot.imports.dialects import FileFormat
from pilot.imports.mapping import FileMapping
from pilot.imports.model import ImportKind
from pilot.outcomes.lake import Lake
from pilot.settings import Settings
from tests.pilot.imports.builders import RECEIPTS, Chain

Row = dict[str, str]

# One good row of each kind of file, and which of its columns play which part.
GOOD: dict[ImportKind, Row] = {
    ImportKind.REGIONS: {"region": "E", "name": "East region"},
    ImportKind.STORES: {"store": "40", "region": "N", "name": "Park Lane", "opened_on": "2020-05-01"},
    ImportKind.CUSTOMERS: {"customer": "500", "home_store": "31", "age": "35-44", "phone": "0401234567"},
    ImportKind.RECEIPTS: {
        "receipt": "b9",
        "store": "31",
        "till": "1",
        "number": "9",
        "at": "2026-02-05 12:00:00",
        "kind": "sale",
        "customer": "101",
        "net": "5.00",
        "vat": "1.00",
        "n_items": "1",
    },
    ImportKind.SURVEYS: {"customer": "101", "asked_on": "2026-02-05", "share_of_wallet": "0.45", "referred": "no"},
}
ID = {kind: next(iter(row)) for kind, row in GOOD.items()}
# Where a kind of file has no amount, date or reference of its own, its id takes the hostile value.
AMOUNT = {**ID, ImportKind.RECEIPTS: "net", ImportKind.SURVEYS: "share_of_wallet"}
DATE = {**ID, ImportKind.RECEIPTS: "at", ImportKind.STORES: "opened_on", ImportKind.SURVEYS: "asked_on"}
REFERENCE = {
    **ID,
    ImportKind.RECEIPTS: "store",
    ImportKind.CUSTOMERS: "home_store",
    ImportKind.STORES: "region",
}
SWAPPED = {
    ImportKind.REGIONS: ("region", "name"),
    ImportKind.STORES: ("store", "name"),
    ImportKind.CUSTOMERS: ("customer", "home_store"),
    ImportKind.RECEIPTS: ("net", "vat"),
    ImportKind.SURVEYS: ("customer", "share_of_wallet"),
}


@dataclass(frozen=True, slots=True)
class Hostile:
    """How a file goes wrong: a change of its rows, or of its bytes when written; ``says`` is in the message."""

    says: str
    rows: Callable[[ImportKind, Row], list[Row]] = lambda kind, row: [row]
    csv_bytes: Callable[[bytes], bytes] = lambda content: content
    parquet_bytes: Callable[[bytes], bytes] = lambda content: content


def put(columns: dict[ImportKind, str], *values: str) -> Callable[[ImportKind, Row], list[Row]]:
    """Good rows, each with one of ``values`` in the column of its kind."""
    return lambda kind, row: [{**row, columns[kind]: value} for value in values]


def in_every_text(value: str) -> Callable[[ImportKind, Row], list[Row]]:
    return lambda kind, row: [{**row, ID[kind]: value}]


_OTHER = {"phone": "0407654321", "n_items": "2", "opened_on": "2021-05-01", "referred": "yes"}


def doubled(kind: ImportKind, row: Row) -> list[Row]:
    last = list(row)[-1]
    return [row, {**row, last: _OTHER.get(last, "Other")}]


def negative_on_sale(kind: ImportKind, row: Row) -> list[Row]:
    return [{**row, AMOUNT[kind]: "-5.00", **({"vat": "-1.00"} if kind is ImportKind.RECEIPTS else {})}]


def swapped(kind: ImportKind, row: Row) -> list[Row]:
    one, other = SWAPPED[kind]
    return [{**row, one: row[other], other: row[one]}]


def no_rows(kind: ImportKind, row: Row) -> list[Row]:
    return []


HOSTILE: dict[str, Hostile] = {
    "wrong encoding": Hostile(
        "not valid UTF-8",
        in_every_text("\udcff\udcfe"),
    ),
    "10 MB line": Hostile("longer than", in_every_text("x" * (10 << 20))),
    "formula cell": Hostile("formula", in_every_text("=HYPERLINK(1)")),
    "NaN and infinity": Hostile("NaN|missing", put(AMOUNT, "NaN", "inf", "-Infinity")),
    "negative money on a sale": Hostile("negative|formula|no share", negative_on_sale),
    "years 1970 and 9999": Hostile("not between|a date", put(DATE, "1970-01-01 00:00:00", "9999-12-31T00:00:00")),
    "duplicate id with other content": Hostile("other content", doubled),
    "unknown store": Hostile("There is no|id consists", put(REFERENCE, "no such place")),
    "NUL byte": Hostile("NUL byte|letters, digits", in_every_text("a\0b")),
    "empty file": Hostile("empty|no rows", no_rows, lambda content: b""),
    "cut": Hostile("cut off", csv_bytes=lambda content: content[:-3], parquet_bytes=lambda c: c[: len(c) * 2 // 3]),
    "swapped columns": Hostile("swapped|id consists|no store|decimal number", swapped),
}


def write(path: Path, form: FileFormat, kind: ImportKind, hostile: Hostile) -> None:
    rows = hostile.rows(kind, GOOD[kind])
    columns = list(GOOD[kind])
    if form is FileFormat.CSV:
        lines = [",".join(columns), *(",".join(row[c] for c in columns) for row in rows)]
        text = "\n".join(lines) + "\n"
        path.write_bytes(hostile.csv_bytes(text.encode("utf-8", "surrogateescape")))
        return
    arrays = [_texts([row[c] for row in rows]) for c in columns]
    pq.write_table(pa.table(arrays, names=columns), path)
    path.write_bytes(hostile.parquet_bytes(path.read_bytes()))


def _texts(values: list[str]) -> "pa.Array":
    """A text column from bytes that need not be valid UTF-8, as a careless program writes it."""
    raw = pa.array([value.encode("utf-8", "surrogateescape") for value in values], pa.binary())
    return raw.view(pa.string()) if values else pa.array([], pa.string())


def everything_stored(database: Database) -> str:
    """A digest of every row of every table and of the lake's version."""
    digest = hashlib.sha256(str(Lake(database.settings).version()).encode())
    with database.reading() as session:
        for table in Base.metadata.sorted_tables:
            rows = sorted(map(repr, session.execute(select(table)).all()))
            digest.update(f"{table.name}{rows}".encode())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Chain:
    """A chain with stores, a customer and receipts; hostile files must leave it as it is, so all tests share it."""
    home = tmp_path_factory.mktemp("hostile")
    (home / "pilot.db").write_bytes(sqlite_template.read_bytes())
    now = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    chain = Chain(Database(Settings(home=home, fixed_now=now)), now).with_stores()
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    return chain


def mapping_of(kind: ImportKind, form: FileFormat) -> FileMapping:
    attributes = {"age": "age"} if kind is ImportKind.CUSTOMERS else {}
    return FileMapping({c: c for c in GOOD[kind] if c != "age"}, attributes, format=form)


@pytest.mark.parametrize("form", list(FileFormat))
@pytest.mark.parametrize("kind", list(ImportKind))
@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_hostile_file_is_refused_by_name_and_changes_nothing(
    chain: Chain, name: str, kind: ImportKind, form: FileFormat
) -> None:
    path = chain.database.settings.home / f"hostile.{form}"
    write(path, form, kind, HOSTILE[name])
    before = everything_stored(chain.database)
    with pytest.raises(Refused, match=HOSTILE[name].says) as refused:
        chain.stage(kind, path, mapping=mapping_of(kind, form))
    assert refused.value.message.code not in ("refused", "error")
    assert "pyarrow" not in str(refused.value).lower()
    assert "Traceback" not in str(refused.value)
    assert len(str(refused.value)) < 1_000
    assert everything_stored(chain.database) == before
    assert not list(chain.database.settings.staging_dir.glob("*/*.rest"))


@pytest.mark.parametrize("form", list(FileFormat))
@pytest.mark.parametrize("kind", list(ImportKind))
def test_the_good_row_of_every_kind_would_go_in(chain: Chain, kind: ImportKind, form: FileFormat) -> None:
    path = chain.database.settings.home / f"good.{form}"
    write(path, form, kind, Hostile("nothing"))
    run = chain.stage(kind, path, mapping=mapping_of(kind, form))
    assert (run.n_rows, run.n_bad) == (1, 0)


def test_a_parquet_file_cut_anywhere_is_refused(chain: Chain) -> None:
    home = chain.database.settings.home
    whole, cut = home / "whole.parquet", home / "cut.parquet"
    write(whole, FileFormat.PARQUET, ImportKind.REGIONS, Hostile("nothing"))
    content = whole.read_bytes()
    for length in range(0, len(content), 7):
        cut.write_bytes(content[:length])
        with pytest.raises(PilotError):
            chain.stage(ImportKind.REGIONS, cut, mapping=mapping_of(ImportKind.REGIONS, FileFormat.PARQUET))


_BY_COMMAND = """
import sys
from pathlib import Path
from pilot.cli import main

home, form, *kinds = sys.argv[1:]
for kind in kinds:
    for path in sorted(Path(home, "hostile").glob(f"{kind} *.{form}")):
        mapping = str(Path(home, "hostile", f"{kind}.{form}.json"))
        words = ["import", kind, str(path), "--mapping", mapping, "--as", "admin@example.org", "--home", home]
        print("ended", path.name, main(words))
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print("peak", int(peak.split()[1]) // 1024)
"""


@pytest.mark.parametrize("form", list(FileFormat))
def test_every_hostile_file_ends_a_command_with_one_a_message_and_nothing_changed(
    chain: Chain, form: FileFormat
) -> None:
    """The whole table through the command line, in one process whose memory is measured."""
    home = chain.database.settings.home
    folder = home / "hostile"
    folder.mkdir(exist_ok=True)
    for kind in ImportKind:
        stored = json.dumps(mapping_of(kind, form).to_dict())
        (folder / f"{kind}.{form}.json").write_text(stored, "utf-8")
        for name, hostile in HOSTILE.items():
            write(folder / f"{kind} {name}.{form}", form, kind, hostile)
    before = everything_stored(chain.database)
    done = subprocess.run(
        [sys.executable, "-c", _BY_COMMAND, str(home), str(form), *map(str, ImportKind)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stderr
    ended = [line.rsplit(" ", 1) for line in done.stdout.splitlines() if line.startswith("ended ")]
    assert len(ended) == len(HOSTILE) * len(ImportKind)
    assert [what for what, code in ended if code != "1"] == []
    assert len(done.stderr.splitlines()) >= len(ended)  # a sentence for each
    assert everything_stored(chain.database) == before
    assert int(done.stdout.splitlines()[-1].removeprefix("peak ")) < 400


_MEASURED = """
import sys
from pathlib import Path
from pilot.imports.dialects import guess_dialect
from pilot.imports.errors import FileRefused
from pilot.imports.reader import open_table

for path in map(Path, sys.argv[1:]):
    try:
        table = open_table(path, guess_dialect(path))
        rows = sum(batch.num_rows for batch in table.batches(table.columns))
        print(path.name, rows)
    except FileRefused as refused:
        print(path.name, refused.message.code)
# Not getrusage: what it tells begins with the size of the process that started this one.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print("peak", int(peak.split()[1]) // 1024)
"""


def test_the_worst_files_are_read_within_400_megabytes(tmp_path: Path) -> None:
    long, quote, wide, many, bomb = (
        tmp_path / f"{n}" for n in ("long.csv", "quote.csv", "wide.csv", "many.csv", "bomb")
    )
    long.write_bytes(b"a,b\n1," + b"x" * (100 << 20) + b"\n")
    quote.write_bytes(b'a,b\n1,"' + b"1,2\n" * (25 << 20))
    wide.write_bytes(b"a,b\n" + (b"1," + b"x" * 100_000 + b"\n") * 1_000)
    many.write_bytes(b"a,b\n" + b"receipt-1,12.50\n" * 1_000_000)
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), ["x" * (8 << 20)])
    pq.write_table(pa.table({"a": repeated}), bomb)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *map(str, (long, quote, wide, many, bomb))],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    lines = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert lines["long.csv"] == "line_too_long"
    assert lines["quote.csv"] == "unclosed_quote"
    assert lines["wide.csv"] == "1000"
    assert lines["many.csv"] == "1000000"
    assert lines["bomb"] == "value_too_long"
    assert int(lines["peak"]) < 400
