"""What a design can see, on the network's own history, before the seal."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy.orm import Session

from experiments.design.mechanisms import Share
from experiments.design.power import smallest_visible_effect
from experiments.design.reach import n_possible_draws
from experiments.measure.metrics import store_total
from experiments.measure.moments import unit_moments
from experiments.measure.windows import Window, Windows
from pilot.database import Database
from pilot.outcomes.lake import Lake
from pilot.planning.candidate_words import Covariate
from pilot.planning.candidates import candidate_list, home_list, units_table
from pilot.planning.designer import design_of, smallest_effect
from pilot.planning.errors import TooLittleHistory
from pilot.planning.plan import Plan
from tests.pilot.planning.a_network import STARTS_ON, a_document, a_lake, a_network, a_stage


def a_plan(**changes: Any) -> Plan:
    return Plan.from_document({"pilot": "p", "program": "card", **a_document(**changes)})


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """What a design can see is read from the lake; which database names its stores does not matter."""
    return sqlite_database


@pytest.fixture
def lake(session: Session, database: Database) -> Lake:
    a_network(session)
    return a_lake(database.settings)


def test_the_smallest_effect_is_given_in_money_and_as_a_share_of_sales(session: Session, lake: Lake) -> None:
    visible = smallest_effect(session, lake, a_plan(), 1)
    assert visible.refusal is None
    assert visible.effect_minor_per_week is not None
    assert visible.mean is not None
    assert visible.relative == pytest.approx(visible.effect_minor_per_week / visible.mean)
    assert (visible.n_units, visible.n_draws, visible.smallest_p) == (12, 64, 2 / 64)
    assert (visible.level, visible.power) == (0.05, 0.8)
    assert (visible.window_weeks, visible.before_weeks, visible.note) == (8, 12, None)
    assert visible.n_windows == 3, "39 weeks of history: three windows of 8 weeks with 12 weeks before each"


def test_it_is_the_very_regression_on_the_stores_own_past(session: Session, lake: Lake) -> None:
    """By hand: the same windows measured directly and handed to the statistics."""
    plan = a_plan()
    design = design_of(session, lake, plan, 1)
    stores = units_table({i: f"S{i:02d}" for i in range(1, 13)})
    ends = [date(2026, 3, 1), date(2026, 1, 4), date(2025, 11, 9)]
    past = []
    for end in ends:
        window = Window(date.fromordinal(end.toordinal() - 55), end)
        before = Window(date.fromordinal(end.toordinal() - 139), date.fromordinal(end.toordinal() - 56))
        past.append(
            unit_moments(
                lake.receipts(), store_total(), Windows(window, before), units=design.mechanism.codes, stores=stores
            )
        )
    expected = smallest_visible_effect(design.mechanism, "points", store_total(), past, level=0.05)
    assert smallest_effect(session, lake, plan, 1).effect == expected.absolute


def test_a_history_too_short_for_the_stage_is_used_as_far_as_it_goes_and_said(session: Session, lake: Lake) -> None:
    visible = smallest_effect(session, lake, a_plan(stages=[a_stage(weeks=52)]), 1)
    assert visible.effect is not None
    assert (visible.window_weeks, visible.before_weeks, visible.n_windows) == (31, 8, 1)
    assert visible.note is not None
    assert visible.note.code == "history_shorter_than_stage"


def test_more_looks_need_a_larger_effect(session: Session, lake: Lake) -> None:
    few = {"windows": {"pre_weeks": 4, "home_weeks": 12}}
    one = smallest_effect(session, lake, a_plan(**few), 1)
    three = smallest_effect(session, lake, a_plan(**few, alpha="0.15", stages=[a_stage(looks=3, extension_weeks=4)]), 1)
    assert one.level == 0.05
    assert three.level == 0.15, "under 20 units only the last look may advance, at the full alpha"


def test_an_unreachable_level_is_a_refusal_in_words_not_a_number(session: Session, lake: Lake) -> None:
    visible = smallest_effect(session, lake, a_plan(stages=[a_stage(units=["S01", "S02", "S03", "S04"])]), 1)
    assert visible.effect is None
    assert not visible.reaches_its_level
    assert visible.refusal is not None
    assert "add units" in str(visible.refusal)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stages": [a_stage(units=["S99"])]}, "unknown_units"),
        ({"stages": [a_stage(units=["S01"])]}, "mechanism_does_not_fit"),
        (
            {"windows": {"pre_weeks": 12, "home_weeks": 12}, "eligibility": {"min_listed_customers": 99}},
            "mechanism_does_not_fit",
        ),
    ],
)
def test_what_cannot_be_drawn_is_a_refusal_too(session: Session, lake: Lake, changes: Any, code: str) -> None:
    visible = smallest_effect(session, lake, a_plan(**changes), 1)
    assert visible.refusal is not None
    assert visible.refusal.code == code


def test_without_receipts_nothing_can_be_said(session: Session, database: Database) -> None:
    a_network(session)
    visible = smallest_effect(session, Lake(database.settings), a_plan(), 1)
    assert visible.refusal is not None
    assert visible.refusal.code == "too_little_history"
    with pytest.raises(TooLittleHistory):
        design_of(session, Lake(database.settings), a_plan(), 1)


def test_customers_are_planned_on_customers(session: Session, lake: Lake) -> None:
    plan = a_plan(unit="customer", leads="customers", primary="spend_per_customer", mechanism={"kind": "complete"})
    visible = smallest_effect(session, lake, plan, 1)
    assert visible.effect is not None
    assert visible.n_units == 96
    assert visible.effect_minor_per_week is None, "the leading metric is not a store total"


def test_several_variants_show_the_one_that_sees_least(session: Session, lake: Lake) -> None:
    variants = [{"code": "control", "weight": 4}, {"code": "points", "weight": 4}, {"code": "tiers", "weight": 1}]
    plan = a_plan(mechanism={"kind": "complete"}, variants=variants)
    visible = smallest_effect(session, lake, plan, 1)
    design = design_of(session, lake, plan, 1)
    assert design.smallest_p > 2 / n_possible_draws(design.mechanism)
    assert visible.smallest_p == design.smallest_p
    assert Share("tiers", 1) in design.mechanism.shares


def test_covariates_are_whole_numbers_by_the_definitions_of_the_metrics(session: Session, lake: Lake) -> None:
    listed = candidate_list(session, lake, a_plan(), 1, version=lake.version())
    first = listed.candidates[0]
    days = a_plan().pre_window(STARTS_ON)
    store = lake.receipts().filter(lambda t: (t.store_id == 1) & t.business_date.between(*days)).to_pyarrow()
    with_card = [row for row in store.to_pylist() if row["customer_key"] is not None]
    assert first.code == "S01"
    assert first.covariates == {
        Covariate.NET_PER_WEEK: sum(store["net_minor"].to_pylist()) // 12,
        Covariate.RECEIPTS_PER_WEEK: store.num_rows // 12,
        Covariate.IDENTIFIED_PPM: 1_000_000 * len(with_card) // store.num_rows,
        Covariate.LISTED_CUSTOMERS: 8,
        Covariate.SPEND_PER_CUSTOMER: sum(row["net_minor"] for row in with_card) // 8,
    }


def test_home_lists_are_in_the_order_of_keys(lake: Lake) -> None:
    homes = home_list(lake, lake.version(), a_plan().home_window(STARTS_ON))
    assert list(homes) == sorted(homes)
    assert len(homes) == 96
