"""Balance: standardised differences by hand."""

import math

import pytest

from experiments import Share, balance, complete
from experiments.errors import InvalidNumber
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


def test_each_variant_is_compared_with_the_same_control() -> None:
    shares = (Share("control", 1), Share("points", 1), Share("gift", 1))
    mechanism = complete(candidates(6, size=[10, 14, 20, 28, 12, 12]), shares)
    arms = ["control", "control", "points", "points", "gift", "gift"]
    rows = balance(mechanism, dict(zip(mechanism.codes, arms, strict=True)))
    assert [(row.variant, row.mean_control, row.mean_variant) for row in rows] == [
        ("points", 12.0, 24.0),
        ("gift", 12.0, 12.0),
    ]
    assert rows[1].standardised_difference == 0.0


def test_weights_move_the_means_and_not_the_yardstick() -> None:
    mechanism = complete(candidates(4, size=[10, 14, 20, 28]), SHARES)
    assignment = {"s000": "control", "s001": "control", "s002": "points", "s003": "points"}
    weights = {"s000": 3.0, "s001": 1.0, "s002": 1.0, "s003": 1.0}
    (row,) = balance(mechanism, assignment, weights=weights)
    assert (row.mean_control, row.mean_variant) == (11.0, 24.0)
    assert row.standardised_difference == pytest.approx(13 / math.sqrt((8 + 32) / 2))
    (equal,) = balance(mechanism, assignment, weights=dict.fromkeys(assignment, 2.0))
    (plain,) = balance(mechanism, assignment)
    assert equal.standardised_difference == pytest.approx(plain.standardised_difference)
    with pytest.raises(InvalidNumber, match="s000"):
        balance(mechanism, assignment, weights={**weights, "s000": 0.0})
