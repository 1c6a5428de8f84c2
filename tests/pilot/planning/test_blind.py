"""Guardrails and leading metrics that the past shows nothing of: said before the start, and not proposed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.database import Database
from pilot.outcomes.lake import SCHEMA, Lake
from pilot.planning.blind import blind_guardrails, blind_in, blind_metrics
from pilot.planning.brief import draft_from_brief
from pilot.planning.candidates import NOTHING_EXCLUDED
from pilot.planning.designer import design_of
from pilot.planning.plan import Objective, Plan
from pilot.planning.queries import draft_plan
from tests.builders import a_user
from tests.pilot.planning.a_network import (
    FIRST_DAY,
    NOW,
    WEEKS,
    a_document,
    a_lake,
    a_network,
    a_program,
    a_stage,
)

FULL_PRICE = {"metric": "full_price_share", "margin_share": "0.05"}
BASKET = {"metric": "average_basket", "margin_share": "0.05"}


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


@pytest.fixture
def lake(session: Session, database: Database) -> Lake:
    a_network(session)
    return a_lake(database.settings)


def a_plan(**changes: Any) -> Plan:
    return Plan.from_document({"pilot": "p", "program": "card", **a_document(**changes)})


def a_discount(lake: Lake) -> None:
    """One receipt with a discount, in one store, in the last week of the history."""
    day = FIRST_DAY + timedelta(weeks=WEEKS, days=-2)
    row = {
        "receipt_id": "cheap", "store_id": 1, "kind": "sale", "at": NOW, "business_date": day, "customer_key": 1,
        "net_minor": 700, "vat_minor": 0, "discount_minor": 100, "reward_minor": 0, "n_items": 1, "received_at": NOW,
        "batch_id": "cheap",
    }  # fmt: skip
    month = f"{day:%Y-%m}"

    def write(_month: str, path: Path) -> int:
        pq.write_table(pa.Table.from_pylist([row], schema=SCHEMA), path)
        return 1

    with lake.writing():
        lake.append("cheap", [month], write)


def test_a_guardrail_with_one_value_in_every_store_is_named_with_what_would_do(session: Session, lake: Lake) -> None:
    plan = a_plan(guardrails=[FULL_PRICE, BASKET])
    (found,) = blind_metrics(lake, plan, 1, design_of(session, lake, plan, 1))
    assert (found.stage, found.metric) == (1, "full_price_share")
    assert "the gate would stop" in str(found.message)
    assert "import the discounts" in str(found.message)


def test_one_discount_in_one_store_is_enough_to_see_by(session: Session, lake: Lake) -> None:
    assert blind_guardrails(lake) == {"full_price_share"}
    a_discount(lake)
    assert blind_guardrails(lake) == frozenset()
    plan = a_plan(guardrails=[FULL_PRICE])
    assert blind_metrics(lake, plan, 1, design_of(session, lake, plan, 1)) == ()


def test_a_leading_metric_of_customers_that_never_varies_is_named_too(session: Session, lake: Lake) -> None:
    customers = {"unit": "customer", "leads": "customers", "mechanism": {"kind": "complete"}}
    plan = a_plan(**customers, primary="spend_per_customer", guardrails=[{**BASKET, "metric": "purchase_frequency"}])
    design = design_of(session, lake, plan, 1)
    assert blind_metrics(lake, plan, 1, design) == ()
    one = replace(design, candidates=replace(design.candidates, candidates=design.candidates.candidates[:1]))
    found = blind_metrics(lake, plan, 1, one)
    assert [row.metric for row in found] == ["spend_per_customer", "purchase_frequency"]
    assert "could never advance" in str(found[0].message)
    assert "for every customer" in str(found[1].message)


def test_every_stage_to_come_is_looked_at_and_what_cannot_be_drawn_is_left_to_its_own_refusal(
    session: Session, lake: Lake
) -> None:
    plan = a_plan(guardrails=[FULL_PRICE], stages=[a_stage(), a_stage(2), a_stage(3, units=["S99"])])
    found = blind_in(session, lake, plan, excluded=lambda _n: NOTHING_EXCLUDED)
    assert [one.stage for one in found] == [1, 2]
    assert [one.stage for one in blind_in(session, lake, plan, excluded=lambda _n: NOTHING_EXCLUDED, after=1)] == [2]


def test_without_a_past_nothing_is_said_to_be_blind(session: Session, database: Database) -> None:
    a_network(session)
    empty = Lake(database.settings)
    assert blind_guardrails(empty) == frozenset()
    plan = a_plan(guardrails=[FULL_PRICE])
    assert blind_in(session, empty, plan, excluded=lambda _n: NOTHING_EXCLUDED) == ()


def test_the_brief_proposes_no_guardrail_that_the_past_shows_nothing_of(session: Session, lake: Lake) -> None:
    manager = a_user(session, Role.MANAGER)
    program = a_program(session, manager)

    def proposed(code: str, blind: frozenset[str]) -> list[str]:
        pilot = draft_from_brief(
            session, code=code, name=code, program=program, objective=Objective.KEEP, hypothesis="It works.",
            mechanic="", stage_name="First", blind=blind, actor=manager, now=NOW,
        )  # fmt: skip
        return [guardrail.metric for guardrail in draft_plan(pilot).guardrails]

    assert proposed("seen", frozenset()) == ["full_price_share", "average_basket"]
    assert proposed("blind", blind_guardrails(lake)) == ["average_basket"]
