"""The effect on money: a world by hand, parts that add up, and intervals that cover the truth."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import draw
from experiments.errors import NotEstimable
from experiments.look.money import MoneyEffect, money_effect
from experiments.look.plan import Leads, LookPlan, PlannedMetric, Role
from experiments.measure.metrics import AssignmentUnit, store_total
from experiments.measure.unit_money import UnitMoney
from tests.experiments.building import paired_draw

DAYS, DAYS_BEFORE, WEEKS = 28, 42, 4


def a_plan(n: int, *, seed: int = 7, draws: int = 999) -> LookPlan:
    mechanism = paired_draw(n)
    return LookPlan(
        unit=AssignmentUnit.STORE,
        mechanism=mechanism,
        assignment=draw(mechanism, seed=seed).assignment,
        metrics=(PlannedMetric(store_total(), Role.PRIMARY),),
        leads=Leads.STORE_TOTALS,
        seed=seed,
        draws=draws,
    )


def a_unit(
    unit: str, *, margin: int = 0, discount: int = 0, reward: int = 0, before: int = 0, sales: int = 0
) -> UnitMoney:
    return UnitMoney(unit, 1, sales, sales, margin, discount, reward, before)


def effect_of(plan: LookPlan, money: list[UnitMoney]) -> MoneyEffect:
    return money_effect(plan, money, "points", days=DAYS, days_before=DAYS_BEFORE)


def test_a_world_by_hand() -> None:
    """Eight pairs alike but for noise that cancels: margin +400, rewards 100 in every treated store of four weeks."""
    plan = a_plan(16)
    money = [
        a_unit(
            unit,
            margin=4_000 + (400 if variant == "points" else 0) + 10 * (number // 2 % 2),
            reward=100 if variant == "points" else 0,
            sales=20_000,
        )
        for number, (unit, variant) in enumerate(sorted(plan.assignment.items()))
    ]
    found = effect_of(plan, money)
    assert found.effect.estimate.effect == pytest.approx((400 - 100) / WEEKS)
    assert (found.rewards, found.discounts) == (pytest.approx(100 / WEEKS), 0.0)
    assert (found.times, found.treated, found.control_sales) == (8 * WEEKS, 8, 20_000 / WEEKS)


@given(st.lists(st.tuples(*[st.integers(-(10**7), 10**7)] * 4), min_size=16, max_size=16))
def test_the_parts_add_up_to_the_effect(values: list[tuple[int, int, int, int]]) -> None:
    plan = a_plan(16)
    units = sorted(plan.assignment)

    def effect(margin: Callable[[int, int, int], int]) -> MoneyEffect | None:
        money = [
            a_unit(unit, margin=margin(m, d, r), discount=d, reward=r, before=x)
            for unit, (m, d, r, x) in zip(units, values, strict=True)
        ]
        try:
            return effect_of(plan, money)
        except NotEstimable:
            return None

    net = effect(lambda m, _d, _r: m)
    gross = effect(lambda m, d, r: m + d + r)  # what goods earned, before discounts and rewards took their part
    if net is not None and gross is not None:
        assert net.effect.estimate.effect + net.discounts + net.rewards == pytest.approx(
            gross.effect.estimate.effect, rel=1e-6, abs=1e-3
        )


def _world(
    rng: np.random.Generator, n: int, treated: npt.NDArray[np.bool_], *, lift: float, reward: float
) -> tuple[list[tuple[int, int, int]], float]:
    """(margin, reward, before) of stores whose level and growth differ, and the true mean effect per store-week."""
    level = np.repeat(np.exp(rng.normal(11.5, 0.5, n // 2)), 2) * np.exp(rng.normal(0.0, 0.1, n))
    before = level * np.exp(rng.normal(0.0, 0.03, n)) * DAYS_BEFORE / 7
    without = level * np.exp(rng.normal(0.02, 0.05, n)) * WEEKS
    with_it = without * (1.0 + lift * rng.uniform(0.5, 1.5, n))
    margin_0, margin_1 = 0.3 * without, (0.3 * with_it, reward * with_it)
    truth = float((margin_1[0] - margin_1[1] - margin_0).mean()) / WEEKS
    rows = [
        (
            round(margin_1[0][i] if treated[i] else margin_0[i]),
            round(margin_1[1][i] if treated[i] else 0.0),
            round(0.3 * before[i]),
        )
        for i in range(n)
    ]
    return rows, truth


@pytest.mark.slow
@pytest.mark.parametrize(("lift", "reward"), [(0.0, 0.0), (0.06, 0.0), (0.06, 0.03)], ids=["null", "gain", "lossy"])
def test_the_interval_covers_the_true_money(lift: float, reward: float) -> None:
    """500 worlds of 16 pairs; at least 93 % of the 95 % intervals hold the true mean effect on money."""
    rng, covered, worlds = np.random.default_rng(20260301), 0, 500
    for world in range(worlds):
        plan = a_plan(32, seed=world)
        units = sorted(plan.assignment)
        treated = np.array([plan.assignment[unit] == "points" for unit in units])
        rows, truth = _world(rng, 32, treated, lift=lift, reward=reward)
        money = [a_unit(u, margin=m, reward=r, before=x) for u, (m, r, x) in zip(units, rows, strict=True)]
        low, high = _interval(plan, money)
        covered += low <= truth <= high
    share = covered / worlds
    assert share >= 0.93, f"{covered} of {worlds} covered"


def _interval(plan: LookPlan, money: list[UnitMoney]) -> tuple[float, float]:
    low, high = effect_of(plan, money).effect.inference.interval(0.95)
    assert low is not None
    assert high is not None
    return low, high
