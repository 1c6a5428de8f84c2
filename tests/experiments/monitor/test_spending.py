"""Alpha spending: by hand, its invariants, and the chance of a false alarm over all looks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidLevel, InvalidNumber
from experiments.estimate.estimate import TInference
from experiments.monitor.looks import LookRule, advancing_level, look_rule
from experiments.monitor.spending import (
    LARGEST_BOUND,
    InvalidInformation,
    Spending,
    boundaries,
    look_levels,
    repeated_interval,
    spent,
)


def test_one_look_at_the_end_is_the_ordinary_test() -> None:
    for spending in Spending:
        assert look_levels(1, spending, [1.0], 0.05) == pytest.approx((0.05,), abs=1e-12)
    assert boundaries([1.0], spending="pocock", alpha=0.05).bounds[0] == pytest.approx(1.959963984540054, abs=1e-9)


def test_spending_functions_by_hand() -> None:
    assert spent("pocock", 0.5, 0.025) == pytest.approx(0.025 * math.log(1.0 + (math.e - 1.0) * 0.5), rel=1e-14)
    assert spent("equal", 0.5, 0.025) == 0.0125
    # 2 (1 − Φ(2.2414027 / √.25)) = 2 Φ(−4.4828055)
    assert spent("obrien_fleming", 0.25, 0.025) == pytest.approx(math.erfc(4.482805516 / math.sqrt(2.0)), rel=1e-6)


def test_a_tiny_fraction_spends_nothing_and_does_not_underflow_to_nan() -> None:
    found = boundaries([0.05, 1.0], spending="obrien_fleming", alpha=0.05)
    assert found.bounds[0] == LARGEST_BOUND
    assert 0.0 < found.levels[0] < 1e-15
    assert found.levels[1] == pytest.approx(0.05, abs=1e-9)


def test_the_last_planned_look_spends_what_is_left_even_with_less_information() -> None:
    early, last = (
        look_levels(3, "obrien_fleming", [0.33, 0.66], 0.05),
        look_levels(3, "obrien_fleming", [0.33, 0.66, 0.9], 0.05),
    )
    assert early == last[:2]
    assert early[0] < early[1] < last[2] < 0.05
    assert boundaries([0.33, 0.66, 0.9], spending="obrien_fleming", alpha=0.05, last_spends_all=True).spent[-1] == 0.05


def test_equal_shares_are_alpha_over_k() -> None:
    assert look_levels(3, "equal", [0.33, 0.66], 0.06) == (0.02, 0.02)


@pytest.mark.parametrize(
    "information", [[], [0.0], [0.5, 0.5], [0.5, 0.5001], [0.6, 0.5], [1.2, 1.3], [float("nan")], [0.2, 0.4, 0.6, 1.0]]
)
def test_information_that_no_looks_can_have_is_refused(information: list[float]) -> None:
    with pytest.raises(InvalidInformation):
        look_levels(3, "pocock", information, 0.05)


def test_alpha_and_the_number_of_looks_are_checked() -> None:
    with pytest.raises(InvalidLevel):
        look_levels(3, "pocock", [0.5], 1.0)
    with pytest.raises(InvalidNumber):
        look_levels(0, "pocock", [0.5], 0.05)
    with pytest.raises(ValueError, match="haybittle"):
        look_levels(3, "haybittle", [0.5], 0.05)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.05, 1.0), min_size=1, max_size=4, unique=True), st.sampled_from(["obrien_fleming", "pocock"])
)
def test_levels_stay_below_alpha_and_early_looks_do_not_depend_on_later_ones(
    fractions: list[float], spending: str
) -> None:
    information = [
        value for i, value in enumerate(sorted(fractions)) if i == 0 or value - sorted(fractions)[i - 1] >= 1e-3
    ]
    found = boundaries(information, spending=spending, alpha=0.05)
    assert all(0.0 < level <= 0.05 + 1e-9 for level in found.levels)
    assert boundaries(information[:1], spending=spending, alpha=0.05).bounds[0] == found.bounds[0]
    assert list(found.spent) == sorted(found.spent)


def test_a_repeated_interval_is_the_interval_at_the_level_of_the_look() -> None:
    inference = TInference(1.0, 0.5, 30.0)
    lower, upper = repeated_interval(inference, 0.0116)
    assert lower is not None
    assert upper is not None
    assert inference.p_value(lower) == pytest.approx(0.0116, abs=1e-12)
    assert inference.p_value(upper) == pytest.approx(0.0116, abs=1e-12)


def test_a_look_reads_its_level_from_the_spending_function() -> None:
    rule = look_rule(2, 3, n_units=40, alpha=0.05, spending="obrien_fleming", information=[0.33, 0.66])
    assert rule.level == look_levels(3, "obrien_fleming", [0.33, 0.66], 0.05)[1]
    assert (rule.may_advance, rule.spending, rule.information) == (True, "obrien_fleming", (0.33, 0.66))
    assert rule.gate_confidence == 1.0 - rule.level


def test_few_units_keep_their_rule_under_a_spending_function() -> None:
    early = look_rule(1, 3, n_units=12, alpha=0.06, spending="pocock", information=[0.4])
    assert (early.harm_only, early.level) == (True, pytest.approx(0.02))
    last = look_rule(3, 3, n_units=12, alpha=0.06, spending="pocock", information=[0.4, 0.7, 1.0])
    assert (last.may_advance, last.level) == (True, 0.06)


def test_a_look_beyond_the_plan_stays_exploratory_under_a_spending_function() -> None:
    rule = look_rule(3, 2, n_units=40, alpha=0.05, spending="pocock", information=[0.4, 0.8, 1.0])
    assert (rule.exploratory, rule.may_advance) == (True, False)


def test_information_has_one_fraction_for_each_look() -> None:
    with pytest.raises(InvalidInformation):
        look_rule(2, 3, n_units=40, alpha=0.05, spending="pocock", information=[0.4])
    with pytest.raises(InvalidInformation):
        look_rule(2, 3, n_units=40, alpha=0.05, spending="pocock")


def test_a_rule_that_was_written_before_spending_still_loads() -> None:
    old = {"look": 1, "looks_planned": 2, "level": 0.025, "may_advance": True, "harm_only": False, "exploratory": False}
    assert LookRule(**old) == look_rule(1, 2, n_units=40, alpha=0.05)  # type: ignore[arg-type]
    new = look_rule(1, 2, n_units=40, alpha=0.05, spending="pocock", information=[0.4])
    data = {name: getattr(new, name) for name in LookRule.__slots__} | {"information": [0.4]}
    assert LookRule(**data) == new


def test_a_design_is_held_to_the_last_looks_level_of_the_spending_function() -> None:
    level = advancing_level(3, n_units=40, alpha=0.05, spending="obrien_fleming")
    assert level == look_levels(3, "obrien_fleming", [1 / 3, 2 / 3, 1.0], 0.05)[-1]
    assert advancing_level(3, n_units=12, alpha=0.05, spending="obrien_fleming") == 0.05


@pytest.mark.slow
@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("information", [[0.2, 0.4, 0.6, 0.8, 1.0], [0.1, 0.7, 0.75, 1.0]])
def test_the_chance_of_a_false_alarm_over_all_looks_is_alpha(spending: str, information: list[float]) -> None:
    n = 200_000
    steps = np.sqrt(np.diff([0.0, *information]))[:, None]
    scores = np.cumsum(np.random.default_rng(20).standard_normal((len(information), n)) * steps, axis=0)
    z = np.abs(scores) / np.sqrt(information)[:, None]
    bounds = np.array(boundaries(information, spending=spending, alpha=0.05).bounds)
    assert (z >= bounds[:, None]).any(axis=0).mean() == pytest.approx(0.05, abs=4.0 * math.sqrt(0.05 * 0.95 / n))
