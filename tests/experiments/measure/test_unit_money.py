"""The money of units by hand: margin from costs or from a stated share, discounts beyond the usual, rewards."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import NotEstimable
from experiments.measure.unit_money import MarginBasis, margin_basis, unit_money
from experiments.measure.visits import BEFORE, COLUMNS, WINDOW

SHARE = Decimal("0.30")


def visits(*rows: tuple[str | None, str | None, str, dict[str, int]]) -> pa.Table:
    """(home, at, period, the columns that matter)."""
    found = [
        {"home": home, "at": at, "period": period, **dict.fromkeys(COLUMNS, 0), **sums}
        for home, at, period, sums in rows
    ]
    texts = [pa.field(name, pa.string()) for name in ("home", "at", "period")]
    return pa.Table.from_pylist(found, pa.schema([*texts, *(pa.field(name, pa.int64()) for name in COLUMNS)]))


def money(table: pa.Table, basis: MarginBasis = MarginBasis.PLAN) -> Any:
    return unit_money(table, {"A": 1}, basis=basis, margin_share=SHARE)[0]


def test_a_stated_margin_pays_the_goods_that_a_discount_gave_away() -> None:
    """1,000.00 at list, 5 % off for everybody: goods cost 70 % of 1,000.00, not of 950.00."""
    found = money(visits((None, "A", WINDOW, {"net_minor": 95_000, "discount_minor": 5_000})))
    assert found.discount_minor == 5_000
    assert found.margin_minor == 95_000 - 70_000
    assert found.margin_minor + found.discount_minor == 30_000


def test_discounts_that_were_usual_before_are_no_cost_of_the_offer() -> None:
    before = (None, "A", BEFORE, {"net_minor": 90_000, "discount_minor": 10_000})
    found = money(visits(before, (None, "A", WINDOW, {"net_minor": 85_500, "discount_minor": 14_500})))
    assert found.discount_minor == 4_500  # 14,500 − 10 % of 100,000
    assert found.margin_minor == round(0.3 * 85_500 - 0.7 * 4_500)
    assert found.before_minor == 27_000
    assert (
        money(visits(before, (None, "A", WINDOW, {"net_minor": 90_000, "discount_minor": 10_000}))).discount_minor == 0
    )


def test_costs_on_receipts_say_the_margin_and_are_carried_to_the_few_sales_without() -> None:
    sums = {"net_minor": 100_000, "cost_known_net_minor": 96_000, "cost_minor": 72_000, "reward_minor": 1_000}
    table = visits((None, "A", WINDOW, sums), ("A", "A", BEFORE, sums))
    assert margin_basis(table, ["A"], None) is MarginBasis.COST
    found = money(table, MarginBasis.COST)
    assert (found.margin_minor, found.net_minor, found.before_minor) == (25_000, 24_000, 24_000)


def test_too_few_costs_fall_back_to_the_plan_and_without_one_are_refused() -> None:
    sums = {"net_minor": 100_000, "cost_known_net_minor": 94_999, "cost_minor": 70_000}
    table = visits((None, "A", WINDOW, sums), (None, "A", BEFORE, {**sums, "cost_known_net_minor": 100_000}))
    assert margin_basis(table, ["A"], SHARE) is MarginBasis.PLAN
    with pytest.raises(NotEstimable, match="the plan states no margin"):
        margin_basis(table, ["A"], None)


def test_all_homes_count_where_they_shop_and_stores_of_no_unit_nowhere() -> None:
    rows = [(home, "A", WINDOW, {"net_minor": 100, "identified_net_minor": 40}) for home in ("A", "B", None)]
    found = money(visits(*rows, ("A", None, WINDOW, {"net_minor": 7}), ("A", "B", WINDOW, {"net_minor": 9})))
    assert (found.sales_minor, found.identified_net_minor) == (300, 120)


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**8), st.integers(0, 10**9), st.integers(0, 10**8))
def test_what_goods_earn_is_split_without_a_rest(net: int, discount: int, before: int, usual: int) -> None:
    found = money(
        visits(
            (None, "A", WINDOW, {"net_minor": net, "discount_minor": discount}),
            (None, "A", BEFORE, {"net_minor": before, "discount_minor": usual}),
        )
    )
    goods = 0.7 * (net + found.discount_minor)
    assert found.net_minor == pytest.approx(net - goods, abs=1.0)
