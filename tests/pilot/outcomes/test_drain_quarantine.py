"""Rows from tills in quarantine, released as they are or corrected, several at once; and a forgotten customer."""

import json

import pyarrow as pa
import pytest
from sqlalchemy import select

from pilot.cli import main
from pilot.imports.errors import ImportRefused, MixedRelease
from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.quarantine import drop_quarantined, release_quarantined
from pilot.imports.queries import Waiting, n_waiting, waiting_reasons, waiting_rows, waiting_stores
from pilot.network.queries import customer_keys
from pilot.network.service import forget_customer
from pilot.notices.model import Notice
from pilot.outcomes.importers import importer_for
from pilot.outcomes.inbox.erasing import erase_in_inbox
from pilot.outcomes.inbox.model import BatchState, InboxPayload
from pilot.outcomes.inbox.payload import pack
from pilot.outcomes.inbox.rounds import empty, try_again
from pilot.outcomes.receipt_model import API_MAPPING
from tests.pilot.outcomes.inlet import Inlet, identification, receipt

NEW_STORE = "store,region,name\n999,N,New Street\n"


def released(inlet: Inlet, corrections: dict[int, dict[str, str]]) -> ImportRun:
    with inlet.database.unit_of_work() as session:
        run = release_quarantined(
            session,
            importer_for(ImportKind.RECEIPTS),
            corrections,
            actor=inlet.chain.admin,
            now=inlet.now,
            sent_as=API_MAPPING,
        )
    return inlet.chain.publish(run)


def test_rows_go_in_unchanged_once_their_store_exists_from_several_batches_at_once(inlet: Inlet) -> None:
    for name in "ab":
        inlet.send(receipt(name, store="999", customer="101"))
    inlet.drain()
    rows = {row.id: {} for row in inlet.quarantine()}
    assert len(rows) == 2
    with pytest.raises(ImportRefused):
        released(inlet, dict(rows))
    inlet.chain.take_in(ImportKind.STORES, NEW_STORE)
    run = released(inlet, dict(rows))
    assert (run.n_new, run.n_rows) == (2, 2)
    assert {row["store_id"] for row in inlet.stored().values()} == {4}
    assert inlet.quarantine() == []
    assert [entry.subject for entry in inlet.entries("quarantine.released")]


def test_what_is_only_implausible_goes_in_when_a_person_says_so(inlet: Inlet) -> None:
    sent = inlet.send(receipt("dear", net="99999999999.00"))
    assert sent.n_quarantined == 1
    inlet.drain()
    [row] = inlet.quarantine()
    assert row.reason_code == "impossible_money"
    assert released(inlet, {row.id: {}}).n_new == 1


def test_a_corrected_row_goes_in(inlet: Inlet) -> None:
    inlet.send(receipt("a", at="2031-01-01 10:00"))
    inlet.drain()
    [row] = inlet.quarantine()
    assert released(inlet, {row.id: {"at": "2026-01-11 10:00"}}).n_new == 1
    assert inlet.stored()["a"]["business_month"] == "2026-01"


def test_rows_of_files_and_of_tills_are_released_apart_and_listed_together(inlet: Inlet) -> None:
    inlet.send(receipt("a", store="999"), receipt("b", at="2031-01-01 10:00"))
    inlet.drain()
    file = "receipt,store,at,net\nc,888,2026-01-10 09:00,1.00\nd,31,2026-01-10 09:00,1.00\n"
    inlet.chain.take_in(ImportKind.RECEIPTS, file, quarantine=True)
    with inlet.database.reading() as session:
        rows = waiting_rows(session)
        assert [row.row["receipt"] for row in rows] == ["a", "b", "c"]
        assert waiting_reasons(session) == [("unknown_store", 2), ("implausible_date", 1)]
        assert waiting_stores(session) == ["31", "888", "999"]
        assert n_waiting(session, Waiting(store="888")) == 1
        assert n_waiting(session, Waiting(reason_code="unknown_store", batch_id=rows[0].batch_id)) == 1
    with pytest.raises(MixedRelease):
        released(inlet, {row.id: {} for row in rows})


def test_dropped_rows_lose_their_texts_and_are_told_in_the_log(inlet: Inlet) -> None:
    inlet.send(receipt("a", store="999"), receipt("b", store="999"))
    inlet.drain()
    with inlet.database.unit_of_work() as session:
        drop_quarantined(session, [row.id for row in inlet.quarantine()], actor=inlet.chain.admin, now=inlet.now)
    assert inlet.quarantine() == []
    assert len(inlet.entries("quarantine.dropped")) == 1


def forget(inlet: Inlet, customer: str) -> None:
    erase_in_inbox(inlet.settings, customer)
    with inlet.database.unit_of_work() as session:
        forget_customer(session, customer, actor=inlet.chain.admin, now=inlet.now)


def test_who_is_forgotten_is_nowhere_in_the_inbox_and_the_receipts_go_on_as_nobodys(inlet: Inlet) -> None:
    someone = "CARD-4711-FORGET-ME"
    inlet.send(receipt("before", customer=someone), receipt("whose"))
    inlet.drain()
    inlet.send(receipt("a", customer=someone), receipt("b", customer="102"))
    inlet.send(receipt("odd", store="999", customer=someone), identification("i", "whose", someone))
    forget(inlet, someone)
    inlet.drain()
    stored = inlet.stored()
    assert stored["a"]["customer_key"] is None
    assert stored["b"]["customer_key"] is not None
    assert set(stored) == {"before", "whose", "a", "b"}
    assert inlet.quarantine() == []
    assert len(inlet.batches(BatchState.DRAINED)) == 3
    left = [file for file in inlet.settings.home.rglob("*") if file.is_file() and someone.encode() in file.read_bytes()]
    assert left == []


def test_who_is_forgotten_after_the_drain_leaves_the_quarantine_too(inlet: Inlet) -> None:
    inlet.send(receipt("odd", store="999", customer="77"), receipt("a", customer="77"))
    inlet.drain()
    forget(inlet, "77")
    assert inlet.quarantine() == []


OTHER_COLUMNS = pack(pa.table({"line": [0], "buyer": ["CARD-4711"]}))


@pytest.mark.parametrize("damage", [b"", b"not a stream", OTHER_COLUMNS, OTHER_COLUMNS[:-9]])
def test_a_batch_that_cannot_be_read_keeps_nobody_in_the_others_and_is_named(
    inlet: Inlet, damage: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    someone = "CARD-4711"
    inlet.send(receipt("before", customer=someone))
    inlet.drain()
    broken = inlet.send(receipt("a", customer=someone))
    inlet.send(receipt("b", customer=someone))
    whole = payload_of(inlet, broken.batch_id, damage)
    with inlet.database.reading() as session:
        key = customer_keys(session)[someone]
    told = forget_by_command(inlet, someone, monkeypatch, capsys)
    assert told == {"customer_key": key, "batches_not_searched": [broken.batch_id]}
    assert len(inlet.entries("customer.forgotten")) == 1
    [entry] = inlet.entries("receipts.not_searched")
    assert (entry.subject, json.loads(entry.text)) == (broken.batch_id, {"customer_key": key})
    with inlet.database.reading() as session:
        [notice] = session.scalars(select(Notice)).all()
    assert notice.message["code"] == "batch_not_searched"
    assert notice.message["values"] == {"batch": broken.batch_id, "key": key}
    assert notice.user_id == inlet.chain.admin.id
    assert [done.n_new for done in empty(inlet.database, inlet.inbox, inlet.lake, clock=lambda: inlet.now)] == [1]
    assert inlet.stored()["b"]["customer_key"] is None
    # What the notice says to do next ends it.
    payload_of(inlet, broken.batch_id, whole)
    assert try_again(inlet.database, inlet.inbox) == 1
    inlet.drain()
    told = forget_by_command(inlet, someone, monkeypatch, capsys)
    assert told["batches_not_searched"] == []
    with inlet.database.reading() as session:
        assert someone not in customer_keys(session)
    assert len(inlet.entries("receipts.not_searched")) == 1


def payload_of(inlet: Inlet, batch_id: str, content: bytes) -> bytes:
    """Put other bytes into the inbox; what was there before."""
    with inlet.inbox.unit_of_work() as session:
        payload = session.get_one(InboxPayload, batch_id)
        before, payload.payload = payload.payload, content
    return before


def forget_by_command(
    inlet: Inlet, customer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, object]:
    settings = inlet.settings
    monkeypatch.setenv("PILOT_FIXED_NOW", inlet.now.isoformat())
    if settings.database_url:
        monkeypatch.setenv("PILOT_DATABASE_URL", settings.database_url)
    words = ["customer", "forget", customer, "--as", inlet.chain.admin.email, "--home", str(settings.home), "--json"]
    capsys.readouterr()
    assert main(words) == 0
    told: dict[str, object] = json.loads(capsys.readouterr().out)
    return told
