"""Break-even, waterfall, horizon and value per cost, by hand and by what must always hold."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import InvalidNumber, NotEstimable
from experiments.forecast.economics import (
    break_even,
    return_on_investment,
    value_over_horizon,
    value_per_cost,
    waterfall,
)

MARGINS = st.decimals("0.05", "1", places=3)


def test_five_per_cent_off_at_a_margin_of_thirty_needs_twenty_per_cent_more_sales() -> None:
    found = break_even(margin_share=Decimal("0.30"), reward_share=Decimal("0.05"), till_share=Decimal("0.05"))
    assert found.lift == Decimal("0.20")
    assert found.lift_under_offer == Decimal("0.20")
    assert found.store_total_lift == Decimal("0.14")  # 1.2 × 0.95 − 1


def test_where_two_in_five_take_part_only_their_sales_are_subsidised() -> None:
    found = break_even(
        margin_share=Decimal("0.30"),
        reward_share=Decimal("0.05"),
        enrolment_share=Decimal("0.4"),
        till_share=Decimal("0.05"),
    )
    assert found.lift == Decimal("0.08")  # 0.02 / 0.25
    assert found.lift_under_offer == Decimal("0.20")
    assert found.store_total_lift == Decimal("0.056")  # 0.6 + 0.48 × 0.95 − 1


def test_fixed_costs_are_spread_over_the_sales_of_their_period() -> None:
    found = break_even(
        margin_share=Decimal("0.25"), reward_share=Decimal("0.05"), fixed_minor=10_000, sales_minor=1_000_000
    )
    assert found.lift == Decimal("0.30")  # (0.05 + 0.01) / 0.20


def test_a_margin_that_does_not_cover_the_reward_is_refused_with_its_reason() -> None:
    with pytest.raises(NotEstimable, match="every further sale loses money") as refused:
        break_even(margin_share=Decimal("0.05"), reward_share=Decimal("0.05"))
    assert refused.value.message.code == "margin_below_reward"


def test_fixed_costs_without_sales_nobody_enrolled_and_impossible_shares_are_refused() -> None:
    with pytest.raises(NotEstimable, match="spread over"):
        break_even(margin_share=Decimal("0.3"), reward_share=Decimal("0.05"), fixed_minor=1)
    with pytest.raises(NotEstimable, match="nobody"):
        break_even(margin_share=Decimal("0.3"), reward_share=Decimal("0.05"), enrolment_share=Decimal(0))
    for wrong in (Decimal("1.01"), Decimal("-0.1"), Decimal("NaN")):
        with pytest.raises(InvalidNumber):
            break_even(margin_share=wrong, reward_share=Decimal("0.01"))


@given(MARGINS, st.decimals("0", "0.9", places=3), st.decimals("0.01", "1", places=2), st.integers(0, 10**6))
def test_at_the_break_even_profit_is_what_it_was(m: Decimal, r: Decimal, e: Decimal, fixed: int) -> None:
    sales = 10**8
    if r >= m:
        with pytest.raises(NotEstimable):
            break_even(margin_share=m, reward_share=r, enrolment_share=e, fixed_minor=fixed, sales_minor=sales)
        return
    found = break_even(margin_share=m, reward_share=r, enrolment_share=e, fixed_minor=fixed, sales_minor=sales)
    fm, fr, fe, x = Fraction(m), Fraction(r), Fraction(e), Fraction(found.lift)
    after = (fm - fr) * (fe + x) * sales + fm * (1 - fe) * sales - fixed
    assert float(after - fm * sales) == pytest.approx(0.0, abs=1e-9)


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(-(10**12), 10**12)), max_size=12))
def test_a_waterfall_ends_at_the_sum_of_its_steps(steps: list[tuple[str, int]]) -> None:
    found = waterfall(steps)
    assert [step.amount_minor for step in found] == [amount for _, amount in steps]
    assert all(step.end_minor - step.start_minor == step.amount_minor for step in found)
    assert all(before.end_minor == after.start_minor for before, after in pairwise(found))
    assert (found[-1].end_minor if found else 0) == sum(amount for _, amount in steps)


def test_the_value_over_a_horizon_by_hand() -> None:
    assert value_over_horizon(1_000, weeks=52, one_off_minor=20_000) == 32_000
    weekly = 1.1 ** (-7 / 365)  # the closed form of the sum, in floating point
    assert value_over_horizon(10_000, weeks=52, yearly_rate=Decimal("0.10")) == round(
        10_000 * weekly * (1 - weekly**52) / (1 - weekly)
    )


def test_the_return_is_gain_per_cost_and_needs_a_cost() -> None:
    assert return_on_investment(5_000, 10_000) == Decimal("0.5")
    with pytest.raises(NotEstimable, match="nothing was spent"):
        return_on_investment(5_000, 0)


def test_three_customers_for_three_months_beat_five_for_two_weeks_at_the_same_cost_each() -> None:
    five = value_per_cost(customers=5, weeks_each=Decimal(2), weekly_margin=Decimal(300), cost=Decimal(5 * 1_000))
    three = value_per_cost(customers=3, weeks_each=Decimal(13), weekly_margin=Decimal(300), cost=Decimal(3 * 1_000))
    assert five == Decimal("0.6")
    assert three == Decimal("3.9")
    assert three > five
