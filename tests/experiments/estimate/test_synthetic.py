"""Synthetic control, synthetic difference in differences and their placebo inference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.donor_panel import DonorPanel
from experiments.estimate.placebo import placebo_in_space
from experiments.estimate.synthetic_control import (
    SyntheticFit,
    difference_in_differences_fit,
    synthetic_control,
)
from experiments.estimate.synthetic_did import synthetic_did
from experiments.estimate.time_permutation import Scheme, time_permutation_p

BEFORE = 20


def _demeaned(panel: DonorPanel) -> SyntheticFit:
    return synthetic_control(panel, demeaned=True)


def _plain(panel: DonorPanel) -> SyntheticFit:
    return synthetic_control(panel, demeaned=False)


ESTIMATORS = {"sdid": synthetic_did, "demeaned": _demeaned, "plain": _plain, "did": difference_in_differences_fit}


def _panel(seed: int, *, donors: int = 16, treated: int = 1, after: int = 6, before: int = BEFORE) -> DonorPanel:
    rng = np.random.default_rng(seed)
    n, periods = donors + treated, before + after
    factor = rng.normal(size=periods).cumsum()
    y = rng.normal(0, 3, n)[:, None] + rng.normal(1, 0.5, n)[:, None] * factor + rng.normal(size=(n, periods))
    return DonorPanel(y[:treated], y[treated:], before)


def test_a_treated_unit_that_is_a_mixture_of_donors_is_found_exactly() -> None:
    base = _panel(1)
    mixture = 0.7 * base.donors[2] + 0.3 * base.donors[5]
    mixture[BEFORE:] += 4.0
    panel = DonorPanel(mixture[None, :], base.donors, BEFORE)
    plain = synthetic_control(panel, demeaned=False)
    assert plain.effect == pytest.approx(4.0, abs=1e-5)
    assert plain.unit_weights[[2, 5]] == pytest.approx([0.7, 0.3], abs=1e-5)
    lifted = DonorPanel(panel.treated + 100.0, base.donors, BEFORE)
    assert synthetic_control(lifted, demeaned=True).effect == pytest.approx(4.0, abs=1e-5)
    assert synthetic_control(lifted, demeaned=False).effect > 50.0


def test_difference_in_differences_by_hand() -> None:
    panel = DonorPanel(np.array([[1.0, 3.0, 9.0]]), np.array([[0.0, 0.0, 1.0], [2.0, 4.0, 6.0]]), 2)
    fit = difference_in_differences_fit(panel)
    assert fit.effect == pytest.approx((9.0 - 2.0) - (3.5 - 1.5))


def test_synthetic_did_is_the_double_difference_of_its_own_weights() -> None:
    panel = _panel(2, treated=2)
    fit = synthetic_did(panel)
    after, before = panel.donors[:, BEFORE:].mean(axis=1), panel.donors[:, :BEFORE] @ fit.time_weights
    x = panel.treated_mean
    own = x[BEFORE:].mean() - x[:BEFORE] @ fit.time_weights
    assert fit.effect == pytest.approx(own - fit.unit_weights @ (after - before))
    assert fit.unit_weights.sum() == pytest.approx(1.0)
    assert fit.time_weights.sum() == pytest.approx(1.0)
    assert fit.converged


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 5_000), name=st.sampled_from(sorted(ESTIMATORS)))
def test_an_effect_adds_scaling_scales_and_order_means_nothing(seed: int, name: str) -> None:
    panel, estimate = _panel(seed, treated=2), ESTIMATORS[name]
    found = estimate(panel).effect
    lifted = panel.treated.copy()
    lifted[:, BEFORE:] += 5.0
    assert estimate(DonorPanel(lifted, panel.donors, BEFORE)).effect == pytest.approx(found + 5.0, abs=1e-7)
    scaled = DonorPanel(1e4 * panel.treated, 1e4 * panel.donors, BEFORE)
    assert estimate(scaled).effect == pytest.approx(1e4 * found, rel=1e-5, abs=1e-2)
    order = np.random.default_rng(seed).permutation(len(panel.donors))
    assert estimate(DonorPanel(panel.treated[::-1], panel.donors[order], BEFORE)).effect == pytest.approx(
        found, abs=1e-6
    )


@pytest.mark.parametrize("name", ["sdid", "demeaned", "did"])
def test_levels_of_units_and_shocks_of_periods_are_taken_out(name: str) -> None:
    panel, estimate = _panel(3), ESTIMATORS[name]
    rng = np.random.default_rng(0)
    shock = rng.normal(0, 9, panel.donors.shape[1])
    moved = DonorPanel(panel.treated + 77.0 + shock, panel.donors + rng.normal(0, 9, (16, 1)) + shock, BEFORE)
    if name == "sdid":  # the shocks enter the noise that sets the ridge, and only there
        assert synthetic_did(moved, noise=panel.noise).effect == pytest.approx(synthetic_did(panel).effect, abs=1e-5)
        return
    assert estimate(moved).effect == pytest.approx(estimate(panel).effect, abs=1e-5)


def test_the_imbalance_is_that_of_the_path_before_the_start_and_its_share_of_equal_weights() -> None:
    panel = _panel(4)
    fit, equal = synthetic_control(panel, demeaned=True), difference_in_differences_fit(panel)
    assert fit.imbalance == pytest.approx(np.sqrt((fit.path[:BEFORE] ** 2).sum()))
    assert fit.scaled_imbalance == pytest.approx(fit.imbalance / equal.imbalance)
    assert fit.path[:BEFORE].mean() == pytest.approx(0.0, abs=1e-9)


def test_one_treated_unit_lists_every_donor_as_a_placebo() -> None:
    panel = _panel(5)
    found = placebo_in_space(panel, difference_in_differences_fit, seed=1)
    change = panel.donors[:, BEFORE:].mean(axis=1) - panel.donors[:, :BEFORE].mean(axis=1)
    by_hand = (change - (change.sum() - change) / 15).tolist()
    assert found.listed
    assert found.effects == pytest.approx(by_hand)
    assert found.plain_error == pytest.approx(np.std(by_hand, ddof=1))
    paths = panel.donors - (panel.donors.sum(axis=0) - panel.donors) / 15
    off = paths[:, :BEFORE] - paths[:, :BEFORE].mean(axis=1, keepdims=True)
    ratios = np.array(by_hand) / np.sqrt((off**2).sum(axis=1))
    assert found.inference.std_error == pytest.approx(found.fit.imbalance * np.std(ratios, ddof=1))
    assert found.inference.df == 15
    at_least = sum(abs(ratio) >= abs(found.fit.effect / found.fit.imbalance) for ratio in ratios)
    assert found.rank_p == pytest.approx((1 + at_least) / 17)
    assert found.smallest_rank_p == pytest.approx(1 / 17)


def test_a_louder_treated_unit_gets_a_larger_error_and_equal_units_the_plain_one() -> None:
    panel = _panel(5, donors=30)
    wild = np.random.default_rng(1).normal(0, 6, panel.treated.shape)
    loud = DonorPanel(panel.treated + wild, panel.donors, BEFORE)
    quiet, noisy = (placebo_in_space(p, _demeaned, seed=1) for p in (panel, loud))
    assert noisy.plain_error == pytest.approx(quiet.plain_error)
    assert noisy.inference.std_error > 3 * quiet.inference.std_error
    assert quiet.scaled


def test_exact_fits_before_the_start_say_nothing_about_noise() -> None:
    """Forty donors follow three periods exactly: the placebo effects stand as they are."""
    panel = _panel(6, donors=40, before=3)
    found = placebo_in_space(panel, _demeaned, seed=1)
    assert not found.scaled
    assert found.inference.std_error == found.plain_error


def test_several_treated_units_are_played_by_random_sets_that_the_seed_fixes() -> None:
    panel = _panel(6, treated=3)
    first = placebo_in_space(panel, synthetic_did, seed=4, draws=30)
    again = placebo_in_space(panel, synthetic_did, seed=4, draws=30)
    other = placebo_in_space(panel, synthetic_did, seed=5, draws=30)
    assert not first.listed
    assert len(first.effects) == 30
    assert first.effects.tolist() == again.effects.tolist()
    assert first.effects.tolist() != other.effects.tolist()


def test_a_large_effect_ranks_first_and_a_loud_unit_is_seen_before_the_start() -> None:
    panel = _panel(7)
    treated = panel.treated.copy()
    treated[:, BEFORE:] += 50.0
    found = placebo_in_space(DonorPanel(treated, panel.donors, BEFORE), _demeaned, seed=1)
    assert found.rank_p == pytest.approx(1 / 17)
    treated[:, :BEFORE] += 30.0 * np.sin(np.arange(BEFORE))
    loud = placebo_in_space(DonorPanel(treated, panel.donors, BEFORE), _demeaned, seed=1)
    assert loud.fit_p == pytest.approx(1 / 17)
    assert loud.rank_p > found.rank_p


def test_permutation_over_time_counts_the_shifts() -> None:
    panel = _panel(8, before=34)
    p = time_permutation_p(panel)
    assert p * 40 == pytest.approx(round(p * 40))
    lifted = panel.treated.copy()
    lifted[:, 34:] += 30.0
    big = DonorPanel(lifted, panel.donors, 34)
    assert time_permutation_p(big) == pytest.approx(1 / 40)
    assert time_permutation_p(big, at=30.0) == pytest.approx(p)
    assert time_permutation_p(big, scheme=Scheme.IID, seed=1, draws=199) == pytest.approx(1 / 200)


def test_what_cannot_be_compared_is_refused() -> None:
    panel = _panel(9)
    with pytest.raises(NotEstimable, match="donors"):
        DonorPanel(panel.treated, panel.donors[:1], BEFORE)
    with pytest.raises(NotEstimable, match="periods"):
        DonorPanel(panel.treated, panel.donors, 1)
    with pytest.raises(NotEstimable, match="periods"):
        DonorPanel(panel.treated, panel.donors, BEFORE + 6)
    with pytest.raises(InvalidNumber, match="k × T"):
        DonorPanel(panel.treated[:, 1:], panel.donors, BEFORE)
    with pytest.raises(InvalidNumber, match="finite"):
        DonorPanel(panel.treated, np.where(panel.donors > 3, np.inf, panel.donors), BEFORE)
    with pytest.raises(NotEstimable, match="cannot play"):
        placebo_in_space(_panel(9, donors=4, treated=3), _plain, seed=1)
    with pytest.raises(NotEstimable, match="do not vary"):
        placebo_in_space(DonorPanel(panel.treated, np.ones_like(panel.donors), BEFORE), _plain, seed=1)


@pytest.mark.slow
def test_placebo_inference_keeps_its_level_on_weekly_series() -> None:
    """600 panels, 20 donors of uneven noise, one treated store, nothing happened: between 3 and 7 % alarms."""
    rng = np.random.default_rng(2024)
    alarms = 0
    for number in range(600):
        steps = rng.normal(0, 0.8, (21, 48))
        for t in range(1, 48):
            steps[:, t] += 0.6 * steps[:, t - 1]
        steps *= np.exp(rng.normal(0, 0.6, 21))[:, None]
        factor = rng.normal(0, 0.3, 48).cumsum()
        y = rng.normal(0, 3, 21)[:, None] + rng.normal(1, 0.5, 21)[:, None] * factor + steps
        panel = DonorPanel(y[:1], y[1:], 40)
        noise = panel.noise
        found = placebo_in_space(panel, lambda p, noise=noise: synthetic_did(p, noise=noise), seed=number)
        low, high = found.inference.interval(0.95)
        assert low is not None
        assert high is not None
        assert (low <= 0.0 <= high) == (found.inference.p_value() >= 0.05)
        alarms += found.inference.p_value() <= 0.05
    assert 0.03 <= alarms / 600 <= 0.07
