"""Interaction of disjoint groups: by hand, by invariants, and how often it finds what is not there."""

from itertools import product

import numpy as np
import pytest

from experiments.errors import NotEstimable
from experiments.estimate.group_interaction import groups_differ
from experiments.estimate.redraws import Redraws, redraws
from experiments.estimate.unit_table import UnitTable, columns

PAIR = np.array([1.0, 0.0])


def pairs(n: int) -> np.ndarray:
    return np.repeat(np.arange(n), 2)


def all_flips(n: int) -> Redraws:
    rows = [[side for flip in flips for side in ((1, 0) if flip else (0, 1))] for flips in product([1, 0], repeat=n)]
    return Redraws(np.array(rows, dtype=np.bool_), listed=True)


def test_by_hand_with_six_pairs_in_two_groups() -> None:
    # pair differences 1, 2, 3 in one group and 7, 8, 9 in the other: b = 2 and 8
    differences = np.array([1, 2, 3, 7, 8, 9], dtype=float)
    values = np.column_stack([differences, np.zeros(6)]).ravel()
    found = groups_differ(values, np.tile(PAIR, 6), pairs(6), np.repeat([0, 1], 6), all_flips(6))
    # s² = Σ (d − mean)² / 2 / (6 − 3 − 1) = 1/2 in each, Σ t̂² = 3/2, so v = 1/3 and Σ (b − 5)² / v = 2 × 9 × 3
    assert found.statistic == pytest.approx(54)
    assert (found.df, found.df_error) == (1, 4.0)
    # on differences −4, −3, −2, 2, 3, 4 only the draw itself and its mirror lie as far
    assert found.p_value == pytest.approx(2 / 64)


def test_a_common_effect_and_another_unit_of_money_change_nothing() -> None:
    rng = np.random.default_rng(3)
    values, treated = rng.normal(size=24), np.tile(PAIR, 12)
    group = np.repeat([0, 1, 2], 8)
    plain = groups_differ(values, treated, pairs(12), group, all_flips(12))
    moved = groups_differ(100 * (values + 5 * treated), treated, pairs(12), group, all_flips(12))
    assert moved.p_value == plain.p_value
    assert moved.statistic == pytest.approx(plain.statistic)


def test_a_group_without_both_arms_and_a_single_group_are_refused() -> None:
    treated, cell = np.array([1.0, 1.0, 1.0, 0.0, 1.0, 0.0]), np.array([0, 0, 1, 1, 1, 1])
    with pytest.raises(NotEstimable, match="both arms"):
        groups_differ(np.arange(6.0), treated, cell, cell, Redraws(treated[None, :] == 1, listed=True))
    with pytest.raises(NotEstimable, match="too few to compare"):
        groups_differ(np.arange(6.0), treated, cell * 0, cell * 0, Redraws(treated[None, :] == 1, listed=True))


@pytest.mark.parametrize(
    ("n", "share", "effect", "scale"), [(20, 0.5, 0.0, 1.0), (20, 0.5, 3.0, 4.0), (40, 0.3, 3.0, 1.0)]
)
def test_where_the_effect_is_the_same_it_finds_a_difference_at_its_level(
    n: int, share: float, effect: float, scale: float
) -> None:
    """5 % within the Monte-Carlo error of 600 worlds; the second group may be ``scale`` times as noisy."""
    rng = np.random.default_rng(20261122)
    group = np.repeat([0, 1], n // 2)
    k = round(n // 2 * share)
    treated = np.tile(np.arange(n // 2) < k, 2).astype(float)
    table = UnitTable(
        units=tuple(f"u{i:02}" for i in range(n)), y=np.arange(n, dtype=float), treated=treated, block=group,
        covariates=columns(n), bystanders=columns(n), weight=None, n_rows=n,
    )  # fmt: skip
    again = redraws(table, seed=1, draws=399)
    rejected = 0
    for _ in range(600):
        order = np.concatenate([rng.permutation(n // 2), n // 2 + rng.permutation(n // 2)])
        t = treated[order]
        y = rng.normal(size=n) * np.where(group == 1, scale, 1.0) + effect * t
        rejected += groups_differ(y, t, group, group, again).p_value <= 0.05
    assert rejected / 600 == pytest.approx(0.05, abs=0.027)  # 99.7 % of runs at exactly 5 %
