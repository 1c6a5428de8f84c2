"""Customers weighted equally, from moments per store: against the rows themselves, the R oracle, and its invariants."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.cluster_robust import Correction, cluster_robust
from experiments.estimate.customer_weighted import CustomerWeighted, StoreMoments, customer_weighted
from tests.reference.oracles import expect
from tests.reference.toys import toy_store


def _moments(group: Any, y: Any, x: Any) -> StoreMoments:
    """The moments of one comparison from rows; ``x`` is (N × q)."""

    def total(values: Any) -> Any:
        return np.array([values[group == g].sum(axis=0) for g in range(int(group.max()) + 1)])[None]

    return StoreMoments(
        n=total(np.ones(len(y))),
        x=total(x),
        xx=total(x[:, :, None] * x[:, None, :]),
        y=total(y),
        xy=total(x * y[:, None]),
    )


def _rows(seed: int, stores: int = 10, q: int = 1) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(stores), rng.integers(3, 25, size=stores))
    treated = (rng.permutation(stores) < stores // 2).astype(float)
    x = 50 + 10 * rng.normal(size=(len(group), q))
    y = x.sum(axis=1) + 3 * treated[group] + 5 * rng.normal(size=stores)[group] + 8 * rng.normal(size=len(group))
    return group, treated, x, y


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([Correction.CR1S, Correction.CR2]), st.integers(0, 2), st.booleans())
def test_it_equals_least_squares_on_the_customer_rows(seed: int, correction: Correction, q: int, blocked: bool) -> None:
    group, treated, x, y = _rows(seed, q=q)
    block = (
        np.arange(10) % 2
        if blocked and len({(b, t) for b, t in zip(np.arange(10) % 2, treated, strict=True)}) == 4
        else None
    )
    indicators = [np.ones(len(y))] if block is None else [block[group] == b for b in (0, 1)]
    design = np.column_stack([treated[group], *indicators, x]).astype(float)
    expected = cluster_robust(design, y, group, coefficient=0, correction=correction)
    found = customer_weighted(_moments(group, y, x), treated, block=block, correction=correction).inference()
    assert found.effect == pytest.approx(expected.effect, rel=1e-9)
    assert found.std_error == pytest.approx(expected.std_error, rel=1e-9)
    if correction is Correction.CR2:
        assert found.df == pytest.approx(expected.df, rel=1e-8)
    else:
        assert found.df == 9.0


def test_it_is_what_clubsandwich_gives() -> None:
    toy = toy_store()
    group = toy["store"].astype(np.int64) - 1
    treated = np.array([toy["t"][group == g][0] for g in range(8)])
    plain = customer_weighted(_moments(group, toy["y"], np.zeros((len(group), 0))), treated).inference()
    expect("O1", "se").of(plain.std_error)
    expect("O1", "df").of(plain.df)
    adjusted = customer_weighted(_moments(group, toy["y"], toy["x"][:, None]), treated).inference()
    expect("O2", "se").of(adjusted.std_error)
    expect("O2", "df").of(adjusted.df)


def test_many_comparisons_are_each_their_own() -> None:
    group, treated, x, y = _rows(3)
    other = y[::-1].copy()
    one, two = _moments(group, y, x), _moments(group, other, x)
    both = StoreMoments(*(np.concatenate([getattr(one, n), getattr(two, n)]) for n in ("n", "x", "xx", "y", "xy")))
    for correction in (Correction.CR1S, Correction.CR2):
        together: CustomerWeighted = customer_weighted(both, treated, correction=correction)
        for i, alone in enumerate((one, two)):
            single = customer_weighted(alone, treated, correction=correction)
            assert together.inference(i).std_error == pytest.approx(single.inference().std_error, rel=1e-12)


@given(st.integers(0, 1000), st.floats(0.01, 1000.0))
@settings(max_examples=20, deadline=None)
def test_swapping_the_arms_flips_the_sign_and_scaling_scales(seed: int, scale: float) -> None:
    group, treated, x, y = _rows(seed)
    base = customer_weighted(_moments(group, y, x), treated).inference()
    swapped = customer_weighted(_moments(group, y, x), 1 - treated).inference()
    scaled = customer_weighted(_moments(group, scale * y, x), treated).inference()
    assert (swapped.effect, swapped.std_error) == (pytest.approx(-base.effect), pytest.approx(base.std_error))
    assert (scaled.effect, scaled.std_error) == (
        pytest.approx(scale * base.effect),
        pytest.approx(scale * base.std_error),
    )


def test_what_cannot_be_told_apart_is_refused() -> None:
    group, treated, x, y = _rows(1)
    with pytest.raises(NotEstimable):
        customer_weighted(_moments(group, y, x), np.ones(10))
    with pytest.raises(InvalidNumber):
        customer_weighted(_moments(group, y, x), treated, correction=Correction.CR3)
    with pytest.raises(InvalidNumber):
        StoreMoments(np.ones((1, 3)), np.ones((1, 3, 1)), np.ones((1, 3, 1, 2)), np.ones((1, 3)), np.ones((1, 3, 1)))


@pytest.mark.slow
def test_it_keeps_its_level_and_its_coverage() -> None:
    """Twelve stores of unequal size, 1,500 draws: Monte-Carlo error .0056 around a nominal .05."""
    rng = np.random.default_rng(11)
    reps, covered = 1500, 0
    for _ in range(reps):
        n = rng.integers(20, 200, size=(1, 12)).astype(float)
        treated = (rng.permutation(12) < 6).astype(float)
        mean = 2.0 * treated + rng.normal(size=12) + rng.normal(size=12) * 3 / np.sqrt(n[0])
        none = np.zeros((1, 12, 0))
        found = customer_weighted(StoreMoments(n, none, np.zeros((1, 12, 0, 0)), n * mean, none), treated)
        lower, upper = found.inference().interval(0.95)
        covered += lower <= 2.0 <= upper  # type: ignore[operator]  # a t interval has both ends
    assert 0.93 <= covered / reps <= 0.975
