"""Balance: standardised differences by hand."""

import math

import pytest

from experiments import balance, complete
from tests.experiments.building import SHARES, candidates


def test_a_difference_is_divided_by_the_pooled_standard_deviation() -> None:
    mechanism = complete(candidates(4, size=[10, 14, 20, 28], same=[1, 1, 1, 1]), SHARES)
    rows = balance(mechanism, {"s000": "control", "s001": "control", "s002": "points", "s003": "points"})
    size = next(row for row in rows if row.covariate == "size")
    assert (size.mean_control, size.mean_variant) == (12.0, 24.0)
    assert size.standardised_difference == pytest.approx(12 / math.sqrt((8 + 32) / 2))


def test_a_covariate_that_does_not_vary_has_no_difference() -> None:
    mechanism = complete(candidates(4, same=[1, 1, 1, 1]), SHARES)
    rows = balance(mechanism, {"s000": "control", "s001": "control", "s002": "points", "s003": "points"})
    assert [row.standardised_difference for row in rows] == [None]
