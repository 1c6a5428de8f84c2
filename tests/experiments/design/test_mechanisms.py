"""Mechanisms: who can be drawn, that a record replays, and that seats fall as the shares say."""

import hashlib
import json
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import (
    Candidate,
    Mechanism,
    MechanismKind,
    Share,
    assign_one,
    bernoulli_hash,
    complete,
    draw,
    from_record,
    matched_pairs,
    stratified,
)
from experiments.design.mechanisms import seat_counts
from experiments.errors import (
    DuplicateUnit,
    InvalidCandidate,
    InvalidMechanism,
    InvalidShares,
    OpenList,
    TooFewCandidates,
)
from tests.experiments.building import SHARES, candidates, complete_draw, paired_draw, stratified_draw

THREE = (Share("control", 2), Share("points", 1), Share("gift", 1))


@pytest.mark.parametrize(
    "mechanism",
    [complete_draw(9, THREE), stratified_draw(14, 4), paired_draw(9)],
    ids=["complete", "stratified", "pairs"],
)
def test_a_record_replays_the_draw_after_json(mechanism: Mechanism) -> None:
    restored = from_record(json.loads(json.dumps(mechanism.to_record())))
    assert restored == mechanism
    assert draw(restored, 2017) == draw(mechanism, 2017)


def test_a_record_replays_in_a_fresh_process() -> None:
    mechanism = stratified_draw(30, 5, THREE)
    program = (
        "import json, sys; from experiments import draw, from_record\n"
        "print(json.dumps(draw(from_record(json.load(sys.stdin)), 12345678901234567890).assignment))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(mechanism.to_record()),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == draw(mechanism, 12345678901234567890).assignment


def test_a_draw_is_the_order_of_sha_256_and_nothing_else() -> None:
    """Written out by hand: a later version that draws otherwise would break every ledger."""

    def rank(i: int) -> bytes:
        return hashlib.sha256(f'["pilot-draw-1","unit","42",0,"s{i:03}"]'.encode()).digest()

    order = sorted(range(6), key=rank)
    assert order == [2, 5, 4, 3, 0, 1]
    drawn = draw(complete_draw(6), 42).assignment
    assert [drawn[f"s{i:03}"] for i in order] == ["control"] * 3 + ["points"] * 3
    first_digits = [hashlib.sha256(f'["pilot-hash-1","salt","c{i}"]'.encode()).hexdigest()[0] for i in range(20)]
    mechanism = bernoulli_hash(SHARES, "salt")
    assert [assign_one(mechanism, f"c{i}") == "points" for i in range(20)] == [int(d, 16) >= 8 for d in first_digits]


def test_a_record_holds_no_floats() -> None:
    def floats(value: object) -> bool:
        if isinstance(value, dict):
            return any(floats(v) for v in value.values())
        if isinstance(value, list):
            return any(floats(v) for v in value)
        return isinstance(value, float)

    assert not floats(paired_draw(8).to_record())


@given(n=st.integers(4, 60), seed=st.integers(0, 2**128), weights=st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_a_complete_draw_deals_every_seat_within_one_of_its_quota(n: int, seed: int, weights: list[int]) -> None:
    shares = [Share("control" if i == 0 else f"v{i}", w) for i, w in enumerate(weights)]
    drawn = draw(complete(candidates(n), shares), seed).assignment
    counts = Counter(drawn.values())
    assert set(drawn) == {f"s{i:03}" for i in range(n)}
    assert all(abs(counts[s.variant] - n * s.weight / sum(weights)) < 1 for s in shares)


def test_seats_that_tie_are_left_to_the_seed() -> None:
    assert seat_counts(SHARES, 5) == ([2, 2], [0, 1], 1)
    treated = {Counter(draw(complete_draw(5), seed).assignment.values())["points"] for seed in range(40)}
    assert treated == {2, 3}


def test_the_largest_remainder_wins_the_last_seat() -> None:
    assert seat_counts((Share("control", 3), Share("points", 1)), 7) == ([5, 2], [], 0)  # quotas 5.25 and 1.75


def test_every_unit_is_treated_equally_often() -> None:
    mechanism = complete_draw(10)
    hits = Counter(
        code
        for seed in range(2000)
        for code, variant in draw(mechanism, seed).assignment.items()
        if variant == "points"
    )
    assert all(900 < hits[code] < 1100 for code in mechanism.codes)  # 1000 ± 4.5 standard deviations


def test_each_stratum_is_drawn_by_itself() -> None:
    mechanism = stratified_draw(24, 3)
    drawn = draw(mechanism, 1).assignment
    for block in mechanism.blocks:
        assert Counter(drawn[code] for code in block) == {"control": 4, "points": 4}


def test_a_stratum_without_room_for_all_variants_is_named_and_left_out() -> None:
    units = [*candidates(4, strata=1), Candidate("alone", "far", {})]
    mechanism = stratified(units, SHARES)
    assert mechanism.left_out == (("alone", "stratum_too_small"),)
    assert "alone" not in draw(mechanism, 3).assignment


def test_one_of_each_pair_is_treated() -> None:
    mechanism = paired_draw(12)
    drawn = draw(mechanism, 9).assignment
    assert all({drawn[a], drawn[b]} == {"control", "points"} for a, b in mechanism.blocks)


def test_an_open_list_gives_every_code_the_same_answer_and_about_the_share() -> None:
    mechanism = bernoulli_hash((Share("control", 3), Share("points", 1)), "stage-1")
    answers = [assign_one(mechanism, f"c{i}") for i in range(4000)]
    assert answers == [assign_one(mechanism, f"c{i}") for i in range(4000)]
    assert 900 < answers.count("points") < 1100
    assert answers != [assign_one(bernoulli_hash(mechanism.shares, "stage-2"), f"c{i}") for i in range(4000)]
    assert from_record(mechanism.to_record()) == mechanism


def test_an_open_list_is_not_drawn_and_a_closed_list_not_asked_one_by_one() -> None:
    with pytest.raises(OpenList, match="assign_one"):
        draw(bernoulli_hash(SHARES, "x"), 1)
    with pytest.raises(OpenList, match="draw"):
        assign_one(complete_draw(4), "s000")


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ((Share("control", 1),), "at least one variant"),
        ((Share("points", 1), Share("control", 1)), "first variant"),
        ((Share("control", 1), Share("points", 1), Share("points", 1)), "name of its own"),
    ],
)
def test_shares_that_cannot_be_drawn_are_refused(shares: tuple[Share, ...], says: str) -> None:
    with pytest.raises(InvalidShares, match=says):
        complete(candidates(6), shares)


def test_misuse_is_refused_by_name() -> None:
    with pytest.raises(InvalidShares, match="at least 1"):
        Share("control", 0)
    with pytest.raises(DuplicateUnit):
        complete([*candidates(3), *candidates(1)], SHARES)
    with pytest.raises(TooFewCandidates):
        complete(candidates(1), SHARES)
    with pytest.raises(TooFewCandidates):
        stratified([Candidate("a", "x", {}), Candidate("b", "y", {})], SHARES)
    with pytest.raises(InvalidCandidate, match="stratum"):
        stratified(candidates(4), SHARES)
    with pytest.raises(InvalidCandidate, match="whole number"):
        Candidate("a", None, {"size": 1.5})  # type: ignore[dict-item]  # what a caller without a type checker does
    with pytest.raises(InvalidCandidate, match="empty"):
        Candidate("", None, {})
    with pytest.raises(InvalidShares, match="equal weight"):
        matched_pairs(candidates(4, size=[1, 2, 3, 4]), THREE, ["size"])
    with pytest.raises(InvalidMechanism, match="salt"):
        bernoulli_hash(SHARES, "")
    with pytest.raises(InvalidMechanism, match="not negative"):
        draw(complete_draw(4), -1)
    with pytest.raises(InvalidMechanism, match="version"):
        from_record({"version": 3, "kind": "complete"})


def test_blocks_must_hold_each_candidate_once() -> None:
    units = tuple(candidates(4))
    with pytest.raises(InvalidMechanism, match="exactly one block"):
        Mechanism(MechanismKind.COMPLETE, units, SHARES, (("s000", "s001"),))
    with pytest.raises(DuplicateUnit):
        Mechanism(MechanismKind.STRATIFIED, units, SHARES, (("s000", "s001"), ("s001", "s002", "s003")))
    with pytest.raises(InvalidMechanism, match="two units"):
        Mechanism(MechanismKind.MATCHED_PAIRS, units, SHARES, (("s000", "s001", "s002"), ("s003",)))
