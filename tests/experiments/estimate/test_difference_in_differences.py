"""Difference in differences: one change per unit, exact only in a balanced panel with one start."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import NotEstimable
from experiments.estimate.cluster_robust import cluster_robust
from experiments.estimate.difference_in_differences import difference_in_differences
from tests.experiments.panels import simulated, unit_panel

BY_HAND = unit_panel([[1, 3, 6, 8], [2, 2, 5, 5], [0, 2, 1, 3], [4, 4, 5, 5], [1, 1, 3, 3]], [2, 2, -1, -1, -1])


def test_the_effect_is_the_mean_change_of_the_treated_less_that_of_the_others() -> None:
    found = difference_in_differences(BY_HAND)
    # changes: 7 − 2 = 5, 5 − 2 = 3; 2 − 1 = 1, 5 − 4 = 1, 3 − 1 = 2
    assert found.effect == pytest.approx(4 - 4 / 3)
    pooled = np.sqrt((2 + 2 / 3) / 3 * (1 / 2 + 1 / 3))
    assert (found.pooled.std_error, found.pooled.df) == (pytest.approx(pooled), 3.0)
    assert found.welch is not None
    assert found.welch.std_error == pytest.approx(np.sqrt(2 / 2 + (1 / 3) / 3))
    assert found.hc2 is not None
    assert found.hc2.std_error == pytest.approx(found.welch.std_error)


def test_it_is_the_coefficient_of_the_regression_on_unit_and_period_indicators_blocks_included() -> None:
    rng = np.random.default_rng(4)
    made = simulated(rng, (5, 7), (3, -1), 6).panel
    block = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    made = replace(made, first_treated=np.tile([3, -1, -1, 3], 3))
    found = difference_in_differences(made, block=block)
    unit, period = np.repeat(np.arange(12), 6), np.tile(np.arange(6), 12)
    by_block = [(block[unit] == b) & (period == t) for b in range(3) for t in range(1, 6)]
    design = np.column_stack([made.treated.reshape(-1), *[unit == i for i in range(12)], *by_block]).astype(np.float64)
    brute = cluster_robust(design, made.y.reshape(-1), unit.astype(np.int64), coefficient=0)
    assert found.effect == pytest.approx(brute.effect)
    assert found.hc2 is not None
    assert (found.hc2.std_error, found.hc2.df) == (pytest.approx(brute.std_error), pytest.approx(brute.df))
    assert found.welch is None


@pytest.mark.parametrize(
    ("starts", "missing", "code"),
    [
        ((2, 2, -1, -1, -1), True, "panel_not_balanced"),
        ((2, 3, -1, -1, -1), False, "several_starts"),
        ((-1, -1, -1, -1, -1), False, "several_starts"),
        ((0, 0, -1, -1, -1), False, "no_period_before"),
    ],
)
def test_a_panel_of_which_the_collapsed_change_would_be_wrong_is_refused(
    starts: tuple[int, ...], missing: bool, code: str
) -> None:
    y = BY_HAND.y.copy()
    if missing:
        y[3, 1] = np.nan
    with pytest.raises(NotEstimable) as refused:
        difference_in_differences(unit_panel(y, starts))
    assert refused.value.message.code == code
    if missing:
        assert "u03" in str(refused.value)


def test_one_treated_unit_has_the_pooled_error_only() -> None:
    found = difference_in_differences(replace(BY_HAND, first_treated=np.array([2, -1, -1, -1, -1])))
    assert found.pooled.std_error > 0
    assert (found.welch, found.hc2, found.event_times) == (None, None, None)


def test_event_times_compare_each_period_with_the_last_one_before_the_start() -> None:
    events = difference_in_differences(BY_HAND).event_times
    assert events is not None
    assert events.events == (-2, 0, 1)
    assert events.effects == pytest.approx([-1 + 2 / 3, 3 - 2 / 3, 4 - 4 / 3])
    change = BY_HAND.y[:, 2] - BY_HAND.y[:, 1]
    welch = np.sqrt(change[:2].var(ddof=1) / 2 + change[2:].var(ddof=1) / 3)
    assert events.std_errors[1] == pytest.approx(welch)
    assert events.std_errors == pytest.approx(np.sqrt(np.diagonal(events.covariance)))
    band = events.band(confidence_level=0.95, seed=1)
    assert band == events.band(confidence_level=0.95, seed=1)
    assert all(low < effect < high for low, effect, high in zip(band.low, events.effects, band.high, strict=True))


@given(shift=st.floats(-50, 50), scale=st.floats(0.1, 20), seed=st.integers(0, 2**32 - 1))
def test_levels_of_units_and_periods_do_not_matter_and_scale_scales(shift: float, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    panel = simulated(rng, (4, 5), (2, -1), 5).panel
    found = difference_in_differences(panel)
    moved = panel.with_outcome(scale * panel.y + shift * rng.normal(size=(9, 1)) + rng.normal(size=(1, 5)))
    other = difference_in_differences(moved)
    assert other.effect == pytest.approx(scale * found.effect, rel=1e-6, abs=1e-9)
    assert other.pooled.std_error == pytest.approx(scale * found.pooled.std_error, rel=1e-6)


@given(seed=st.integers(0, 2**32 - 1))
def test_swapping_the_arms_flips_the_sign_and_the_order_of_units_says_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    panel = simulated(rng, (4, 5), (2, -1), 5).panel
    found = difference_in_differences(panel)
    swapped = difference_in_differences(replace(panel, first_treated=np.where(panel.first_treated == 2, -1, 2)))
    assert swapped.effect == pytest.approx(-found.effect)
    order = rng.permutation(9)
    shuffled = replace(panel, y=panel.y[order], first_treated=panel.first_treated[order])
    assert difference_in_differences(shuffled).pooled.std_error == pytest.approx(found.pooled.std_error)


@pytest.mark.slow
def test_the_level_and_the_coverage_hold_under_strong_serial_correlation() -> None:
    """6 of 14 stores, AR(1) .8, 12 periods, an effect of .7 with reactions of sd .5: 3.5–7 % alarms, 93–97.5 %."""
    rng = np.random.default_rng(11)
    alarms, covered, reps = np.zeros(3), np.zeros(3), 900
    for _ in range(reps):
        null = difference_in_differences(simulated(rng, (6, 8), (6, -1), 12, persistence=0.8).panel)
        made = simulated(rng, (6, 8), (6, -1), 12, persistence=0.8, path=[0.7], reaction=0.5)
        lifted = difference_in_differences(made.panel)
        for k, (one, other) in enumerate(
            ((null.pooled, lifted.pooled), (null.welch, lifted.welch), (null.hc2, lifted.hc2))
        ):
            assert one is not None
            assert other is not None
            low, high = other.interval(0.95)
            alarms[k] += one.p_value() <= 0.05
            covered[k] += low <= made.truth <= high
    assert (alarms / reps >= 0.035).all(), alarms / reps
    assert (alarms / reps <= 0.07).all(), alarms / reps
    assert (covered / reps >= 0.93).all(), covered / reps
    assert (covered / reps <= 0.975).all(), covered / reps
