"""Newcombe's interval: by hand, coherent with its p-value, and covering where Wald's does not."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import Side
from experiments.estimate.newcombe import Newcombe, newcombe, wald, wilson

ARMS = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_the_limits_are_built_from_two_wilson_intervals() -> None:
    low_c, high_c = wilson(3, 10, 1.96)
    low_v, high_v = wilson(7, 10, 1.96)
    found = newcombe(3, 10, 7, 10)
    lower, upper = found.interval(2 * stats.norm.cdf(1.96) - 1)
    assert lower == pytest.approx(0.4 - math.sqrt((0.7 - low_v) ** 2 + (high_c - 0.3) ** 2))
    assert upper == pytest.approx(0.4 + math.sqrt((high_v - 0.7) ** 2 + (0.3 - low_c) ** 2))


def test_wilsons_limits_solve_the_score_equation() -> None:
    for limit in wilson(3, 10, 1.96):
        assert abs(0.3 - limit) == pytest.approx(1.96 * math.sqrt(limit * (1 - limit) / 10))


@given(ARMS, ARMS, st.sampled_from([0.8, 0.95, 0.99]))
def test_the_ends_of_an_interval_have_the_p_value_of_its_level(
    control: tuple[int, int], variant: tuple[int, int], level: float
) -> None:
    found = newcombe(*control, *variant)
    for end in found.interval(level):
        assert end is not None
        assert -1.0 <= end <= 1.0
        if abs(end) < 1.0:
            assert found.p_value(end) == pytest.approx(1 - level, rel=1e-6)


@given(ARMS, ARMS, st.floats(-0.9, 0.9))
def test_swapping_the_arms_flips_the_sign(control: tuple[int, int], variant: tuple[int, int], at: float) -> None:
    one, other = newcombe(*control, *variant), newcombe(*variant, *control)
    assert one.effect == -other.effect
    assert one.interval(0.95) == pytest.approx(tuple(-(end or 0.0) for end in reversed(other.interval(0.95))))
    assert one.p_one_sided(Side.GREATER, at) == pytest.approx(other.p_one_sided(Side.LESS, -at))


@given(ARMS, ARMS, st.sampled_from([0.05, 0.5, 0.9, 0.975]))
def test_one_sided_bounds_and_p_values_agree(control: tuple[int, int], variant: tuple[int, int], level: float) -> None:
    found = newcombe(*control, *variant)
    for side in Side:
        bound = found.bound(side, level)
        if abs(bound) < 1.0 and abs(level - 0.5) > 0.01:
            assert found.p_one_sided(side, bound) == pytest.approx(1 - level, rel=1e-6)


def test_the_estimate_itself_is_never_rejected_and_the_impossible_always_is() -> None:
    found = newcombe(3, 10, 7, 10)
    assert found.p_value(found.effect) == 1.0
    assert found.p_value(-1.0) == 0.0


def test_no_event_at_all_still_has_an_interval() -> None:
    lower, upper = newcombe(0, 50, 0, 50).interval(0.95)
    assert upper == pytest.approx(stats.norm.ppf(0.975) ** 2 / (50 + stats.norm.ppf(0.975) ** 2))
    assert lower == pytest.approx(-(upper or 0.0))
    with pytest.raises(NotEstimable, match="same value"):
        wald(0, 50, 0, 50)


def test_what_is_no_count_is_refused() -> None:
    with pytest.raises(NotEstimable, match="no unit"):
        newcombe(0, 0, 1, 2)
    with pytest.raises(InvalidNumber, match="at most 2"):
        newcombe(3, 2, 1, 2)
    with pytest.raises(InvalidNumber):
        newcombe(-1, 2, 1, 2)


def test_the_interval_covers_also_where_walds_does_not() -> None:
    """Exact: every outcome of two binomials, 30 customers an arm, weighted by its probability. The mean over the
    grid of shares is within two points of 95 %, no cell under 92 %; Wald's falls under 90 %."""
    n, z = 30, stats.norm.ppf(0.975)
    shares = np.array([0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.95])
    limits = {(c, v): newcombe(c, n, v, n).interval(0.95) for c in range(n + 1) for v in range(n + 1)}
    covered, by_wald = [], []
    for p_c in shares:
        for p_v in shares:
            chance = np.outer(stats.binom.pmf(range(n + 1), n, p_c), stats.binom.pmf(range(n + 1), n, p_v))
            inside = np.array([[_holds(limits[c, v], p_v - p_c) for v in range(n + 1)] for c in range(n + 1)])
            covered.append(float((chance * inside).sum()))
            error = np.array([[newcombe(c, n, v, n).std_error for v in range(n + 1)] for c in range(n + 1)])
            gap = (np.arange(n + 1)[None, :] - np.arange(n + 1)[:, None]) / n - (p_v - p_c)
            by_wald.append(float((chance * (np.abs(gap) <= z * error)).sum()))
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)
    assert min(covered) >= 0.92
    assert min(by_wald) < 0.90


def test_counts_are_an_inference_with_walds_error() -> None:
    found = Newcombe(3, 10, 7, 10)
    assert found.proportions == (0.3, 0.7)
    assert found.std_error == pytest.approx(math.sqrt(0.21 / 10 * 2))
    assert wald(3, 10, 7, 10).std_error == found.std_error


def _holds(interval: tuple[float | None, float | None], value: float) -> bool:
    low, high = interval
    return low is not None and high is not None and low - 1e-12 <= value <= high + 1e-12
