"""A plan to win customers, led by sales outside the list: it makes sense, and what it can see is measured on them."""

import pytest
from sqlalchemy.orm import Session

from experiments.measure.metrics import MetricUnit
from pilot.database import Database
from pilot.outcomes.lake import Lake
from pilot.planning.designer import smallest_effect
from pilot.planning.metrics import library_metric
from pilot.planning.plan import Plan
from pilot.planning.rules import problems
from tests.pilot.planning.a_network import a_document, a_lake, a_network

WIN = {"objective": "win", "primary": "sales_outside_list", "secondary": ["store_total", "full_price_share"]}


def a_plan(**changes: object) -> Plan:
    return Plan.from_document({"pilot": "p", "program": "card", **a_document(**{**WIN, "guardrails": [], **changes})})


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """What a design can see is read from the lake; which database names its stores does not matter."""
    return sqlite_database


@pytest.fixture
def lake(session: Session, database: Database) -> Lake:
    a_network(session)
    return a_lake(database.settings)


def test_it_may_lead_where_store_totals_lead_and_is_money() -> None:
    assert [error.code for error in problems(a_plan())] == ["offer_missing"]  # nothing but what this plan leaves out
    assert library_metric("sales_outside_list").metric.unit is MetricUnit.MONEY
    assert library_metric("sales_outside_list").metric.is_total


def test_its_smallest_visible_effect_is_of_the_part_of_sales_that_it_measures(session: Session, lake: Lake) -> None:
    outside, total = (smallest_effect(session, lake, plan, 1) for plan in (a_plan(), a_plan(
        primary="store_total", secondary=["sales_outside_list"])))  # fmt: skip
    assert (outside.refusal, outside.metric) == (None, "sales_outside_list")
    assert outside.effect is not None
    assert outside.mean is not None
    assert total.mean is not None
    assert 0 < outside.mean < total.mean
    assert outside.relative == pytest.approx(outside.effect / outside.mean)


@pytest.mark.parametrize("metric", ["sales_outside_list", "full_price_share"])
def test_it_cannot_be_split_between_drawn_customers(metric: str) -> None:
    plan = a_plan(unit="customer", leads="customers", primary="purchase_frequency", secondary=[metric],
                  mechanism={"kind": "complete"})  # fmt: skip
    assert "metric_does_not_fit" in {error.code for error in problems(plan)}
