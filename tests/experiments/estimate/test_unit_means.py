"""The regression on unit means: by hand, against least squares, and what it does with lost units."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import NotEstimable, draw, spend_per_customer, store_total
from experiments.errors import DuplicateUnit, InvalidNumber, UnknownUnit, UnknownVariant
from experiments.estimate.cluster_robust import cluster_robust, unit_means_cr2
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import unit_table
from tests.experiments.building import complete_draw, moments, paired_draw, stratified_draw, table


def test_without_covariate_and_blocks_it_is_the_difference_of_means_and_the_pooled_t() -> None:
    found = fit(table([5, 7, 9, 1, 2, 3], [1, 1, 1, 0, 0, 0]))
    assert (found.effect, found.df) == (5.0, 4)
    assert found.std_error == pytest.approx(((8 + 2) / 4 * (2 / 3)) ** 0.5)


def test_in_pairs_it_is_the_mean_difference_and_the_paired_t() -> None:
    found = fit(table([5, 1, 7, 4, 9, 3], [1, 0, 1, 0, 1, 0], block=[0, 0, 1, 1, 2, 2]))
    differences = np.array([4.0, 3.0, 6.0])
    assert found.effect == pytest.approx(differences.mean())
    assert found.std_error == pytest.approx(differences.std(ddof=1) / 3**0.5)
    assert found.df == 2


@given(st.integers(0, 10_000), st.sampled_from([1, 2, 4, 8]), st.booleans())
def test_it_equals_least_squares_with_indicators(seed: int, blocks: int, with_x: bool) -> None:
    rng = np.random.default_rng(seed)
    n = 16
    block, treated = np.arange(n) % blocks, (np.arange(n) // blocks % 2).astype(float)
    x, y = rng.normal(size=n), rng.normal(size=n) * 100
    found = fit(table(y.tolist(), treated.tolist(), block=block.tolist(), x=x.tolist() if with_x else None))
    design = np.column_stack([treated, *([x] if with_x else []), *(block == b for b in range(blocks))]).astype(float)
    solution, rss, *_ = np.linalg.lstsq(design, y, rcond=None)
    df = n - design.shape[1]
    variance = np.linalg.inv(design.T @ design)[0, 0] * rss[0] / df
    assert (found.effect, found.df) == (pytest.approx(solution[0]), df)
    assert found.std_error == pytest.approx(variance**0.5)


@given(st.integers(0, 10_000), st.floats(0.01, 1000), st.floats(-1000, 1000))
def test_swapping_the_arms_flips_the_sign_and_scaling_scales(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    y, x, treated = rng.normal(size=12), rng.normal(size=12), np.tile([0.0, 1.0], 6)
    base = fit(table(y.tolist(), treated.tolist(), x=x.tolist()))
    swapped = fit(table(y.tolist(), (1 - treated).tolist(), x=x.tolist()))
    scaled = fit(table((scale * y + shift).tolist(), treated.tolist(), x=x.tolist()))
    assert swapped.effect == pytest.approx(-base.effect, rel=1e-9, abs=1e-12)
    assert swapped.std_error == pytest.approx(base.std_error)
    assert scaled.effect == pytest.approx(scale * base.effect, rel=1e-6, abs=1e-9 * max(1.0, abs(shift)))


def test_a_covariate_that_says_nothing_is_left_out() -> None:
    y, treated = [5.0, 7, 9, 1, 2, 3], [1.0, 1, 1, 0, 0, 0]
    assert fit(table(y, treated, x=[4.0] * 6)).adjusted is False
    assert fit(table(y, treated, x=treated)).adjusted is False  # it is the treatment itself
    assert fit(table(y, treated, x=[1.0, 5, 2, 8, 3, 9])).adjusted is True


@pytest.mark.parametrize(
    ("y", "treated", "block", "says"),
    [
        ([1.0, 2.0], [0.0, 1.0], [0, 0], "too few"),
        ([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 1.0, 1.0], [0, 0, 1, 1], "too few"),
        ([3.0] * 6, [0.0, 1.0] * 3, [0] * 6, "same value"),
    ],
    ids=["one against one", "arms in different blocks", "nothing varies"],
)
def test_what_cannot_be_estimated_is_refused(y: list[float], treated: list[float], block: list[int], says: str) -> None:
    with pytest.raises(NotEstimable, match=says):
        fit(table(y, treated, block=block))


def test_a_covariate_that_is_the_outcome_under_another_name_is_refused() -> None:
    y, treated = [5.1, 7.3, 9.2, 1.7, 2.9, 3.3], [1.0, 1, 1, 0, 0, 0]
    with pytest.raises(NotEstimable, match="the outcome itself"):
        fit(table(y, treated, x=[3.0 + 0.1 * value for value in y]))


def _table_of(mechanism: Any, rows: list[Any], seed: int = 1, **options: Any) -> Any:
    assignment = draw(mechanism, seed).assignment
    return unit_table(store_total(), rows, mechanism=mechanism, assignment=assignment, variant="points", **options)


def test_a_table_holds_one_row_per_drawn_unit() -> None:
    mechanism = stratified_draw(12, 3)
    found = _table_of(mechanism, [moments(f"s{i:03}", 10 * i, i) for i in range(12)])
    assert sorted(found.units) == [f"s{i:03}" for i in range(12)]
    assert found.arm_counts() == [(2, 2)] * 3
    assert found.y[found.units.index("s007")] == 70.0
    assert (found.n_rows, found.lost, found.partners) == (84, (), ())


def test_a_pair_that_lost_a_store_leaves_and_both_are_named() -> None:
    mechanism = paired_draw(8)
    rows = [moments(f"s{i:03}", 10 + i, i) for i in range(8) if i != 3]
    found = _table_of(mechanism, rows)
    assert (found.lost, found.partners, found.n_units) == (("s003",), ("s002",), 6)
    kept = _table_of(mechanism, rows, keep_partners=True)
    assert (kept.n_units, kept.n_blocks) == (7, 1)


def test_a_unit_with_nothing_to_divide_by_is_lost() -> None:
    rows = [moments(f"s{i:03}", 10 + i, i, n=0 if i == 5 else 7) for i in range(8)]
    assert _table_of(complete_draw(8), rows).lost == ("s005",)


def test_one_unit_without_history_takes_the_covariate_away() -> None:
    rows = [moments(f"s{i:03}", 10 + i, None if i == 5 else i) for i in range(8)]
    assert _table_of(complete_draw(8), rows).covariates.shape == (8, 0)


def test_units_that_do_not_belong_are_refused() -> None:
    mechanism = complete_draw(4)
    rows = [moments(f"s{i:03}", i) for i in range(4)]
    with pytest.raises(UnknownUnit):
        _table_of(mechanism, [*rows, moments("s099", 1)])
    with pytest.raises(DuplicateUnit):
        _table_of(mechanism, [*rows, rows[0]])
    with pytest.raises(UnknownVariant):
        unit_table(store_total(), rows, mechanism=mechanism, assignment={}, variant="gift")
    with pytest.raises(NotEstimable, match="each arm needs"):
        unit_table(
            spend_per_customer(),
            rows[:1],
            mechanism=mechanism,
            assignment=draw(mechanism, 1).assignment,
            variant="points",
        )
    with pytest.raises(InvalidNumber):
        table([1.0, float("nan")], [0.0, 1.0])


def _several(seed: int, n: int = 24, blocks: int = 3) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Values, arm (0 control, 1 the variant, 2 another), block, two covariates and weights of units."""
    rng = np.random.default_rng(seed)
    block, arm = np.arange(n) % blocks, np.arange(n) // blocks % 3
    return rng.normal(size=n), arm, block, rng.normal(size=n), rng.normal(size=n), rng.uniform(0.2, 4.0, size=n)


@given(st.integers(0, 10_000), st.booleans())
def test_covariates_bystanders_and_weights_are_those_of_weighted_least_squares(seed: int, weighted: bool) -> None:
    y, arm, block, x, z, w = _several(seed)
    t = table(
        y.tolist(),
        (arm == 1).astype(float).tolist(),
        block=block.tolist(),
        x=[x.tolist(), z.tolist(), (2 * x).tolist()],  # the third says what the first does
        bystanders=[(arm == 2).astype(float).tolist()],
        weight=w.tolist() if weighted else None,
    )
    found = fit(t)
    root = np.sqrt(w) if weighted else np.ones(24)
    design = np.column_stack([arm == 1, arm == 2, x, z, *(block == b for b in range(3))]).astype(float) * root[:, None]
    solution, rss, *_ = np.linalg.lstsq(design, y * root, rcond=None)
    assert (found.effect, found.df, found.nuisance.covariates) == (pytest.approx(solution[0]), 17, (0, 1))
    assert found.std_error == pytest.approx((np.linalg.inv(design.T @ design)[0, 0] * rss[0] / 17) ** 0.5)
    inverse = np.linalg.inv(design.T @ design)
    hat = np.einsum("ij,jk,ik->i", design, inverse, design)
    hc2 = np.sqrt(((design @ inverse[0]) ** 2 * (root * y - design @ solution) ** 2 / (1 - hat)).sum())
    assert unit_means_cr2(found).std_error == pytest.approx(hc2)


@given(st.integers(0, 10_000))
def test_weighted_unit_means_give_the_clustered_answer_of_the_rows(seed: int) -> None:
    """Where everything but the outcome is the unit's own: coefficient, CR2 and its degrees of freedom."""
    rng = np.random.default_rng(seed)
    sizes, arm, x = rng.integers(2, 12, size=14), np.arange(14) % 2, rng.normal(size=14)
    group = np.repeat(np.arange(14), sizes)
    y = arm[group] + x[group] + rng.normal(size=14)[group] + rng.normal(size=len(group))
    rows = cluster_robust(
        np.column_stack([arm[group], np.ones(len(group)), x[group]]).astype(float), y, group, coefficient=0
    )
    means = np.bincount(group, weights=y) / sizes
    t = table(means.tolist(), arm.astype(float).tolist(), x=x.tolist(), weight=sizes.astype(float).tolist())
    found = unit_means_cr2(fit(t))
    assert found.effect == pytest.approx(rows.effect)
    assert (found.std_error, found.df) == (pytest.approx(rows.std_error), pytest.approx(rows.df, rel=1e-7))


def test_thousands_of_units_need_no_square_matrix() -> None:
    rng = np.random.default_rng(1)
    n = 30_000
    t = table(rng.normal(size=n).tolist(), (np.arange(n) % 2).tolist(), x=rng.normal(size=n).tolist())
    assert unit_means_cr2(fit(t)).df == pytest.approx(n - 3, rel=1e-2)


def test_a_table_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises(InvalidNumber):
        table([1.0, 2.0], [0.0, 1.0], weight=[1.0, 0.0])
    with pytest.raises(InvalidNumber):
        table([1.0, 2.0], [0.0, 1.0], x=[[1.0, float("inf")]])
