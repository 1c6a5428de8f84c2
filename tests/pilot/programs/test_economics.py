"""What each of the ten mechanics costs, by hand; every mechanic has its formula."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import NotEstimable
from pilot.programs.economics import FORMULAS_IN_WORDS, Assumptions, offer_cost, thresholds
from pilot.programs.errors import MarginUnknown, SpendUnknown
from pilot.programs.mechanics import Mechanic
from pilot.programs.sensitivity import Axis, sensitivity

SIX_TENTHS = Decimal("0.6")
GIVEN = Assumptions(
    margin_share=Decimal("0.30"), enrolment_share=SIX_TENTHS, benefit_minor=200, spend_minor=8_000, stage_weeks=8
)
TERMS: dict[Mechanic, dict[str, Any]] = {
    Mechanic.FIXED_DISCOUNT: {"discount_share": "0.05"},
    Mechanic.PERSONAL_CARD: {"discount_share": "0.05"},
    Mechanic.TIER_CARD: {
        "tiers": [
            {"name": "Silver", "from_spend_minor": 0, "discount_share": "0.02"},
            {"name": "Gold", "from_spend_minor": 50_000, "discount_share": "0.06"},
        ],
        "period_days": 90,
    },
    Mechanic.PROGRESSIVE_SCALE: {"steps": [{"from_basket_minor": 5_000, "discount_share": "0.10"}]},
    Mechanic.CUMULATIVE_BONUS: {"earn_share": "0.03", "redeem_share": "0.5"},
    Mechanic.PRIVILEGED_TERMS: {"privileges": ["free_delivery"]},
    Mechanic.GIFT_OR_DRAW: {
        "prize_kind": "gift", "prize": "A mug", "qualifying_spend_minor": 20_000, "prize_cost_minor": 500,
    },
    Mechanic.CLOSED_ACCESS: {"what": "The sale", "opens_days_before": 2},
    Mechanic.CLUB_MEMBERSHIP: {"benefits": ["Coffee"], "fee_minor": 300, "period_days": 84},
    Mechanic.SERVICE_STANDARD: {"promises": [{"what": "No queue", "kept_share": "0.9"}]},
}  # fmt: skip
COSTS = {  # low, base, high share of the sales under the offer; share of sales under it
    Mechanic.FIXED_DISCOUNT: ("0.05", "0.05", "0.05", "1"),
    Mechanic.PERSONAL_CARD: ("0.05", "0.05", "0.05", "0.6"),
    Mechanic.TIER_CARD: ("0.02", "0.04", "0.06", "0.6"),  # nothing known of tiers: the band and its middle
    Mechanic.PROGRESSIVE_SCALE: ("0", "0.05", "0.1", "0.6"),
    Mechanic.CUMULATIVE_BONUS: ("0.015", "0.021", "0.027", "0.6"),  # 3 % × 50, 70, 90 %
    Mechanic.PRIVILEGED_TERMS: ("0.025", "0.025", "0.025", "0.6"),  # 2.00 of 80.00
    Mechanic.GIFT_OR_DRAW: ("0", "0.025", "0.025", "0.6"),  # 5.00 of max(80.00 × 8/4 weeks, 200.00)
    Mechanic.CLOSED_ACCESS: ("0.025", "0.025", "0.025", "0.6"),
    Mechanic.CLUB_MEMBERSHIP: ("0.0125", "0.0125", "0.0125", "0.6"),  # (2.00 − 3.00/3) of 80.00
    Mechanic.SERVICE_STANDARD: ("0.025", "0.025", "0.025", "1"),
}


@pytest.mark.parametrize("mechanic", list(Mechanic))
def test_the_cost_of_each_mechanic_by_hand(mechanic: Mechanic) -> None:
    found = offer_cost(mechanic.value, TERMS[mechanic], GIVEN)
    assert (found.low, found.base, found.high, found.reach) == tuple(map(Decimal, COSTS[mechanic]))
    assert str(found.basis)
    assert str(FORMULAS_IN_WORDS[mechanic]).startswith("Cost: ")


def test_five_per_cent_off_for_everybody_at_thirty_per_cent_margin_needs_twenty_per_cent_more_sales() -> None:
    found = offer_cost("fixed_discount", TERMS[Mechanic.FIXED_DISCOUNT], GIVEN).break_even(GIVEN)
    assert (found.lift, found.store_total_lift) == (Decimal("0.20"), Decimal("0.14"))


def test_known_spending_replaces_the_band_of_tiers_and_of_baskets() -> None:
    known = Assumptions(sales_shares=(Decimal("0.75"), Decimal("0.25")))
    assert offer_cost("tier_card", TERMS[Mechanic.TIER_CARD], known).base == Decimal("0.03")
    assert offer_cost("progressive_scale", TERMS[Mechanic.PROGRESSIVE_SCALE], known).high == Decimal("0.025")
    assert thresholds("tier_card", TERMS[Mechanic.TIER_CARD]) == ("spend", (0, 50_000))
    assert thresholds("progressive_scale", TERMS[Mechanic.PROGRESSIVE_SCALE]) == ("basket", (0, 5_000))
    assert thresholds("fixed_discount", TERMS[Mechanic.FIXED_DISCOUNT]) is None


def test_points_never_cost_more_than_the_share_of_a_basket_that_they_may_pay() -> None:
    assert offer_cost("cumulative_bonus", {"earn_share": "0.5", "redeem_share": "0.1"}, GIVEN).high == Decimal("0.1")


def test_prizes_of_a_draw_are_a_fixed_cost_that_sales_must_carry() -> None:
    terms = TERMS[Mechanic.GIFT_OR_DRAW] | {"prize_kind": "draw", "prizes": 20}
    found = offer_cost("gift_or_draw", terms, GIVEN)
    assert (found.base, found.fixed_minor) == (0, 10_000)
    assert found.break_even(GIVEN, sales_minor=1_000_000).lift == Decimal("0.01") / Decimal("0.30")


def test_a_fee_above_the_benefits_is_income_and_needs_no_lift() -> None:
    paid = Assumptions(margin_share=Decimal("0.3"), spend_minor=8_000)
    found = offer_cost("club_membership", TERMS[Mechanic.CLUB_MEMBERSHIP], paid)
    assert found.base == Decimal("-0.0125")
    assert found.break_even(paid).lift == 0


def test_a_cost_per_customer_without_their_spending_and_a_lift_without_a_margin_are_refused() -> None:
    with pytest.raises(SpendUnknown):
        offer_cost("privileged_terms", TERMS[Mechanic.PRIVILEGED_TERMS], Assumptions(benefit_minor=100))
    everybody = TERMS[Mechanic.GIFT_OR_DRAW] | {"qualifying_spend_minor": 0}
    with pytest.raises(SpendUnknown):
        offer_cost("gift_or_draw", everybody, Assumptions())
    free = Assumptions()
    with pytest.raises(MarginUnknown):
        offer_cost("fixed_discount", TERMS[Mechanic.FIXED_DISCOUNT], free).break_even(free)


def test_a_discount_as_large_as_the_margin_never_pays() -> None:
    given = Assumptions(margin_share=Decimal("0.05"))
    with pytest.raises(NotEstimable, match="every further sale loses money"):
        offer_cost("fixed_discount", TERMS[Mechanic.FIXED_DISCOUNT], given).break_even(given)


@given(st.integers(1, 60_000), st.integers(1, 10_000), st.lists(st.integers(0, 90_000), min_size=1))
def test_a_gift_never_costs_more_than_it_is_reckoned_to(qualifies: int, cost: int, spends: list[int]) -> None:
    """Markov's inequality: whatever customers spend, gifts to those who qualify cost at most the reckoned share."""
    total = sum(spends)
    given = Assumptions(spend_minor=max(1, total // len(spends)), stage_weeks=4)
    terms = TERMS[Mechanic.GIFT_OR_DRAW] | {"qualifying_spend_minor": qualifies, "prize_cost_minor": cost}
    reckoned = offer_cost("gift_or_draw", terms, given).base
    assert sum(cost for spend in spends if spend >= qualifies) <= reckoned * (total + len(spends))


def test_the_sensitivity_of_a_bonus_by_margin_and_redemption_and_by_participation() -> None:
    by_margin, by_enrolment = sensitivity("cumulative_bonus", TERMS[Mechanic.CUMULATIVE_BONUS], GIVEN)
    assert (by_margin.rows_axis, by_margin.columns_axis) == (Axis.MARGIN, Axis.REDEMPTION)
    assert by_margin.columns == (Decimal("0.5"), Decimal("0.7"), Decimal("0.9"))
    assert [row.value for row in by_margin.rows] == [Decimal(n) / 100 for n in (20, 25, 30, 35, 40)]
    planned = next(row for row in by_margin.rows if row.is_planned)
    assert planned.lifts[1] == Decimal("0.021") * SIX_TENTHS / (Decimal("0.30") - Decimal("0.021"))
    assert [row.value for row in by_enrolment.rows] == [Decimal(n) / 100 for n in (25, 50, 60, 75, 100)]
    assert by_enrolment.columns == (Decimal("0.0105"), Decimal("0.021"), Decimal("0.0315"))


def test_a_cell_where_no_lift_pays_is_empty_and_a_discount_for_everybody_has_one_table() -> None:
    (only,) = sensitivity("fixed_discount", {"discount_share": "0.20"}, GIVEN)
    assert only.columns == (Decimal("0.1"), Decimal("0.2"), Decimal("0.3"))
    assert only.rows[0].lifts == (Decimal("1"), None, None)  # a margin of 20 %
    with pytest.raises(MarginUnknown):
        sensitivity("fixed_discount", {"discount_share": "0.20"}, Assumptions())


@given(st.decimals("0.11", "0.9", places=2), st.decimals("0.01", "0.1", places=2))
def test_more_margin_never_needs_more_lift_and_a_dearer_reward_never_less(m: Decimal, d: Decimal) -> None:
    for table in sensitivity("personal_card", {"discount_share": str(d)}, Assumptions(margin_share=m)):
        grid = [[float("inf") if lift is None else float(lift) for lift in row.lifts] for row in table.rows]
        assert all(row == sorted(row) for row in grid)
        falling = table.rows_axis is Axis.MARGIN
        assert all(list(column) == sorted(column, reverse=falling) for column in zip(*grid, strict=True))
