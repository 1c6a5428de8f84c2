"""Forgetting a customer, proved by a search through every byte that the installation keeps."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pilot.audit.service import verify
from pilot.database import Database
from pilot.imports.errors import BadRows
from pilot.imports.mapping import guess_mapping
from pilot.imports.model import ImportKind
from pilot.imports.service import record_refusal
from pilot.network.erasing import truncate_wal
from pilot.network.service import forget_customer
from pilot.outcomes.importers import importer_for
from pilot.outcomes.lake import Lake
from tests.pilot.imports.builders import Chain

WHO = "Клиент-7531"
PHONE, EMAIL, NAME, STREET = "+79261234567", "zhanna.d@example.org", "Жанна Дарк", "улица Руанская 5"
CUSTOMERS = (
    "customer,home_store,phone,email,name,address,age\n"
    f"{WHO},31,{PHONE},{EMAIL},{NAME},{STREET},19-24\n"
    "other-1,31,0401112223,o@example.org,Other One,Elsewhere 1,35-44\n"
)
RECEIPTS = (
    "receipt,store,at,net,customer\n"
    f"r1,31,2026-01-10 09:00,12.50,{WHO}\nr2,31,2026-01-11 09:00,7.50,other-1\n"
)  # fmt: skip
# Swapped columns: the id stands where a store belongs, so value and reason of the finding name it.
SWAPPED = f"receipt,store,at,net,customer\nr3,{WHO},2026-01-12 09:00,3.00,31\nr4,31,2026-01-12 09:00,3.00,{WHO}\n"
PARKED = f"customer,home_store,age\n{WHO},no-such-store,19-24\n"


def kept(home: Path, *, but: str = "keys") -> Iterator[tuple[str, bytes]]:
    """Every file of the home with its bytes; of Parquet files the values, which are compressed in the bytes."""
    for path in sorted(home.rglob("*")):
        if not path.is_file() or but in path.parts:
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet" and content.endswith(b"PAR1"):
            content += json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False).encode()
        yield str(path.relative_to(home)), content


def traces(home: Path, *words: str) -> list[str]:
    """The files in which one of ``words`` stands: as UTF-8, as cp1251, or as JSON writes it."""
    forms = {form for word in words for form in (word.encode(), word.encode("cp1251"), json.dumps(word)[1:-1].encode())}
    return [name for name, content in kept(home) if any(form in content for form in forms)]


def an_upload(home: Path, token: str, content: bytes) -> Path:
    folder = home / "uploads" / token
    folder.mkdir(parents=True)
    (folder / "content").write_bytes(content)
    (folder / "about.json").write_text('{"kind": "customers", "filename": "c.csv"}', "utf-8")
    return folder


@pytest.fixture
def chain(sqlite_database: Database) -> Chain:
    now = sqlite_database.settings.now()
    chain = Chain(sqlite_database, now).with_stores()
    files = chain.database.settings.home.parent / "files"  # what people keep themselves is theirs
    files.mkdir()
    for number, (kind, text) in enumerate(((ImportKind.CUSTOMERS, CUSTOMERS), (ImportKind.RECEIPTS, RECEIPTS))):
        path = files / f"{number}.csv"
        path.write_text(text, "utf-8")
        chain.take_in(kind, path)
    return chain


def refuse(chain: Chain, kind: ImportKind, text: str) -> None:
    path = chain.database.settings.home.parent / "files" / "refused.csv"
    path.write_text(text, "utf-8")
    importer = importer_for(kind)
    mapping = guess_mapping(importer, path).mapping
    with pytest.raises(BadRows) as refused:
        chain.stage(kind, path)
    with chain.database.unit_of_work() as session:
        record_refusal(session, refused.value, importer, path, mapping, actor=chain.admin, now=chain.now)


def park(chain: Chain, kind: ImportKind, text: str) -> None:
    path = chain.database.settings.home.parent / "files" / "parked.csv"
    path.write_text(text, "utf-8")
    chain.take_in(kind, path, quarantine=True)


def forget(chain: Chain) -> int:
    with chain.database.unit_of_work() as session:
        return forget_customer(session, WHO, actor=chain.admin, now=chain.now)


def test_names_addresses_phones_and_mails_are_kept_nowhere(chain: Chain) -> None:
    refuse(chain, ImportKind.CUSTOMERS, CUSTOMERS.replace("19-24", "=1+1").replace(PHONE, "phone " + PHONE))
    assert (
        traces(chain.database.settings.home, PHONE, PHONE[1:], EMAIL, NAME, STREET, "o@example.org", "Other One") == []
    )


def test_nothing_that_names_a_forgotten_customer_is_left_in_any_byte(chain: Chain) -> None:
    home = chain.database.settings.home
    refuse(chain, ImportKind.RECEIPTS, SWAPPED)
    park(chain, ImportKind.RECEIPTS, SWAPPED.replace("r3", "r5").replace("r4", "r6"))
    park(chain, ImportKind.CUSTOMERS, PARKED)
    left_by_a_killed_check = home / "staging" / ("f" * 64)
    left_by_a_killed_check.mkdir(parents=True)
    (left_by_a_killed_check / "rows.parquet").write_text(WHO, "utf-8")
    uploads = [an_upload(home, "a" * 32, CUSTOMERS.encode()), an_upload(home, "b" * 32, CUSTOMERS.encode("cp1251"))]
    uploads.append(an_upload(home, "c" * 32, b"PAR1 compressed PAR1"))
    other = an_upload(home, "d" * 32, b"customer\nsomebody-else\n")
    assert traces(home, WHO)
    forget(chain)
    assert traces(home, WHO) == []
    assert [folder.exists() for folder in (*uploads, other)] == [False, False, False, True]


def test_the_log_stays_whole_and_the_receipts_stay_countable(chain: Chain) -> None:
    forget(chain)
    assert Lake(chain.database.settings).receipts().count().to_pyarrow().as_py() == 2
    with chain.database.reading() as session:
        assert verify(session).ok


@contextmanager
def somebody_reading(database: Database) -> Iterator[None]:
    with database.reading() as session:
        session.connection().exec_driver_sql("SELECT count(*) FROM customer").all()
        yield


def test_while_somebody_reads_the_log_file_is_emptied_later(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's write-ahead log cannot be cut while somebody reads from it: the worker's next round does it."""
    monkeypatch.setattr("pilot.network.erasing.PATIENCE_SECONDS", 0.05)
    with somebody_reading(chain.database):
        forget(chain)
        assert not truncate_wal(chain.database.engine)
    assert truncate_wal(chain.database.engine)
    assert traces(chain.database.settings.home, WHO) == []


def test_on_postgresql_there_is_no_such_file(postgres_database: Database) -> None:
    assert truncate_wal(postgres_database.engine)
