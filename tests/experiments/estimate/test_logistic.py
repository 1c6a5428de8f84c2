"""Logit with clusters: by hand, against statsmodels, invariants, level."""

import math

import numpy as np
import pytest
from statsmodels.discrete.discrete_model import Logit

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.cluster_robust import Correction
from experiments.estimate.logistic import logistic
from experiments.estimate.unit_table import Floats


def _rows(seed: int = 1) -> tuple[Floats, Floats, np.ndarray]:
    rng = np.random.default_rng(seed)
    store = np.repeat(np.arange(10), 12)
    design = np.column_stack([np.ones(120), (store % 2).astype(float), rng.normal(0, 1, 120)])
    chance = 1 / (1 + np.exp(-(design @ [-0.4, 0.7, 0.5] + rng.normal(0, 0.3, 10)[store])))
    return design, (rng.random(120) < chance).astype(float), store


def test_two_arms_give_the_log_odds_ratio() -> None:
    design = np.column_stack([np.ones(40), np.repeat([0.0, 1.0], 20)])
    y = np.concatenate([np.arange(20) < 6, np.arange(20) < 12]).astype(float)
    found = logistic(design, y, np.repeat(np.arange(8), 5), coefficient=1)
    assert found.effect == pytest.approx(math.log(12 / 8) - math.log(6 / 14))


def test_the_coefficient_and_the_plain_sandwich_equal_statsmodels() -> None:
    design, y, store = _rows()
    other = Logit(y, design).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": store, "use_correction": False}, tol=1e-12
    )
    for position in range(3):
        found = logistic(design, y, store, coefficient=position, correction=Correction.CR0)
        assert found.effect == pytest.approx(other.params[position], rel=1e-7)
        assert found.std_error == pytest.approx(other.bse[position], rel=1e-6)


def test_swapping_outcomes_flips_the_sign_and_order_does_not_matter() -> None:
    design, y, store = _rows()
    found = logistic(design, y, store, coefficient=1)
    other = logistic(design, 1 - y, store, coefficient=1)
    assert (other.effect, other.std_error, other.df) == pytest.approx((-found.effect, found.std_error, found.df))
    order = np.random.default_rng(2).permutation(120)
    mixed = logistic(design[order], y[order], store[order], coefficient=1)
    assert (mixed.effect, mixed.std_error, mixed.df) == pytest.approx((found.effect, found.std_error, found.df))


def test_what_has_no_finite_odds_is_refused() -> None:
    design, y, store = _rows()
    with pytest.raises(NotEstimable, match="no finite estimate"):
        logistic(design[:, :2], design[:, 1], store, coefficient=1)
    with pytest.raises(NotEstimable, match="no finite estimate"):
        logistic(design, np.where(design[:, 1] == 1, y, 0.0), store, coefficient=1)
    with pytest.raises(InvalidNumber, match="0 or 1"):
        logistic(design, y + 1, store, coefficient=1)
    with pytest.raises(InvalidNumber, match="full column rank"):
        logistic(np.column_stack([design, design[:, 1]]), y, store, coefficient=1)


@pytest.mark.slow
def test_the_level_holds_with_twenty_stores() -> None:
    """1,500 draws of 20 stores of 30 customers: 3 to 7 % false alarms."""
    rng, store = np.random.default_rng(3), np.repeat(np.arange(20), 30)
    design, hits = np.column_stack([np.ones(600), (store % 2).astype(float)]), 0
    for _ in range(1500):
        chance = rng.beta(6, 14, 20)[store]
        hits += logistic(design, (rng.random(600) < chance).astype(float), store, coefficient=1).p_value() <= 0.05
    assert 0.03 <= hits / 1500 <= 0.07
