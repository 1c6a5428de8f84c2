"""Probability of harm: closed forms, its invariants, and that no probability stands without its prior."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidNumber
from experiments.forecast.harm import posterior, probability_b_beats_a, probability_of_harm
from experiments.forecast.shrinkage import Prior, shrink

SCEPTICAL = Prior("sceptical", 0.0, 0.01, "twelve past pilots")
NEUTRAL = Prior("neutral", 0.0, 0.05, "the plan")


def phi(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def test_a_normal_likelihood_gives_the_closed_form() -> None:
    found, exact = posterior(0.012, 0.009, None, SCEPTICAL), shrink(0.012, 0.009, SCEPTICAL)
    assert (found.mean, found.sd) == pytest.approx((exact.effect, exact.sd), rel=1e-10)
    for value in (-0.02, 0.0, 0.01, 0.03):
        assert found.probability_below(value) == pytest.approx(phi((value - exact.effect) / exact.sd), abs=1e-10)
    assert found.interval(0.95) == pytest.approx(exact.interval, abs=1e-8)


def test_a_wide_prior_leaves_students_t() -> None:
    """Two degrees of freedom: P(T < t) = ½ + t / (2 √(t² + 2)); a wide prior cuts its tails only a little."""
    found = posterior(1.0, 1.0, 4.0, Prior("neutral", 0.0, 1_000.0, "the plan"))
    t = 1.0  # P(T₄ < −1) = ½ − ½ · 1 · (1 + 2 / 5 · …): from the density, .1870
    assert found.probability_below(0.0) == pytest.approx(0.18695, abs=2e-4)
    assert found.probability_below(1.0 + t) == pytest.approx(1.0 - 0.18695, abs=2e-4)


def test_few_stores_keep_the_heavier_tail() -> None:
    few = posterior(0.03, 0.01, 3.0, NEUTRAL).probability_below(0.0)
    many = posterior(0.03, 0.01, None, NEUTRAL).probability_below(0.0)
    assert few > 3.0 * many


@settings(deadline=None, max_examples=30)
@given(st.floats(-0.1, 0.1), st.floats(0.001, 0.1), st.floats(2.0, 50.0))
def test_turning_the_effect_around_turns_the_probability_around(effect: float, error: float, df: float) -> None:
    one, other = posterior(effect, error, df, NEUTRAL), posterior(-effect, error, df, NEUTRAL)
    assert one.probability_below(0.0) == pytest.approx(1.0 - other.probability_below(0.0), abs=1e-9)
    assert one.probability_below(-10.0) == 0.0
    assert one.probability_below(10.0) == pytest.approx(1.0)


def test_harm_stands_under_both_priors_and_names_them() -> None:
    found = probability_of_harm(0.01, 0.012, 18.0, sceptical=SCEPTICAL, neutral=NEUTRAL, margin=0.005)
    assert 0.0 < found.neutral.probability < found.sceptical.probability < 0.5
    for given_prior in (found.sceptical, found.neutral):
        text = str(given_prior.message)
        assert "given the" in text
        assert given_prior.prior.source in text
        assert given_prior.interval[0] < given_prior.mean < given_prior.interval[1]


def test_where_less_is_better_harm_lies_above() -> None:
    up = probability_of_harm(0.01, 0.012, 18.0, sceptical=SCEPTICAL, neutral=NEUTRAL)
    down = probability_of_harm(-0.01, 0.012, 18.0, sceptical=SCEPTICAL, neutral=NEUTRAL, good_is_up=False)
    assert down.sceptical.probability == pytest.approx(up.sceptical.probability, abs=1e-9)


def test_priors_are_what_their_names_promise() -> None:
    hopeful = Prior("sceptical", 0.02, 0.01, "hope")
    with pytest.raises(InvalidNumber, match="not on the good side"):
        probability_of_harm(0.0, 1.0, None, sceptical=hopeful, neutral=NEUTRAL)
    with pytest.raises(InvalidNumber, match="at least as wide"):
        probability_of_harm(0.0, 1.0, None, sceptical=NEUTRAL, neutral=SCEPTICAL)
    with pytest.raises(InvalidNumber):
        probability_of_harm(0.0, 1.0, None, sceptical=SCEPTICAL, neutral=NEUTRAL, margin=-1.0)
    with pytest.raises(InvalidNumber):
        posterior(0.0, 0.0, None, NEUTRAL)


def test_two_beta_posteriors_by_hand() -> None:
    """Uniform against uniform is ½; Beta(2, 1) has density 2x, so P(B > A) = ∫ 2x · x dx = ⅔."""
    assert probability_b_beats_a(1, 1, 1, 1) == pytest.approx(0.5, abs=1e-14)
    assert probability_b_beats_a(1, 1, 2, 1) == pytest.approx(2.0 / 3.0, abs=1e-14)


@given(*(st.integers(1, 60) for _ in range(4)))
def test_one_of_two_beats_the_other(a: int, b: int, c: int, d: int) -> None:
    assert probability_b_beats_a(a, b, c, d) + probability_b_beats_a(c, d, a, b) == pytest.approx(1.0, abs=1e-9)


def test_counts_are_whole_and_positive() -> None:
    with pytest.raises(InvalidNumber):
        probability_b_beats_a(0, 1, 1, 1)


@pytest.mark.slow
def test_among_pilots_with_the_same_probability_that_share_is_harmful() -> None:
    """Calibration: effects from the prior, ten stores' t error; of results with P(harm) near p, p are harmful."""
    rng, n, df = np.random.default_rng(15), 3_000, 8
    theta = SCEPTICAL.mean + SCEPTICAL.sd * rng.standard_normal(n)
    error = 0.008 * np.sqrt(rng.chisquare(df, n) / df)
    b = theta + 0.008 * rng.standard_normal(n)
    p = np.array(
        [posterior(float(x), float(e), df, SCEPTICAL).probability_below(0.0) for x, e in zip(b, error, strict=True)]
    )
    for low, high in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)):
        inside = (p >= low) & (p < high)
        assert (theta[inside] < 0.0).mean() == pytest.approx(p[inside].mean(), abs=4.0 * 0.5 / math.sqrt(inside.sum()))
