"""Dunnett: against independence and Student by hand, its invariants, and the family's error rate."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.dunnett import dunnett, dunnett_from_moments, many_to_one_p, many_to_one_quantile


def test_one_variant_is_students_t() -> None:
    """Two degrees of freedom: 2 P(T > 3) = 1 − 3 / √11."""
    assert many_to_one_p([3.0], [2.0], [0.7]) == pytest.approx((1.0 - 3.0 / math.sqrt(11.0),), abs=1e-14)


def test_nothing_shared_and_endless_data_is_sidaks_product() -> None:
    alone = math.erfc(2.5 / math.sqrt(2.0))
    assert many_to_one_p([2.5, -2.5, 1.0], [1e9] * 3, [0.0] * 3)[:2] == pytest.approx(
        (1.0 - (1.0 - alone) ** 3,) * 2, abs=1e-12
    )


def test_with_everything_shared_three_variants_cost_nothing() -> None:
    p = many_to_one_p([2.0, 2.0, 2.0], [12.0] * 3, [0.99999] * 3)
    assert p[0] == pytest.approx(many_to_one_p([2.0], [12.0], [0.0])[0], rel=0.02)


def test_equal_arms_of_a_published_table() -> None:
    """Dunnett (1955), table 2a: two-sided, 95 %, three treatments, df = 20: 2.57 as printed to two digits."""
    assert many_to_one_quantile(0.95, 20.0, [math.sqrt(0.5)] * 3) == pytest.approx(2.57, abs=0.03)


def test_scipy_agrees() -> None:
    """scipy.stats.dunnett draws its integral: it agrees to three digits."""
    from scipy import stats

    rng = np.random.default_rng(5)
    control, a, b = rng.normal(size=12), rng.normal(0.9, size=7), rng.normal(0.2, size=9)
    theirs = stats.dunnett(a, b, control=control, rng=np.random.default_rng(0)).pvalue
    assert dunnett(control, a, b).p_adjusted == pytest.approx(tuple(theirs), abs=1e-3)


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.floats(-4, 4), min_size=2, max_size=4),
    st.floats(2, 200),
    st.floats(0.0, 0.95),
)
def test_adjusted_lies_between_the_single_p_and_bonferroni(statistics: list[float], df: float, loading: float) -> None:
    k = len(statistics)
    adjusted = many_to_one_p(statistics, [df] * k, [loading] * k)
    for t, p in zip(statistics, adjusted, strict=True):
        single = many_to_one_p([t], [df], [0.0])[0]
        assert single - 1e-9 <= p <= min(1.0, k * single) + 1e-9


def test_scaling_scales_and_the_order_of_variants_does_not_matter() -> None:
    means, variances, counts = [10.0, 12.0, 11.0], [4.0, 5.0, 6.0], [10, 8, 9]
    found = dunnett_from_moments(means, variances, counts)
    scaled = dunnett_from_moments([3 * m for m in means], [9 * v for v in variances], counts)
    assert scaled.p_adjusted == pytest.approx(found.p_adjusted, rel=1e-9)
    assert scaled.effects == pytest.approx([3 * e for e in found.effects])
    turned = dunnett_from_moments([10.0, 11.0, 12.0], [4.0, 6.0, 5.0], [10, 9, 8])
    assert turned.p_adjusted[::-1] == pytest.approx(found.p_adjusted, rel=1e-9)
    assert dunnett_from_moments(means, variances, counts) == found  # the same digits each time


@pytest.mark.parametrize("unequal", [False, True])
def test_an_interval_leaves_out_zero_exactly_where_the_adjusted_p_is_small(unequal: bool) -> None:
    found = dunnett_from_moments(
        [0.0, 1.0, 0.3, -1.4], [1.0, 2.0, 0.5, 1.5], [20, 15, 18, 30], unequal_variances=unequal
    )
    for p, (low, high) in zip(found.p_adjusted, found.intervals, strict=True):
        assert (p < 0.05) is (low > 0.0 or high < 0.0)


def test_unequal_variances_use_welch_for_each_variant() -> None:
    from scipy import stats

    rng = np.random.default_rng(6)
    control, a, b = rng.normal(size=40), rng.normal(0.4, 3.0, size=15), rng.normal(size=20)
    found = dunnett(control, a, b, unequal_variances=True)
    for arm, p, df in zip((a, b), found.p_values, found.dfs, strict=True):
        theirs = stats.ttest_ind(arm, control, equal_var=False)
        assert (p, df) == pytest.approx((theirs.pvalue, theirs.df), rel=1e-9)
    assert all(adjusted > p for adjusted, p in zip(found.p_adjusted, found.p_values, strict=True))


def test_what_cannot_be_estimated_is_refused() -> None:
    with pytest.raises(NotEstimable, match="1 units"):
        dunnett([1.0], [1.0, 2.0])
    with pytest.raises(NotEstimable, match="1 units"):
        dunnett_from_moments([1.0, 2.0], [1.0, 1.0], [1, 5])
    with pytest.raises(NotEstimable, match="same value"):
        dunnett([1.0, 1.0], [1.0, 1.0])
    for statistics, dfs, loadings in (([1.0], [1.0], [1.0]), ([1.0], [0.0], [0.5]), ([float("nan")], [1.0], [0.5])):
        with pytest.raises(InvalidNumber):
            many_to_one_p(statistics, dfs, loadings)
    with pytest.raises(InvalidNumber):
        dunnett_from_moments([1.0], [1.0], [3])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counts", "sds", "unequal"), [((12, 6, 6), (1, 1, 1), False), ((60, 40, 30), (1, 1, 3), True)]
)
def test_the_chance_of_one_false_claim_in_the_family_is_the_level(
    counts: tuple[int, ...], sds: tuple[float, ...], unequal: bool
) -> None:
    reps, rng = 400, np.random.default_rng(3)
    arms = [sd * rng.standard_normal((reps, n)) for n, sd in zip(counts, sds, strict=True)]
    squared = np.array([a.var(axis=1, ddof=1) for a in arms])
    if not unequal:
        degrees = np.array(counts) - 1.0
        squared = np.broadcast_to((degrees[:, None] * squared).sum(axis=0) / degrees.sum(), squared.shape)
    squared = squared / np.array(counts)[:, None]
    effects = np.array([a.mean(axis=1) for a in arms])[1:] - arms[0].mean(axis=1)
    t = effects / np.sqrt(squared[1:] + squared[0])
    loadings = np.sqrt(squared[0] / (squared[0] + squared[1:]))
    if unequal:
        parts = squared**2 / (np.array(counts) - 1.0)[:, None]
        df = (squared[0] + squared[1:]) ** 2 / (parts[0] + parts[1:])
    else:
        df = np.full(t.shape, sum(counts) - 3.0)
    claims = sum(
        min(many_to_one_p(t[:, i].tolist(), df[:, i].tolist(), loadings[:, i].tolist())) <= 0.05 for i in range(reps)
    )
    assert claims / reps == pytest.approx(0.05, abs=4.0 * math.sqrt(0.05 * 0.95 / reps))
