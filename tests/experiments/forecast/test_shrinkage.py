"""Shrinkage against the winner's curse: by hand, its invariants, and what selection does in simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import InvalidNumber, NotEstimable
from experiments.forecast.shrinkage import (
    Prior,
    paule_mandel,
    prior_from_past,
    shrink,
    simulate_winners_curse,
    winners_curse,
)

PRIOR = Prior("neutral", 0.0, 0.01, "the plan")


def test_the_posterior_by_hand() -> None:
    """B = .01² / (.01² + .01²) = ½."""
    found = shrink(0.02, 0.01, PRIOR)
    assert (found.effect, found.weight) == (pytest.approx(0.01), pytest.approx(0.5))
    assert found.sd == pytest.approx(0.01 * math.sqrt(0.5))
    assert found.interval == pytest.approx((0.01 - 1.959964 * found.sd, 0.01 + 1.959964 * found.sd), abs=1e-8)


@given(st.floats(-1, 1), st.floats(0.001, 1), st.floats(0.1, 10))
def test_shrinkage_scales_and_never_passes_the_prior(effect: float, error: float, scale: float) -> None:
    found = shrink(effect, error, PRIOR)
    assert abs(found.effect) <= abs(effect)
    assert found.effect * effect >= 0.0
    scaled = shrink(scale * effect, scale * error, Prior("neutral", 0.0, scale * 0.01, "the plan"))
    assert scaled.effect == pytest.approx(scale * found.effect, rel=1e-9, abs=1e-12)


def test_what_is_measured_exactly_is_not_shrunk() -> None:
    assert shrink(0.02, 1e-9, PRIOR).effect == pytest.approx(0.02)


def test_wins_overstate_by_one_over_the_weight_of_the_data() -> None:
    """Prior at zero: E[b | win] / E[θ | win] = (.01² + .012²) / .01² = 2.44 whatever the bar."""
    found = winners_curse(prior_sd=0.01, std_error=0.012)
    assert found.overstatement == pytest.approx(2.44, abs=1e-12)
    assert winners_curse(prior_sd=0.01, std_error=0.012, alpha=0.2).overstatement == pytest.approx(2.44, abs=1e-12)
    assert found.share == pytest.approx(0.0660739, abs=1e-6)


@pytest.mark.slow
def test_the_simulation_finds_the_same_and_what_was_measured_for_the_design() -> None:
    """statistics.md, section 4: 2.43 times, restored to .996, 5.8 % of wins with the wrong sign (one simulation)."""
    exact = winners_curse(prior_sd=0.01, std_error=0.012)
    found = simulate_winners_curse(prior_sd=0.01, std_error=0.012, seed=7, pilots=1_000_000)
    assert found.share == pytest.approx(exact.share, abs=0.001)
    assert found.overstatement == pytest.approx(exact.overstatement, rel=0.02)
    assert found.overstatement_shrunk == pytest.approx(1.0, abs=0.02)
    assert found.wrong_sign == pytest.approx(exact.wrong_sign, abs=0.004)
    assert found.overstatement == pytest.approx(2.43, rel=0.02)
    assert found.wrong_sign == pytest.approx(0.058, abs=0.005)


def test_a_prior_from_past_pilots_solves_its_equation() -> None:
    effects, errors = [0.01, 0.03, -0.02, 0.05, 0.0], [0.01, 0.012, 0.01, 0.015, 0.02]
    prior = prior_from_past(effects, errors)
    w = 1.0 / (np.array(errors) ** 2 + prior.sd**2)
    assert prior.mean == pytest.approx(float((w * effects).sum() / w.sum()))
    assert float((w * (np.array(effects) - prior.mean) ** 2).sum()) == pytest.approx(4.0)
    assert "5 past pilots" in prior.source
    sceptic = prior_from_past(effects, errors, mean=0.0)
    assert float((np.array(effects) ** 2 / (np.array(errors) ** 2 + sceptic.sd**2)).sum()) == pytest.approx(5.0)


def test_pilots_that_agree_too_well_give_no_prior() -> None:
    with pytest.raises(NotEstimable, match="how much effects differ"):
        prior_from_past([0.01, 0.0101, 0.0099], [0.01, 0.01, 0.01])
    with pytest.raises(NotEstimable):
        prior_from_past([0.01, 0.5], [0.01, 0.01])
    assert paule_mandel([1.0, 1.1], [1.0, 1.0]) == (0.0, pytest.approx(1.05))


def test_a_prior_states_its_source() -> None:
    with pytest.raises(InvalidNumber):
        Prior("neutral", 0.0, 1.0, " ")
    with pytest.raises(InvalidNumber):
        Prior("neutral", 0.0, 0.0, "the plan")
    with pytest.raises(NotEstimable, match="none of 100"):
        simulate_winners_curse(prior_sd=1e-9, std_error=1.0, prior_mean=-50.0, seed=1, pilots=100)
