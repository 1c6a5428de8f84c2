"""Health checks: what each says about arrays that one can count by hand, and how often it speaks without a reason."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.design.mechanisms import Share
from experiments.errors import InvalidNumber, NotEstimable
from experiments.monitor.attrition import attrition
from experiments.monitor.contamination import contamination, contamination_of
from experiments.monitor.diagnostic import Status, status_of_p
from experiments.monitor.influence import concentration, influence, leave_one_out
from experiments.monitor.missing import late_data, missing_data
from experiments.monitor.pre_period import pre_period_difference
from experiments.monitor.pre_trends import joint_p, pre_trends
from experiments.monitor.sample_ratio import sample_ratio_by_segment
from experiments.monitor.unit_difference import unit_difference

ARMS = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
SHARES = (Share("control", 1), Share("points", 1))


def test_the_levels_of_the_sample_ratio_decide_the_status() -> None:
    assert [status_of_p(p) for p in (0.0009, 0.001, 0.0099, 0.01)] == [
        Status.ALARM,
        Status.WARN,
        Status.WARN,
        Status.OK,
    ]


def test_the_difference_of_the_arms_is_the_pooled_t_test() -> None:
    found = unit_difference(np.array([1.0, 2.0, 3.0, 3.0, 4.0, 8.0]), ARMS)
    assert found.inference.effect == pytest.approx(3.0)
    assert found.spread == pytest.approx(2.0)  # variances 1 and 7, pooled 4
    assert found.inference.std_error == pytest.approx(2.0 * math.sqrt(2.0 / 3.0))
    assert found.inference.df == 4.0


def test_blocks_take_out_what_lies_between_them() -> None:
    values = np.array([0.0, 1.0, 100.0, 101.5, 50.0, 50.9])
    found = unit_difference(values, np.array([0.0, 1.0] * 3), np.array([0, 0, 1, 1, 2, 2]))
    assert found.inference.effect == pytest.approx((1.0 + 1.5 + 0.9) / 3.0)
    assert found.inference.df == 2.0


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=6, max_size=6), st.permutations(range(6)))
def test_the_order_of_units_does_not_matter_and_swapping_the_arms_flips(values: list[float], order: list[int]) -> None:
    y = np.array(values)
    found = unit_difference(y, ARMS).inference.effect
    assert unit_difference(y[order], ARMS[order]).inference.effect == pytest.approx(found, abs=1e-9)
    assert unit_difference(y, 1.0 - ARMS).inference.effect == pytest.approx(-found, abs=1e-9)


def test_a_pre_period_difference_that_chance_does_not_make_is_an_alarm() -> None:
    before = np.array([1.0, 1.1, 0.9, 9.0, 9.1, 8.9])
    assert pre_period_difference(before, ARMS).status is Status.ALARM
    assert pre_period_difference(np.array([1.0, 2.0, 3.0, 1.5, 2.0, 2.6]), ARMS).status is Status.OK


def test_without_a_draw_a_quarter_of_a_standard_deviation_is_a_warning() -> None:
    found = pre_period_difference(np.array([1.0, 2.0, 3.0, 1.5, 2.5, 3.5]), ARMS, randomised=False, variant="a")
    assert found.value == pytest.approx(0.5)
    assert (found.status, found.variant) == (Status.WARN, "a")
    assert "not chance" in str(found.message)


def test_a_check_that_cannot_be_made_is_a_warning_without_a_number() -> None:
    found = pre_period_difference(np.array([1.0, 2.0]), np.array([0.0, 1.0]))
    assert (found.status, found.value) == (Status.WARN, None)


def test_pre_trends_by_hand() -> None:
    """Independent effects 1 and 2 with errors 1: W = 5, χ²₂ tail exp(−2.5)."""
    assert joint_p(np.array([1.0, 2.0]), np.eye(2)) == pytest.approx(math.exp(-2.5), rel=1e-12)
    # one effect on df = 2 is Student: 2 P(T > 3) = 1 − 3 / √11
    assert joint_p(np.array([3.0]), np.eye(1), df=2.0) == pytest.approx(1.0 - 3.0 / math.sqrt(11.0), rel=1e-9)


def test_a_quiet_pre_trend_test_says_what_it_would_have_found() -> None:
    found = pre_trends(np.array([0.1, -0.1]), np.eye(2))
    assert found.status is Status.OK
    # periods −2 and −1: the slope's error is 1 / √5, found with .80 at 2.8016 of them
    assert found.message.values["slope"] == pytest.approx(2.8016 / math.sqrt(5.0), abs=1e-3)
    assert pre_trends(np.array([4.0, -4.0]), np.eye(2)).status is Status.ALARM


@settings(deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.floats(0.1, 10))
def test_pre_trends_do_not_depend_on_the_unit_of_the_metric(effects: list[float], scale: float) -> None:
    v = np.array([[1.0, 0.3, 0.1], [0.3, 2.0, 0.2], [0.1, 0.2, 0.5]])
    p = joint_p(np.array(effects), v, df=20.0)
    assert joint_p(np.array(effects) * scale, v * scale**2, df=20.0) == pytest.approx(p, rel=1e-6, abs=1e-12)


def test_pre_trends_that_cannot_be_told_apart_are_not_tested() -> None:
    assert pre_trends(np.array([1.0, 1.0]), np.ones((2, 2))).value is None
    with pytest.raises(NotEstimable, match="too many"):
        joint_p(np.zeros(3), np.eye(3), df=2.0)
    with pytest.raises(InvalidNumber):
        joint_p(np.zeros(0), np.eye(0))


def test_contamination_by_hand() -> None:
    found = contamination_of(
        np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.5, 1.0, 0.8]), np.array([3.0, 1.0, 1.0, 1.0])
    )
    assert found.control_share == pytest.approx(0.125)
    assert found.variant_share == pytest.approx(0.9)
    assert found.dilution == pytest.approx(0.775)


@pytest.mark.parametrize(
    ("control", "variant", "status"),
    [(0.05, 0.9, Status.OK), (0.15, 0.9, Status.WARN), (0.3, 0.9, Status.ALARM), (0.05, 0.04, Status.ALARM)],
)
def test_contamination_has_a_status(control: float, variant: float, status: Status) -> None:
    assert contamination(np.array([0.0, 1.0]), np.array([control, variant])).status is status


def test_contamination_refuses_what_is_no_share() -> None:
    with pytest.raises(InvalidNumber):
        contamination(np.array([0.0, 1.0]), np.array([0.0, 1.2]))
    assert contamination(np.array([1.0, 1.0]), np.array([0.0, 1.0])).value is None


def test_attrition_compares_the_shares_of_the_units() -> None:
    quiet = attrition(np.array([0.1, 0.2, 0.15, 0.12, 0.2, 0.14]), ARMS)
    loud = attrition(np.array([0.1, 0.11, 0.1, 0.6, 0.61, 0.6]), ARMS)
    assert (quiet.status, loud.status) == (Status.OK, Status.ALARM)
    assert attrition(np.zeros(6), ARMS).value == 1.0
    with pytest.raises(InvalidNumber):
        attrition(np.array([1.5] * 6), ARMS)


def test_holes_in_a_panel_are_compared_between_the_arms() -> None:
    observed = np.ones((6, 10), dtype=bool)
    assert missing_data(observed, ARMS).status is Status.OK
    observed[3:, :5] = False
    observed[0, 0] = observed[3, 5] = False
    assert missing_data(observed, ARMS).status is Status.ALARM


def test_units_that_are_silent_in_the_last_reported_period_are_late() -> None:
    observed = np.ones((6, 4), dtype=bool)
    observed[:, 3] = False  # nobody reported it: the panel ends before
    assert late_data(observed, ARMS).value == 0.0
    observed[5, 2] = False
    found = late_data(observed, ARMS)
    assert (found.value, found.status) == (pytest.approx(1 / 6), Status.WARN)
    assert found.message.values["n"] == 1
    observed[4, 2] = False
    assert late_data(observed, ARMS).status is Status.ALARM


def test_leaving_one_unit_out_equals_fitting_without_it() -> None:
    rng = np.random.default_rng(4)
    block = np.repeat([0, 1, 2], 5)
    t = np.array([0.0, 1, 0, 1, 0] * 3)
    x = rng.normal(size=(15, 2))
    y = rng.normal(size=15) + t + block + x @ np.array([0.5, -1.0])
    found = leave_one_out(y, t, block, x)
    for i in range(15):
        keep = np.arange(15) != i
        again = leave_one_out(y[keep], t[keep], block[keep], x[keep]).whole
        left_out = found.without[i]
        assert left_out is not None
        assert (left_out.effect, left_out.std_error, left_out.df) == pytest.approx(
            (again.effect, again.std_error, again.df), rel=1e-9
        )


def test_a_unit_that_carries_a_parameter_alone_cannot_be_left_out() -> None:
    found = leave_one_out(np.array([1.0, 2.0, 3.0, 9.0, 5.0]), np.array([0.0, 0, 0, 1, 0]))
    assert found.without[3] is None
    assert found.without[0] is not None


def test_influence_names_the_unit_that_carries_the_result() -> None:
    y = np.array([1.0, 1.2, 0.9, 1.1, 1.0, 1.3, 1.1, 9.0])
    found = influence(y, np.repeat([0.0, 1.0], 4), units=[f"s{i}" for i in range(8)], variant="a")
    assert found.message.values["unit"] == "s7"
    assert (found.status, found.variant) == (Status.WARN, "a")
    steady = influence(np.arange(20.0) % 5, np.repeat([0.0, 1.0], 10), units=[f"s{i}" for i in range(20)])
    assert steady.status is Status.OK


def test_influence_that_cannot_be_told_is_not_tested() -> None:
    assert influence(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0, 1]), units=["a", "b", "c"]).value is None
    assert influence(np.ones(6), ARMS, units=list("abcdef")).value is None
    with pytest.raises(InvalidNumber):
        influence(np.ones(6), ARMS, units=["a"])


def test_concentration_is_the_part_of_the_largest_rows() -> None:
    values = np.array([1.0] * 99 + [-101.0])
    found = concentration(values)
    assert found.value == pytest.approx(101.0 / 200.0)
    assert found.status is Status.WARN
    assert concentration(np.ones(100)).status is Status.OK


def test_segments_share_the_level_of_the_sample_ratio() -> None:
    counts = {"app": {"control": 5000, "points": 5200}, "web": {"control": 900, "points": 900}, "none": {}}
    checks = sample_ratio_by_segment(counts, SHARES)
    assert [c.check for c in checks] == ["sample_ratio:app", "sample_ratio:web"]
    assert checks[0].value == pytest.approx(2 * 0.04767038, rel=1e-6)
    assert checks[1].value == 1.0
    assert sample_ratio_by_segment({"app": {"control": 500, "points": 800}}, SHARES)[0].status is Status.ALARM


@pytest.mark.slow
@pytest.mark.parametrize("check", [pre_period_difference, attrition])
def test_a_check_without_a_reason_warns_in_one_per_cent(check: Callable[..., object]) -> None:
    rng, reps = np.random.default_rng(2), 4_000
    t = np.repeat([0.0, 1.0], [16, 4])
    statuses = [check(rng.beta(2, 8, size=20), t).status for _ in range(reps)]  # type: ignore[attr-defined]
    rate = np.mean([s is not Status.OK for s in statuses])
    assert 0.003 < rate < 0.02  # shares are skewed, so a little more than one per cent
