"""Kaplan–Meier by hand, against statsmodels, and without censoring the plain share."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.kaplan_meier import kaplan_meier

TIME = np.array([3.0, 5.0, 5.0, 8.0, 10.0, 10.0])
EVENT = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 0.0])
DURATIONS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: any(seen for _, seen in rows)
)


def test_by_hand_who_is_censored_at_an_event_was_still_at_risk() -> None:
    curve = kaplan_meier(TIME, EVENT)
    assert curve.times.tolist() == [3, 5, 8]
    assert curve.at_risk.tolist() == [6, 5, 3]
    assert curve.survival == pytest.approx([5 / 6, 2 / 3, 4 / 9])
    assert curve.variance[1] == pytest.approx((2 / 3) ** 2 * (1 / 30 + 1 / 20))
    assert (curve.at(4.9), curve.at(5.0), curve.at(0.0)) == (pytest.approx(5 / 6), pytest.approx(2 / 3), 1.0)


@given(DURATIONS)
def test_it_equals_statsmodels(rows: list[tuple[int, bool]]) -> None:
    time, event = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    curve, other = kaplan_meier(time, event), SurvfuncRight(time, event)
    assert curve.times.tolist() == list(other.surv_times)
    assert curve.survival == pytest.approx(other.surv_prob)
    left = curve.survival > 0
    assert np.sqrt(curve.variance[left]) == pytest.approx(np.asarray(other.surv_prob_se)[left])


@given(DURATIONS)
def test_without_censoring_it_is_the_share_that_waits_longer(rows: list[tuple[int, bool]]) -> None:
    time = np.array([t for t, _ in rows], dtype=float)
    curve = kaplan_meier(time, np.ones(len(time)))
    assert [curve.at(t) for t in curve.times] == pytest.approx([float((time > t).mean()) for t in curve.times])


def test_weights_count_rows_more_than_once() -> None:
    twice = kaplan_meier(np.repeat(TIME, 2), np.repeat(EVENT, 2))
    assert kaplan_meier(TIME, EVENT, np.full(6, 2.0)).survival == pytest.approx(twice.survival)


def test_the_interval_is_symmetric_in_logarithms_and_at_most_one() -> None:
    low, high = kaplan_meier(TIME, EVENT).interval(5.0, 0.8)
    assert math.sqrt(low * high) == pytest.approx(2 / 3)
    assert kaplan_meier(TIME, EVENT).interval(5.0, 0.95)[1] == 1.0
    assert kaplan_meier(TIME, EVENT).interval(1.0, 0.95) == (1.0, 1.0)


def test_the_median_is_the_first_time_at_most_half_are_left() -> None:
    assert kaplan_meier(TIME, EVENT).median() == 8.0
    assert kaplan_meier(TIME, np.array([1.0, 0, 0, 0, 0, 0])).median() is None


def test_after_the_last_follow_up_the_curve_is_not_known_unless_nobody_is_left() -> None:
    with pytest.raises(NotEstimable, match="last follow-up"):
        kaplan_meier(TIME, EVENT).at(10.5)
    assert kaplan_meier(TIME, np.ones(6)).at(11.0) == 0.0


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(InvalidNumber, match="not negative"):
        kaplan_meier(-TIME, EVENT)
    with pytest.raises(InvalidNumber, match="0 or 1"):
        kaplan_meier(TIME, EVENT + 1)
    with pytest.raises(NotEstimable, match="no row"):
        kaplan_meier(np.zeros(0), np.zeros(0))


@pytest.mark.slow
def test_the_interval_covers_the_true_curve() -> None:
    """2,000 samples of 100 exponential times, a fifth censored: coverage of S(1) = e⁻¹ between 93 and 97 %."""
    rng, covered = np.random.default_rng(5), 0
    for _ in range(2000):
        event, sight = rng.exponential(1, 100), rng.uniform(0.5, 3.5, 100)
        low, high = kaplan_meier(np.minimum(event, sight), (event <= sight).astype(float)).interval(1.0, 0.95)
        covered += low <= math.exp(-1) <= high
    assert 0.93 <= covered / 2000 <= 0.97
