"""Whether a design proves its break-even: by hand, what cannot be compared, and the whole measurement."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.planning.candidates import NOTHING_EXCLUDED
from pilot.planning.designer import Visible, design_of
from pilot.planning.economics import Past
from pilot.planning.errors import BreakEvenUnknown, CannotProveBreakEven
from pilot.planning.plan import Plan, PlannedOffer
from pilot.planning.plan_parts import Economics
from pilot.planning.proving import in_money, proof_of, proves_break_even, unproven
from pilot.planning.queries import draft_plan
from pilot.planning.submission import as_submitted
from pilot.settings import Settings
from pilot.words import Message
from tests.builders import a_user
from tests.pilot.planning.a_network import a_document, a_lake, a_network, a_pilot, a_program

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


def unseen(refusal: Message | None = None) -> Visible:
    return replace(seen(0.1), effect=None, relative=None, refusal=refusal)


NO_HISTORY = Message("no_history", "no past window", {})


@pytest.mark.parametrize(
    ("plan", "visible", "past", "why"),
    [
        (a_plan().model_copy(update={"economics": None}), seen(0.1), Past(), "what the money is reckoned with"),
        (a_plan(), unseen(NO_HISTORY), Past(), "no past window"),
        (a_plan(), unseen(), Past(), "cannot be measured on the past"),
        (a_plan().model_copy(update={"economics": Economics()}), seen(0.1), Past(), "margin"),
    ],
)
def test_what_cannot_be_compared_is_no_proof_and_the_refusal_says_why(
    plan: Plan, visible: Visible, past: Past, why: str
) -> None:
    found = proves_break_even(plan, visible, past)
    assert found.proves is None
    assert found.is_unproven
    assert why in str(found.message)
    with pytest.raises(BreakEvenUnknown, match=why) as refused:
        raise found.error
    assert refused.value.code == "break_even_unknown"


def test_an_offer_that_costs_nothing_needs_no_proof_even_where_nothing_can_be_measured() -> None:
    terms = {**OFFER, "mechanic": "privileged_terms", "terms": {"privileges": ["free_parking"]}}
    plan = a_plan().model_copy(update={"offers": (PlannedOffer.model_validate(terms),)})
    found = proves_break_even(plan, unseen(NO_HISTORY), Past(spend_minor=10_000))
    assert found.proves is None
    assert not found.is_unproven
    assert "nothing that sales must earn back" in str(found.message)


@pytest.mark.parametrize(
    ("changes", "beside"),
    [
        ({"leads": "customers", "primary": "purchase_frequency"}, "store_total"),
        ({"unit": "customer", "leads": "customers", "primary": "retention_31_60d"}, "spend_per_customer"),
        ({"unit": "customer", "leads": "customers", "primary": "spend_per_customer"}, "spend_per_customer"),
        ({"primary": "sales_outside_list"}, "sales_outside_list"),
    ],
)
def test_what_is_no_money_is_held_against_its_break_even_in_the_money_beside_it(
    changes: dict[str, Any], beside: str
) -> None:
    assert in_money(a_plan(**changes)) == beside


def test_the_sentence_says_which_metric_was_taken_for_one_that_is_no_money() -> None:
    plan = a_plan(leads="customers", primary="purchase_frequency")
    proof = proves_break_even(plan, seen(0.10), Past())
    assert proof.proves is True
    assert "“Purchase frequency” cannot be set against money, so “Store total” is" in str(proof.message)
    dull = proves_break_even(plan, seen(0.15), Past())
    with pytest.raises(CannotProveBreakEven, match=r"15\.0% of “Store total”"):
        raise dull.error


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
    found = proof_of(lake, plan, 1, design_of(session, lake, plan, 1))
    assert found.smallest is not None
    assert found.break_even is not None  # 2 % in points of which 70 % are redeemed cost 1.4 % of sales
    assert found.break_even == pytest.approx(float(Decimal("0.014") / Decimal("0.286")), rel=1e-6)
    assert found.is_unproven is (found.smallest > found.break_even)
    assert [one.stage for one in unproven(session, lake, plan, excluded=lambda _n: NOTHING_EXCLUDED)] == [1]
    assert replace(found, smallest=None).proves is None


def test_a_plan_led_by_a_frequency_is_measured_in_the_store_total_beside_it(
    session: Session, settings: Settings
) -> None:
    a_network(session)
    program = a_program(session, a_user(session, Role.MANAGER), mechanic="fixed_discount")
    assert program.code == "card"
    pilot = a_pilot(session, leads="customers", primary="purchase_frequency", economics={"margin_share": "0.30"})
    by_total = a_pilot(session, code="by-total", economics={"margin_share": "0.30"})
    lake = a_lake(settings)
    plans = [as_submitted(session, one, draft_plan(one)) for one in (pilot, by_total)]
    found, other = (proof_of(lake, plan, 1, design_of(session, lake, plan, 1)) for plan in plans)
    assert found.metric is not None
    assert found.smallest == other.smallest
    assert found.break_even == pytest.approx(0.14)
