"""Power: against published values, against simulation, and against the error the regression will really have."""

import random

import numpy as np
import pytest

from experiments import (
    NotEstimable,
    UnitMoments,
    bernoulli_hash,
    draw,
    power_of_t,
    repeat_purchase,
    smallest_visible_customer_effect,
    smallest_visible_effect,
    store_total,
)
from experiments.design.power import detectable
from experiments.errors import InvalidLevel, OpenList, UnknownVariant
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import unit_table
from tests.experiments.building import SHARES, arm, complete_draw, moments, paired_draw, stratified_draw


def test_power_equals_the_published_two_sample_value() -> None:
    """G*Power: two groups of 63.7656, effect .5 standard deviations, level .05, power .80 (tolerance 1e-4)."""
    n = 63.76561
    assert power_of_t(0.5, (2 / n) ** 0.5, 2 * n - 2, level=0.05) == pytest.approx(0.80, abs=1e-4)


def test_the_detectable_effect_of_a_cluster_design_equals_the_reference() -> None:
    """20 stores of 200 customers, share .3, correlation inside stores .05: power .5055 for .10; .1421 at 80 %."""
    variance = 0.3 * 0.7
    error = (2 / 10 * (variance * 0.05 + variance * 0.95 / 200)) ** 0.5
    assert power_of_t(0.10, error, 18, level=0.05) == pytest.approx(0.5055, abs=5e-4)
    assert detectable(error, 18, level=0.05) == pytest.approx(0.1421, abs=5e-4)


def test_power_is_a_number_however_far_the_effect() -> None:
    """Some tails of the noncentral t overflow in the library; the answer there is the same to 1e-6."""
    for df in (1.0, 3.0, 10.0, 28.0, 500.0):
        seen = [power_of_t(shift, 1.0, df, level=0.05) for shift in np.arange(0.0, 60.0, 0.25)]
        assert np.isfinite(seen).all()
        assert seen[0] == pytest.approx(0.05)
        assert min(np.diff(seen)) > -1e-6
        assert seen[-1] > 0.99


def test_a_smaller_level_needs_a_larger_effect() -> None:
    assert detectable(1.0, 18, level=0.025) > detectable(1.0, 18, level=0.05)
    assert detectable(0.0, 18, level=0.05) == 0.0
    with pytest.raises(InvalidLevel):
        detectable(1.0, 18, level=0.0)


def _history(n: int, seed: int, *, noise: float = 0.1) -> list[UnitMoments]:
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        size = 10_000 + 500 * (i // 2) + rng.randrange(300)
        rows.append(moments(f"s{i:03}", round(size * (1 + rng.gauss(0, noise))), size))
    return rows


@pytest.mark.parametrize("mechanism", [complete_draw(24), paired_draw(24), stratified_draw(24, 3)])
def test_the_error_is_that_of_the_regression_on_average_over_draws(mechanism) -> None:  # type: ignore[no-untyped-def]  # parametrised
    history = _history(24, 1)
    seen = smallest_visible_effect(mechanism, "points", store_total(), [history], level=0.05)
    errors = []
    for seed in range(300):
        assignment = draw(mechanism, seed).assignment
        regression = fit(
            unit_table(store_total(), history, mechanism=mechanism, assignment=assignment, variant="points")
        )
        errors.append(regression.std_error**2)
        assert regression.df == seen.df
    assert seen.std_error == pytest.approx(np.sqrt(np.mean(errors)), rel=0.03)
    assert seen.relative == pytest.approx(seen.absolute / seen.mean)


def test_several_past_windows_are_averaged() -> None:
    one = smallest_visible_effect(complete_draw(24), "points", store_total(), [_history(24, 1)], level=0.05)
    other = smallest_visible_effect(complete_draw(24), "points", store_total(), [_history(24, 2)], level=0.05)
    both = smallest_visible_effect(
        complete_draw(24), "points", store_total(), [_history(24, 1), _history(24, 2)], level=0.05
    )
    assert both.n_windows == 2
    assert both.std_error**2 == pytest.approx((one.std_error**2 + other.std_error**2) / 2, rel=0.05)


@pytest.mark.slow
def test_an_effect_of_the_printed_size_is_found_four_times_in_five() -> None:
    mechanism = paired_draw(40)
    seen = smallest_visible_effect(mechanism, "points", store_total(), [_history(40, s) for s in range(30)], level=0.05)
    found = 0
    for seed in range(1000):
        assignment = draw(mechanism, seed).assignment
        rows = [
            moments(m.unit, m.y + round(seen.absolute) * (assignment[m.unit] == "points"), m.x)
            for m in _history(40, 1000 + seed)
        ]
        table = unit_table(store_total(), rows, mechanism=mechanism, assignment=assignment, variant="points")
        found += fit(table).inference.p_value() <= 0.05
    assert found / 1000 == pytest.approx(0.80, abs=0.04)


def test_history_that_cannot_carry_an_error_is_refused() -> None:
    with pytest.raises(NotEstimable, match="no past window"):
        smallest_visible_effect(complete_draw(6), "points", store_total(), [], level=0.05)
    with pytest.raises(UnknownVariant):
        smallest_visible_effect(complete_draw(6), "gift", store_total(), [_history(6, 1)], level=0.05)


def test_customers_use_the_variance_that_the_past_leaves() -> None:
    rng = random.Random(4)
    before = [rng.randrange(2) for _ in range(400)]
    after = [b if rng.random() < 0.8 else 1 - b for b in before]
    adjusted = smallest_visible_customer_effect(
        repeat_purchase(28), [arm("control", after, before)], SHARES, "points", level=0.05
    )
    plain = smallest_visible_customer_effect(repeat_purchase(28), [arm("control", after)], SHARES, "points", level=0.05)
    assert adjusted.n_units == 400
    assert adjusted.absolute < plain.absolute
    share = sum(after) / 400
    assert plain.std_error == pytest.approx((share * (1 - share) * 400 / 399 * 2 / 200) ** 0.5)
    open_list = bernoulli_hash(SHARES, "x")
    with pytest.raises(OpenList):
        smallest_visible_effect(open_list, "points", store_total(), [], level=0.05)
