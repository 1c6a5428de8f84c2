"""Looks: what each may decide and at which level."""

import pytest

from experiments import advancing_level, look_rule
from experiments.errors import InvalidLevel, InvalidNumber


def test_looks_share_alpha_where_there_are_enough_units() -> None:
    for look in (1, 2):
        rule = look_rule(look, 2, n_units=40, alpha=0.05)
        assert (rule.level, rule.may_advance, rule.harm_only, rule.exploratory) == (0.025, True, False, False)
        assert rule.gate_confidence == 0.975


def test_under_twenty_units_an_early_look_can_only_stop_for_harm() -> None:
    rule = look_rule(1, 2, n_units=19, alpha=0.05)
    assert (rule.level, rule.may_advance, rule.harm_only) == (0.025, False, True)
    assert rule.gate_confidence == 0.95  # one-sided at .025 is the end of a two-sided 95 % interval


def test_under_twenty_units_the_last_look_has_the_whole_alpha() -> None:
    rule = look_rule(2, 2, n_units=19, alpha=0.05)
    assert (rule.level, rule.may_advance, rule.harm_only) == (0.05, True, False)


def test_a_look_that_was_not_planned_decides_nothing() -> None:
    rule = look_rule(3, 2, n_units=40, alpha=0.05)
    assert rule.exploratory
    assert not rule.may_advance


def test_a_design_is_held_to_the_level_of_the_look_that_may_advance() -> None:
    assert advancing_level(3, n_units=40, alpha=0.06) == pytest.approx(0.02)
    assert advancing_level(3, n_units=12, alpha=0.06) == 0.06


@pytest.mark.parametrize(("look", "planned"), [(0, 1), (1, 0), (1, True)])
def test_looks_are_counted_from_one(look: int, planned: int) -> None:
    with pytest.raises(InvalidNumber):
        look_rule(look, planned, n_units=40, alpha=0.05)


@pytest.mark.parametrize("alpha", [0.0, 1.0, float("nan"), 5])
def test_alpha_is_a_probability(alpha: float) -> None:
    with pytest.raises(InvalidLevel):
        look_rule(1, 1, n_units=40, alpha=alpha)
