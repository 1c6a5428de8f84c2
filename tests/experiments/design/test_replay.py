"""Replay: equal to the plain loop, and the trick by which placebo intervals tell power is no trick."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import NotEstimable
from experiments.design.replay import Replications, replay, replay_one_by_one
from experiments.estimate.redraws import redraws
from experiments.estimate.unit_table import UnitTable

FIELDS = ("effect", "std_error", "p_value", "low", "high")


def _table(
    n: int = 24, *, blocks: int = 1, covariates: int = 1, bystanders: int = 0, weighted: bool = False
) -> UnitTable:
    rng = np.random.default_rng(n + blocks + covariates)
    size = rng.normal(100, 20, size=n)
    arm = (np.arange(n) // blocks) % (2 + bystanders)
    return UnitTable(
        units=tuple(f"s{i:03}" for i in range(n)),
        y=size + rng.normal(0, 8, size=n),
        treated=(arm == 1).astype(float),
        block=(np.arange(n) % blocks).astype(np.int64),
        covariates=np.stack([size, rng.normal(size=n)], axis=1)[:, :covariates],
        bystanders=np.stack([(arm == 2 + i).astype(float) for i in range(bystanders)], axis=1)
        if bystanders
        else np.zeros((n, 0)),
        weight=rng.uniform(1, 5, size=n) if weighted else None,
        n_rows=n,
    )


CASES = {
    "plain": _table(covariates=0),
    "with the value before": _table(),
    "two covariates": _table(covariates=2),
    "blocks": _table(blocks=3),
    "pairs": _table(blocks=12),
    "a third variant stands by": _table(30, bystanders=1),
    "rows count": _table(weighted=True),
    "eight units, all draws listed": _table(8),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("lift", [0.0, 0.1])
def test_replay_equals_the_plain_loop(name: str, lift: float) -> None:
    table = CASES[name]
    shared, placebo = redraws(table, seed=1, draws=199), redraws(table, seed=2, draws=99).treated[:12]
    student = name != "pairs"
    fast = replay(table, placebo, shared, confidence_level=0.95, studentise=student, lift=lift)
    plain = replay_one_by_one(table, placebo, shared, confidence_level=0.95, studentise=student, lift=lift)
    assert [one.method for one in fast] == [one.method for one in plain]
    for one, other in zip(fast, plain, strict=True):
        for field in FIELDS:
            np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-9, atol=1e-9, err_msg=field)


def _by_method(found: tuple[Replications, ...]) -> dict[str, Replications]:
    return {one.method: one for one in found}


@pytest.mark.parametrize("effect", [3.0, -12.0])
def test_testing_no_effect_after_injecting_one_is_testing_its_opposite_before(effect: float) -> None:
    table = _table()
    shared, placebo = redraws(table, seed=1, draws=199), redraws(table, seed=2, draws=99).treated[:20]
    before = _by_method(replay(table, placebo, shared, confidence_level=0.95, studentise=True))
    for number, row in enumerate(placebo):
        moved = replace(table, y=table.y + effect * row)
        after = _by_method(replay(moved, row[None, :], shared, confidence_level=0.95, studentise=True))
        for method, runs in after.items():
            assert runs.effect[0] == pytest.approx(before[method].effect[number] + effect)
            assert (runs.p_value[0] <= 0.05) == (not before[method].covers(-effect)[number]), method


def test_scaling_scales_and_swapping_the_arms_flips() -> None:
    table = _table()
    placebo = redraws(table, seed=2, draws=99).treated[:10]
    plain = _by_method(replay(table, placebo, None, confidence_level=0.95, studentise=True))
    scaled = _by_method(replay(replace(table, y=10 * table.y), placebo, None, confidence_level=0.95, studentise=True))
    swapped = _by_method(replay(table, ~placebo, None, confidence_level=0.95, studentise=True))
    for method, runs in plain.items():
        np.testing.assert_allclose(scaled[method].low, 10 * runs.low)
        np.testing.assert_allclose(swapped[method].effect, -runs.effect)
        np.testing.assert_allclose(swapped[method].p_value, runs.p_value)


def test_one_unit_alone_has_a_t_and_no_cr2() -> None:
    table = replace(_table(12), treated=(np.arange(12) == 0).astype(float))
    placebo = np.eye(12, dtype=bool)[:4]
    t, cr2 = replay(table, placebo, None, confidence_level=0.95, studentise=False)
    assert np.isfinite(t.p_value).all()
    assert np.isnan(cr2.effect).all()


def test_a_table_without_room_for_an_error_is_refused() -> None:
    table = _table(2, covariates=0)
    with pytest.raises(NotEstimable):
        replay(table, np.array([[True, False]]), None, confidence_level=0.95, studentise=False)
