"""Power between clusters: by hand, against published values, by invariants and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import NotEstimable
from experiments.design.cluster_power import (
    cluster_power,
    design_effect,
    intraclass_correlation,
    stepped_wedge_variance,
)
from experiments.errors import InvalidLevel, InvalidNumber

# Shrout and Fleiss (1979): six subjects, four judges each.
SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def _wedge(steps: int, per_step: int) -> np.ndarray:
    return np.array([[int(t > s) for t in range(steps + 1)] for s in range(steps) for _ in range(per_step)])


def test_the_design_effect_by_hand() -> None:
    assert design_effect(0.05, 21) == 2.0
    assert design_effect(0.05, 20, 0.5) == pytest.approx(1 + (1.25 * 20 - 1) * 0.05)
    assert design_effect(0.0, 500, 2.0) == 1.0


def test_the_error_by_hand() -> None:
    """Two arms of 5, sizes 10 and 40 (harmonic mean 16): 4 (.2 + .8/16) · 2/5 = .4."""
    found = cluster_power(variance=4.0, icc=0.2, sizes=[10, 40], n_control=5, n_variant=5)
    assert found.harmonic_size == 16.0
    assert found.std_error == pytest.approx(math.sqrt(0.4))
    assert found.df == 8.0
    assert found.power is None


def test_counting_rows_uses_the_design_effect_of_unequal_sizes() -> None:
    found = cluster_power(variance=4.0, icc=0.2, sizes=[10, 40], n_control=5, n_variant=5, estimand="rows")
    assert found.design_effect == pytest.approx(1 + ((0.6**2 + 1) * 25 - 1) * 0.2)
    assert found.std_error == pytest.approx(math.sqrt(4.0 * found.design_effect / 25 * 2 / 5))


def test_the_intraclass_correlation_equals_the_published_value() -> None:
    """ICC(1,1) = .17 in the paper; .166, interval −.133 to .723 in R's psych::ICC."""
    values = np.array(SHROUT_FLEISS, dtype=float)
    found = intraclass_correlation(values.ravel(), np.repeat(np.arange(6), 4))
    assert found.icc == pytest.approx(0.166, abs=5e-4)
    assert (found.low, found.high) == (pytest.approx(-0.133, abs=5e-4), pytest.approx(0.723, abs=5e-4))
    assert (found.n_clusters, found.n_rows, found.size_cv, found.typical_size) == (6, 24, 0.0, 4.0)


@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_neither_scale_nor_shift_nor_order_moves_the_correlation(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(5), [3, 4, 5, 6, 7])
    y = rng.normal(size=25)
    order = rng.permutation(25)
    plain = intraclass_correlation(y, clusters)
    moved = intraclass_correlation((scale * y + shift)[order], clusters[order])
    for name in ("icc", "low", "high"):
        assert getattr(moved, name) == pytest.approx(getattr(plain, name), abs=1e-6)
    assert plain.low < plain.icc < plain.high


@given(icc=st.floats(0.001, 0.9), n=st.integers(3, 40), effect=st.floats(0.05, 2))
def test_more_stores_more_power_and_swapping_arms_changes_nothing(icc: float, n: int, effect: float) -> None:
    def power(control: int, variant: int, sign: float = 1.0) -> float:
        found = cluster_power(
            variance=1, icc=icc, sizes=50, n_control=control, n_variant=variant, effect=sign * effect
        ).power
        assert found is not None
        return found

    assert power(n + 2, n) == pytest.approx(power(n, n + 2)) == pytest.approx(power(n, n + 2, -1.0))
    assert power(n + 1, n + 1) >= power(n, n) - 1e-12


def test_a_covariate_helps_by_what_it_explains_and_costs_a_degree_of_freedom() -> None:
    plain = cluster_power(variance=1, icc=0.1, sizes=50, n_control=10, n_variant=10)
    helped = cluster_power(variance=1, icc=0.1, sizes=50, n_control=10, n_variant=10, explained=0.64)
    assert helped.std_error == pytest.approx(0.6 * plain.std_error)
    assert helped.df == plain.df - 1


def test_the_wedge_formula_is_generalised_least_squares() -> None:
    x = _wedge(4, 2)
    n, t = x.shape
    sigma, tau = 0.3, 0.7
    design = np.column_stack([x.ravel(), np.tile(np.eye(t), (n, 1))])
    covariance = np.kron(np.eye(n), sigma * np.eye(t) + tau * np.ones((t, t)))
    expected = np.linalg.inv(design.T @ np.linalg.inv(covariance) @ design)[0, 0]
    assert stepped_wedge_variance(x, between_variance=tau, period_variance=sigma) == pytest.approx(expected, rel=1e-12)
    shuffled = x[np.random.default_rng(1).permutation(n)]
    assert stepped_wedge_variance(shuffled, between_variance=tau, period_variance=sigma) == pytest.approx(expected)


@pytest.mark.slow
def test_the_interval_of_the_correlation_covers_and_the_power_is_what_simulated_pilots_have() -> None:
    """12 stores of 5 to 60 customers, ICC .1: the interval covers 95 ± 2.5 %; power as printed ± .05."""
    rng = np.random.default_rng(5)
    sizes = np.array([5, 8, 10, 12, 15, 20, 25, 30, 35, 40, 50, 60])
    clusters = np.repeat(np.arange(12), sizes)
    promised = cluster_power(variance=1.0, icc=0.1, sizes=sizes.tolist(), n_control=6, n_variant=6, effect=0.6)
    assert promised.power is not None
    covered, found, replications = 0, 0, 2000
    from scipy.special import stdtrit

    critical = stdtrit(10, 0.975)
    for _ in range(replications):
        y = np.sqrt(0.1) * rng.normal(size=12)[clusters] + np.sqrt(0.9) * rng.normal(size=len(clusters))
        interval = intraclass_correlation(y, clusters)
        covered += interval.low <= 0.1 <= interval.high
        means = np.bincount(clusters, weights=y) / sizes
        arm = rng.permutation(12) < 6
        means = means + 0.6 * arm
        gap = means[arm].mean() - means[~arm].mean()
        pooled = (means[arm].var(ddof=1) + means[~arm].var(ddof=1)) / 2
        found += abs(gap) / math.sqrt(pooled * 2 / 6) > critical
    assert covered / replications == pytest.approx(0.95, abs=0.025)
    assert found / replications == pytest.approx(promised.power, abs=0.05)


def test_what_makes_no_sense_is_refused() -> None:
    good = {"variance": 1.0, "icc": 0.1, "sizes": 10, "n_control": 4, "n_variant": 4}
    for wrong in ({"variance": 0.0}, {"icc": 1.2}, {"sizes": [10, 0]}, {"n_control": 0}, {"estimand": "stores"}):
        with pytest.raises(InvalidNumber):
            cluster_power(**{**good, **wrong})  # type: ignore[arg-type]  # each wrong in its own way
    with pytest.raises(InvalidLevel):
        cluster_power(**good, level=1.0)  # type: ignore[arg-type]  # a mapping of all kinds
    with pytest.raises(NotEstimable, match="2 units"):
        cluster_power(variance=1, icc=0.1, sizes=10, n_control=1, n_variant=1)
    with pytest.raises(NotEstimable, match="two clusters"):
        intraclass_correlation(np.arange(4.0), np.arange(4))
    with pytest.raises(NotEstimable, match="same value"):
        intraclass_correlation(np.ones(4), np.array([0, 0, 1, 1]))
    with pytest.raises(NotEstimable, match="no period"):
        stepped_wedge_variance(np.zeros((3, 3), dtype=int), between_variance=1, period_variance=1)
    with pytest.raises(InvalidNumber):
        stepped_wedge_variance(np.full((2, 2), 2), between_variance=1, period_variance=1)
    with pytest.raises(InvalidNumber):
        design_effect(0.1, 0.5)
