"""Imputation: what untreated cells predict, the effects left over, and their conservative error."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import NotEstimable
from experiments.estimate.imputation import imputation
from experiments.estimate.two_way_effects import TwoWayEffects
from experiments.estimate.unit_panel import Bools, Floats, UnitPanel
from tests.experiments.panels import simulated, unit_panel


def _brute(y: Floats, mask: Bools) -> Floats:
    """α_i + λ_t of every cell by least squares with indicators."""
    n, n_periods = y.shape
    unit, period = np.repeat(np.arange(n), n_periods), np.tile(np.arange(n_periods), n)
    design = np.column_stack([unit == i for i in range(n)] + [period == t for t in range(n_periods)]).astype(float)
    rows = mask.reshape(-1)
    solution = np.linalg.lstsq(design[rows], y.reshape(-1)[rows], rcond=None)[0]
    return (design @ solution).reshape(y.shape)


def _with_gaps(seed: int) -> UnitPanel:
    rng = np.random.default_rng(seed)
    panel = simulated(rng, (3, 4, 5), (2, 4, -1), 7).panel
    y = panel.y.copy()
    y[rng.random(y.shape) < 0.08] = np.nan
    y[:, 0] = panel.y[:, 0]
    return panel.with_outcome(y)


def test_two_way_effects_are_those_of_least_squares_with_indicators_gaps_included() -> None:
    panel = _with_gaps(3)
    observed = np.isfinite(panel.y)
    model = TwoWayEffects(observed & ~panel.treated)
    brute = _brute(np.nan_to_num(panel.y), model.mask)
    fitted = model.fitted(np.nan_to_num(panel.y))
    known = model.determined
    assert known.any()
    assert fitted[known] == pytest.approx(brute[known])
    assert np.isnan(fitted[~known]).all()


def test_prediction_weights_add_up_to_the_sum_of_fits() -> None:
    panel = _with_gaps(4)
    model = TwoWayEffects(np.isfinite(panel.y) & ~panel.treated)
    weights = np.where(model.determined, np.random.default_rng(1).normal(size=panel.y.shape), 0.0)
    y = np.nan_to_num(panel.y)
    by_fit = float((weights * np.nan_to_num(model.fitted(y))).sum())
    assert float((model.prediction_weights(weights) * y).sum()) == pytest.approx(by_fit)


def test_cells_that_nothing_connects_are_not_determined() -> None:
    mask = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=bool)
    model = TwoWayEffects(mask)
    assert model.determined.tolist() == mask.tolist()
    assert model.n_parameters == 3 + 4 - 2


def test_the_effect_is_what_is_left_of_treated_cells_and_linear_in_the_outcome() -> None:
    panel = unit_panel([[0, 1, 5, 9], [2, 3, 6, 8], [1, 2, 3, 4], [5, 6, 7, 8]], [2, 2, -1, -1])
    found = imputation(panel)
    # every unit rises by 1 a period without treatment: effects 3, 6 and 2, 3
    assert found.effects[:2, 2:] == pytest.approx(np.array([[3, 6], [2, 3]]))
    assert found.overall.effect == pytest.approx(3.5)
    assert [(one.event, one.effect, one.n_cells) for one in found.event_times] == [
        (0, pytest.approx(2.5), 2),
        (1, pytest.approx(4.5), 2),
    ]
    assert float((found.overall.weights * panel.y).sum()) == pytest.approx(3.5)


def test_the_conservative_error_is_the_papers_formula() -> None:
    panel = simulated(np.random.default_rng(6), (3, 4, 5), (2, 4, -1), 7).panel
    found = imputation(panel, leave_out=False)
    v, treated = found.overall.weights, panel.treated
    model = TwoWayEffects(~treated)
    rest = np.where(treated, 0.0, panel.y - np.where(treated, 0.0, np.nan_to_num(model.fitted(panel.y))))
    for start in (2, 4):
        rows = np.flatnonzero(panel.first_treated == start)
        for t in range(start, 7):
            w = v[rows, t] ** 2
            rest[rows, t] = found.effects[rows, t] - (w * found.effects[rows, t]).sum() / w.sum()
    expected = np.sqrt(((v * rest).sum(axis=1) ** 2).sum())
    assert found.overall.std_error == pytest.approx(expected)
    assert found.overall.df == np.inf


def test_with_few_units_of_a_start_each_unit_is_compared_with_the_others_only() -> None:
    panel = simulated(np.random.default_rng(6), (3, 4, 5), (2, 4, -1), 7).panel
    found = imputation(panel)
    assert found.overall.std_error > imputation(panel, leave_out=False).overall.std_error
    assert 2 < found.overall.df < 12


def test_what_cannot_be_predicted_is_named() -> None:
    y = np.array([[0, 1, 2, 4], [1, 2, 4, 6], [3, 4, 5, 8], [2, 3, 4, 7], [1, 1, 1, 1], [4, 5, 6, 9.0]])
    found = imputation(unit_panel(y, [1, 1, 3, 3, 0, 2]))
    assert found.left_out.always_treated == ("u04",)
    assert found.left_out.alone == ("u05",)
    assert {period for _, period in found.unidentified} == {"3"}  # the last starts leave no untreated unit
    assert len(found.unidentified) == 4
    assert found.overall.n_cells == 4
    with pytest.raises(NotEstimable, match="no treated period"):
        imputation(unit_panel(y[:2], [1, 1]))


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.1, 10))
def test_levels_do_not_matter_scale_scales_and_a_constant_effect_is_found_exactly(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    panel = simulated(rng, (3, 4, 3), (2, 3, -1), 6).panel
    lifted = panel.with_outcome(scale * (panel.y + rng.normal(size=(10, 1)) + rng.normal(size=6) + 2.0 * panel.treated))
    found, other = imputation(panel).overall, imputation(lifted).overall
    assert other.effect == pytest.approx(scale * (found.effect + 2.0))
    assert other.std_error == pytest.approx(scale * found.std_error, rel=1e-6)
    order = rng.permutation(10)
    shuffled = replace(panel, y=panel.y[order], first_treated=panel.first_treated[order])
    assert imputation(shuffled).overall.std_error == pytest.approx(found.std_error)


@pytest.mark.slow
@pytest.mark.parametrize("path", [(0.2, 0.6, 1.0, 1.4, 1.8), (1.6, 0.8, 0.4, 0.2, 0.1)])
def test_effects_that_grow_or_fade_are_estimated_without_bias_and_covered(path: tuple[float, ...]) -> None:
    """5 stores of each of three starts and 5 never treated, reactions of sd .5: bias within 3 Monte-Carlo errors,
    coverage 93–98.5 % (the error is conservative)."""
    rng = np.random.default_rng(31)
    gaps, covered, reps = [], 0, 600
    for _ in range(reps):
        made = simulated(rng, (5, 5, 5, 5), (2, 4, 6, -1), 9, path=path, reaction=0.5)
        found = imputation(made.panel).overall
        low, high = found.inference.interval(0.95)
        gaps.append(found.effect - made.truth)
        covered += low <= made.truth <= high
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / np.sqrt(reps), np.mean(gaps)
    assert 0.93 <= covered / reps <= 0.985, covered / reps
