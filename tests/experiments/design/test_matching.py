"""Matching: pairs are the best there are, the same whatever the order, and the odd one is named."""

import random
from itertools import permutations

import pytest

from experiments import Candidate, matched_pairs
from experiments.design.matching import optimal_pairs
from experiments.errors import InvalidCandidate, InvalidMechanism
from tests.experiments.building import SHARES, candidates


def _cost(units: list[Candidate], pairs: tuple[tuple[str, str], ...]) -> float:
    by_code = {unit.code: unit.covariates for unit in units}
    cost = 0.0
    for name in units[0].covariates:
        values = [unit.covariates[name] for unit in units]
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        cost += sum((by_code[a][name] - by_code[b][name]) ** 2 / variance for a, b in pairs)
    return cost


def test_neighbours_are_paired() -> None:
    units = candidates(6, size=[10, 500, 12, 90, 88, 505])
    assert optimal_pairs(units, ["size"]) == (("s000", "s002"), ("s001", "s005"), ("s003", "s004"))


def test_no_other_pairing_is_closer() -> None:
    rng = random.Random(5)
    for n in (6, 7):
        units = candidates(n, a=[rng.randrange(1000) for _ in range(n)], b=[rng.randrange(9) for _ in range(n)])
        found = _cost(units, optimal_pairs(units, ["a", "b"]))
        codes = [unit.code for unit in units]
        best = min(
            _cost(units, tuple((order[i], order[i + 1]) for i in range(0, n - 1, 2))) for order in permutations(codes)
        )
        assert found == pytest.approx(best)


def test_the_scale_of_a_covariate_does_not_matter() -> None:
    rng = random.Random(6)
    a, b = ([rng.randrange(1000) for _ in range(20)] for _ in range(2))
    assert optimal_pairs(candidates(20, a=a, b=b), ["a", "b"]) == optimal_pairs(
        candidates(20, a=[1000 * v for v in a], b=b), ["a", "b"]
    )


def test_ties_do_not_depend_on_the_order_of_the_list() -> None:
    units = candidates(12, size=[1] * 6 + [2] * 6)
    shuffled = list(units)
    random.Random(1).shuffle(shuffled)
    assert optimal_pairs(units, ["size"]) == optimal_pairs(shuffled, ["size"])


def test_a_covariate_that_does_not_vary_is_ignored() -> None:
    sizes = [3, 900, 5, 880]
    assert optimal_pairs(candidates(4, size=sizes, same=[7] * 4), ["size", "same"]) == (
        ("s000", "s002"),
        ("s001", "s003"),
    )


def test_with_an_odd_number_the_unit_that_fits_worst_is_left_out() -> None:
    mechanism = matched_pairs(candidates(5, size=[10, 11, 5000, 20, 21]), SHARES, ["size"])
    assert mechanism.left_out == (("s002", "no_partner"),)


def test_a_missing_covariate_is_refused_by_name() -> None:
    with pytest.raises(InvalidCandidate, match="spend"):
        optimal_pairs(candidates(4, size=[1, 2, 3, 4]), ["spend"])
    with pytest.raises(InvalidMechanism, match="at least one covariate"):
        optimal_pairs(candidates(4, size=[1, 2, 3, 4]), [])
