"""Weights on the simplex are the best ones and prove it; what is not the best is found out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.frank_wolfe import as_synthdid, frank_wolfe
from experiments.estimate.simplex import GAP_TOLERANCE, NotConverged, judge, simplex_least_squares

A_GRID = np.linspace(0.0, 1.0, 100_001)


def _series(seed: int, n: int = 30, m: int = 12, level: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    design = level + rng.normal(size=(n, m)) + rng.normal(size=n)[:, None]
    return design, design[:, :3].mean(axis=1) + 0.3 * rng.normal(size=n)


def test_two_columns_by_hand() -> None:
    """One weight is free: the projection of the target on the line between the columns, cut at its ends."""
    design, target = np.array([[0.0, 2.0], [0.0, 0.0]]), np.array([0.5, 3.0])
    fit = simplex_least_squares(design, target)
    assert fit.weights == pytest.approx([0.75, 0.25])
    assert fit.loss == pytest.approx(9.0)
    beyond = simplex_least_squares(design, np.array([-1.0, 0.0]))
    assert beyond.weights.tolist() == pytest.approx([1.0, 0.0])
    assert beyond.loss == pytest.approx(1.0)


def test_the_intercept_takes_a_shift_of_the_target() -> None:
    design, target = _series(1)
    plain = simplex_least_squares(design, target, intercept=True)
    moved = simplex_least_squares(design, target + 50.0, intercept=True)
    assert moved.weights == pytest.approx(plain.weights, abs=1e-9)
    assert moved.intercept == pytest.approx(plain.intercept + 50.0)


def test_a_ridge_draws_towards_equal_weights() -> None:
    design, target = _series(2)
    spreads = [simplex_least_squares(design, target, ridge=r).weights.std() for r in (0.0, 10.0, 1e6)]
    assert spreads[0] > spreads[1] > spreads[2]
    assert spreads[2] < 1e-4


@pytest.mark.parametrize("ridge", [0.0, 3.0])
@pytest.mark.parametrize("intercept", [False, True])
def test_no_point_of_a_grid_is_better_on_two_columns(intercept: bool, ridge: float) -> None:
    design, target = _series(3, n=9, m=2)
    fit = simplex_least_squares(design, target, intercept=intercept, ridge=ridge)
    error = design[:, :1] * A_GRID + design[:, 1:] * (1 - A_GRID) - target[:, None]
    if intercept:
        error = error - error.mean(axis=0)
    losses = (error**2).sum(axis=0) + ridge * (A_GRID**2 + (1 - A_GRID) ** 2)
    assert fit.loss <= losses.min() + 1e-12
    assert fit.weights[0] == pytest.approx(A_GRID[losses.argmin()], abs=2e-5)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    level=st.sampled_from([0.0, 1e3]),
    intercept=st.booleans(),
)
def test_scaling_shifting_and_ordering_change_nothing(seed: int, scale: float, level: float, intercept: bool) -> None:
    design, target = _series(seed)
    fit = simplex_least_squares(design, target, intercept=intercept)
    order = np.random.default_rng(seed).permutation(design.shape[1])
    other = simplex_least_squares(scale * (design[:, order] + level), scale * (target + level), intercept=intercept)
    assert other.weights == pytest.approx(fit.weights[order], abs=1e-6)
    assert fit.gap <= GAP_TOLERANCE
    assert other.gap <= GAP_TOLERANCE
    assert fit.weights.sum() == pytest.approx(1.0)
    assert fit.weights.min() >= 0.0


def test_many_columns_and_few_rows_still_have_proven_fitted_values() -> None:
    design, _ = _series(4, n=8, m=60)
    fit = simplex_least_squares(design, design[:, :20].mean(axis=1))
    assert fit.loss < 1e-12
    assert fit.converged


def test_columns_equal_to_the_target_need_no_choice() -> None:
    fit = simplex_least_squares(np.ones((4, 3)), np.ones(4))
    assert fit.weights.tolist() == pytest.approx([1 / 3] * 3)
    assert fit.converged


def test_a_hundred_frank_wolfe_steps_prove_nothing() -> None:
    design, target = _series(5)
    weights = frank_wolfe(design, target, intercept=True, ridge=0.0, least_decrease=0.0, most_steps=100)
    judged = judge(design, target, weights, intercept=True)
    assert not judged.converged
    assert judged.gap > 1e3 * GAP_TOLERANCE
    assert judged.loss > simplex_least_squares(design, target, intercept=True).loss


def test_the_stop_of_synthdid_proves_nothing_either() -> None:
    design, target = _series(5)
    found = as_synthdid(design, target, intercept=False, ridge=0.0, noise=1.0)
    assert not found.converged
    assert found.gap < 0.01


def test_equal_weights_that_a_general_optimiser_returns_on_unscaled_data_are_found_out() -> None:
    """Sequential quadratic programming stops at its start when the slopes are out of scale, and says "success"."""
    from scipy.optimize import minimize

    design, target = _series(6)
    design, target = 1e-5 * design, 1e-5 * target
    m = design.shape[1]
    found = minimize(
        lambda w: float(((design @ w - target) ** 2).sum()),
        np.full(m, 1 / m),
        method="SLSQP",
        bounds=[(0.0, 1.0)] * m,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0},
    )
    assert found.success
    assert found.x == pytest.approx(np.full(m, 1 / m))
    judged = judge(design, target, np.full(m, 1 / m))
    assert not judged.converged
    assert judged.loss > 1.5 * simplex_least_squares(design, target).loss


def test_what_is_not_a_problem_is_refused() -> None:
    design, target = _series(7)
    with pytest.raises(InvalidNumber, match="n × m"):
        simplex_least_squares(design, target[:-1])
    with pytest.raises(InvalidNumber, match="finite"):
        simplex_least_squares(np.where(design > 1, np.nan, design), target)
    with pytest.raises(InvalidNumber, match="ridge"):
        simplex_least_squares(design, target, ridge=-1.0)
    with pytest.raises(InvalidNumber, match="sum to one"):
        judge(design, target, np.zeros(design.shape[1]))


def test_unproven_weights_are_a_reason_that_a_row_can_show() -> None:
    error = NotConverged(0.25)
    assert isinstance(error, NotEstimable)
    assert error.message.code == "weights_not_converged"
    assert "2.5e-01" in str(error)


def test_a_solver_that_gives_up_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.optimize

    def gives_up(matrix: np.ndarray, wanted: np.ndarray, maxiter: int) -> None:
        raise RuntimeError("too many iterations")

    design, target = _series(8)
    monkeypatch.setattr(scipy.optimize, "nnls", gives_up)
    with pytest.raises(NotConverged):
        simplex_least_squares(design, target)
    monkeypatch.setattr(scipy.optimize, "nnls", lambda matrix, wanted, maxiter: (np.ones(12), 0.0))
    with pytest.raises(NotConverged):
        simplex_least_squares(design, target)
