"""The random intercept: equal stores by hand, against statsmodels' REML, invariants, level."""

import warnings

import numpy as np
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.random_intercept import RandomIntercept, random_intercept
from experiments.estimate.unit_table import Floats


def _rows(sizes: tuple[int, ...], spread: float = 0.5, seed: int = 1) -> tuple[Floats, Floats, np.ndarray]:
    rng = np.random.default_rng(seed)
    store = np.repeat(np.arange(len(sizes)), sizes)
    design = np.column_stack([np.ones(len(store)), (store % 2).astype(float), rng.normal(0, 1, len(store))])
    y = design @ [5.0, 1.0, 0.5] + spread * rng.normal(0, 1, len(sizes))[store] + rng.normal(0, 1, len(store))
    return design, y, store


def _numbers(found: RandomIntercept) -> tuple[float, ...]:
    kr, s = found.kenward_roger, found.satterthwaite
    return kr.effect, kr.std_error, kr.df, s.std_error, s.df, found.sigma_cluster, found.sigma_row


def test_equal_stores_give_the_pooled_t_test_of_their_means() -> None:
    _, y, store = _rows((9,) * 12)
    design = np.column_stack([np.ones(108), (store % 2).astype(float)])
    means = np.array([y[store == g].mean() for g in range(12)])
    arms = means[1::2], means[::2]
    pooled = sum(((arm - arm.mean()) ** 2).sum() for arm in arms) / 10
    found = random_intercept(design, y, store, coefficient=1)
    for inference in (found.kenward_roger, found.satterthwaite):
        assert inference.effect == pytest.approx(arms[0].mean() - arms[1].mean())
        assert inference.std_error == pytest.approx((pooled / 3) ** 0.5, rel=1e-6)
        assert inference.df == pytest.approx(10, rel=1e-5)
    within = sum(((y[store == g] - y[store == g].mean()) ** 2).sum() for g in range(12)) / 96
    assert found.sigma_row**2 == pytest.approx(within, rel=1e-6)
    assert found.sigma_cluster**2 == pytest.approx(pooled - within / 9, rel=1e-5)
    assert 0 < found.intraclass_correlation < 1


def test_the_estimates_are_those_of_statsmodels() -> None:
    design, y, store = _rows((5, 12, 30, 8, 21, 17, 9, 25, 14, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = MixedLM(y, design, store).fit(reml=True, method="bfgs", gtol=1e-10)
    found = random_intercept(design, y, store, coefficient=1)
    assert found.satterthwaite.effect == pytest.approx(other.fe_params[1], rel=1e-4)
    assert found.sigma_row**2 == pytest.approx(other.scale, rel=1e-3)
    assert found.sigma_cluster**2 == pytest.approx(float(np.asarray(other.cov_re)[0, 0]), rel=1e-2)


def test_stores_that_do_not_differ_leave_the_edge_of_the_parameters() -> None:
    design, y, store = _rows((8,) * 8)
    for column in (design[:, 2], y):  # rows differ inside stores only
        column -= (np.bincount(store, weights=column) / 8)[store]
    found = random_intercept(design, y + design[:, 1], store, coefficient=1)
    assert found.sigma_cluster == 0.0
    assert found.kenward_roger.effect == pytest.approx(1.0)


def test_scaling_scales_and_order_does_not_matter() -> None:
    design, y, store = _rows((5, 12, 30, 8, 21, 17))
    found = random_intercept(design, y, store, coefficient=1)
    scaled = random_intercept(design, 10 * y + 3, store, coefficient=1)
    factor = np.array([10, 10, 1, 10, 1, 10, 10])
    assert _numbers(scaled) == pytest.approx(tuple(factor * _numbers(found)), rel=1e-5)
    order = np.random.default_rng(2).permutation(len(y))
    assert _numbers(random_intercept(design[order], y[order], store[order], coefficient=1)) == pytest.approx(
        _numbers(found), rel=1e-6
    )
    flipped = random_intercept(design * [1, -1, 1], y, store, coefficient=1)
    assert flipped.kenward_roger.effect == pytest.approx(-found.kenward_roger.effect)


def test_what_cannot_be_separated_is_refused() -> None:
    design, y, store = _rows((5, 12, 30, 8))
    with pytest.raises(InvalidNumber, match="full column rank"):
        random_intercept(np.column_stack([design, design[:, 1]]), y, store, coefficient=1)
    with pytest.raises(NotEstimable, match="too few"):
        random_intercept(design, y, store % 2, coefficient=1)
    with pytest.raises(NotEstimable, match="do not differ"):
        random_intercept(design[:, :2], store.astype(float), store, coefficient=1)


@pytest.mark.slow
def test_the_level_of_kenward_and_roger_holds_with_ten_stores() -> None:
    """600 draws of 10 unequal stores: 3 to 7.5 % false alarms."""
    sizes, hits = (5, 12, 30, 8, 21, 17, 9, 25, 14, 6), 0
    rng, store = np.random.default_rng(4), np.repeat(np.arange(10), sizes)
    design = np.column_stack([np.ones(len(store)), (store % 2).astype(float)])
    for _ in range(600):
        y = 0.5 * rng.normal(0, 1, 10)[store] + rng.normal(0, 1, len(store))
        hits += random_intercept(design, y, store, coefficient=1).kenward_roger.p_value() <= 0.05
    assert 0.03 <= hits / 600 <= 0.075
