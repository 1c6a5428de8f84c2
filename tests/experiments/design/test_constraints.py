"""Constraints: who takes part, who stays out, and neighbours that are never treated together."""

import json
from itertools import combinations

import pytest

from experiments.design.constraints import Constraints, InvalidConstraints
from experiments.design.mechanisms import (
    Mechanism,
    NoAcceptableDraw,
    Share,
    bernoulli_hash,
    complete,
    draw,
    from_record,
    matched_pairs,
    rerandomized,
    stratified,
)
from experiments.design.reach import n_possible_draws, possible_draws, smallest_p
from experiments.errors import DuplicateUnit
from tests.experiments.building import SHARES, candidates

NEIGHBOURS = Constraints(never_together=(("s000", "s001"), ("s002", "s003")))
THREE = (Share("control", 2), Share("points", 1), Share("gift", 1))


def _mechanisms() -> list[Mechanism]:
    sizes = [10, 11, 30, 31, 50, 51, 70, 71]
    return [
        complete(candidates(8), SHARES, constraints=NEIGHBOURS),
        complete(candidates(8), THREE, constraints=NEIGHBOURS),
        stratified(candidates(8, strata=2), SHARES, constraints=NEIGHBOURS),
        matched_pairs(candidates(8, size=sizes), SHARES, ["size"], constraints=NEIGHBOURS),
        rerandomized(candidates(8, size=sizes), SHARES, ["size"], best_share="0.5", constraints=NEIGHBOURS),
    ]


@pytest.mark.parametrize("mechanism", _mechanisms(), ids=lambda m: f"{m.kind.value}-{len(m.shares)}")
def test_neighbours_are_never_both_treated_in_any_mechanism(mechanism: Mechanism) -> None:
    for seed in range(60):
        drawn = draw(mechanism, seed).assignment
        assert "control" in (drawn["s000"], drawn["s001"])
        assert "control" in (drawn["s002"], drawn["s003"])


@pytest.mark.parametrize("mechanism", _mechanisms(), ids=lambda m: f"{m.kind.value}-{len(m.shares)}")
def test_the_draws_that_are_counted_are_those_that_happen(mechanism: Mechanism) -> None:
    seen = {tuple(draw(mechanism, seed).assignment.values()) for seed in range(2500)}
    listed = possible_draws(mechanism)
    assert listed is not None
    assert seen == {tuple(mechanism.variants[i] for i in row) for row in listed}
    assert len(seen) == n_possible_draws(mechanism)


def test_the_smallest_p_counts_only_acceptable_draws_by_hand() -> None:
    """6 stores, 3 treated, two neighbours never both: 20 − 4 = 16 draws; 4 of them have both in control, whose mirror
    is not acceptable, so one draw alone can be the most extreme: 1/16."""
    mechanism = complete(candidates(6), SHARES, constraints=Constraints(never_together=(("s000", "s001"),)))
    by_hand = sum(not {0, 1} <= set(chosen) for chosen in combinations(range(6), 3))
    assert (by_hand, n_possible_draws(mechanism)) == (16, 16)
    assert smallest_p(mechanism, "points") == 1 / 16


def test_many_draws_are_counted_by_their_accepted_share() -> None:
    mechanism = complete(candidates(30), SHARES, constraints=Constraints(never_together=(("s000", "s001"),)))
    assert possible_draws(mechanism) is None
    free = n_possible_draws(complete(candidates(30), SHARES))
    both = 15 * 14 / (30 * 29)
    assert n_possible_draws(mechanism) / free == pytest.approx(1 - both, abs=0.05)


def test_a_record_replays_with_its_constraints() -> None:
    constraints = Constraints(("s000",), ("s007",), (("s001", "s002"),))
    mechanism = complete(candidates(8), SHARES, constraints=constraints)
    record = json.loads(json.dumps(mechanism.to_record()))
    assert record["version"] == 2
    assert from_record(record) == mechanism
    assert draw(from_record(record), 5) == draw(mechanism, 5)
    assert complete(candidates(8), SHARES).to_record()["version"] == 1


def test_who_must_stay_out_is_left_out_and_named() -> None:
    mechanism = complete(candidates(6), SHARES, constraints=Constraints(must_exclude=("s002",)))
    assert mechanism.left_out == (("s002", "must_exclude"),)
    assert all("s002" not in draw(mechanism, seed).assignment for seed in range(20))


def test_pairing_leaves_out_the_cheapest_unit_that_need_not_be_kept() -> None:
    units = candidates(5, size=[10, 11, 5000, 20, 21])
    free = matched_pairs(units, SHARES, ["size"])
    assert dict(free.left_out) == {"s002": "no_partner"}
    kept = matched_pairs(units, SHARES, ["size"], constraints=Constraints(must_include=("s002",)))
    assert "s002" in kept.codes
    assert len(kept.left_out) == 1
    assert set(kept.blocks) == {("s000", "s001"), ("s002", "s004")}  # 20 is left: 21 is nearer to 5000
    with pytest.raises(InvalidConstraints, match="5 is odd"):
        matched_pairs(units, SHARES, ["size"], constraints=Constraints(must_include=tuple(u.code for u in units)))


def test_keeping_a_unit_that_would_stay_anyway_changes_nothing() -> None:
    units = candidates(5, size=[10, 11, 5000, 20, 21])
    free = matched_pairs(units, SHARES, ["size"])
    kept = matched_pairs(units, SHARES, ["size"], constraints=Constraints(must_include=("s000",)))
    assert kept.blocks == free.blocks


def test_a_unit_that_must_take_part_but_cannot_is_refused() -> None:
    units = [*candidates(4, strata=1), *[c for c in candidates(6, strata=6) if c.code == "s005"]]
    with pytest.raises(InvalidConstraints, match="s005 must be drawn"):
        stratified(units, SHARES, constraints=Constraints(must_include=("s005",)))


@pytest.mark.parametrize(
    ("constraints", "says"),
    [
        ({"must_include": ("s000",), "must_exclude": ("s000",)}, "both included and excluded"),
        ({"never_together": (("s000", "s000"),)}, "not two different"),
    ],
)
def test_constraints_that_contradict_each_other_are_refused(constraints: dict[str, tuple[str, ...]], says: str) -> None:
    with pytest.raises(InvalidConstraints, match=says):
        Constraints(**constraints)  # type: ignore[arg-type]  # parametrised


def test_misuse_is_refused_by_name() -> None:
    with pytest.raises(InvalidConstraints, match="s999"):
        complete(candidates(6), SHARES, constraints=Constraints(must_exclude=("s999",)))
    with pytest.raises(DuplicateUnit):
        Constraints(must_include=("s000", "s000"))
    impossible = Constraints(never_together=tuple(combinations(("s000", "s001", "s002", "s003"), 2)))
    with pytest.raises(NoAcceptableDraw):
        draw(complete(candidates(4), SHARES, constraints=impossible), 1)
    assert not bernoulli_hash(SHARES, "x").rejects
