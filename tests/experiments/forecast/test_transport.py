"""Transport to untreated stores: by hand, its invariants, and coverage of both intervals."""

import math

import numpy as np
import pytest

from experiments.errors import InvalidNumber, NotEstimable
from experiments.forecast.transport import GroupEffect, overlap, transport

T_2, T_3 = 4.302652729911275, 3.182446305284263  # two-sided 95 % of Student's t


def test_effects_that_agree_are_a_weighted_mean_with_their_own_errors() -> None:
    """Equal effects, τ = 0: mean 1, variance 1 / Σ 1/se² = 1/3, t with 2 df."""
    found = transport([GroupEffect(1.0, 1.0, "a")] * 3, {"a": 50})
    assert (found.effect, found.between_sd, found.df) == (1.0, 0.0, 2)
    reach = T_2 * math.sqrt(1.0 / 3.0)
    assert found.interval == pytest.approx((1.0 - reach, 1.0 + reach))
    assert found.interval_store[1] > 1.5 * found.interval[1]  # three groups cannot exclude a spread


def test_between_store_spread_by_hand() -> None:
    """Effects −2, 0, 2 with se² = 1: Σ (b − b̄)² / (1 + τ²) = 2 gives τ² = 3; variance (1 + 3) / 3."""
    groups = [GroupEffect(b, 1.0, "a") for b in (-2.0, 0.0, 2.0)]
    found = transport(groups, {"a": 12})
    assert found.between_sd == pytest.approx(math.sqrt(3.0))
    assert found.std_error == pytest.approx(math.sqrt(4.0 / 3.0))
    assert found.interval[1] == pytest.approx(T_2 * math.sqrt(4.0 / 3.0 + 3.0 / 12.0))
    low, high = found.interval_store
    assert low == pytest.approx(-high)
    assert high > found.interval[1]


def test_with_many_groups_the_interval_of_one_store_is_the_normal_one() -> None:
    """Forty groups measured almost exactly: the spread is their standard deviation, t with 39 df and 1 + 1/40."""
    b = np.linspace(-1.0, 1.0, 40)
    found = transport([GroupEffect(float(x), 1e-4, "a") for x in b], {"a": 10})
    assert found.interval_store[1] == pytest.approx(2.0227 * b.std(ddof=1) * math.sqrt(1.0 + 1.0 / 40.0), rel=0.02)


def test_a_group_of_several_treated_stores_averages_their_spread() -> None:
    one = transport([GroupEffect(b, 1.0, "a") for b in (-2.0, 0.0, 2.0)], {"a": 12})
    four = transport([GroupEffect(b, 1.0, "a", 4) for b in (-2.0, 0.0, 2.0)], {"a": 12})
    assert four.between_sd == pytest.approx(2.0 * one.between_sd)


def test_strata_count_by_the_untreated_stores_not_by_the_pilot() -> None:
    groups = [GroupEffect(1.0, 1.0, "city")] * 4 + [GroupEffect(3.0, 1.0, "rural")] * 2
    found = transport(groups, {"city": 10, "rural": 30})
    assert found.effect == pytest.approx(0.25 * 1.0 + 0.75 * 3.0)
    assert found.std_error == pytest.approx(math.sqrt(0.0625 / 4.0 + 0.5625 / 2.0))
    assert (found.df, found.n_stores) == (4, 40)


def test_scaling_scales_and_the_order_of_groups_does_not_matter() -> None:
    groups = [GroupEffect(0.1, 0.05, "a"), GroupEffect(0.3, 0.04, "a", 2), GroupEffect(-0.1, 0.06, "b"),
              GroupEffect(0.2, 0.05, "b"), GroupEffect(0.4, 0.05, "b")]  # fmt: skip
    found = transport(groups, {"a": 5, "b": 9})
    turned = transport(groups[::-1], {"b": 9, "a": 5})
    assert turned.effect == pytest.approx(found.effect, rel=1e-9)
    assert turned.interval == pytest.approx(found.interval, rel=1e-7)
    scaled = transport(
        [GroupEffect(-3 * g.effect, 3 * g.std_error, g.stratum, g.n_treated) for g in groups], {"a": 5, "b": 9}
    )
    assert scaled.interval == pytest.approx((-3 * found.interval[1], -3 * found.interval[0]), rel=1e-7)


def test_strata_without_pilot_stores_are_left_out_and_named() -> None:
    groups = [GroupEffect(1.0, 1.0, "a")] * 3
    found = transport(groups, {"a": 30, "b": 10})
    assert (found.covered, found.n_stores) == (0.75, 30)
    assert "no pilot store in b" in str(found.warnings[0])
    with pytest.raises(NotEstimable, match="only 25%"):
        transport(groups, {"a": 10, "b": 30})


def test_too_few_groups_do_not_show_how_much_stores_differ() -> None:
    with pytest.raises(NotEstimable, match="two more than strata"):
        transport([GroupEffect(1.0, 1.0, "a")] * 2, {"a": 10})
    with pytest.raises(InvalidNumber):
        GroupEffect(1.0, 0.0, "a")


def test_overlap_counts_the_stores_inside_the_pilots_range() -> None:
    pilot = np.array([[1.0, 10.0], [3.0, 30.0]])
    untreated = np.array([[2.0, 20.0], [4.0, 20.0], [1.0, 31.0], [3.0, 10.0]])
    found = overlap(pilot, untreated, ["size", "sales"])
    assert (found.share, dict(found.outside)) == (0.5, {"size": 0.25, "sales": 0.25})
    assert found.warning is not None
    assert "50%" in str(found.warning)
    assert overlap(pilot, untreated[:1], ["size", "sales"]).warning is None
    with pytest.raises(NotEstimable):
        overlap(pilot, np.zeros((0, 2)), ["size", "sales"])
    with pytest.raises(InvalidNumber):
        overlap(pilot, untreated, ["size"])


@pytest.mark.slow
@pytest.mark.parametrize(("k", "strata", "tau"), [(6, 1, 0.5), (10, 2, 1.0), (10, 2, 0.0), (20, 4, 2.0)])
def test_both_intervals_cover(k: int, strata: int, tau: float) -> None:
    """Groups with errors of .7 to 1.3 in strata with their own means; 40 untreated stores; true values drawn anew."""
    reps, rng = 1_000, np.random.default_rng(16)
    names = [f"h{i % strata}" for i in range(k)]
    se = np.linspace(0.7, 1.3, k)
    untreated = {f"h{i}": 40 // strata for i in range(strata)}
    means = np.arange(strata, dtype=float)
    hits = np.zeros(2)
    for _ in range(reps):
        b = np.array([means[int(n[1:])] for n in names]) + np.hypot(tau, se) * rng.standard_normal(k)
        found = transport([GroupEffect(float(x), float(e), n) for x, e, n in zip(b, se, names, strict=True)], untreated)
        network = means.mean() + tau * rng.standard_normal(40).mean()
        store = means.mean() + tau * rng.standard_normal()  # of a store at the average of its stratum means
        hits += [found.interval[0] <= network <= found.interval[1],
                 found.interval_store[0] <= store <= found.interval_store[1]]  # fmt: skip
    assert (hits / reps >= 0.925).all()
    assert hits[0] / reps <= 0.99
    # With few groups that differ little the interval of one store is conservative: it cannot exclude a spread.
    assert hits[1] / reps <= (0.99 if k * tau >= 10 else 1.0)
