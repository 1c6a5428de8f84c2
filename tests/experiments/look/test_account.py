"""The account: three rows of one regression that add up to the last digit, and what moved between the arms."""

import random
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import Mechanism, Share, UnitMoments, store_total
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.account import MICRO, UnitSums, exact_effects, exact_weights, rounded
from experiments.look.account import Account, CardShowing, Crossed, Part, UnitSales, account, moved_sales
from experiments.look.rows import unit_effect
from tests.experiments.building import complete_draw, paired_draw, stratified_draw
from tests.experiments.look.a_look import a_plan

DAYS, BEFORE_DAYS = 56, 84


def sales_of(
    mechanism: Mechanism, *, seed: int = 1, listed: float = 0.0, outside: float = 0.0, plan_seed: int = 3
) -> list[UnitSales]:
    """Units whose sales follow the sales before; in treated ones listed and outside sales are raised by shares."""
    rng, assignment = random.Random(seed), a_plan(mechanism, seed=plan_seed).assignment
    found = []
    for unit in mechanism.codes:
        base, on = rng.uniform(0.5, 1.5), assignment[unit] != "control"
        y = [base * share * (1 + rng.gauss(0, 0.04)) for share in (0.6, 0.4)]
        y = [amount * (1 + (lift if on else 0.0)) for amount, lift in zip(y, (listed, outside), strict=True)]
        found.append(UnitSales(unit, DAYS, BEFORE_DAYS, *(round(amount * 5_600_000) for amount in y),
                               round(base * 8_400_000)))  # fmt: skip
    return found


def an_account(mechanism: Mechanism, sales: list[UnitSales]) -> Account:
    return account(a_plan(mechanism), sales, "points", gate_confidence=0.975)


MECHANISMS = [complete_draw(12), paired_draw(24), stratified_draw(12, 3)]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Mechanism, list[UnitSales]]:
    mechanism = draw(st.sampled_from(MECHANISMS))
    amounts = st.integers(-(10**4), 10**11)
    stores = st.integers(1, 3)
    found = []
    for unit in mechanism.codes:
        n = draw(stores)
        sums = [draw(amounts) for _ in range(3)]
        found.append(UnitSales(unit, n * DAYS, n * BEFORE_DAYS, *sums))
    return mechanism, found


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_the_three_rows_add_up_to_the_last_digit_whatever_was_sold(world: tuple[Mechanism, list[UnitSales]]) -> None:
    try:
        found = an_account(*world)
    except NotEstimable:
        return
    total, listed, outside = (found.row(part) for part in Part)
    assert total.effect_micro == listed.effect_micro + outside.effect_micro
    assert total.whole_minor == listed.whole_minor + outside.whole_minor
    for row in found.rows:
        if row.estimate is not None:
            scale = max(abs(row.estimate.effect), row.estimate.std_error, 1.0)
            assert abs(row.effect_micro / MICRO - row.estimate.effect) <= 1e-6 * scale


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: mechanism.kind.value)
def test_the_first_row_is_the_reports_row_of_the_store_total(mechanism: Mechanism) -> None:
    plan, sales = a_plan(mechanism), sales_of(mechanism, listed=0.1)
    moments = [
        UnitMoments(u.unit, u.days, u.listed + u.outside, 0, u.before, 0, 0, u.days_before, DAYS, BEFORE_DAYS)
        for u in sales
    ]
    report = unit_effect(plan, store_total(), moments, "points")
    row = an_account(mechanism, sales).row(Part.TOTAL)
    assert row.estimate == report.estimate
    assert row.interval_gate == report.inference.interval(0.975)
    assert row.effect_micro / MICRO == pytest.approx(report.estimate.effect, abs=1e-6)


def test_with_two_variants_each_has_its_own_account_against_control() -> None:
    mechanism = complete_draw(15, (Share("control", 1), Share("points", 1), Share("card", 1)))
    plan = a_plan(mechanism)
    rng = random.Random(8)
    sales = []
    for unit in mechanism.codes:
        base, lift = rng.uniform(0.5, 1.5), {"control": 1.0, "points": 1.3, "card": 0.7}[plan.assignment[unit]]
        listed, outside = (round(base * share * 10**6 * rng.gauss(1, 0.03)) for share in (0.6 * lift, 0.4))
        sales.append(UnitSales(unit, DAYS, BEFORE_DAYS, listed, outside, round(base * 10**6)))
    crossed = crossed_of(list(mechanism.codes), seed=9, treated=set())
    for variant, sign in (("points", 1), ("card", -1)):
        found = account(plan, sales, variant, gate_confidence=0.9)
        total, listed_row, outside_row = (found.row(part) for part in Part)
        assert total.effect_micro == listed_row.effect_micro + outside_row.effect_micro
        assert sign * listed_row.effect_micro > 0
        assert found.n_units == 10
        assert moved_sales(plan, sales, crossed, variant, gate_confidence=0.9).n_units == 10


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["pairs", "one"]), st.booleans())
def test_the_exact_effect_is_the_coefficient_of_the_regression(seed: int, blocks: str, adjusted: bool) -> None:
    rng = random.Random(seed)
    units = [
        UnitSums(i % 2 == 0, i // 2 if blocks == "pairs" else 0, rng.choice([56, 112]), 84,
                 rng.randrange(10**8) if adjusted else None, (rng.randrange(10**8), rng.randrange(10**7)))
        for i in range(12)
    ]  # fmt: skip
    y = np.array([[part / u.days * 7 for part in u.parts] for u in units])
    dummies = np.array([[float(u.block == b) for b in range(6)] for u in units])
    columns = [np.array([float(u.treated) for u in units])[:, None], dummies[:, dummies.any(axis=0)]]
    if adjusted:
        columns.append(np.array([(u.before or 0) / 84 for u in units])[:, None])
    by_numpy = np.linalg.lstsq(np.hstack(columns), y, rcond=None)[0][0]
    assert [float(effect) for effect in exact_effects(units)] == pytest.approx(list(by_numpy), rel=1e-6, abs=1e-3)


def test_the_weights_add_up_to_one_in_the_variant_and_to_minus_one_in_control() -> None:
    units = [UnitSums(i % 2 == 0, i // 4, 7, 7, i * i, (0,)) for i in range(12)]
    weights = exact_weights(units)
    assert sum(w for w, u in zip(weights, units, strict=True) if u.treated) == 1
    assert sum(w for w, u in zip(weights, units, strict=True) if not u.treated) == -1
    assert sum(w * (u.before or 0) for w, u in zip(weights, units, strict=True)) == 0


def test_a_draw_that_its_covariate_explains_has_no_exact_effect() -> None:
    with pytest.raises(InvalidNumber):
        exact_weights([UnitSums(bool(i % 2), 0, 7, 7, i % 2, (i,)) for i in range(6)])


@settings(max_examples=100)
@given(st.lists(st.fractions(), min_size=1, max_size=4))
def test_rounded_parts_add_up_and_each_is_less_than_one_away(parts: list[Fraction]) -> None:
    whole, found = rounded(parts)
    assert whole == sum(found)
    assert abs(whole - sum(parts, Fraction(0))) <= Fraction(1, 2)
    assert all(abs(a - b) < 1 for a, b in zip(found, parts, strict=True))


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: mechanism.kind.value)
def test_cards_that_are_merely_shown_move_sales_into_the_list_and_leave_the_total(mechanism: Mechanism) -> None:
    plan, sales = a_plan(mechanism), sales_of(mechanism)
    shown = []
    for unit in sales:
        moves = round(0.3 * unit.outside) if plan.assignment[unit.unit] != "control" else 0
        shown.append(UnitSales(unit.unit, unit.days, unit.days_before, unit.listed + moves, unit.outside - moves,
                               unit.before))  # fmt: skip
    before, after = an_account(mechanism, sales), an_account(mechanism, shown)
    assert after.row(Part.TOTAL) == before.row(Part.TOTAL)
    assert after.row(Part.LISTED).effect_micro > before.row(Part.LISTED).effect_micro
    assert after.card_showing is CardShowing.SHOWN
    assert not after.sold_more


def test_real_new_sales_outside_the_list_show_no_cards() -> None:
    found = an_account(MECHANISMS[0], sales_of(MECHANISMS[0], outside=0.4))
    assert found.card_showing is None
    assert found.rose(Part.TOTAL)
    assert found.rose(Part.OUTSIDE)
    assert found.sold_more


def test_sales_outside_the_list_may_rise_beyond_doubt_where_the_noisier_total_does_not() -> None:
    """What a pilot to win customers asks for: who was first known later raises identification by definition."""
    mechanism = MECHANISMS[0]
    plan, rng = a_plan(mechanism), random.Random(3)
    sales = [
        UnitSales(u.unit, u.days, u.days_before, round(u.listed * rng.uniform(0.6, 1.4)), round(0.4 * u.before / 1.5
                  * (1.15 if plan.assignment[u.unit] != "control" else 1.0)), u.before)
        for u in sales_of(mechanism)
    ]  # fmt: skip
    found = an_account(mechanism, sales)
    assert (found.rose(Part.TOTAL), found.rose(Part.OUTSIDE), found.sold_more) == (False, True, True)


def crossed_of(
    units: list[str], *, seed: int, treated: set[str], share: float = 0.1, gain: int = 0, noise: float = 0.05
) -> Crossed:
    """Everybody buys a share in every other unit; treated homes ``gain`` more in each control unit."""
    rng = random.Random(seed)
    window, before = {}, {}
    for home in units:
        for at in units:
            usual = 0.0 if home == at else share * 1_000_000 * rng.uniform(0.5, 1.5)
            before[home, at] = round(usual * (1 + rng.gauss(0, noise)) * BEFORE_DAYS / 7)
            extra = gain if home in treated and at not in treated else 0
            window[home, at] = round((usual * (1 + rng.gauss(0, noise)) + extra) * DAYS / 7)
    return Crossed(window, before, dict.fromkeys(units, (DAYS, BEFORE_DAYS)))


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: mechanism.kind.value)
def test_sales_that_move_are_found_and_the_statistic_is_recomputed_for_every_redraw(mechanism: Mechanism) -> None:
    plan = a_plan(mechanism)
    treated = {unit for unit, variant in plan.assignment.items() if variant != "control"}
    crossed = crossed_of(list(mechanism.codes), seed=5, treated=treated, gain=-20_000)
    found = moved_sales(plan, sales_of(mechanism), crossed, "points", gate_confidence=0.9)
    lower, upper = found.interval
    assert lower is not None
    assert upper is not None
    truth = -20_000 * len(treated)  # as many stores are in control
    assert lower <= truth <= upper < 0
    assert found.p_value < 0.05


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: mechanism.kind.value)
def test_without_noise_what_moved_is_exactly_what_was_moved(mechanism: Mechanism) -> None:
    plan = a_plan(mechanism)
    treated = {unit for unit, variant in plan.assignment.items() if variant != "control"}
    crossed = crossed_of(list(mechanism.codes), seed=5, treated=treated, gain=-20_000, noise=0.0)
    found = moved_sales(plan, sales_of(mechanism), crossed, "points", gate_confidence=0.9)
    assert found.effect == pytest.approx(-20_000 * len(treated), rel=1e-4)  # sales are whole minor units


def test_its_p_value_is_that_of_every_draw_taken_by_hand() -> None:
    mechanism = complete_draw(8)
    plan = a_plan(mechanism)
    crossed = crossed_of(list(mechanism.codes), seed=2, treated=set(), share=0.2)
    found = moved_sales(plan, sales_of(mechanism), crossed, "points", gate_confidence=0.9)
    units = sorted(mechanism.codes)
    window, before = crossed.per_store_week(units)

    def statistic(treated: tuple[int, ...]) -> float:
        t = np.array([float(i in treated) for i in range(8)])
        rows = []
        for matrix in (window, before):
            rows.append([sum(matrix[i, j] for j in range(8) if j != i and not t[j]) for i in range(8)])
        columns = np.column_stack([t, np.ones(8), rows[1]])
        return float(np.linalg.lstsq(columns, np.array(rows[0]), rcond=None)[0][0])

    every = {draw: statistic(draw) for draw in combinations(range(8), 4)}
    actual = tuple(i for i, unit in enumerate(units) if plan.assignment[unit] != "control")
    centre = sum(every.values()) / len(every)
    extreme = [abs(value - centre) >= abs(every[actual] - centre) * (1 - 1e-9) for value in every.values()]
    assert found.p_value == pytest.approx(sum(extreme) / 70)


def test_where_nobody_crosses_nothing_can_have_moved() -> None:
    mechanism = complete_draw(8)
    crossed = crossed_of(list(mechanism.codes), seed=2, treated=set(), share=0.0)
    with pytest.raises(NotEstimable) as refused:
        moved_sales(a_plan(mechanism), sales_of(mechanism), crossed, "points", gate_confidence=0.9)
    assert refused.value.message.code == "nobody_crosses"
