"""Confidence sequences: their martingale, their invariants, and what opening a dashboard at every step costs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidLevel, InvalidNumber
from experiments.estimate.estimate import Side
from experiments.monitor.confidence_sequence import always_valid_p, best_rho, bound, confidence_sequence, log_mixture


@pytest.mark.parametrize("two_sided", [True, False])
def test_the_mixture_has_mean_one_under_no_effect(two_sided: bool) -> None:
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    rho, variance = 30.0, 2.0
    values = [math.exp(log_mixture(p * math.sqrt(variance), variance, rho, two_sided=two_sided)) for p in points]
    assert float((np.array(values) * weights).sum() / math.sqrt(2.0 * math.pi)) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("two_sided", [True, False])
@settings(deadline=None)
@given(variance=st.floats(0.01, 1e4), alpha=st.floats(0.001, 0.3))
def test_at_the_bound_the_mixture_is_one_over_alpha(two_sided: bool, variance: float, alpha: float) -> None:
    rho = best_rho(50.0, alpha, two_sided=two_sided)
    at = bound(variance, rho, alpha, two_sided=two_sided)
    assert log_mixture(at, variance, rho, two_sided=two_sided) == pytest.approx(-math.log(alpha), abs=1e-7)


@settings(deadline=None)
@given(effect=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_scaling_scales_and_flipping_flips(effect: float, scale: float) -> None:
    low, high = confidence_sequence(effect, 0.4, planned_std_error=0.2, confidence_level=0.95)
    assert low is not None
    assert high is not None
    scaled = confidence_sequence(effect * scale, 0.4 * scale, planned_std_error=0.2 * scale, confidence_level=0.95)
    assert scaled == pytest.approx((low * scale, high * scale), abs=1e-9)
    flipped = confidence_sequence(-effect, 0.4, planned_std_error=0.2, confidence_level=0.95)
    assert flipped == pytest.approx((-high, -low), abs=1e-12)


def test_a_one_sided_limit_is_tighter_and_open_on_its_other_side() -> None:
    low, high = confidence_sequence(1.0, 0.2, planned_std_error=0.2, confidence_level=0.95)
    lower, none = confidence_sequence(1.0, 0.2, planned_std_error=0.2, confidence_level=0.95, side=Side.GREATER)
    also_none, upper = confidence_sequence(1.0, 0.2, planned_std_error=0.2, confidence_level=0.95, side=Side.LESS)
    assert none is None
    assert also_none is None
    assert low < lower < upper < high  # type: ignore[operator]


def test_the_price_at_the_planned_end_is_about_three_standard_errors() -> None:
    low, high = confidence_sequence(0.0, 1.0, planned_std_error=1.0, confidence_level=0.95)
    assert high == pytest.approx(3.04, abs=0.005)  # statistics.md, section 4
    assert low == -high


def test_the_always_valid_p_value_never_rises_and_agrees_with_the_sequence() -> None:
    effects, errors = [0.5, 1.2, 0.9, 0.1], [1.0, 0.4, 0.3, 0.2]
    p = always_valid_p(effects, errors, planned_std_error=0.3)
    assert list(p) == sorted(p, reverse=True)
    seen = False
    for effect, error, value in zip(effects, errors, p, strict=True):
        low, high = confidence_sequence(effect, error, planned_std_error=0.3, confidence_level=0.95)
        seen = seen or low > 0.0 or high < 0.0  # type: ignore[operator]
        assert (value <= 0.05) is seen


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan")])
def test_errors_are_positive(wrong: float) -> None:
    with pytest.raises(InvalidNumber):
        confidence_sequence(0.0, wrong, planned_std_error=1.0, confidence_level=0.95)
    with pytest.raises(InvalidNumber):
        confidence_sequence(0.0, 1.0, planned_std_error=wrong, confidence_level=0.95)


def test_levels_are_checked() -> None:
    with pytest.raises(InvalidLevel):
        best_rho(1.0, 0.0)
    with pytest.raises(InvalidNumber):
        best_rho(1.0, 0.6, two_sided=False)


@pytest.mark.slow
def test_opening_the_dashboard_at_every_step_rarely_misleads() -> None:
    """K = 50 looks; naive 5 % tests are wrong in about a third of the runs, the sequence in 1 to 2 %."""
    looks, n = 50, 10_000
    scores = np.cumsum(np.random.default_rng(11).standard_normal((looks, n)), axis=0)
    information = np.arange(1, looks + 1)
    rho = best_rho(float(looks), 0.05)
    bounds = np.array([bound(float(v), rho, 0.05) for v in information])
    false_alarms = float((np.abs(scores) >= bounds[:, None]).any(axis=0).mean())
    naive = float((np.abs(scores) / np.sqrt(information)[:, None] >= 1.96).any(axis=0).mean())
    assert false_alarms <= 0.05
    assert naive > 0.25
