"""Segments: do they differ, by hand, against independent formulas, and how often the tests speak without a reason."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.interaction import segment_effects_clustered, segments_differ, segments_differ_clustered
from experiments.estimate.redraws import Redraws, redraws
from experiments.estimate.segment_shrinkage import shrink_segments
from experiments.estimate.unit_table import Floats, UnitTable, columns


def drawn(treated: Floats, block: list[int] | None = None) -> Redraws:
    n = len(treated)
    number = np.zeros(n, dtype=np.int64) if block is None else np.array(block)
    table = UnitTable(
        tuple(f"u{i:03}" for i in range(n)), np.arange(n) * 1.0, treated, number, columns(n), columns(n), None, n
    )
    return redraws(table, seed=1, draws=999)


def test_two_independent_segments_are_the_difference_over_its_error() -> None:
    """(2 − 1)² / (.3² + .4²) = 4, with Satterthwaite's df (.25)² / (.09² / 5 + .16² / 9)."""
    found = segments_differ([1.0, 2.0], [0.3, 0.4], [5.0, 9.0])
    assert (found.statistic, found.df) == (pytest.approx(4.0), 1)
    assert found.df_error == pytest.approx(0.25**2 / (0.09**2 / 5 + 0.16**2 / 9))


def test_many_degrees_of_freedom_give_cochrans_q() -> None:
    """b = 1, 2, 6 with errors 1: Q = 14, χ²₂ tail exp(−7)."""
    assert segments_differ([1.0, 2.0, 6.0], [1.0] * 3).p_value == pytest.approx(math.exp(-7.0), rel=1e-6)


def test_two_segments_inside_stores_are_the_t_test_of_the_stores_differences() -> None:
    values = np.array([[1.0, 3.0], [2.0, 3.5], [1.5, 4.0], [1.0, 1.2], [2.2, 2.0], [1.7, 2.1]])
    t = np.array([0.0, 0, 0, 1, 1, 1])
    d = values[:, 0] - values[:, 1]
    pooled = (d[:3].var(ddof=1) + d[3:].var(ddof=1)) / 2.0
    expected = (d[3:].mean() - d[:3].mean()) ** 2 / (pooled * 2.0 / 3.0)
    found = segments_differ_clustered(values, t, equal_covariances=True)
    assert (found.statistic, found.df, found.df_error) == (pytest.approx(expected), 1, 4.0)
    own = segments_differ_clustered(values, t)
    parts = [d[:3].var(ddof=1) / 3.0, d[3:].var(ddof=1) / 3.0]
    assert own.statistic == pytest.approx((d[3:].mean() - d[:3].mean()) ** 2 / sum(parts))
    assert own.df_error == pytest.approx(sum(parts) ** 2 / (parts[0] ** 2 / 2.0 + parts[1] ** 2 / 2.0))  # Welch's


def test_hotelling_equals_the_textbook_of_two_samples() -> None:
    rng = np.random.default_rng(8)
    values, t = rng.normal(size=(14, 3)), np.repeat([0.0, 1.0], [8, 6])
    d = values[:, 1:] - values[:, :1]
    mean = d[t == 1].mean(axis=0) - d[t == 0].mean(axis=0)
    pooled = (7 * np.cov(d[t == 0].T) + 5 * np.cov(d[t == 1].T)) / 12.0
    t2 = mean @ np.linalg.solve(pooled * (1 / 8 + 1 / 6), mean)
    found = segments_differ_clustered(values, t, equal_covariances=True)
    assert (found.statistic, found.method) == (pytest.approx(t2 * 11.0 / (12.0 * 2.0)), "hotelling")


def test_what_a_store_adds_to_all_its_segments_does_not_matter() -> None:
    """The reason why segments inside stores are no independent samples: the store is in all of them."""
    rng = np.random.default_rng(9)
    values, t = rng.normal(size=(20, 3)), np.repeat([0.0, 1.0], 10)
    shifted = values + 50.0 * rng.normal(size=(20, 1)) + 7.0 * t[:, None]
    for draws in (None, drawn(t)):
        found, again = (segments_differ_clustered(v, t, redraws=draws) for v in (values, shifted))
        assert again.p_value == pytest.approx(found.p_value, rel=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(3)), st.permutations(range(12)), st.floats(0.1, 10.0))
def test_order_and_scale_do_not_matter(segments: list[int], units: list[int], scale: float) -> None:
    rng = np.random.default_rng(10)
    values, t = rng.normal(size=(12, 3)), np.tile([0.0, 1.0], 6)
    block = np.repeat([0, 1, 2], 4)
    found = segments_differ_clustered(values, t, block).p_value
    assert segments_differ_clustered(
        scale * values[units][:, segments], 1.0 - t[units], block[units]
    ).p_value == pytest.approx(found, rel=1e-7)


def test_the_permutation_counts_the_draws_that_are_as_far() -> None:
    """Six stores, 20 draws: the actual one and its mirror are the farthest, p = 2 / 20."""
    values = np.array([[0.0, 0.1], [0.0, 0.2], [0.0, 0.3], [0.0, 5.1], [0.0, 5.2], [0.0, 5.3]])
    t = np.array([0.0, 0, 0, 1, 1, 1])
    found = segments_differ_clustered(values, t, redraws=drawn(t))
    assert (found.method, found.p_value) == ("permutation_studentised", pytest.approx(0.1))
    paired = segments_differ_clustered(
        values,
        np.tile([0.0, 1.0], 3),
        np.array([0, 0, 1, 1, 2, 2]),
        redraws=drawn(np.tile([0.0, 1.0], 3), [0, 0, 1, 1, 2, 2]),
    )
    assert paired.method == "permutation"


def test_the_effects_of_segments_are_those_of_each_column() -> None:
    rng = np.random.default_rng(11)
    values, t = rng.normal(size=(10, 3)), np.repeat([0.0, 1.0], 5)
    found = segment_effects_clustered(values, t)
    assert found.effects == pytest.approx(values[5:].mean(axis=0) - values[:5].mean(axis=0))
    pooled = (np.cov(values[:5].T) + np.cov(values[5:].T)) / 2.0
    assert found.covariance == pytest.approx(pooled * (2.0 / 5.0))
    assert found.df == 8


def test_what_cannot_be_compared_is_refused() -> None:
    t = np.array([0.0, 0, 1, 1])
    with pytest.raises(NotEstimable, match="too few to compare; two"):
        segments_differ([1.0], [1.0])
    with pytest.raises(NotEstimable, match="4 units"):
        segments_differ_clustered(np.arange(16.0).reshape(4, 4) ** 2, t)
    with pytest.raises(NotEstimable, match="too alike"):
        segments_differ_clustered(np.ones((8, 2)), np.tile(t, 2))
    with pytest.raises(InvalidNumber):
        segments_differ_clustered(np.array([[1.0, np.nan]] * 4), t)
    with pytest.raises(InvalidNumber):
        segments_differ([1.0, 2.0], [1.0, 0.0])


def test_shrinkage_of_eight_schools_agrees_with_brute_force() -> None:
    """Rubin (1981). θ₁ given flat μ and τ, by plain sums over a grid of μ and τ, without any formula given τ."""
    b = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    se = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    tau, mu = np.meshgrid(np.linspace(0.005, 250.0, 12_501), np.linspace(-250.0, 250.0, 401))
    log_weight = sum(
        -0.5 * np.log(s**2 + tau**2) - 0.5 * (x - mu) ** 2 / (s**2 + tau**2) for x, s in zip(b, se, strict=True)
    )
    weight = np.exp(log_weight - log_weight.max())
    mean = (b[0] * tau**2 + mu * se[0] ** 2) / (tau**2 + se[0] ** 2)
    expected = float((weight * mean).sum() / weight.sum())
    first = shrink_segments(b, se)[0]
    assert first.effect == pytest.approx(expected, abs=0.01)
    assert first.raw == 28.0
    assert first.interval[0] < first.effect < first.interval[1]


def test_independent_segments_are_the_diagonal_of_a_covariance() -> None:
    b, se = [1.0, 2.0, 4.0], [0.5, 0.7, 0.6]
    one, other = shrink_segments(b, se), shrink_segments(b, np.diag(np.array(se) ** 2))
    for left, right in zip(one, other, strict=True):
        assert left.effect == pytest.approx(right.effect, rel=1e-9)


@settings(deadline=None, max_examples=15)
@given(st.floats(0.1, 10), st.floats(-20, 20))
def test_shrinkage_shifts_and_scales(scale: float, shift: float) -> None:
    b, v = np.array([1.0, 2.0, 4.0, -1.0]), np.diag([0.3, 0.5, 0.4, 0.6]) + 0.1
    plain = shrink_segments(b, v)
    moved = shrink_segments(scale * b + shift, scale**2 * v)
    for one, other in zip(plain, moved, strict=True):
        assert other.effect == pytest.approx(scale * one.effect + shift, abs=1e-6)
        assert other.interval == pytest.approx(tuple(scale * end + shift for end in one.interval), abs=1e-5)


def test_two_segments_do_not_tell_how_much_segments_differ() -> None:
    with pytest.raises(NotEstimable, match="three"):
        shrink_segments([1.0, 2.0], [1.0, 1.0])
    with pytest.raises(InvalidNumber):
        shrink_segments([1.0, 2.0, 3.0], np.ones((3, 3)))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "k"), [(12, 6), (20, 4), (20, 10)])
def test_without_an_interaction_both_tests_keep_their_level(n: int, k: int) -> None:
    """Three segments that share their store; every store reacts alike in all its segments, stores differ in it."""
    reps, rng, t = 300, np.random.default_rng(12), np.repeat([0.0, 1.0], [n - k, k])
    listed, alarms = drawn(t), np.zeros(2)
    draws = Redraws(listed.treated[:: max(1, len(listed.treated) // 500)], listed=False)
    for _ in range(reps):
        store = rng.normal(size=(n, 1)) * 2.0
        values = store + t[:, None] * rng.normal(size=(n, 1)) + rng.normal(size=(n, 3))
        alarms += [
            segments_differ_clustered(values, t).p_value <= 0.05,
            segments_differ_clustered(values, t, redraws=draws).p_value <= 0.05,
        ]
    assert (alarms / reps <= 0.05 + 3.0 * math.sqrt(0.05 * 0.95 / reps)).all()
    assert (alarms / reps >= 0.05 - 3.5 * math.sqrt(0.05 * 0.95 / reps)).all()


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.0, 0.5, 2.0])
def test_shrunk_intervals_cover_and_shrunk_effects_are_closer(tau: float) -> None:
    reps, k, rng = 300, 6, np.random.default_rng(13)
    covered, closer = 0.0, 0.0
    se = np.linspace(0.5, 1.5, k)
    for _ in range(reps):
        truth = 1.0 + tau * rng.normal(size=k)
        b = truth + se * rng.normal(size=k)
        found = shrink_segments(b, se)
        covered += np.mean([s.interval[0] <= x <= s.interval[1] for s, x in zip(found, truth, strict=True)]) / reps
        closer += sum((s.effect - x) ** 2 - (s.raw - x) ** 2 for s, x in zip(found, truth, strict=True)) / reps
    assert 0.93 <= covered <= 0.995
    assert closer < 0.0
