"""The chance that the last look could advance: by hand, by simulated stages, and what it can never do."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import InvalidNumber
from experiments.forecast.futility import chance_to_advance, visible_effect
from experiments.forecast.shrinkage import Prior

NEUTRAL = Prior("neutral", 0.0, 10.0, "a test")


def test_by_hand() -> None:
    """b = 1, se = 1, prior N(0, 100), twice the information, 5 %: m = 1/1.01, needed 1.96/√2, sd = ½ √(1/1.01 + 1)."""
    found = chance_to_advance(1.0, 1.0, None, prior=NEUTRAL, level=0.05, growth=2.0)
    z = ((1.0 + 1 / 1.01) / 2 - 1.959963984540054 / math.sqrt(2)) / (0.5 * math.sqrt(1 / 1.01 + 1))
    assert found.chance == pytest.approx(0.5 * math.erfc(-z / math.sqrt(2)), abs=1e-12)
    assert (found.mean, found.sd, found.new_error) == pytest.approx((1 / 1.01, 1 / math.sqrt(1.01), 1.0))


def test_it_is_what_simulated_stages_do() -> None:
    """Effects from the prior, a first look, a last look: among those whose first look was about 1.2 errors, as said."""
    n, generator = 400_000, np.random.Generator(np.random.PCG64(20_260_301))
    prior = Prior("narrow", 0.0, 1.5, "a test")
    effect = prior.sd * generator.standard_normal(n)
    first = effect + generator.standard_normal(n)
    rest = effect + generator.standard_normal(n) / math.sqrt(0.5)
    last = (first + 0.5 * rest) / 1.5
    near = np.abs(first - 1.2) < 0.05
    share = float((last[near] * math.sqrt(1.5) >= 1.959963984540054).mean())
    said = chance_to_advance(1.2, 1.0, None, prior=prior, level=0.05, growth=1.5).chance
    assert share == pytest.approx(said, abs=4 * math.sqrt(said * (1 - said) / int(near.sum())))


def test_nothing_more_to_learn_means_the_look_has_decided() -> None:
    assert chance_to_advance(2.0, 1.0, None, prior=NEUTRAL, level=0.05, growth=1.0).chance == 1.0
    assert chance_to_advance(1.9, 1.0, None, prior=NEUTRAL, level=0.05, growth=1.0).chance == 0.0


@given(st.floats(-3, 3), st.floats(1.01, 4), st.floats(1e-3, 1e3))
def test_the_unit_of_the_effect_does_not_matter(effect: float, growth: float, scale: float) -> None:
    plain = chance_to_advance(effect, 1.0, 20.0, prior=NEUTRAL, level=0.05, growth=growth)
    other = Prior("neutral", 0.0, 10.0 * scale, "a test")
    scaled = chance_to_advance(effect * scale, scale, 20.0, prior=other, level=0.05, growth=growth)
    assert scaled.chance == pytest.approx(plain.chance, abs=1e-9)


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_a_better_effect_never_has_less_of_a_chance(one: float, other: float) -> None:
    low, high = sorted((one, other))
    chances = [chance_to_advance(b, 1.0, None, prior=NEUTRAL, level=0.05, growth=2.0).chance for b in (low, high)]
    assert chances[0] <= chances[1]


def test_the_visible_effect_of_a_normal_test_is_two_point_eight_errors() -> None:
    assert visible_effect(1.0, None, level=0.05) == pytest.approx(2.8016, abs=1e-4)
    assert visible_effect(1.0, 10.0, level=0.05) > visible_effect(1.0, None, level=0.05)


@pytest.mark.parametrize(("std_error", "growth"), [(0.0, 2.0), (1.0, 0.9), (float("nan"), 2.0)])
def test_what_makes_no_sense_is_refused(std_error: float, growth: float) -> None:
    with pytest.raises(InvalidNumber):
        chance_to_advance(1.0, std_error, None, prior=NEUTRAL, level=0.05, growth=growth)
