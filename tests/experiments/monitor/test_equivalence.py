"""Non-inferiority and equivalence: by hand, as intervals, and their size at the edge of the margin."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidLevel, InvalidNumber
from experiments.estimate.estimate import TInference
from experiments.monitor.equivalence import non_inferiority, tost

# R's sleep data: t.test(extra ~ group) gives −1.58, t = −1.8608 on 17.776 df, so the error is 1.58 / 1.8608.
SLEEP = TInference(-1.58, 1.58 / 1.8608, 17.776)


def test_non_inferiority_by_hand() -> None:
    """With two degrees of freedom P(T > t) = ½ − t / (2 √(t² + 2)): (1 + 2) / 1 = 3 gives .0477."""
    found = non_inferiority(TInference(1.0, 1.0, 2.0), margin=2.0, good_is_up=True)
    assert found.p_value == pytest.approx(0.5 - 3.0 / (2.0 * math.sqrt(11.0)), abs=1e-12)
    assert found.holds
    # t_{.95} on two df = (2·.95 − 1) √(2 / (1 − (2·.95 − 1)²)) = 2.91999
    assert found.bound == pytest.approx(1.0 - 0.9 * math.sqrt(2.0 / (1.0 - 0.81)), abs=1e-9)


def test_tost_by_hand() -> None:
    found = tost(TInference(0.5, 1.0, 2.0), low=-4.0, high=4.0)
    assert found.p_lower == pytest.approx(0.5 - 4.5 / (2.0 * math.sqrt(22.25)), abs=1e-12)
    assert found.p_upper == pytest.approx(0.5 - 3.5 / (2.0 * math.sqrt(14.25)), abs=1e-12)
    assert found.p_value == found.p_upper
    assert found.holds is (found.p_value <= 0.05)


def test_the_interval_of_tost_at_95_percent_is_the_one_that_r_prints_for_the_t_test() -> None:
    """Level .025 gives 1 − 2 · .025: t.test prints −3.3654832 and 0.2054832 (its t has five digits)."""
    found = tost(SLEEP, low=-5.0, high=5.0, level=0.025)
    assert found.interval == pytest.approx((-3.3654832, 0.2054832), abs=2e-4)


def test_where_less_is_better_the_margin_lies_above() -> None:
    up = non_inferiority(TInference(0.3, 1.0, 9.0), margin=2.0, good_is_up=True)
    down = non_inferiority(TInference(-0.3, 1.0, 9.0), margin=2.0, good_is_up=False)
    assert up.p_value == pytest.approx(down.p_value, abs=1e-14)
    assert up.bound == pytest.approx(-(down.bound or 0.0), abs=1e-12)


@settings(deadline=None)
@given(effect=st.floats(-3, 3), error=st.floats(0.1, 2), df=st.floats(2, 100), level=st.floats(0.01, 0.2))
def test_a_test_holds_exactly_where_its_interval_stays_inside(
    effect: float, error: float, df: float, level: float
) -> None:
    inference = TInference(effect, error, df)
    one = non_inferiority(inference, margin=1.0, good_is_up=True, level=level)
    assert one.bound is not None
    assert one.holds is (one.p_value <= level)
    if abs(one.bound + 1.0) > 1e-9:
        assert one.holds is (one.bound > -1.0)
    both = tost(inference, low=-1.0, high=1.0, level=level)
    low, high = both.interval
    assert low is not None
    assert high is not None
    if min(abs(low + 1.0), abs(high - 1.0)) > 1e-9:
        assert both.holds is (low > -1.0 and high < 1.0)


def test_margins_and_levels_are_checked() -> None:
    with pytest.raises(InvalidNumber):
        non_inferiority(SLEEP, margin=0.0, good_is_up=True)
    with pytest.raises(InvalidNumber):
        tost(SLEEP, low=1.0, high=1.0)
    with pytest.raises(InvalidNumber):
        tost(SLEEP, low=-1.0, high=1.0, level=0.6)
    with pytest.raises(InvalidLevel):
        non_inferiority(SLEEP, margin=1.0, good_is_up=True, level=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 20, 40])
def test_at_the_edge_of_the_margin_both_keep_their_level(n: int) -> None:
    """Two arms of n / 2 stores, pooled t: five per cent at the edge, where a false claim is likeliest."""
    reps, rng, half = 4_000, np.random.default_rng(9), n // 2
    margin = 8.0  # standard deviations: wide enough that the other side of TOST never decides
    effect = rng.standard_normal((reps, half)) - margin
    control = rng.standard_normal((reps, half))
    difference = effect.mean(axis=1) - control.mean(axis=1)
    error = np.sqrt((effect.var(axis=1, ddof=1) + control.var(axis=1, ddof=1)) / half)
    tests = [TInference(float(d), float(e), n - 2.0) for d, e in zip(difference, error, strict=True)]
    claimed = np.mean([non_inferiority(t, margin=margin, good_is_up=True).holds for t in tests])
    equal = np.mean([tost(t, low=-margin, high=margin).holds for t in tests])
    allowed = 4.0 * math.sqrt(0.05 * 0.95 / reps)
    assert claimed == pytest.approx(0.05, abs=allowed)
    assert equal == pytest.approx(0.05, abs=allowed)
