"""Spending bounds, confidence sequences, Dunnett and the forecasts against R and published numbers."""

import csv

import numpy as np
import pytest

from experiments.estimate.dunnett import Dunnett, dunnett, dunnett_from_moments
from experiments.forecast.harm import probability_b_beats_a
from experiments.forecast.purchases import PurchaseModel, fit_purchases
from experiments.monitor.confidence_sequence import best_rho, bound, log_mixture
from experiments.monitor.spending import boundaries
from tests.reference.oracles import expect, names, reference


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_obrien_fleming_bounds_at_equal_steps_equal_r(k: int) -> None:
    """ldBounds(t = (1:k)/k, iuse = c(1, 1), alpha = c(.025, .025))"""
    found = boundaries([(look + 1) / k for look in range(k)], spending="obrien_fleming", alpha=0.05)
    for look, value in enumerate(found.bounds, start=1):
        expect("O22", f"k{k}_look{look}").of(value)


@pytest.mark.parametrize("two_sided", [True, False])
def test_obrien_fleming_bounds_at_unequal_steps_equal_r(two_sided: bool) -> None:
    """ldBounds(t = c(.3, .55, 1), iuse = c(1, 1), alpha = c(.025, .025))"""
    alpha = 0.05 if two_sided else 0.025
    found = boundaries([0.3, 0.55, 1.0], spending="obrien_fleming", alpha=alpha, two_sided=two_sided)
    for look, value in enumerate(found.bounds, start=1):
        expect("O22", f"unequal_look{look}").of(value)


def test_every_printed_obrien_fleming_bound_is_compared() -> None:
    assert set(names("O22")) == {f"k{k}_look{look}" for k in range(2, 6) for look in range(1, k + 1)} | {
        f"unequal_look{look}" for look in (1, 2, 3)
    }


def test_pocock_bounds_equal_r() -> None:
    """ldBounds(t = (1:5)/5, iuse = c(2, 2), alpha = c(.025, .025))"""
    found = boundaries([0.2, 0.4, 0.6, 0.8, 1.0], spending="pocock", alpha=0.05)
    for look, value in enumerate(found.bounds, start=1):
        expect("O23", f"k5_look{look}").of(value)


def test_the_confidence_sequence_equals_confseq() -> None:
    rho = best_rho(100.0, 0.05)
    expect("O24", "best_rho").of(rho)
    expect("O24", "two_sided_bound").of(bound(100.0, rho, 0.05))
    expect("O24", "log_mixture").of(log_mixture(10.0, 100.0, rho))
    one_sided = best_rho(100.0, 0.05, two_sided=False)
    expect("O24", "one_sided_bound").of(bound(100.0, one_sided, 0.05, two_sided=False))


def test_dunnett_equals_r() -> None:
    """glht(aov(minutes ~ blanket), mcp(blanket = "Dunnett")); R itself draws: its error is 2e-4"""
    found = _recovery()
    for variant, p, (lower, upper) in zip(("b1", "b2", "b3"), found.p_adjusted, found.intervals, strict=True):
        expect("O21", f"p_{variant}").of(p)
        expect("O21", f"lower_{variant}").of(lower)
        expect("O21", f"upper_{variant}").of(upper)


def test_dunnett_from_moments_is_dunnett_from_values() -> None:
    arms = _arms()
    moments = dunnett_from_moments(
        [float(a.mean()) for a in arms], [float(a.var(ddof=1)) for a in arms], [len(a) for a in arms]
    )
    assert moments.p_adjusted == pytest.approx(_recovery().p_adjusted, rel=1e-12)


def test_the_purchase_model_equals_the_published_one() -> None:
    model = _cdnow()
    for name in ("r", "alpha", "a", "b", "log_likelihood"):
        expect("O27", name).of(getattr(model, name))
    expect("O27", "expected_purchases").of(model.expected_of_customer(39.0, 2.0, 30.43, 38.86))
    alive = model.probability_alive(np.array([2.0]), np.array([30.43]), np.array([38.86]))
    expect("O27", "p_alive").of(float(alive[0]))
    assert set(names("O27")) == {"r", "alpha", "a", "b", "log_likelihood", "expected_purchases", "p_alive"}


def test_two_beta_posteriors_equal_the_closed_form() -> None:
    expect("O28", "probability").of(probability_b_beats_a(121, 881, 141, 861))


def _arms() -> list[np.ndarray]:
    with reference("recovery.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [np.array([float(r["minutes"]) for r in rows if r["blanket"] == name]) for name in ("b0", "b1", "b2", "b3")]


def _recovery() -> Dunnett:
    control, *treatments = _arms()
    return dunnett(control, *treatments)


def _cdnow() -> PurchaseModel:
    with reference("cdnow.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = [np.array([float(row[name]) for row in rows]) for name in ("frequency", "recency", "T")]
    return fit_purchases(*columns)
