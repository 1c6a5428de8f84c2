"""Stepped wedge: the launch order is redrawn, and its p-value and interval hold what they promise."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import NotEstimable
from experiments.estimate.callaway_santanna import callaway_santanna
from experiments.estimate.estimate import Side
from experiments.estimate.group_time import Controls, group_time
from experiments.estimate.stepped_wedge import launch_orders, starts_of, stepped_wedge
from experiments.estimate.unit_panel import UnitPanel
from tests.experiments.panels import simulated, unit_panel


def _brute(panel: UnitPanel) -> float:
    """The simple average of the cells, a single unit of a start included."""
    cells = [
        c for c in group_time(panel, controls=Controls.NOT_YET_TREATED, keep_alone=True).cells if c.period >= c.start
    ]
    return sum(c.n_treated * c.effect for c in cells) / sum(c.n_treated for c in cells)


def test_the_statistic_is_the_simple_average_with_not_yet_treated_controls() -> None:
    panel = simulated(np.random.default_rng(2), (4, 5, 3, 6), (2, 3, 5, -1), 7, path=[1.0]).panel
    wedge, overall = stepped_wedge(panel, seed=1, draws=99), callaway_santanna(panel).overall
    assert wedge.effect == pytest.approx(overall.effect)
    assert wedge.std_error == pytest.approx(overall.welch.std_error)


def test_the_p_value_is_the_share_of_all_orders_that_are_at_least_as_extreme() -> None:
    panel = simulated(np.random.default_rng(3), (1, 2, 2), (1, 2, 4), 6, path=[0.8]).panel
    orders = sorted(set(permutations(panel.first_treated.tolist())))
    statistics = np.array([_brute(replace(panel, first_treated=np.array(order))) for order in orders])
    wedge = stepped_wedge(panel, seed=1)
    assert wedge.n_orders == len(orders) == 30
    actual = abs(_brute(panel))
    assert wedge.p_value() == pytest.approx((np.abs(statistics) >= actual * (1 - 1e-9)).mean())
    assert sorted(wedge.permutation.draws.b) == pytest.approx(sorted(statistics))
    assert not wedge.permutation.studentised
    assert wedge.std_error is None  # one unit of a start has no spread
    assert wedge.p_value() >= wedge.smallest_p


def test_a_constant_effect_is_rejected_exactly_where_the_outcome_without_it_is() -> None:
    made = simulated(np.random.default_rng(4), (3, 3, 3), (1, 3, 5), 7, path=[1.0])
    wedge = stepped_wedge(made.panel, seed=1)
    for at in (-0.5, 0.3, 1.4):
        without = stepped_wedge(made.panel.with_outcome(made.panel.y - at * made.panel.treated), seed=1)
        assert wedge.p_value(at) == without.p_value()
        assert wedge.p_one_sided(Side.GREATER, at) == without.p_one_sided(Side.GREATER)
    low, high = wedge.interval(0.9)
    assert low is not None
    assert high is not None
    assert wedge.p_value(low - 1e-6) <= 0.1 < wedge.p_value(low + 1e-6)
    assert wedge.p_value(high + 1e-6) <= 0.1 < wedge.p_value(high - 1e-6)
    bound = wedge.bound(Side.GREATER, 0.9)
    assert bound is not None
    assert bound > low


def test_periods_without_an_untreated_unit_take_no_part_and_are_named() -> None:
    made = simulated(np.random.default_rng(5), (2, 2, 2), (1, 2, 3), 6, path=[1.0])
    wedge = stepped_wedge(made.panel, seed=1)
    assert wedge.periods_left_out == ("3", "4", "5")
    assert ("3", "3") in wedge.unidentified
    y = made.panel.y.copy()
    y[:, 3:] = 1e6
    assert stepped_wedge(made.panel.with_outcome(y), seed=1).effect == pytest.approx(wedge.effect)


def test_the_smallest_p_value_counts_the_orders_that_give_the_same_or_the_opposite_statistic() -> None:
    rng = np.random.default_rng(6)
    assert stepped_wedge(simulated(rng, (2, 2, 2), (1, 2, -1), 3).panel, seed=1).smallest_p == pytest.approx(1 / 90)
    mirrored = stepped_wedge(simulated(rng, (3, 3), (1, -1), 2).panel, seed=1)
    assert mirrored.smallest_p == pytest.approx(2 / 20)


def test_orders_are_listed_up_to_a_limit_and_sampled_beyond() -> None:
    few = starts_of(np.array([1, 1, 2, 2, 3, 3]), np.zeros(6, dtype=np.int64), 4)
    codes, listed = launch_orders(few, seed=1, draws=99)
    assert listed
    assert len(np.unique(codes, axis=0)) == len(codes) == 90
    many = starts_of(np.repeat([1, 2, 3, -1], 5), np.zeros(20, dtype=np.int64), 5)
    codes, listed = launch_orders(many, seed=1, draws=99)
    assert (listed, codes.shape) == (False, (100, 20))
    assert (codes[0] == many.code).all()
    assert (np.sort(codes, axis=1) == np.sort(many.code)).all()


def test_orders_are_drawn_inside_blocks_and_units_compared_inside_them() -> None:
    made = simulated(np.random.default_rng(7), (4, 4), (2, 4), 6, path=[1.0])
    block = np.array([0, 1] * 4)
    panel = replace(made.panel, first_treated=np.repeat([2, 4], 4))
    panel = panel.with_outcome(panel.y + 1e4 * block[:, None] * np.arange(6) ** 2)  # blocks move far apart
    wedge = stepped_wedge(panel, seed=1, block=block)
    assert wedge.n_orders == 36
    assert abs(wedge.effect) < 5
    by_block = [_brute(panel.keep(block == b)) for b in (0, 1)]
    assert wedge.effect == pytest.approx(np.mean(by_block), rel=1e-6)


def test_incomplete_and_always_treated_units_are_named_and_nothing_to_compare_is_refused() -> None:
    panel = simulated(np.random.default_rng(8), (3, 3, 1), (1, 2, 0), 4).panel
    y = panel.y.copy()
    gap = int(np.flatnonzero(panel.first_treated == 2)[0])
    y[gap, 1] = np.nan
    wedge = stepped_wedge(panel.with_outcome(y), seed=1)
    assert wedge.left_out.incomplete == (panel.units[gap],)
    assert len(wedge.left_out.always_treated) == 1
    with pytest.raises(NotEstimable, match="still untreated"):
        stepped_wedge(unit_panel(panel.y, [1] * 7), seed=1)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.1, 10))
def test_levels_of_units_and_periods_do_not_matter_and_scale_scales(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    panel = simulated(rng, (3, 3, 3), (1, 3, -1), 5).panel
    moved = panel.with_outcome(scale * (panel.y + rng.normal(size=(9, 1)) * 10 + rng.normal(size=5)))
    found, other = stepped_wedge(panel, seed=1), stepped_wedge(moved, seed=1)
    assert other.effect == pytest.approx(scale * found.effect, abs=1e-9)
    assert other.p_value() == found.p_value()


@pytest.mark.slow
@pytest.mark.parametrize("reaction", [0.0, 0.7])
def test_the_level_and_the_coverage_hold_also_when_stores_react_differently(reaction: float) -> None:
    """3 + 3 + 3 + 3 of 12 stores, 8 periods, AR(1) .5, an effect of 1: at most 7 % alarms (at least 3.5 % where no
    store reacts), coverage at least 93 %."""
    rng = np.random.default_rng(51)
    alarms, covered, reps = 0, 0, 500
    for number in range(reps):
        null = simulated(rng, (3, 3, 3, 3), (2, 4, 6, -1), 8, reaction=reaction)
        alarms += stepped_wedge(null.panel, seed=number, draws=299).p_value() <= 0.05
        made = simulated(rng, (3, 3, 3, 3), (2, 4, 6, -1), 8, reaction=reaction, path=[1.0])
        covered += stepped_wedge(made.panel, seed=number, draws=299).p_value(made.truth) > 0.05
    assert alarms / reps <= 0.07, alarms / reps
    assert alarms / reps >= 0.035 or reaction > 0, alarms / reps
    assert covered / reps >= 0.93, covered / reps
