"""Time-based and geo-based regression: totals, costs, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.geo_regression import geo_regression
from experiments.estimate.time_based_regression import time_based_regression


def _totals(seed: int, before: int = 30, window: int = 10, effect: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    control = 100.0 + rng.normal(0, 5, before + window)
    treated = 3.0 + 1.2 * control + rng.normal(0, 1, before + window)
    treated[before:] += effect
    return treated, control


def _dummy_regression(treated: np.ndarray, control: np.ndarray, before: int) -> tuple[float, float]:
    """The same numbers by one regression with an indicator for every period of the window."""
    window = len(treated) - before
    indicators = np.vstack([np.zeros((before, window)), np.eye(window)])
    design = np.column_stack([np.ones(len(treated)), control, indicators])
    bread = np.linalg.inv(design.T @ design)
    found = bread @ design.T @ treated
    residual = treated - design @ found
    pick = np.concatenate([[0.0, 0.0], np.ones(window)])
    variance = float((residual**2).sum()) / (before - 2)
    return float(pick @ found), float(np.sqrt(variance * pick @ bread @ pick))


def test_time_based_regression_is_a_regression_with_an_indicator_for_each_period_of_the_window() -> None:
    treated, control = _totals(1, effect=7.0)
    found = time_based_regression(treated, control, before=30, window=10)
    assert (found.total.effect, found.total.std_error) == pytest.approx(_dummy_regression(treated, control, 30))
    assert found.total.df == 28
    assert found.cumulative[-1] == pytest.approx(found.total.effect)
    assert (treated - found.counterfactual)[30:].cumsum() == pytest.approx(found.cumulative)


def test_an_exact_line_gives_the_effect_exactly() -> None:
    control = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    treated = 10.0 + 2.0 * control
    treated[4:] += 1.5
    found = time_based_regression(treated, control, before=4, window=2)
    assert found.slope == pytest.approx(2.0)
    assert found.total.effect == pytest.approx(3.0)
    assert found.total.std_error == pytest.approx(0.0, abs=1e-9)


def test_per_cost_divides_effect_and_error() -> None:
    treated, control = _totals(2, effect=5.0)
    found = time_based_regression(treated, control, before=30, window=10)
    per = found.per_cost(20.0)
    assert (per.effect, per.std_error) == pytest.approx((found.total.effect / 20, found.total.std_error / 20))
    with pytest.raises(InvalidNumber, match="cost"):
        found.per_cost(0.0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1_000), scale=st.floats(0.01, 100.0))
def test_units_of_the_outcome_scale_and_those_of_control_do_not_matter(seed: int, scale: float) -> None:
    treated, control = _totals(seed)
    base = time_based_regression(treated, control, before=30, window=10).total
    other = time_based_regression(scale * treated, 3.0 + 7.0 * control, before=30, window=10).total
    assert (other.effect, other.std_error) == pytest.approx((scale * base.effect, scale * base.std_error), abs=1e-7)


def test_time_based_regression_refuses_what_it_cannot_answer() -> None:
    treated, control = _totals(3)
    with pytest.raises(NotEstimable, match="periods"):
        time_based_regression(treated[:4], control[:4], before=3, window=1)
    with pytest.raises(NotEstimable, match="never moves"):
        time_based_regression(treated, np.ones_like(control), before=30, window=10)
    with pytest.raises(InvalidNumber, match="40 numbers"):
        time_based_regression(treated[1:], control, before=30, window=10)
    with pytest.raises(InvalidNumber, match="finite"):
        time_based_regression(treated, np.where(control > 100, np.nan, control), before=30, window=10)


@pytest.mark.slow
def test_time_based_regression_keeps_its_level_with_independent_periods() -> None:
    hits = sum(
        time_based_regression(*_totals(seed), before=30, window=10).total.p_value() <= 0.05 for seed in range(4000)
    )
    assert 0.04 <= hits / 4000 <= 0.06


def _autocorrelated_alarms(persistence: float, replications: int) -> float:
    """Share of false alarms with AR(1) errors, 42 periods before and 28 in the window (the page shows 4,000)."""
    rng = np.random.default_rng(77)
    hits = 0
    for _ in range(replications):
        control = 100 + rng.normal(0, 5, 70)
        error = rng.normal(0, 1, 70) * np.sqrt(1 - persistence**2)
        error[0] /= np.sqrt(1 - persistence**2)
        for t in range(1, 70):
            error[t] += persistence * error[t - 1]
        found = time_based_regression(3 + 1.2 * control + error, control, before=42, window=28)
        hits += found.total.p_value() <= 0.05
    return hits / replications


@pytest.mark.slow
def test_autocorrelated_errors_make_time_based_regression_too_eager_as_its_page_says() -> None:
    assert _autocorrelated_alarms(0.5, 1000) == pytest.approx(0.25, abs=0.05)


def _geos(seed: int, n: int = 40, brings: float = 2.0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    before = rng.lognormal(6, 1, n)
    treated = (np.arange(n) % 2).astype(float)
    cost = treated * before * rng.uniform(0.05, 0.1, n)
    during = 1.1 * before + brings * cost + before * rng.normal(0, 0.01, n)
    return before, during, treated, np.zeros(n), cost


def test_geo_regression_is_weighted_least_squares() -> None:
    import statsmodels.api as sm

    before, during, treated, none, cost = _geos(1)
    found = geo_regression(before, during, treated, none, cost)
    peer = sm.WLS(during, sm.add_constant(np.column_stack([before, cost])), weights=1 / before**2).fit()
    assert found.effect == pytest.approx(peer.params[2])
    assert found.std_error == pytest.approx(peer.bse[2])
    assert found.df == 37
    assert found.interval(0.95) == pytest.approx(tuple(peer.conf_int()[2]))


def test_a_cost_that_runs_anyway_is_predicted_from_control_and_taken_off() -> None:
    before, during, treated, none, cost = _geos(2)
    base = geo_regression(before, during, treated, none, cost)
    running = 0.2 * before
    found = geo_regression(before, during, treated, running, running + cost)
    assert found.effect == pytest.approx(base.effect)
    assert found.std_error == pytest.approx(base.std_error)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1_000), price=st.floats(0.01, 100.0))
def test_a_dearer_currency_of_cost_divides_the_return(seed: int, price: float) -> None:
    before, during, treated, none, cost = _geos(seed)
    base = geo_regression(before, during, treated, none, cost)
    order = np.random.default_rng(seed).permutation(len(before))
    other = geo_regression(before[order], during[order], treated[order], none, price * cost[order])
    assert (other.effect, other.std_error) == pytest.approx((base.effect / price, base.std_error / price), rel=1e-6)


def test_geo_regression_refuses_what_it_cannot_answer() -> None:
    before, during, treated, none, cost = _geos(3)
    with pytest.raises(NotEstimable, match="too few"):
        geo_regression(before[:3], during[:3], treated[:3], none[:3], cost[:3])
    with pytest.raises(NotEstimable, match="no positive total"):
        geo_regression(before - before.min(), during, treated, none, cost)
    with pytest.raises(NotEstimable, match="does not vary"):
        geo_regression(before, during, treated, none, none)
    with pytest.raises(InvalidNumber, match="finite"):
        geo_regression(before, np.where(during > 500, np.nan, during), treated, none, cost)


@pytest.mark.slow
def test_geo_regression_keeps_its_level() -> None:
    hits = sum(geo_regression(*_geos(seed)).p_value(2.0) <= 0.05 for seed in range(3000))
    assert 0.04 <= hits / 3000 <= 0.06
