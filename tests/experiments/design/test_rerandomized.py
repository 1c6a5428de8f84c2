"""Rerandomised draws: the criterion by hand, the first acceptable draw, replay, and every acceptable draw alike."""

import json
import random
from collections import Counter
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.design.acceptance import acceptance_of, accepted, balance_rule, joint_acceptance
from experiments.design.criterion import Criterion, Distance
from experiments.design.mechanisms import (
    Candidate,
    Mechanism,
    MechanismKind,
    NoAcceptableDraw,
    Share,
    complete,
    draw,
    from_record,
    rerandomized,
)
from experiments.design.reach import n_possible_draws, possible_draws, smallest_p
from experiments.errors import InvalidCandidate, InvalidMechanism, InvalidNumber
from experiments.estimate.permutation import permutation_inference
from experiments.estimate.redraws import redraws
from experiments.estimate.unit_means import fit
from tests.experiments.building import SHARES, candidates, table

THREE = (Share("control", 2), Share("points", 1), Share("gift", 1))


def _units(n: int, seed: int = 1) -> list[Candidate]:
    rng = random.Random(seed)
    return candidates(n, size=[rng.randrange(1000) for _ in range(n)], age=[rng.randrange(40) for _ in range(n)])


def _balanced(n: int = 10, share: str = "0.2") -> Mechanism:
    return rerandomized(_units(n), SHARES, ["size", "age"], best_share=share)


def test_the_distance_of_one_covariate_is_the_squared_t_of_the_means() -> None:
    """By hand: sizes 1, 3 | 5, 7: gap 4, variance 20/3 of all four, times (1/2 + 1/2): 16 / (20/3) = 12/5."""
    distance = Distance(tuple(candidates(4, size=[1, 3, 5, 7])), ("size",))
    assert distance({"s000": "control", "s001": "control", "s002": "points", "s003": "points"}) == Fraction(12, 5)


def test_the_distance_of_two_covariates_equals_the_matrix_formula() -> None:
    units, arms = _units(12), ["control"] * 5 + ["points"] * 7
    x = np.array([[unit.covariates["size"], unit.covariates["age"]] for unit in units], dtype=float)
    gap = x[5:].mean(axis=0) - x[:5].mean(axis=0)
    expected = gap @ np.linalg.inv(np.cov(x.T)) @ gap / (1 / 7 + 1 / 5)
    found = Distance(tuple(units), ("size", "age"))(dict(zip((u.code for u in units), arms, strict=True)))
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_the_draw_is_the_first_acceptable_one_of_its_seed() -> None:
    mechanism = _balanced()
    drawn = draw(mechanism, 7)
    rule, free = Distance(mechanism.candidates, ("size", "age")), complete(mechanism.candidates, SHARES)
    from experiments.design.dealing import deal

    tried = [deal(free.shares, free.blocks, f"7#{number}") for number in range(drawn.tries)]
    assert mechanism.criterion is not None
    assert [rule(t) <= mechanism.criterion.max_distance for t in tried] == [False] * (drawn.tries - 1) + [True]
    assert tried[-1] == drawn.assignment


def test_a_record_replays_with_its_criterion_and_without_floats() -> None:
    mechanism = rerandomized(_units(12), THREE, ["size"], best_share="0.1", tries=500)
    record = json.loads(json.dumps(mechanism.to_record()))
    assert record["version"] == 2
    assert all(isinstance(value, (list, str, int)) for value in record["criterion"].values())
    assert from_record(record) == mechanism
    assert draw(from_record(record), 3) == draw(mechanism, 3)
    with pytest.raises(InvalidMechanism, match="version 2"):
        from_record({**record, "version": 1})


def test_every_acceptable_draw_happens_and_no_other() -> None:
    mechanism = _balanced()
    listed = possible_draws(mechanism)
    assert listed is not None
    drawn = Counter(tuple(draw(mechanism, seed).assignment.values()) for seed in range(900))
    names = {tuple(mechanism.variants[i] for i in row) for row in listed}
    assert set(drawn) == names
    assert len(names) == n_possible_draws(mechanism) == Counter(map(accepted_by_hand(mechanism), _all_rows(10)))[True]
    assert smallest_p(mechanism, "points") == 2 / len(names)


def _all_rows(n: int) -> list[tuple[int, ...]]:
    return [tuple(int(i in chosen) for i in range(n)) for chosen in combinations(range(n), n // 2)]


def accepted_by_hand(mechanism: Mechanism):  # type: ignore[no-untyped-def]  # a small closure for Counter
    distance = Distance(mechanism.candidates, ("size", "age"))
    assert mechanism.criterion is not None
    limit = mechanism.criterion.max_distance

    def accepts(row: tuple[int, ...]) -> bool:
        return distance({c: mechanism.variants[i] for c, i in zip(mechanism.codes, row, strict=True)}) <= limit

    return accepts


def test_the_best_share_is_the_share_of_free_draws_that_pass() -> None:
    mechanism = _balanced(40, "0.05")
    free = complete(mechanism.candidates, SHARES)
    rows = np.array(
        [[mechanism.variants.index(v) for v in draw(free, seed).assignment.values()] for seed in range(4000)]
    )
    assert accepted(mechanism)(rows).mean() == pytest.approx(0.05, abs=0.02)  # 1,000 reference draws: sd .007


def test_with_several_variants_the_farthest_one_decides() -> None:
    units = candidates(6, size=[1, 2, 3, 4, 50, 60])
    distance = Distance(tuple(units), ("size",))
    arms = {"s000": "control", "s001": "points", "s002": "points", "s003": "control", "s004": "gift", "s005": "gift"}
    two = {"s000": "control", "s001": "gift", "s002": "gift", "s003": "control", "s004": "points", "s005": "points"}
    assert distance(arms) == distance(two) > 1


@given(seed=st.integers(0, 10**6), scale=st.integers(2, 1000))
def test_neither_scale_nor_order_moves_the_distance(seed: int, scale: int) -> None:
    rng = random.Random(seed)
    units = [Candidate(f"u{i}", None, {"a": rng.randrange(-50, 50), "b": i * i}) for i in range(8)]
    if len({unit.covariates["a"] for unit in units}) < 3:
        return
    arms = {unit.code: "points" if rng.random() < 0.5 else "control" for unit in units}
    if len(set(arms.values())) < 2:
        return
    scaled = [Candidate(u.code, None, {"b": u.covariates["b"], "a": scale * u.covariates["a"]}) for u in units]
    rng.shuffle(scaled)
    assert Distance(tuple(units), ("a", "b"))(arms) == Distance(tuple(scaled), ("b", "a"))(arms)


def test_redraws_of_a_permutation_are_the_acceptable_ones() -> None:
    mechanism = _balanced()
    assignment = draw(mechanism, 5).assignment
    codes = sorted(mechanism.codes)
    y = [random.Random(3).gauss(0, 1) + i for i in range(10)]
    unit_table = table(y, [float(assignment[code] == "points") for code in codes])
    accept = acceptance_of(mechanism, assignment, "points", codes)
    found = redraws(unit_table, seed=1, accept=accept)
    assert found.listed
    assert len(found.treated) == n_possible_draws(mechanism)
    inference = permutation_inference(fit(unit_table), found, studentise=False)
    assert inference.p_value() >= smallest_p(mechanism, "points") - 1e-12


def test_the_floating_rule_of_a_plan_agrees_with_the_exact_one() -> None:
    mechanism = _balanced(40, "0.05")
    x = np.array([[c.covariates["size"], c.covariates["age"]] for c in mechanism.candidates], dtype=float)
    assert mechanism.criterion is not None
    rule = balance_rule(x, float(mechanism.criterion.max_distance))
    rng = np.random.default_rng(1)
    flags = np.array([rng.permutation(40) < 20 for _ in range(500)])
    assert (rule(flags) == accepted(mechanism)(flags.astype(np.int64))).all()
    with pytest.raises(InvalidNumber):
        balance_rule(x, -1.0)


def test_other_variants_stay_where_they_fell() -> None:
    mechanism = rerandomized(_units(12), THREE, ["size"], best_share="0.3")
    assignment = draw(mechanism, 1).assignment
    codes = [code for code in sorted(mechanism.codes) if assignment[code] in ("control", "gift")]
    accept = acceptance_of(mechanism, assignment, "gift", codes)
    assert accept is not None
    actual = np.array([[assignment[code] == "gift" for code in codes]])
    assert accept(actual).tolist() == [True]
    assert acceptance_of(complete(mechanism.candidates, THREE), assignment, "gift", codes) is None


def test_redraws_of_all_variants_together_obey_the_same_rule() -> None:
    mechanism = rerandomized(_units(12), THREE, ["size"], best_share="0.3")
    assignment = draw(mechanism, 1).assignment
    codes = sorted(mechanism.codes)[:-1]  # one unit was lost: it stays where it fell
    rule = joint_acceptance(mechanism, assignment, codes)
    assert rule is not None
    actual = np.array([mechanism.variants.index(assignment[code]) for code in codes])
    rng = np.random.default_rng(2)
    rows = np.array([actual, *(rng.permutation(actual) for _ in range(200))])
    lost = mechanism.variants.index(assignment[max(mechanism.codes)])
    whole = np.array([[dict(zip(codes, row, strict=True)).get(code, lost) for code in mechanism.codes] for row in rows])
    assert rule(rows).tolist() == accepted(mechanism)(whole).tolist()
    assert rule(rows)[0]
    assert joint_acceptance(complete(mechanism.candidates, THREE), assignment, codes) is None


def test_what_cannot_be_drawn_is_refused_by_name() -> None:
    units = _units(8)
    with pytest.raises(InvalidMechanism, match="either"):
        rerandomized(units, SHARES, ["size"])
    with pytest.raises(InvalidMechanism, match="either"):
        rerandomized(units, SHARES, ["size"], max_distance="1", best_share="0.1")
    with pytest.raises(InvalidMechanism, match="decimal"):
        rerandomized(units, SHARES, ["size"], max_distance="near")
    with pytest.raises(InvalidMechanism, match="at least one covariate"):
        rerandomized(units, SHARES, [], max_distance="1")
    with pytest.raises(InvalidCandidate, match="spend"):
        draw(rerandomized(units, SHARES, ["spend"], max_distance="1"), 1)
    with pytest.raises(InvalidMechanism, match="does not vary"):
        draw(rerandomized(candidates(4, same=[1] * 4), SHARES, ["same"], max_distance="1"), 1)
    with pytest.raises(InvalidMechanism, match="not negative"):
        rerandomized(units, SHARES, ["size"], max_distance="-1")
    with pytest.raises(InvalidMechanism, match="criterion"):
        Mechanism(MechanismKind.RERANDOMIZED, tuple(units), SHARES, (tuple(u.code for u in units),))
    with pytest.raises(InvalidNumber):
        Criterion(("size",), Fraction(1), None, 0)


def test_the_cap_ends_a_hopeless_search() -> None:
    mechanism = rerandomized(candidates(4, size=[1, 20, 300, 4000]), SHARES, ["size"], max_distance="0", tries=50)
    with pytest.raises(NoAcceptableDraw, match="none of 50 draws"):
        draw(mechanism, 1)


@pytest.mark.slow
def test_permuting_acceptable_draws_holds_the_level_and_finds_more_than_a_free_draw() -> None:
    """20 stores, the covariate explains 64 %, best 5 %: level .05 ± .02, power above a free draw's by .15 at least."""
    rng = np.random.default_rng(11)
    rates = {}
    for name in ("free", "balanced"):
        hits = {0.0: 0, 0.9: 0}
        for number in range(250):
            x = rng.normal(size=20)
            whole = [round(1000 * value) for value in x]
            units = candidates(20, x=whole)
            mechanism = (
                complete(units, SHARES)
                if name == "free"
                else rerandomized(units, SHARES, ["x"], max_distance="0.00393")  # the 5 % point of χ² with 1 df
            )
            assignment = draw(mechanism, number).assignment
            codes = sorted(mechanism.codes)
            treated = np.array([float(assignment[code] == "points") for code in codes])
            noise = 0.8 * x + 0.6 * rng.normal(size=20)
            for effect in hits:
                unit_table = table((noise + effect * treated).tolist(), treated.tolist())
                drawn = redraws(
                    unit_table, seed=1, draws=399, accept=acceptance_of(mechanism, assignment, "points", codes)
                )
                hits[effect] += permutation_inference(fit(unit_table), drawn, studentise=True).p_value() <= 0.05
        rates[name] = {effect: count / 250 for effect, count in hits.items()}
    assert rates["free"][0.0] == pytest.approx(0.05, abs=0.04)
    assert rates["balanced"][0.0] == pytest.approx(0.05, abs=0.04)
    assert rates["balanced"][0.9] > rates["free"][0.9] + 0.15
