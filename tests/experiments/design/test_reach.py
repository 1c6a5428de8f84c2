"""Reach: how many draws there are and the smallest p-value they can give, against counting by hand."""

import pytest

from experiments import (
    Candidate,
    DesignCannotReachLevel,
    Mechanism,
    Share,
    bernoulli_hash,
    complete,
    draw,
    n_possible_draws,
    require_reachable,
    rerandomized,
    smallest_p,
)
from experiments.errors import InvalidLevel, OpenList, UnknownVariant
from tests.experiments.building import SHARES, complete_draw, paired_draw, stratified_draw


@pytest.mark.parametrize(
    ("mechanism", "draws", "p"),
    [
        (complete_draw(6), 20, 0.10),  # 3 against 3
        (complete_draw(8), 70, 2 / 70),  # 4 against 4
        (complete_draw(6, (Share("control", 2), Share("points", 1))), 15, 1 / 15),  # 2 of 6
        (complete_draw(20, (Share("control", 19), Share("points", 1))), 20, 0.05),  # 1 of 20
        (paired_draw(12), 64, 2 / 64),  # 6 pairs
        (stratified_draw(8, 2), 36, 2 / 36),  # two strata of 2 against 2
        (complete_draw(5), 20, 1 / 10),  # 2 against 3 or 3 against 2: given the numbers, no mirror
    ],
)
def test_the_smallest_p_is_what_counting_gives(mechanism: Mechanism, draws: int, p: float) -> None:
    assert n_possible_draws(mechanism) == draws
    assert smallest_p(mechanism, "points") == pytest.approx(p)


@pytest.mark.parametrize("mechanism", [complete_draw(5), complete_draw(6), stratified_draw(6, 2), paired_draw(6)])
def test_the_draws_that_are_counted_are_the_draws_that_happen(mechanism: Mechanism) -> None:
    seen = {tuple(sorted(draw(mechanism, seed).assignment.items())) for seed in range(1500)}
    assert len(seen) == n_possible_draws(mechanism)


def test_several_variants_are_each_compared_with_control_only() -> None:
    shares = (Share("control", 1), Share("points", 1), Share("gift", 1))
    assert smallest_p(complete_draw(9, shares), "gift") == pytest.approx(2 / 20)


def test_a_design_that_cannot_reach_its_level_is_refused() -> None:
    with pytest.raises(DesignCannotReachLevel, match="6 units"):
        require_reachable(complete_draw(6), level=0.05)
    require_reachable(complete_draw(8), level=0.05)
    with pytest.raises(DesignCannotReachLevel):
        require_reachable(complete_draw(8), level=0.025)
    with pytest.raises(InvalidLevel):
        require_reachable(complete_draw(8), level=1.0)


def test_an_open_list_has_no_smallest_p_and_no_number_of_draws() -> None:
    mechanism = bernoulli_hash(SHARES, "salt")
    assert smallest_p(mechanism, "points") == 0.0
    with pytest.raises(OpenList):
        n_possible_draws(mechanism)


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(UnknownVariant, match="points"):
        smallest_p(complete_draw(6), "gift")


def test_a_list_of_thousands_has_more_draws_than_a_float_can_hold_and_still_an_answer() -> None:
    many = [Candidate(f"s{i:04}", None, {"size": i * i % 97}) for i in range(1_200)]
    free = complete(many, SHARES)
    assert 0.0 < smallest_p(free, "points") < 1e-300
    require_reachable(free, level=0.001)
    judged = rerandomized(many, SHARES, ["size"], max_distance="1.0")
    assert 0.0 < smallest_p(judged, "points") < 1e-300
    assert n_possible_draws(judged) > 10**340
