"""Value of waiting: the published-by-hand numbers, limits, and a simulation of waiting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import InvalidNumber
from experiments.forecast.waiting import value_of_waiting


def test_the_numbers_of_the_design() -> None:
    """statistics.md, section 6: EVSI .0016776, EVPI .0030689."""
    found = value_of_waiting(prior_mean=0.002, prior_sd=0.01, std_error=0.012)
    assert found.evsi == pytest.approx(0.0016776, abs=5e-8)
    assert found.evpi == pytest.approx(0.0030689, abs=5e-8)
    assert found.now == 0.002


def test_at_the_break_even_it_is_sd_over_root_two_pi() -> None:
    found = value_of_waiting(prior_mean=0.5, prior_sd=2.0, std_error=1e-9, break_even=0.5)
    assert found.evpi == pytest.approx(2.0 / np.sqrt(2.0 * np.pi))
    assert found.evsi == pytest.approx(found.evpi)


@given(st.floats(-5, 5), st.floats(0.1, 5), st.floats(0.1, 5), st.floats(-2, 2))
def test_waiting_is_never_worth_less_than_nothing_nor_more_than_knowing(m: float, s: float, e: float, k: float) -> None:
    found = value_of_waiting(prior_mean=m, prior_sd=s, std_error=e, break_even=k)
    assert 0.0 <= found.evsi <= found.evpi + 1e-12
    mirrored = value_of_waiting(prior_mean=2 * k - m, prior_sd=s, std_error=e, break_even=k)
    assert mirrored.evsi == pytest.approx(found.evsi, abs=1e-9)
    scaled = value_of_waiting(prior_mean=3 * m, prior_sd=3 * s, std_error=3 * e, break_even=3 * k)
    assert scaled.evsi == pytest.approx(3 * found.evsi, abs=1e-9)


@pytest.mark.slow
def test_deciding_after_a_simulated_measurement_gains_the_evsi() -> None:
    rng, n = np.random.default_rng(17), 4_000_000
    theta = 0.002 + 0.01 * rng.standard_normal(n)
    b = theta + 0.012 * rng.standard_normal(n)
    m = 0.002 + 0.01**2 / (0.01**2 + 0.012**2) * (b - 0.002)
    gained = np.where(m > 0.0, theta, 0.0).mean() - 0.002
    assert gained == pytest.approx(0.0016776, abs=4 * 0.01 / np.sqrt(n))


@pytest.mark.parametrize(("sd", "error"), [(0.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_spreads_are_positive(sd: float, error: float) -> None:
    with pytest.raises(InvalidNumber):
        value_of_waiting(prior_mean=0.0, prior_sd=sd, std_error=error)
