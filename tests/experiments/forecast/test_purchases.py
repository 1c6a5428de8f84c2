"""The purchase model: its limits by hand, its invariants, and simulated customers."""

import math

import numpy as np
import pytest

from experiments.errors import InvalidNumber, NotEstimable
from experiments.forecast.purchases import PurchaseModel, fit_purchases

MODEL = PurchaseModel(0.5, 4.0, 1.5, 3.0, -1.0, 1)


def test_a_customer_without_a_repeat_purchase_cannot_have_stopped() -> None:
    """In this model customers stop after a repeat purchase only."""
    assert MODEL.probability_alive(np.array([0.0]), np.array([0.0]), np.array([30.0])) == pytest.approx([1.0])


def test_probability_alive_by_hand() -> None:
    """x = 1: 1 / (1 + a / b ((α + T) / (α + t))^(r + 1)) = 1 / (1 + ½ · 2^1.5)."""
    found = MODEL.probability_alive(np.array([1.0]), np.array([6.0]), np.array([16.0]))
    assert found == pytest.approx([1.0 / (1.0 + 0.5 * 2.0**1.5)])


def test_nothing_is_expected_in_no_time_and_more_in_more() -> None:
    assert MODEL.expected_purchases(0.0) == pytest.approx(0.0, abs=1e-12)
    assert MODEL.expected_purchases(10.0) < MODEL.expected_purchases(20.0)
    # at once after the start nobody has stopped: rate r / α
    assert MODEL.expected_purchases(1e-5) == pytest.approx(1e-5 * 0.5 / 4.0, rel=1e-3)


def test_it_is_labelled_descriptive() -> None:
    assert "describes" in str(MODEL.label)


@pytest.mark.slow
def test_simulated_customers_give_their_parameters_back_and_time_only_scales() -> None:
    rng, n = np.random.default_rng(18), 8_000
    rate, p = rng.gamma(0.8, 1 / 5.0, n), rng.beta(1.2, 2.5, n)
    total = rng.uniform(20, 40, n)
    x, last = np.zeros(n), np.zeros(n)
    active, now = np.ones(n, dtype=bool), np.zeros(n)
    while active.any():
        now = now + rng.exponential(1.0, n) / rate
        buys = active & (now <= total)
        x, last = x + buys, np.where(buys, now, last)
        active = buys & (rng.random(n) >= p)
    found = fit_purchases(x, last, total)
    assert (found.r, found.alpha) == pytest.approx((0.8, 5.0), rel=0.2)
    assert found.a / (found.a + found.b) == pytest.approx(1.2 / 3.7, rel=0.15)
    assert found.expected_purchases(30.0) == pytest.approx(
        PurchaseModel(0.8, 5.0, 1.2, 2.5, 0.0, n).expected_purchases(30.0), rel=0.05
    )
    days = fit_purchases(x, 7 * last, 7 * total)
    assert (days.r, days.alpha / 7, days.a, days.b) == pytest.approx((found.r, found.alpha, found.a, found.b), rel=1e-3)


def test_impossible_customers_are_refused() -> None:
    with pytest.raises(NotEstimable, match="bought again"):
        fit_purchases(np.zeros(3), np.zeros(3), np.ones(3))
    for x, t_x, total in (([1.0], [5.0], [4.0]), ([0.0], [1.0], [4.0]), ([1.0], [math.nan], [4.0]), ([], [], [])):
        with pytest.raises(InvalidNumber):
            fit_purchases(np.array(x), np.array(t_x), np.array(total))
