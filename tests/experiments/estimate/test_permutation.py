"""Permutation: against enumeration by brute force, its inversion, its invariants, and its level by simulation."""

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import Side
from experiments.estimate.permutation import (
    PermutationInference,
    intervals,
    null_p_values,
    permutation_inference,
    permutation_many,
    studentised_error,
)
from experiments.estimate.redraws import MAX_LISTED, redraws
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import UnitTable
from tests.experiments.building import table

PAIRS = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def _test(t: UnitTable, *, studentise: bool = False, seed: int = 1, draws: int = 999) -> PermutationInference:
    return permutation_inference(fit(t), redraws(t, seed=seed, draws=draws), studentise=studentise)


def _random_table(
    seed: int, *, pairs: bool = False, with_x: bool = True, n: int = 12, treated: int | None = None
) -> UnitTable:
    rng = np.random.default_rng(seed)
    arms = np.tile([1.0, 0.0], n // 2) if treated is None else (np.arange(n) < treated).astype(float)
    x = rng.normal(size=n)
    y = 0.7 * x + rng.normal(size=n) + 0.4 * arms
    return table(
        y.tolist(), arms.tolist(), block=[i // 2 for i in range(n)] if pairs else None, x=x.tolist() if with_x else None
    )


def _coefficient(t: UnitTable, arms: Any, y: Any, *, studentise: bool) -> float:
    """Least squares with indicators, the slow way: the coefficient, or its score with the residuals of each arm."""
    w = np.ones(len(y)) if t.weight is None else t.weight
    columns = [arms, *t.covariates.T, *t.bystanders.T, *(t.block == b for b in range(t.n_blocks))]
    design = np.column_stack(columns).astype(float) * np.sqrt(w)[:, None]
    value = y * np.sqrt(w)
    bread = np.linalg.inv(design.T @ design)
    b = (bread @ design.T @ value)[0]
    if not studentise:
        return float(b)
    residual = value - design @ (bread @ design.T @ value)
    slack = 1 - np.einsum("ij,jk,ik->i", design, bread, design)
    loading = design @ bread[:, 0]
    aside = t.bystanders.sum(axis=1) > 0
    variance = squares = 0.0
    for arm in (arms == 1, (arms == 0) & ~aside, aside):
        if arm.any():
            df = slack[arm].sum()
            v = (residual[arm] ** 2).sum() / df * (loading[arm] ** 2).sum()
            variance, squares = variance + v, squares + v**2 / (df + 2)
    df = variance**2 / squares
    return float(np.sign(b) * (8 * df + 1) / (8 * df + 3) * (df * np.log1p(b**2 / variance / df)) ** 0.5)


def _all_draws(t: UnitTable) -> list[Any]:
    members = [np.flatnonzero(t.block == b) for b in range(t.n_blocks)]
    counts = [int(t.treated[m].sum()) for m in members]
    found = []
    for chosen in product(*(combinations(m, k) for m, k in zip(members, counts, strict=True))):
        arms = np.zeros(t.n_units)
        arms[[i for part in chosen for i in part]] = 1.0
        found.append(arms)
    return found


@pytest.mark.parametrize("studentise", [False, True])
@pytest.mark.parametrize("with_x", [False, True])
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("at", [0.0, 0.9])
def test_p_values_equal_brute_force(studentise: bool, with_x: bool, pairs: bool, at: float) -> None:
    t = _random_table(3, pairs=pairs, with_x=with_x, n=12 if pairs else 8)
    shifted = t.y - at * t.treated
    values = [_coefficient(t, arms, shifted, studentise=studentise) for arms in _all_draws(t)]
    actual = _coefficient(t, t.treated, shifted, studentise=studentise)
    found = _test(t, studentise=studentise)
    assert found.listed
    assert found.p_value(at) == pytest.approx(np.mean([abs(v) >= abs(actual) - 1e-9 for v in values]))
    assert found.p_one_sided(Side.GREATER, at) == pytest.approx(np.mean([v >= actual - 1e-9 for v in values]))
    assert found.p_one_sided(Side.LESS, at) == pytest.approx(np.mean([v <= actual + 1e-9 for v in values]))


def test_four_against_four_by_hand() -> None:
    """All treated above all controls: only the draw and its mirror are as extreme, 2 of 70."""
    found = _test(table([11, 12, 13, 14, 1, 2, 3, 4], [1, 1, 1, 1, 0, 0, 0, 0]))
    assert found.p_value() == 2 / 70
    assert found.p_one_sided(Side.GREATER) == 1 / 70
    assert found.p_one_sided(Side.LESS) == 1.0


def test_arms_without_spread_are_as_extreme_as_draws_come() -> None:
    found = _test(table([1, 1, 1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 1, 1, 1, 1]), studentise=True)
    assert found.p_value() == pytest.approx(2 / 70)
    assert found.p_one_sided(Side.GREATER) == pytest.approx(1 / 70)
    assert found.interval(0.95) == pytest.approx((1.0, 1.0), abs=1e-6)


def test_welch_is_what_a_studentised_test_divides_by() -> None:
    t = _random_table(5, with_x=False, n=10, treated=4)
    a, b = t.y[t.treated == 1], t.y[t.treated == 0]
    assert studentised_error(fit(t)) == pytest.approx((a.var(ddof=1) / 4 + b.var(ddof=1) / 6) ** 0.5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0.8, 0.9, 0.95]))
def test_an_interval_holds_exactly_what_is_not_rejected(
    seed: int, studentise: bool, pairs: bool, with_x: bool, level: float
) -> None:
    found = _test(_random_table(seed, pairs=pairs, with_x=with_x, n=14), studentise=studentise, draws=499)
    alpha = 1 - level
    lower, upper = found.interval(level)
    assert lower is None or lower <= found.effect
    assert upper is None or upper >= found.effect
    for end, outside in ((lower, -1.0), (upper, 1.0)):
        if end is not None:
            width = 1e-6 * max(1.0, abs(end))
            assert found.p_value(end - outside * width) > alpha - 1e-12
            assert found.p_value(end + outside * width) <= alpha + 1e-12


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.booleans())
def test_one_sided_bounds_hold_exactly_what_is_not_rejected(seed: int, studentise: bool, pairs: bool) -> None:
    found = _test(_random_table(seed, pairs=pairs, n=14), studentise=studentise, draws=499)
    for side, outside in ((Side.GREATER, -1.0), (Side.LESS, 1.0)):
        bound = found.bound(side, 0.9)
        if bound is not None:
            width = 1e-6 * max(1.0, abs(bound))
            assert found.p_one_sided(side, bound - outside * width) > 0.1 - 1e-12
            assert found.p_one_sided(side, bound + outside * width) <= 0.1 + 1e-12


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.floats(0.001, 1e6))
def test_swapping_the_arms_mirrors_and_scaling_scales(seed: int, studentise: bool, scale: float) -> None:
    t = _random_table(seed, n=8)
    y, arms, x = t.y.tolist(), t.treated.tolist(), t.covariates.T.tolist()
    base = _test(t, studentise=studentise)
    swapped = _test(table(y, [1 - a for a in arms], x=x), studentise=studentise)
    scaled = _test(table([v * scale for v in y], arms, x=x), studentise=studentise)
    assert swapped.p_value() == scaled.p_value() == base.p_value()
    lower, upper = base.interval(0.9)
    mirrored, stretched = swapped.interval(0.9), scaled.interval(0.9)
    if lower is not None and upper is not None:
        assert mirrored == (pytest.approx(-upper, abs=1e-7), pytest.approx(-lower, abs=1e-7))
        assert stretched == (pytest.approx(lower * scale, rel=1e-6), pytest.approx(upper * scale, rel=1e-6))


def test_a_level_that_the_draw_cannot_reach_sets_no_limit() -> None:
    found = _test(table([3, 5, 4, 1, 2, 2.5], [1, 1, 1, 0, 0, 0]))  # 3 against 3: smallest p .10
    assert found.interval(0.95) == (None, None)
    assert None not in found.interval(0.80)


def test_a_sample_counts_the_actual_draw_and_never_gives_zero() -> None:
    n = 40
    t = table(
        [10.0 * (i % 2) + 0.01 * i for i in range(n)],
        [float(i % 2) for i in range(n)],
        block=[i // 2 for i in range(n)],
    )
    found = _test(t, draws=999)
    assert not found.listed
    assert (found.n_redraws, found.p_value()) == (1000, 1 / 1000)


def test_few_redraws_are_listed_and_many_are_sampled() -> None:
    def pairs(n: int) -> UnitTable:
        return table([float(i) for i in range(2 * n)], [0.0, 1.0] * n, block=[i // 2 for i in range(2 * n)])

    listed = redraws(pairs(14), seed=1)
    assert (len(listed.treated), listed.listed) == (2**14, True)
    assert MAX_LISTED < 2**15
    assert not redraws(pairs(15), seed=1).listed
    assert len({tuple(row) for row in redraws(pairs(6), seed=1).treated.tolist()}) == 64


@pytest.mark.parametrize("block", [[i // 2 for i in range(40)], [i % 3 for i in range(40)], [0] * 40])
def test_sampled_redraws_keep_the_numbers_of_every_block_and_treat_all_alike(block: list[int]) -> None:
    t = table(
        [float(i) for i in range(40)],
        [float(i // 3 % 2) if max(block) < 3 else float(i % 2) for i in range(40)],
        block=block,
    )
    found = redraws(t, seed=3, draws=4000).treated
    for b, (_, treated) in enumerate(t.arm_counts()):
        inside = np.array(block) == b
        assert (found[:, inside].sum(axis=1) == treated).all()
        assert found[:, inside].mean(axis=0) == pytest.approx(treated / inside.sum(), abs=0.04)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_other_redraws() -> None:
    t = _random_table(1, n=40)
    assert _test(t, seed=4).interval(0.95) == _test(t, seed=4).interval(0.95)
    assert (redraws(t, seed=4, draws=99).treated != redraws(t, seed=5, draws=99).treated).any()


def test_the_redraws_do_not_depend_on_who_was_treated() -> None:
    """So that a simulation over draws of the same pairs shares one set of redraws."""
    one, other = ([1.0, 0.0] * 20, [0.0, 1.0] * 20)
    block = [i // 2 for i in range(40)]
    y = [float(i) for i in range(40)]
    assert redraws(table(y, one, block=block), seed=1) is redraws(table(y, other, block=block), seed=1)


def _rejections(
    reps: int, *, n: int, treated: int, reacts: float, studentise: bool, seed: int, centred: bool = True
) -> float:
    """The share of rejections at 5 % when the effects of the drawn stores differ with this standard deviation around a
    mean of zero over them (``centred``; else around a mean of zero over all stores there could be)."""
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(reps):
        arms = np.zeros(n)
        arms[rng.permutation(n)[:treated]] = 1.0
        x = rng.normal(size=n)
        reaction = rng.normal(size=n)
        y = 0.8 * x + 0.6 * rng.normal(size=n) + arms * reacts * (reaction - centred * reaction.mean())
        t = table(y.tolist(), arms.tolist(), x=x.tolist())
        hits += _test(t, studentise=studentise, draws=399).p_value() <= 0.05
    return hits / reps


@pytest.mark.slow
@pytest.mark.parametrize(("n", "treated"), [(20, 4), (12, 3)])
@pytest.mark.parametrize("reacts", [0.5, 1.0])  # half of, and as much as, stores differ
def test_the_studentised_test_keeps_its_level_even_when_stores_react_differently(
    n: int, treated: int, reacts: float
) -> None:
    rate = _rejections(800, n=n, treated=treated, reacts=reacts, studentise=True, seed=17)
    assert 0.03 <= rate <= 0.085  # nominal .05, Monte-Carlo error .0077


@pytest.mark.slow
def test_matched_pairs_keep_their_level_and_their_coverage() -> None:
    rng = np.random.default_rng(29)
    reps, rejected, covered, truth = 1500, 0, 0, 0.5
    for _ in range(reps):
        base = np.repeat(rng.normal(size=20) * 2, 2)
        first = np.repeat(rng.random(20) < 0.5, 2)
        arms = np.where(first, np.tile([1.0, 0.0], 20), np.tile([0.0, 1.0], 20))
        x = base + 0.3 * rng.normal(size=40)
        y = x + 0.5 * rng.normal(size=40)
        block = [i // 2 for i in range(40)]
        null = _test(table(y.tolist(), arms.tolist(), block=block, x=x.tolist()))
        lifted = _test(table((y + truth * arms).tolist(), arms.tolist(), block=block, x=x.tolist()))
        rejected += null.p_value() <= 0.05
        lower, upper = lifted.interval(0.95)
        covered += lower is not None and upper is not None and lower <= truth <= upper
    assert 0.035 <= rejected / reps <= 0.07
    assert 0.93 <= covered / reps <= 0.975


def _contrast(seed: int, *, weighted: bool, n: int = 9) -> UnitTable:
    """Three blocks with a unit of each of control, the variant and another variant, and one covariate."""
    rng = np.random.default_rng(seed)
    arm = np.arange(n) % 3
    x = rng.normal(size=n)
    return table(
        (0.7 * x + rng.normal(size=n)).tolist(),
        (arm == 1).astype(float).tolist(),
        block=(np.arange(n) // 3).tolist(),
        x=x.tolist(),
        bystanders=[(arm == 2).astype(float).tolist()],
        weight=rng.uniform(0.5, 3.0, size=n).tolist() if weighted else None,
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("studentise", [False, True])
@pytest.mark.parametrize("at", [0.0, 0.9])
def test_bystanders_hold_the_regression_but_never_move(weighted: bool, studentise: bool, at: float) -> None:
    t = _contrast(11, weighted=weighted)
    swaps = [np.array(bits) for bits in product((0, 1), repeat=3)]
    rows = [np.array([float(i % 3 == bits[i // 3]) for i in range(9)]) for bits in swaps]  # control or the variant
    shifted = t.y - at * t.treated
    values = [abs(_coefficient(t, row, shifted, studentise=studentise)) for row in rows]
    actual = abs(_coefficient(t, t.treated, shifted, studentise=studentise))
    found = _test(t, studentise=studentise)
    assert found.n_redraws == 8
    assert found.p_value(at) == pytest.approx(np.mean([v >= actual * (1 - 1e-9) for v in values]))
    assert (t.n_units, t.arm_counts()) == (6, [(1, 1)] * 3)


def test_units_of_blocks_with_one_of_the_two_variants_never_move() -> None:
    t = table([3, 1, 4, 1, 5, 9, 2], [1, 0, 1, 0, 0, 1, 1], block=[0, 0, 0, 0, 1, 2, 2])
    found = redraws(t, seed=1)
    assert len(found.treated) == 6
    assert not found.treated[:, 4].any()
    assert found.treated[:, 5:].all()


@pytest.mark.parametrize("n", [12, 40])
def test_redraws_of_a_rerandomised_draw_follow_its_rule(n: int) -> None:
    def rule(rows: Any) -> Any:
        return rows[:, 0]

    t = table([float(i) for i in range(n)], [1.0, 0.0] * (n // 2))
    found = redraws(t, seed=1, draws=300, accept=rule)
    assert found.treated[:, 0].all()
    assert (found.treated.sum(axis=1) == n // 2).all()
    assert len(found.treated) == (462 if n == 12 else 300)  # C(11, 5), listed
    with pytest.raises(NotEstimable, match="does not meet the rule"):
        redraws(table(t.y.tolist(), (1 - t.treated).tolist()), seed=1, draws=300, accept=rule)
    with pytest.raises(NotEstimable, match="too few to compare"):
        redraws(_random_table(1, n=40), seed=1, draws=99, accept=lambda rows: np.arange(len(rows)) < (len(rows) == 1))


@pytest.mark.parametrize("studentise", [False, True])
@pytest.mark.parametrize("kind", ["one block", "pairs", "bystanders"])
def test_many_tests_at_once_equal_one_by_one(studentise: bool, kind: str) -> None:
    def make(seed: int) -> UnitTable:
        if kind == "bystanders":
            return _contrast(seed, weighted=True, n=30)
        return _random_table(seed, pairs=kind == "pairs", n=30, with_x=seed % 2 == 0, treated=None)

    regressions = [fit(make(seed)) for seed in range(6)]
    shared = redraws(make(0), seed=2, draws=299)
    together = permutation_many(regressions, shared, studentise=studentise)
    ends = intervals(together, 0.9)
    for regression, one, end in zip(regressions, together, ends, strict=True):
        alone = permutation_inference(regression, shared, studentise=studentise)
        assert (one.p_value(), one.p_value(0.3)) == (alone.p_value(), alone.p_value(0.3))
        assert end == pytest.approx(alone.interval(0.9), rel=1e-9)
    with pytest.raises(InvalidNumber):
        permutation_many([fit(_random_table(1, n=14))], shared, studentise=studentise)


def test_one_treated_unit_is_compared_with_every_other() -> None:
    t = table([19.0, 1, 2, 3, 4, 5, 6, 7, 8, 0], [1.0] + [0.0] * 9)
    assert _test(t).p_value() == 1 / 10


@pytest.mark.parametrize("n", [12, 30])
@pytest.mark.parametrize("with_x", [False, True])
def test_a_scan_of_p_values_is_that_of_the_tests_themselves(n: int, with_x: bool) -> None:
    regressions = [fit(_random_table(seed, n=n, with_x=with_x, treated=4)) for seed in range(5)]
    shared = redraws(regressions[0].table, seed=2, draws=299)
    alone = [permutation_inference(regression, shared, studentise=True).p_value() for regression in regressions]
    assert null_p_values(regressions, shared) == alone
