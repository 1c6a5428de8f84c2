"""Receipts go into the lake exactly once, with the right day, customer and amount; what cannot be is refused."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select

from pilot.database import Database
from pilot.imports import queries
from pilot.imports.errors import BadRows
from pilot.imports.model import ImportKind, ImportRun, RunState
from pilot.imports.quarantine import release_quarantined
from pilot.imports.service import publish
from pilot.network.model import Customer
from pilot.network.queries import customer_keys
from pilot.outcomes.errors import ReceiptsClash
from pilot.outcomes.importers import importer_for
from pilot.outcomes.lake import Lake
from pilot.outcomes.receipt_rules import IMPLAUSIBLE
from tests.pilot.imports.builders import CUSTOMERS, RECEIPTS, Chain

HEADER = "receipt,store,till,number,at,kind,customer,net,vat,n_items\n"


@pytest.fixture
def chain(database: Database, now: datetime) -> Chain:
    return Chain(database, now).with_stores()


def receipts_of(chain: Chain, version: int | None = None) -> dict[str, dict[str, Any]]:
    rows = Lake(chain.database.settings).receipts(version).to_pyarrow().to_pylist()
    return {row["receipt_id"]: row for row in rows}


def test_a_receipt_keeps_its_amount_its_instant_and_its_business_date(chain: Chain) -> None:
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    night = receipts_of(chain)["b4"]
    assert night["at"] == datetime(2026, 2, 3, 0, 30, tzinfo=UTC)  # 02:30 in Helsinki
    assert night["business_date"] == date(2026, 2, 2)  # before the cut-off at three
    assert night["business_month"] == "2026-02"
    assert (night["net_minor"], night["vat_minor"], night["n_items"]) == (4000, 800, 12)
    assert night["store_id"] == 1  # 7 < 31 < 309
    assert receipts_of(chain)["b3"]["net_minor"] == -250


def test_customers_not_seen_before_get_a_key_in_order_and_anonymous_receipts_none(chain: Chain) -> None:
    chain.take_in(ImportKind.CUSTOMERS, CUSTOMERS)
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    with chain.database.reading() as session:
        assert customer_keys(session) == {"9": 1, "55": 2, "101": 3, "77": 4}
    keys = {receipt: row["customer_key"] for receipt, row in receipts_of(chain).items()}
    assert keys == {"b1": 3, "b2": None, "b3": 3, "b4": 4}


def test_without_a_column_for_it_a_negative_amount_is_a_return(chain: Chain) -> None:
    chain.take_in(ImportKind.RECEIPTS, "receipt,store,at,net\nx1,31,2026-01-10 10:00,-3.00\n")
    assert receipts_of(chain)["x1"]["kind"] == "return"


def test_a_store_with_its_own_time_zone_has_its_own_days(chain: Chain) -> None:
    chain.take_in(ImportKind.STORES, "store,region,timezone\n7,S,America/New_York\n")
    chain.take_in(ImportKind.RECEIPTS, "receipt,store,at,net\nx1,7,2026-01-10 02:00,3.00\nx2,31,2026-01-10T01:30Z,3\n")
    found = receipts_of(chain)
    assert found["x1"]["at"] == datetime(2026, 1, 10, 7, tzinfo=UTC)
    assert found["x1"]["business_date"] == date(2026, 1, 9)
    assert found["x2"]["business_date"] == date(2026, 1, 10)


def test_the_mapping_says_which_zone_times_without_an_offset_are_in(chain: Chain) -> None:
    chain.take_in(ImportKind.RECEIPTS, "receipt,store,at,net\nx1,31,2026-01-10 22:30,3.00\n", time_zone="UTC")
    assert receipts_of(chain)["x1"]["at"] == datetime(2026, 1, 10, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        ("b9,31,1,9,2026-01-10 09:00,sale,,-1.00,0,1", "net", "negative_sale"),
        ("b9,31,1,9,2026-01-10 09:00,return,,1.00,0,1", "net", "positive_return"),
        ("b9,31,1,9,2026-01-10 09:00,sale,,1.00,1.01,1", "vat", "vat_out_of_range"),
        ("b9,31,1,9,2026-01-10 09:00,sale,,1.00,-0.10,1", "vat", "vat_out_of_range"),
        ("b9,31,1,9,2026-01-10 09:00,sale,,1.00,0,-1", "n_items", "negative_on_sale"),
        ("b9,31,1,9,2026-03-09 09:00,sale,,1.00,0,1", "at", "implausible_date"),
        ("b9,999,1,9,2026-01-10 09:00,sale,,1.00,0,1", "store", "unknown_store"),
    ],
)
def test_what_cannot_be_is_refused(chain: Chain, row: str, field: str, code: str) -> None:
    with pytest.raises(BadRows) as refused:
        chain.stage(ImportKind.RECEIPTS, HEADER + row + "\n")
    assert [(f.line, f.field, f.reason.code) for f in refused.value.findings] == [(2, field, code)]


def test_a_stored_receipt_with_other_content_is_refused_and_the_difference_named(chain: Chain) -> None:
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    with pytest.raises(BadRows) as refused:
        chain.stage(ImportKind.RECEIPTS, RECEIPTS.replace("8.00,1.60", "9.00,1.60"))
    (finding,) = refused.value.findings
    assert (finding.line, finding.value) == (3, "b2")
    assert str(finding.reason) == "A receipt with this id is stored already with another net."


def test_an_id_that_stands_twice_in_a_file_is_named_by_the_columns_of_the_file(chain: Chain) -> None:
    row = "b9,31,1,9,2026-01-10 09:00,sale,,1.00,0,1\n"
    with pytest.raises(BadRows) as refused:
        chain.stage(ImportKind.RECEIPTS, HEADER.replace("receipt", "Чек") + row + row.replace("1.00", "2.00"))
    first = refused.value.findings[0]
    assert (first.line, first.column, first.value) == (2, "Чек", "b9")
    assert str(first.reason) == "Line 3 has the same receipt with other content."


def test_the_same_id_in_another_month_is_a_clash_not_a_new_receipt(chain: Chain) -> None:
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    with pytest.raises(BadRows, match="another at"):
        chain.stage(ImportKind.RECEIPTS, HEADER + "b1,31,1,1,2025-06-10 09:00:00,sale,101,12.50,2.50,3\n")


def test_store_till_number_and_day_are_a_key_of_their_own(chain: Chain) -> None:
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    with pytest.raises(BadRows, match="Receipt “b1” is stored already for the same store, till, number"):
        chain.stage(ImportKind.RECEIPTS, HEADER + "other,31,1,1,2026-01-10 20:00:00,sale,,1.00,0,1\n")
    chain.take_in(ImportKind.RECEIPTS, HEADER + "other,31,1,1,2026-01-11 20:00:00,sale,,1.00,0,1\n")


def test_a_file_with_old_and_new_receipts_adds_the_new_ones(chain: Chain) -> None:
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    run = chain.take_in(ImportKind.RECEIPTS, RECEIPTS + "b5,31,1,5,2026-02-05 10:00:00,sale,,1.00,0,1\n")
    assert (run.state, run.n_new, run.n_known) == (RunState.PUBLISHED, 1, 4)
    assert len(receipts_of(chain)) == 5


def test_what_is_known_is_found_in_whatever_parts_the_comparison_is_cut(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilot.imports.engine._ROWS_A_PART", 2)
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    retried = RECEIPTS.replace("b2,", "retry,") + "b5,7,2,9,2026-02-03 12:00:00,sale,55,1.00,0.00,1\n"
    run = chain.take_in(ImportKind.RECEIPTS, retried)
    assert (run.n_rows, run.n_new, run.n_known) == (5, 1, 4)
    assert set(receipts_of(chain)) == {"b1", "b2", "b3", "b4", "b5"}


def test_a_customer_of_rows_that_are_left_out_gets_no_key(chain: Chain) -> None:
    rows = RECEIPTS + "b5,7,2,9,2026-02-03 12:00,sale,55,1,0,1\nb5,7,2,9,2026-02-03 12:00,sale,56,1,0,1\n"
    run = chain.take_in(ImportKind.RECEIPTS, rows, quarantine=True)
    assert (run.n_new, run.n_quarantined) == (4, 2)
    with chain.database.reading() as session:
        assert customer_keys(session) == {"77": 1, "101": 2}


def test_two_staged_files_that_clash_cannot_both_be_published(chain: Chain) -> None:
    one = chain.stage(ImportKind.RECEIPTS, RECEIPTS)
    other = chain.stage(ImportKind.RECEIPTS, RECEIPTS.replace("8.00,1.60", "9.00,1.60"))
    chain.publish(one)
    version = Lake(chain.database.settings).version()
    with pytest.raises(ReceiptsClash, match="line 3"):
        chain.publish(other)
    assert Lake(chain.database.settings).version() == version


def test_two_staged_files_with_the_same_rows_are_published_once(chain: Chain) -> None:
    one = chain.stage(ImportKind.RECEIPTS, RECEIPTS)
    other = chain.stage(ImportKind.RECEIPTS, RECEIPTS.replace("\n", "\r\n"))
    assert chain.publish(one).n_new == 4
    assert chain.publish(other).state == RunState.UNCHANGED
    assert len(receipts_of(chain)) == 4


def test_rows_of_an_unknown_store_are_parked_and_go_in_once_it_exists(chain: Chain) -> None:
    late = RECEIPTS + "b6,40,1,1,2026-02-05 10:00:00,sale,500,6.00,1.20,2\n"
    run = chain.take_in(ImportKind.RECEIPTS, late, quarantine=True)
    assert (run.n_new, run.n_quarantined) == (4, 1)
    chain.take_in(ImportKind.STORES, "store,region\n40,N\n")
    with chain.database.unit_of_work() as session:
        (row,) = queries.waiting_rows(session)
        assert (row.line, row.field, row.row["receipt"]) == (6, "store", "b6")
        released = release_quarantined(
            session, importer_for(ImportKind.RECEIPTS), {row.id: {}}, actor=chain.admin, now=chain.now
        )
    assert chain.publish(released).n_new == 1
    assert receipts_of(chain)["b6"]["net_minor"] == 600


def test_a_crash_between_lake_and_database_is_repaired_by_publishing_again(chain: Chain) -> None:
    run = chain.stage(ImportKind.RECEIPTS, RECEIPTS)
    with pytest.raises(KeyboardInterrupt):
        _publish_and_crash(chain, run)
    version = Lake(chain.database.settings).version()
    with chain.database.reading() as session:
        assert session.get_one(ImportRun, run.id).state == RunState.STAGED
    # Others go on in between: new customers do not get the keys that the lake's rows carry.
    chain.take_in(ImportKind.RECEIPTS, HEADER + "c1,31,1,77,2026-02-06 10:00:00,sale,88,1.00,0,1\n")
    repaired = chain.publish(run)
    assert (repaired.state, repaired.n_new, repaired.lake_version) == (RunState.PUBLISHED, 4, version)
    assert len(receipts_of(chain)) == 5
    with chain.database.reading() as session:
        keys = customer_keys(session)
        assert session.scalars(select(Customer.customer_key)).all() == sorted(keys.values())
    found = receipts_of(chain)
    assert (found["b1"]["customer_key"], found["c1"]["customer_key"]) == (keys["101"], keys["88"])


def _publish_and_crash(chain: Chain, run: ImportRun) -> None:
    """The lake is written, the database is not."""
    with chain.database.unit_of_work() as session:
        found = session.get_one(ImportRun, run.id)
        publish(session, importer_for(ImportKind.RECEIPTS), found, actor=chain.admin, now=chain.now)
        raise KeyboardInterrupt


def test_a_crash_while_files_are_written_leaves_the_lake_as_it_was(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = chain.stage(ImportKind.RECEIPTS, RECEIPTS)
    with monkeypatch.context() as patch:
        patch.setattr("pilot.outcomes.storage._sync", _fail)
        with pytest.raises(OSError, match="disk"):
            chain.publish(run)
    assert Lake(chain.database.settings).version() == 0
    assert chain.publish(run).n_new == 4
    assert len(receipts_of(chain)) == 4


def _fail(path: object) -> None:
    raise OSError("disk full")


FACTS = "receipt,store,at,kind,refers_to,customer,net,vat\n"


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        ("c1,31,2026-01-12 09:00,correction,,,1.00,0", "refers_to", "refers_to_missing"),
        ("c1,31,2026-01-12 09:00,correction,b1,,,0", "net", "missing"),
        ("i1,31,2026-01-12 09:00,identification,b2,,,", "customer", "identification_of_nobody"),
        ("i1,31,2026-01-12 09:00,identification,,55,,", "refers_to", "refers_to_missing"),
        ("i1,31,2026-01-12 09:00,identification,b2,55,1.00,", "net", "identification_with_amount"),
        ("x1,31,2026-01-12 09:00,sale,,,10000000.00,0", "net", "impossible_money"),
        ("x1,31,1999-12-31 09:00,sale,,,1.00,0", "at", "implausible_date"),
        ("x1,31,2026-03-04 09:00,sale,,,1.00,0", "at", "implausible_date"),
        ("x1,40,2026-01-12 09:00,sale,,,1.00,0", "store", "unknown_store"),
    ],
)
def test_every_kind_has_its_rules_and_the_implausible_its_reason(chain: Chain, row: str, field: str, code: str) -> None:
    with pytest.raises(BadRows) as refused:
        chain.stage(ImportKind.RECEIPTS, FACTS + row + "\n")
    assert [(f.field, f.reason.code) for f in refused.value.findings] == [(field, code)]
    is_implausible = code in ("impossible_money", "implausible_date", "unknown_store")
    assert (code in IMPLAUSIBLE) == is_implausible


def test_before_the_first_opening_there_is_no_history(chain: Chain) -> None:
    chain.take_in(ImportKind.STORES, "store,region,opened_on\n31,N,2020-05-01\n309,N,2021-01-01\n7,S,2022-01-01\n")
    with pytest.raises(BadRows) as refused:
        chain.stage(ImportKind.RECEIPTS, FACTS + "x1,31,2020-04-30 23:00,sale,,,1.00,0\n")
    assert refused.value.findings[0].reason.code == "before_history"
    assert chain.stage(ImportKind.RECEIPTS, FACTS + "x1,31,2020-05-01 09:00,sale,,,1.00,0\n").n_bad == 0


def test_corrections_and_identifications_from_a_file_stand_where_their_receipt_stands(chain: Chain) -> None:
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    facts = (
        "k1,31,2026-02-20 09:00,correction,b2,,-1.25,-0.25\n"
        "k2,31,2026-02-20 09:00,identification,b2,55,,\n"
        "k3,31,2026-02-20 09:00,identification,nowhere,55,,\n"
    )
    run = chain.take_in(ImportKind.RECEIPTS, FACTS + facts, quarantine=True)
    assert (run.n_new, run.n_quarantined) == (2, 1)
    found = receipts_of(chain)
    original = found["b2"]
    for fact in ("k1", "k2"):
        assert found[fact]["store_id"] == original["store_id"]
        assert found[fact]["business_date"] == original["business_date"]
    assert found["k1"]["net_minor"] == -125
    assert found["k2"]["net_minor"] == original["net_minor"]
    assert found["k2"]["customer_key"] is not None
    with chain.database.reading() as session:
        assert queries.waiting_rows(session)[0].reason["code"] == "refers_to_unknown"
