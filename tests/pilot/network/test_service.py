"""The network's settings, its segments, and the right to be forgotten."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from pilot.audit.model import AuditEntry
from pilot.database import Database
from pilot.errors import NotFound
from pilot.imports import queries as imports
from pilot.imports.model import ImportFinding, ImportKind, ImportRun, RunState
from pilot.network.errors import (
    CutoffOutOfRange,
    SegmentCodeRefused,
    SegmentRefused,
    SettingsInUse,
    UnknownCurrency,
    UnknownTimeZone,
)
from pilot.network.model import Customer
from pilot.network.queries import customer_by_external_id, is_set_up, network, segment_by_code
from pilot.network.segments import fits, require_rule, segment_of, segments, segments_of_all
from pilot.network.service import delete_segment, forget_customer, save_segment, set_up_network
from pilot.outcomes.lake import Lake
from pilot.words import Message
from tests.pilot.imports.builders import CUSTOMERS, RECEIPTS, Chain

YOUNG = {"attribute": "age", "in": ["19-24", "25-34"]}
OLD = {"attribute": "age", "is": "65+"}
UNKNOWN = {"attribute": "age", "missing": True}
SETTINGS: dict[str, Any] = {"name": "Shops", "currency": "EUR", "timezone": "Europe/Helsinki", "cutoff_hour": 3}


@pytest.fixture
def chain(database: Database, now: datetime) -> Chain:
    return Chain(database, now)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"currency": "EURO"}, UnknownCurrency),
        ({"timezone": "Mars/Olympus"}, UnknownTimeZone),
        ({"cutoff_hour": 13}, CutoffOutOfRange),
        ({"cutoff_hour": -1}, CutoffOutOfRange),
    ],
)
def test_settings_that_cannot_be_are_refused(chain: Chain, change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error), chain.database.unit_of_work() as session:
        set_up_network(session, **{**SETTINGS, **change}, actor=chain.admin, now=chain.now)


def test_currency_zone_and_cut_off_stand_once_receipts_are_in(chain: Chain) -> None:
    with chain.database.unit_of_work() as session:
        set_up_network(session, **{**SETTINGS, "cutoff_hour": 4}, actor=chain.admin, now=chain.now)
        assert is_set_up(session)
    chain.with_stores().take_in(ImportKind.RECEIPTS, RECEIPTS)
    with chain.database.unit_of_work() as session:
        set_up_network(session, **{**SETTINGS, "cutoff_hour": 4, "name": "New name"}, actor=chain.admin, now=chain.now)
        assert network(session).name == "New name"
        with pytest.raises(SettingsInUse):
            set_up_network(session, **SETTINGS, actor=chain.admin, now=chain.now)


@pytest.mark.parametrize(
    "rule",
    [
        None,
        [],
        {},
        {"attribute": "age"},
        {"attribute": "age", "is": 5},
        {"attribute": "age", "is": ""},
        {"attribute": "age", "in": []},
        {"attribute": "age", "in": "19-24"},
        {"attribute": "age", "missing": False},
        {"all": OLD},
        {3: "x", "is": "y"},
        {"all": [], "any": []},
        {"any": [{"attribute": 3, "is": "x"}]},
        {"attribute": "age", "is": "x", "or": "y"},
        {"all": [{"all": [{"all": [{"all": [{"all": [{"all": [{"all": []}]}]}]}]}]}]},
    ],
)
def test_a_rule_that_is_none_is_refused(rule: object) -> None:
    with pytest.raises(SegmentRefused) as refused:
        require_rule("young", rule)
    problem = refused.value.message.values["problem"]
    assert isinstance(problem, Message)  # translated inside the sentence
    assert str(problem) in str(refused.value)


@pytest.mark.parametrize(
    ("rule", "attributes", "expected"),
    [
        (YOUNG, {"age": "19-24"}, True),
        (YOUNG, {"age": "65+"}, False),
        (YOUNG, {}, False),
        (UNKNOWN, {}, True),
        (UNKNOWN, {"age": "65+"}, False),
        ({"all": []}, {}, True),
        ({"any": []}, {}, False),
        ({"all": [OLD, {"attribute": "kids", "is": "0"}]}, {"age": "65+", "kids": "0"}, True),
        ({"all": [OLD, {"attribute": "kids", "is": "0"}]}, {"age": "65+"}, False),
        ({"any": [OLD, YOUNG]}, {"age": "25-34"}, True),
    ],
)
def test_a_rule_fits_or_does_not(rule: dict[str, Any], attributes: dict[str, str], expected: bool) -> None:
    require_rule("any", rule)
    assert fits(rule, attributes) is expected


def test_a_customer_belongs_to_the_first_segment_that_fits(chain: Chain) -> None:
    chain.with_stores().take_in(ImportKind.CUSTOMERS, CUSTOMERS)
    with chain.database.unit_of_work() as session:
        for position, code, rule in ((9, "everybody-else", {"all": []}), (1, "young", YOUNG), (2, "old", OLD)):
            save_segment(session, code, name=code, position=position, rule=rule, actor=chain.admin, now=chain.now)
        assert [segment.code for segment in segments(session)] == ["young", "old", "everybody-else"]
        assert segments_of_all(session) == {1: "everybody-else", 2: "old", 3: "young"}
        assert segment_of(session, customer_by_external_id(session, "55")) == "old"
        delete_segment(session, "everybody-else", actor=chain.admin, now=chain.now)
        assert segment_of(session, customer_by_external_id(session, "9")) is None
        with pytest.raises(NotFound):
            segment_by_code(session, "everybody-else")


def test_a_segment_code_is_a_plain_word(chain: Chain) -> None:
    with pytest.raises(SegmentCodeRefused), chain.database.unit_of_work() as session:
        save_segment(session, "Young people", name="x", position=1, rule=YOUNG, actor=chain.admin, now=chain.now)


def test_forgetting_erases_the_customer_and_every_trace_in_findings_quarantine_and_staging(chain: Chain) -> None:
    chain.with_stores().take_in(ImportKind.CUSTOMERS, CUSTOMERS)
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    clash = "receipt,store,at,net,customer\nx1,999,2026-01-10 10:00,1.00,101\nx2,31,2026-01-10 10:00,1,bad id\n"
    chain.take_in(ImportKind.RECEIPTS, clash + "x3,31,2026-01-10 10:00,1.00,\n", quarantine=True)
    staged = chain.stage(ImportKind.RECEIPTS, "receipt,store,at,net,customer\nx4,31,2026-01-10 11:00,1.00,101\n")
    other = chain.stage(ImportKind.RECEIPTS, "receipt,store,at,net,customer\nx5,31,2026-01-10 12:00,1.00,9\n")
    version = Lake(chain.database.settings).version()
    with chain.database.unit_of_work() as session:
        session.add(ImportFinding(run_id=staged.id, line=1, column="customer", value="101", reason={}))
        key = forget_customer(session, "101", actor=chain.admin, now=chain.now)
    with chain.database.reading() as session:
        customer = session.get_one(Customer, key)
        assert (customer.external_id, customer.contact_hash, customer.home_store_id) == (None, None, None)
        assert (customer.attributes, customer.forgotten_at) == ({}, chain.now)
        assert "101" not in session.scalars(select(ImportFinding.value)).all()
        assert [row.row["customer"] for row in imports.waiting_rows(session)] == ["bad id"]
        assert session.get_one(ImportRun, staged.id).state == RunState.DISCARDED
        assert session.get_one(ImportRun, other.id).state == RunState.STAGED
        last = session.scalars(select(AuditEntry).order_by(AuditEntry.seq.desc())).first()
        assert last is not None
        assert (last.verb, last.subject) == ("customer.forgotten", str(key))
        with pytest.raises(NotFound):
            customer_by_external_id(session, "101")
    folders = [folder.name for folder in chain.database.settings.staging_dir.iterdir()]
    assert folders == [other.batch_id]
    assert Lake(chain.database.settings).version() == version  # receipts stay, under a key that leads to nobody
