"""Whether a design proves its break-even: by hand, what cannot be compared, and the whole measurement."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from pilot.planning.candidates import NOTHING_EXCLUDED
from pilot.planning.designer import Visible
from pilot.planning.economics import Past
from pilot.planning.errors import CannotProveBreakEven
from pilot.planning.plan import Plan, PlannedOffer
from pilot.planning.proving import proves_break_even, proving, unproven
from pilot.planning.queries import draft_plan
from pilot.planning.submission import as_submitted
from pilot.settings import Settings
from tests.pilot.planning.a_network import a_document, a_lake, a_network, a_pilot

OFFER = {
    "code": "card.points.all", "variant": "points", "segment": None, "name": "5 %", "mechanic": "fixed_discount",
    "terms": {"discount_share": "0.05"}, "enrolment": {},
}  # fmt: skip


def a_plan(**changes: Any) -> Plan:
    """5 % off for everybody at a margin of 30 %: it pays from 20 % more volume, 14 % more net sales."""
    document = a_document(offers=[OFFER], economics={"margin_share": "0.30"}, **changes)
    return Plan.from_document({**document, "pilot": "p", "program": "card"})


def seen(relative: float, metric: str = "store_total", mean: float = 10_000.0) -> Visible:
    return Visible(
        stage=1, metric=metric, effect=relative * mean, relative=relative, mean=mean, level=0.05, power=0.8, n_units=12,
        n_draws=64, smallest_p=0.03, n_windows=4, window_weeks=8, before_weeks=12, left_out=(), refusal=None,
    )  # fmt: skip


def test_five_per_cent_off_at_a_margin_of_thirty_needs_fourteen_per_cent_of_net_sales() -> None:
    found = proves_break_even(a_plan(), seen(0.10), Past())
    assert found.break_even == pytest.approx(0.14)
    assert found.break_even_minor == pytest.approx(1_400)
    assert found.smallest_minor == pytest.approx(1_000)
    assert found.proves is True


def test_a_design_that_sees_less_than_the_offer_must_bring_is_unproven_and_says_both_numbers() -> None:
    found = proves_break_even(a_plan(), seen(0.15), Past())
    assert found.is_unproven
    with pytest.raises(CannotProveBreakEven, match=r"15\.0% of sales at the smallest.*14\.0% on"):
        raise found.error


def test_sales_outside_the_list_are_held_against_the_break_even_of_the_whole_store() -> None:
    plan = a_plan(primary="sales_outside_list")
    half_outside = seen(0.20, "sales_outside_list", mean=5_000.0)  # 1 000 a store and week
    found = proves_break_even(plan, half_outside, Past(weekly_sales_minor=60_000, treated_stores=6))
    assert found.smallest == pytest.approx(0.10)
    assert found.proves is True


@pytest.mark.parametrize(
    ("plan", "visible", "why"),
    [
        (a_plan().model_copy(update={"economics": None}), seen(0.5), "does not say what the money is reckoned with"),
        (a_plan(primary="purchase_frequency"), seen(0.5, "purchase_frequency"), "cannot be set against money"),
    ],
)
def test_what_cannot_be_compared_says_why_and_blocks_nobody(plan: Plan, visible: Visible, why: str) -> None:
    found = proves_break_even(plan, visible, Past())
    assert found.proves is None
    assert not found.is_unproven
    assert why in str(found.message)


def test_an_offer_that_takes_the_whole_margin_can_never_prove_itself_whatever_the_design_sees() -> None:
    terms = {**OFFER, "terms": {"discount_share": "0.30"}}
    plan = a_plan().model_copy(update={"offers": (PlannedOffer.model_validate(terms),)})
    found = proves_break_even(plan, seen(0.001), Past())
    assert found.is_unproven
    with pytest.raises(CannotProveBreakEven, match="can never pay"):
        raise found.error


@given(st.floats(0.001, 0.9), st.floats(1.01, 3.0))
def test_a_sharper_design_never_proves_less(relative: float, duller: float) -> None:
    sharp = proves_break_even(a_plan(), seen(relative), Past())
    dull = proves_break_even(a_plan(), seen(relative * duller), Past())
    assert sharp.proves or not dull.proves


def test_costs_that_are_paid_once_raise_the_break_even() -> None:
    plan = a_plan()
    dear = plan.model_copy(update={"economics": plan.economics and replace_cost(plan, 1_000_000)})
    past = Past(weekly_sales_minor=60_000, treated_stores=6)
    cheap, costly = (proves_break_even(one, seen(0.10), past).break_even for one in (plan, dear))
    assert cheap is not None
    assert costly is not None
    assert costly > cheap


def replace_cost(plan: Plan, setup_minor: int) -> object:
    assert plan.economics is not None
    return plan.economics.model_copy(update={"setup_minor": setup_minor})


def test_the_whole_plan_is_measured_on_the_past(session: Session, settings: Settings) -> None:
    a_network(session)
    lake = a_lake(settings)
    pilot = a_pilot(session, economics={"margin_share": "0.30"})
    plan = as_submitted(session, pilot, draft_plan(pilot))
    found = proving(session, lake, plan, 1)
    assert found.smallest is not None
    assert found.break_even is not None  # 2 % in points of which 70 % are redeemed cost 1.4 % of sales
    assert found.break_even == pytest.approx(float(Decimal("0.014") / Decimal("0.286")), rel=1e-6)
    assert found.is_unproven is (found.smallest > found.break_even)
    assert [one.stage for one in unproven(session, lake, plan, excluded=lambda _n: NOTHING_EXCLUDED)] == [1]
    assert replace(found, smallest=None).proves is None
