"""Two-way fixed effects as a warning: what it estimates, with which weights, and how wrong it gets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import NotEstimable
from experiments.estimate.callaway_santanna import callaway_santanna
from experiments.estimate.cluster_robust import Correction, cluster_robust
from experiments.estimate.difference_in_differences import difference_in_differences
from experiments.estimate.imputation import imputation
from experiments.estimate.two_way_fixed_effects import two_way_fixed_effects
from tests.experiments.panels import simulated, unit_panel


def test_it_is_the_regression_on_indicators_gaps_included() -> None:
    rng = np.random.default_rng(2)
    panel = simulated(rng, (3, 4, 5), (2, 4, -1), 7).panel
    y = panel.y.copy()
    y[rng.random(y.shape) < 0.1] = np.nan
    found = two_way_fixed_effects(panel.with_outcome(y))
    rows = np.isfinite(y).reshape(-1)
    unit, period = np.repeat(np.arange(12), 7), np.tile(np.arange(7), 12)
    columns = [panel.treated.reshape(-1), *[unit == i for i in range(12)], *[period == t for t in range(1, 7)]]
    design = np.column_stack(columns).astype(float)[rows]
    brute = cluster_robust(design, y.reshape(-1)[rows], unit[rows], coefficient=0, correction=Correction.CR0)
    n = int(rows.sum())
    assert found.effect == pytest.approx(brute.effect)
    assert found.std_error == pytest.approx(brute.std_error * np.sqrt(12 / 11 * (n - 1) / (n - 2)))


def test_with_one_start_it_is_the_difference_in_differences_and_no_weight_is_negative() -> None:
    panel = simulated(np.random.default_rng(3), (4, 5), (3, -1), 6).panel
    found = two_way_fixed_effects(panel)
    assert found.effect == pytest.approx(difference_in_differences(panel).effect)
    assert (found.negative_share, found.negative_sum) == (0.0, 0.0)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_weights_add_up_to_one_and_give_the_coefficient(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = simulated(rng, (3, 3), (1, 3), 6, path=[0.5, 1.0, 2.0])
    found = two_way_fixed_effects(made.panel)
    assert found.weights.sum() == pytest.approx(1.0)
    noiseless = two_way_fixed_effects(made.panel.with_outcome(made.effects))
    assert noiseless.effect == pytest.approx(float((found.weights * made.effects).sum()))


def test_early_starts_are_used_as_controls_of_late_ones_with_negative_weights() -> None:
    # starts 1 and 3 of five periods and nobody never treated: the last two periods of the first start count negatively
    panel = unit_panel(np.random.default_rng(1).normal(size=(4, 5)), [1, 1, 3, 3])
    found = two_way_fixed_effects(panel)
    assert (found.weights[:2, 3:] < 0).all()
    assert (found.weights[:2, 1:3] > 0).all()
    assert found.negative_share == pytest.approx(4 / 12)
    assert found.negative_sum == pytest.approx(float(found.weights[:2, 3:].sum()))


def test_treatment_that_unit_and_period_effects_already_tell_is_refused() -> None:
    with pytest.raises(NotEstimable, match="already tell"):
        two_way_fixed_effects(unit_panel(np.random.default_rng(1).normal(size=(3, 4)), [2, 2, 2]))


def test_a_growing_effect_can_even_change_its_sign_where_group_times_and_imputation_do_not() -> None:
    """No noise: every effect is positive, the regression says a negative one."""
    since = np.arange(10)[None, :] - np.array([1, 1, 5, 5])[:, None]
    effects = np.where(since >= 0, 0.2 + 0.6 * since, 0.0)
    panel = unit_panel(effects + np.array([[0.0], [1.0], [2.0], [3.0]]) + np.arange(10) * 0.1, [1, 1, 5, 5])
    assert effects[panel.treated].min() > 0
    assert two_way_fixed_effects(panel).effect < 0
    known = panel.treated & (np.arange(10) < 5)
    assert imputation(
        panel.with_outcome(panel.y + 1e-9 * np.random.default_rng(1).normal(size=(4, 10)))
    ).overall.effect == (pytest.approx(float(effects[known].mean()), abs=1e-6))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "too"), [([0.3 * e for e in range(10)], "small"), ([1.6, 0.8, 0.4, 0.2, 0.1], "large")]
)
def test_it_is_biased_where_effects_grow_or_fade_and_the_others_are_not(path: list[float], too: str) -> None:
    """300 panels, 8 stores of each of three starts and 8 never treated."""
    rng = np.random.default_rng(41)
    gaps = []
    for _ in range(300):
        made = simulated(rng, (8, 8, 8, 8), (1, 4, 7, -1), 10, path=path)
        answers = (
            two_way_fixed_effects(made.panel).effect,
            callaway_santanna(made.panel).overall.effect,
            imputation(made.panel).overall.effect,
        )
        gaps.append([answer - made.truth for answer in answers])
    mean, error = np.mean(gaps, axis=0), np.std(gaps, axis=0) / np.sqrt(300)
    assert (mean[0] < -8 * error[0]) if too == "small" else (mean[0] > 8 * error[0]), (mean, error)
    assert (np.abs(mean[1:]) < 3 * error[1:]).all(), (mean, error)
