"""Power against published values: two samples, clusters, and the stepped wedge."""

import numpy as np
import pytest

from experiments.design.cluster_power import cluster_power, stepped_wedge_variance
from experiments.design.power import power_of_t
from tests.reference.oracles import expect


def test_the_published_number_of_units_reaches_power_four_fifths() -> None:
    n = expect("O29", "n").value
    assert power_of_t(0.5, (2 / n) ** 0.5, 2 * n - 2, level=0.05) == pytest.approx(0.80, abs=1e-6)


def test_the_number_of_units_for_power_four_fifths_is_the_published_one() -> None:
    low, high = 2.0, 200.0
    for _ in range(60):
        n = (low + high) / 2
        reached = power_of_t(0.5, (2 / n) ** 0.5, 2 * n - 2, level=0.05) >= 0.80
        low, high = (low, n) if reached else (n, high)
    expect("O29", "n").of(high)


def test_twenty_stores_of_two_hundred_customers() -> None:
    found = cluster_power(variance=0.3 * 0.7, icc=0.05, sizes=200, n_control=10, n_variant=10, effect=0.10)
    assert found.power is not None
    expect("O30", "power").of(found.power)
    expect("O30", "detectable").of(found.smallest_effect)


def test_a_wedge_of_eight_clusters_and_five_periods() -> None:
    """Shares around .3, 100 customers a cluster and period, clusters that differ by a standard deviation of .1."""
    treated = np.array([[int(period > cluster // 2) for period in range(5)] for cluster in range(8)])
    variance = stepped_wedge_variance(treated, between_variance=0.1**2, period_variance=0.3 * 0.7 / 100)
    expect("O31", "variance").of(variance)
