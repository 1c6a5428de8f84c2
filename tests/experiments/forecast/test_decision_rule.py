"""Decision rules: one-look rules by hand, limits, and that the same seed gives the same table."""

import math

import pytest

from experiments.errors import InvalidLevel, InvalidNumber
from experiments.forecast.decision_rule import DecisionRule, Guardrail, Stage, operating_characteristics
from experiments.forecast.shrinkage import Prior
from experiments.monitor.spending import look_levels

FLAT = Prior("neutral", 0.0, 1e6, "the plan")
NEUTRAL = Prior("neutral", 0.0, 0.02, "the plan")
MC = 4.0 * math.sqrt(0.25 / 20_000)


def phi(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def test_a_rule_of_one_look_by_hand() -> None:
    """A flat prior, error 1: advance when b ≥ z_.8 = .8416, stop when b < −z_.75 = −.6745 … reversed: P(θ<0) > .25."""
    rule = DecisionRule(FLAT, advance_at=0.8, stop_at=0.25)
    found = operating_characteristics(rule, [Stage((1.0,))], [0.0, 1.0], seed=3)
    for row in found:
        assert row.launched == pytest.approx(phi(row.effect - 0.8416), abs=MC)
        assert row.stopped == pytest.approx(phi(0.6745 - row.effect), abs=MC)
        assert row.launched + row.stopped + row.undecided == pytest.approx(1.0)
        assert (row.passed, row.mean_looks) == ((row.launched,), 1.0)


def test_two_independent_stages_multiply() -> None:
    rule = DecisionRule(FLAT, advance_at=0.8, stop_at=0.9)
    one = operating_characteristics(rule, [Stage((1.0,))], [0.5], seed=3)[0]
    two = operating_characteristics(rule, [Stage((1.0,)), Stage((1.0,))], [0.5], seed=3)[0]
    assert two.launched == pytest.approx(one.launched**2, abs=2.0 * MC)
    assert two.passed[0] == one.launched
    assert two.mean_looks == pytest.approx(1.0 + one.launched, abs=MC)


def test_significance_over_all_looks_of_a_stage_costs_alpha() -> None:
    levels = look_levels(3, "obrien_fleming", [1 / 3, 2 / 3, 1.0], 0.05)
    rule = DecisionRule(FLAT, advance_at=0.5, stop_at=0.999999, levels=levels)
    found = operating_characteristics(rule, [Stage((math.sqrt(3.0), math.sqrt(1.5), 1.0))], [0.0], seed=5)[0]
    assert found.launched == pytest.approx(0.025, abs=4.0 * math.sqrt(0.025 / 20_000))


def test_a_better_effect_is_launched_more_often_and_stopped_less_often() -> None:
    rule = DecisionRule(NEUTRAL, break_even=0.002, stop_at=0.3)
    rows = operating_characteristics(rule, [Stage((0.02, 0.015)), Stage((0.01,))], [-0.02, 0.0, 0.01, 0.03], seed=5)
    assert [r.launched for r in rows] == sorted(r.launched for r in rows)
    assert [r.stopped for r in rows] == sorted((r.stopped for r in rows), reverse=True)


def test_a_guardrail_that_is_broken_keeps_a_good_effect_back() -> None:
    rule, stage = DecisionRule(FLAT), Stage((0.01,))
    plain = operating_characteristics(rule, [stage], [0.1], seed=5)[0]
    broken = operating_characteristics(rule, [stage], [0.1], seed=5, guardrail=Guardrail(effect=-0.05, margin=0.05))[0]
    assert plain.launched == 1.0
    assert broken.launched == pytest.approx(0.05, abs=4.0 * math.sqrt(0.05 / 20_000))
    assert broken.undecided == pytest.approx(0.95, abs=0.01)


def test_carrying_the_posterior_makes_later_stages_easier() -> None:
    stages = [Stage((0.015,)), Stage((0.015,))]
    fresh = operating_characteristics(DecisionRule(NEUTRAL), stages, [0.02], seed=6)[0]
    carried = operating_characteristics(DecisionRule(NEUTRAL, carry=True), stages, [0.02], seed=6)[0]
    assert carried.passed[0] == fresh.passed[0]
    assert carried.launched > fresh.launched


def test_the_same_seed_gives_the_same_table() -> None:
    rule, stages = DecisionRule(NEUTRAL), [Stage((0.02, 0.01))]
    one, two = (operating_characteristics(rule, stages, [0.0, 0.01], seed=8, simulations=500) for _ in range(2))
    assert one == two
    assert operating_characteristics(rule, stages, [0.01], seed=8, simulations=500)[0] == one[1]


def test_rules_and_stages_are_valid_from_birth() -> None:
    with pytest.raises(InvalidNumber):
        Stage((0.01, 0.02))
    with pytest.raises(InvalidNumber):
        Stage(())
    with pytest.raises(InvalidLevel):
        DecisionRule(NEUTRAL, advance_at=1.0)
    with pytest.raises(InvalidNumber):
        DecisionRule(NEUTRAL, harm_margin=-1.0)
    with pytest.raises(InvalidNumber):
        Guardrail(0.0, 0.0)
    with pytest.raises(InvalidNumber, match="one for each look"):
        operating_characteristics(DecisionRule(NEUTRAL, levels=(0.05,)), [Stage((2.0, 1.0))], [0.0], seed=1)
