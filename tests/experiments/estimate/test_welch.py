"""Customers: Welch by hand and against scipy, the adjustment, strata, ratios, and the level by simulation."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments import Method, NotEstimable, average_basket, purchase_frequency, spend_per_customer
from experiments.errors import UnknownVariant
from experiments.estimate.welch import welch
from tests.experiments.building import arm, arm_of_ratio

VALUES = st.lists(st.integers(-1000, 1000), min_size=3, max_size=30).filter(lambda v: len(set(v)) > 1)


@given(VALUES, VALUES)
def test_without_history_it_is_welchs_test(control: list[int], treated: list[int]) -> None:
    found = welch(spend_per_customer(), [arm("control", control), arm("points", treated)], variant="points")
    expected = stats.ttest_ind(treated, control, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.method is Method.WELCH
    assert found.inference.p_value() == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.inference.df == pytest.approx(expected.df)
    assert found.inference.interval(0.95) == pytest.approx((interval.low, interval.high))


def test_the_adjustment_is_the_pooled_slope() -> None:
    rng = np.random.default_rng(1)
    x = [rng.integers(0, 100, 50) for _ in range(2)]
    y = [2 * v + rng.integers(0, 40, 50) + 10 * i for i, v in enumerate(x)]
    arms = [arm(name, y[i].tolist(), x[i].tolist()) for i, name in enumerate(("control", "points"))]
    found = welch(spend_per_customer(), arms, variant="points")
    centred = [(y[i] - y[i].mean(), x[i] - x[i].mean()) for i in range(2)]
    theta = sum((a * b).sum() for a, b in centred) / sum((b * b).sum() for _, b in centred)
    effect = y[1].mean() - y[0].mean() - theta * (x[1].mean() - x[0].mean())
    variance = sum(((a - theta * b) ** 2).sum() / 49 / 50 for a, b in centred)
    assert found.method is Method.WELCH_ADJUSTED
    assert (found.theta, found.inference.effect) == (pytest.approx(theta), pytest.approx(effect))
    assert found.inference.std_error == pytest.approx(variance**0.5)


def test_a_ratio_uses_the_delta_method() -> None:
    rng = np.random.default_rng(2)
    d = [rng.integers(1, 9, 200) for _ in range(2)]
    y = [v * rng.integers(5, 20, 200) for v in d]
    arms = [
        arm_of_ratio(name, y[i].tolist(), d[i].tolist(), [0] * 200, [0] * 200, days_x=0)
        for i, name in enumerate(("control", "points"))
    ]
    found = welch(average_basket(), arms, variant="points")
    ratios = [y[i].sum() / d[i].sum() for i in range(2)]
    variance = sum(((y[i] - ratios[i] * d[i]) / d[i].mean()).var(ddof=1) / 200 for i in range(2))
    assert found.method is Method.WELCH_DELTA
    assert found.inference.effect == pytest.approx(ratios[1] - ratios[0])
    assert found.inference.std_error == pytest.approx(variance**0.5)


def test_strata_are_weighted_by_their_customers() -> None:
    cells = {"old": ([1, 2, 3], [3, 4, 8]), "young": ([10, 12, 14, 20, 30, 11], [10, 13])}
    arms = [
        arm(name, values[i], stratum=s) for s, values in cells.items() for i, name in enumerate(("control", "points"))
    ]
    found = welch(spend_per_customer(), arms, variant="points", by_stratum=True)
    effect = sum((len(c) + len(t)) / 14 * (sum(t) / len(t) - sum(c) / len(c)) for c, t in cells.values())
    variance = sum(
        ((len(c) + len(t)) / 14) ** 2 * (np.var(c, ddof=1) / len(c) + np.var(t, ddof=1) / len(t))
        for c, t in cells.values()
    )
    assert found.inference.effect == pytest.approx(effect)
    assert found.inference.std_error == pytest.approx(variance**0.5)


def test_without_strata_in_the_draw_they_are_pooled() -> None:
    arms = [
        arm("control", [1, 2], stratum="a"),
        arm("control", [3], stratum="b"),
        arm("points", [4, 6, 9], stratum="a"),
    ]
    whole = [arm("control", [1, 2, 3]), arm("points", [4, 6, 9])]
    assert welch(spend_per_customer(), arms, variant="points") == welch(spend_per_customer(), whole, variant="points")


@given(VALUES, VALUES)
def test_swapping_the_arms_flips_the_sign(control: list[int], treated: list[int]) -> None:
    one = welch(spend_per_customer(), [arm("control", control), arm("points", treated)], variant="points").inference
    other = welch(spend_per_customer(), [arm("control", treated), arm("points", control)], variant="points").inference
    assert (one.effect, one.std_error) == (pytest.approx(-other.effect), pytest.approx(other.std_error))


def test_values_come_in_the_units_of_the_metric() -> None:
    arms = [arm("control", [1, 2, 3], days=84), arm("points", [4, 5, 9], days=84)]
    assert welch(purchase_frequency(), arms, variant="points").mean_control == pytest.approx(2 / 3)


def test_what_cannot_be_estimated_is_refused() -> None:
    with pytest.raises(UnknownVariant):
        welch(spend_per_customer(), [arm("control", [1, 2])], variant="points")
    with pytest.raises(NotEstimable, match="a variance needs two"):
        welch(spend_per_customer(), [arm("control", [1, 2]), arm("points", [3])], variant="points")
    with pytest.raises(NotEstimable, match="same value"):
        welch(spend_per_customer(), [arm("control", [1, 1]), arm("points", [1, 1])], variant="points")
    some = arm_of_ratio("control", [4, 5], [1, 2], [0, 0], [0, 0])
    nothing = arm_of_ratio("points", [0, 0], [0, 0], [0, 0], [0, 0])
    with pytest.raises(NotEstimable, match="divide by"):
        welch(average_basket(), [some, nothing], variant="points")


@pytest.mark.slow
def test_the_level_holds_for_skewed_spend_and_for_baskets() -> None:
    rng, reps, hits = random.Random(3), 1500, [0, 0]
    for _ in range(reps):
        arms, baskets = [], []
        for name in ("control", "points"):
            keen = [rng.lognormvariate(0, 1) for _ in range(200)]
            x = [round(100 * k * rng.lognormvariate(0, 0.5)) for k in keen]
            y = [round(100 * k * rng.lognormvariate(0, 0.5)) for k in keen]
            d = [1 + int(k * rng.random() * 3) for k in keen]
            arms.append(arm(name, y, x))
            baskets.append(arm_of_ratio(name, y, d, x, d))
        hits[0] += welch(spend_per_customer(), arms, variant="points").inference.p_value() <= 0.05
        hits[1] += welch(average_basket(), baskets, variant="points").inference.p_value() <= 0.05
    assert all(0.03 <= hit / reps <= 0.07 for hit in hits)


def test_strata_too_small_for_a_variance_are_pooled_and_refuse_nothing() -> None:
    """Two customers in a segment, one in each arm: the draw allows it, so the analysis must."""
    large = [arm("control", [1, 3, 5, 4], stratum="a"), arm("points", [4, 6, 9, 7], stratum="a")]
    tiny = [arm("control", [2], stratum="b"), arm("points", [3], stratum="b")]
    tinier = [arm("control", [5], stratum="c"), arm("points", [9], stratum="c")]
    found = welch(spend_per_customer(), [*large, *tiny, *tinier], variant="points", by_stratum=True)
    assert found.n_units == 12
    assert found.inference.effect == pytest.approx(8 / 12 * (6.5 - 3.25) + 4 / 12 * (6 - 3.5))
    joined = welch(spend_per_customer(), [*large, *tiny], variant="points", by_stratum=True)
    assert joined.inference.effect == pytest.approx(29 / 5 - 15 / 5), "a single tiny stratum joins the smallest other"


def test_strata_that_are_all_too_small_are_one() -> None:
    pairs = [
        arm(v, [y], stratum=s) for s, c, t in (("a", 1, 4), ("b", 2, 3)) for v, y in (("control", c), ("points", t))
    ]
    assert welch(spend_per_customer(), pairs, variant="points", by_stratum=True).inference.effect == pytest.approx(2.0)
