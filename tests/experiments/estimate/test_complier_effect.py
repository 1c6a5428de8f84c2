"""The complier effect: the Wald ratio, one error whatever the road to it, invariants, level."""

import numpy as np
import pytest

from experiments.errors import NotEstimable
from experiments.estimate.complier_effect import (
    clustered_reduced_form,
    complier_effect,
    two_sample_reduced_form,
    unit_reduced_form,
)
from experiments.estimate.unit_table import Floats
from tests.experiments.building import table


def _units(seed: int = 1, n: int = 20) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    treated = np.tile([0.0, 1.0], n // 2)
    took = np.clip(0.2 + 0.5 * treated + rng.normal(0, 0.1, n), 0, 1)
    return treated, took, 10 + 2 * took + rng.normal(0, 0.5, n)


def test_it_is_the_difference_in_outcomes_over_the_difference_in_uptake() -> None:
    treated, took, y = _units()
    found = complier_effect(y, took, unit_reduced_form(table(y.tolist(), treated.tolist())))
    itt = y[treated == 1].mean() - y[treated == 0].mean()
    uptake = took[treated == 1].mean() - took[treated == 0].mean()
    assert found.inference.effect == pytest.approx(itt / uptake)
    assert (found.intention_to_treat.effect, found.uptake.effect) == (pytest.approx(itt), pytest.approx(uptake))
    assert found.first_stage_f == pytest.approx((uptake / found.uptake.std_error) ** 2)


def test_its_error_is_that_of_two_stage_least_squares_written_out() -> None:
    """HC2 of 2SLS: regressors X, projected regressors P = Z (Z'Z)⁻¹ Z'X, residuals y − X b, leverages of P."""
    treated, took, y = _units()
    z, x = np.column_stack([np.ones(20), treated]), np.column_stack([np.ones(20), took])
    projected = z @ np.linalg.solve(z.T @ z, z.T @ x)
    bread = np.linalg.inv(projected.T @ projected)
    residual = y - x @ (bread @ projected.T @ y)
    slack = 1 - np.diagonal(projected @ bread @ projected.T)
    variance = bread @ (projected.T * (residual**2 / slack)) @ projected @ bread
    found = complier_effect(y, took, unit_reduced_form(table(y.tolist(), treated.tolist()))).inference
    assert found.std_error == pytest.approx(np.sqrt(variance[1, 1]))


def test_three_roads_lead_to_the_same_numbers() -> None:
    treated, took, y = _units()
    forms = [
        unit_reduced_form(table(y.tolist(), treated.tolist())),
        clustered_reduced_form(treated, np.arange(20)),
        two_sample_reduced_form(treated),
    ]
    first, *others = [complier_effect(y, took, form).inference for form in forms]
    for other in others:
        assert (other.effect, other.std_error, other.df) == pytest.approx((first.effect, first.std_error, first.df))


def test_blocks_and_covariates_of_the_table_are_in_both_stages() -> None:
    treated, took, y = _units()
    block, x = np.repeat(np.arange(5), 4), np.random.default_rng(2).normal(0, 1, 20)
    indicators = np.column_stack([block == b for b in range(1, 5)]).astype(float)
    of_units = unit_reduced_form(table(y.tolist(), treated.tolist(), block=block.tolist(), x=x.tolist()))
    of_rows = clustered_reduced_form(treated, np.arange(20), controls=np.column_stack([indicators, x]))
    one, other = (complier_effect(y, took, form).inference for form in (of_units, of_rows))
    assert (one.effect, one.std_error, one.df) == pytest.approx((other.effect, other.std_error, other.df))


def test_full_compliance_is_the_intention_to_treat() -> None:
    treated, _, y = _units()
    found = complier_effect(y, treated, unit_reduced_form(table(y.tolist(), treated.tolist())))
    assert found.inference.effect == pytest.approx(found.intention_to_treat.effect)
    assert found.inference.std_error == pytest.approx(found.intention_to_treat.std_error)
    assert found.inference.df == pytest.approx(found.intention_to_treat.df)
    assert not found.is_weak


def test_swapping_the_arms_changes_nothing_and_scaling_scales() -> None:
    treated, took, y = _units()
    found = complier_effect(y, took, two_sample_reduced_form(treated)).inference
    swapped = complier_effect(y, took, two_sample_reduced_form(1 - treated)).inference
    scaled = complier_effect(100 * y, took, two_sample_reduced_form(treated)).inference
    assert (swapped.effect, swapped.std_error) == pytest.approx((found.effect, found.std_error))
    assert (scaled.effect, scaled.std_error) == pytest.approx((100 * found.effect, 100 * found.std_error))


def test_without_takers_or_without_a_difference_there_is_no_complier() -> None:
    treated, _, y = _units()
    form = two_sample_reduced_form(treated)
    for everybody in (np.zeros(20), np.ones(20)):
        with pytest.raises(NotEstimable, match="everywhere"):
            complier_effect(y, everybody, form)
    with pytest.raises(NotEstimable, match="alike"):
        complier_effect(y, np.repeat([0.0, 1.0], 10), form)
    with pytest.raises(NotEstimable, match="needs two"):
        two_sample_reduced_form(np.array([0.0, 1.0]))


@pytest.mark.slow
def test_the_level_holds_where_uptake_is_strong() -> None:
    """2,000 draws of 20 stores whose better ones take up more: 3 to 7 % false alarms at the true effect."""
    rng, hits = np.random.default_rng(8), 0
    treated = np.tile([0.0, 1.0], 10)
    for _ in range(2000):
        store = rng.normal(0, 1, 20)
        took = np.clip(0.25 + 0.5 * treated + 0.1 * store + rng.normal(0, 0.05, 20), 0, 1)
        y = took + store + rng.normal(0, 0.5, 20)
        hits += complier_effect(y, took, two_sample_reduced_form(treated)).inference.p_value(1.0) <= 0.05
    assert 0.03 <= hits / 2000 <= 0.07
