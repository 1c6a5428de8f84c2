"""The designer: what it measures against known spreads, how it ranks, and why a design cannot be run."""

import numpy as np
import pytest

from experiments import NotEstimable
from experiments.design.cluster_power import cluster_power
from experiments.design.designer import Costs, propose_designs
from experiments.design.mechanisms import MechanismKind
from experiments.design.network_history import NetworkHistory, network_history
from experiments.errors import InvalidLevel, InvalidNumber
from tests.experiments.store_panels import panel

COMPLETE, PAIRS, RERANDOMIZED, STRATIFIED = (
    MechanismKind.COMPLETE,
    MechanismKind.MATCHED_PAIRS,
    MechanismKind.RERANDOMIZED,
    MechanismKind.STRATIFIED,
)


def _history(
    n: int = 40, periods: int = 60, *, between: float = 0.0, noise: float = 0.1, seed: int = 1
) -> NetworkHistory:
    rng = np.random.default_rng(seed)
    values = 1.0 + between * rng.normal(size=(n, 1)) + noise * rng.normal(size=(n, periods))
    return NetworkHistory(tuple(f"s{i:02}" for i in range(n)), values, tuple(f"r{i % 2}" for i in range(n)))


def test_on_stores_that_differ_only_by_noise_the_closed_form_is_known() -> None:
    """Weeks are independent with sd .1: the mean of 4 has variance .0025, and the value before explains nothing."""
    (found,) = propose_designs(_history(periods=80), stores=[40], periods=[4], target=0.05, mechanisms=[COMPLETE])
    known = cluster_power(variance=0.01, icc=0.0, sizes=4, n_control=20, n_variant=20)
    assert found.smallest_effect == pytest.approx(known.smallest_effect, rel=0.12)
    assert found.n_windows == 8


def test_the_error_is_that_of_the_regression_over_fresh_draws() -> None:
    from experiments.estimate.redraws import redraws
    from experiments.estimate.unit_means import fit
    from experiments.estimate.unit_table import UnitTable

    history = _history(20, 8, between=0.5)
    (found,) = propose_designs(history, stores=[20], periods=[4], target=0.05, mechanisms=[COMPLETE])
    table = UnitTable(
        history.stores,
        history.values[:, 4:].mean(axis=1),
        (np.arange(20) % 2).astype(float),
        np.zeros(20, dtype=np.int64),
        history.values[:, :4].mean(axis=1)[:, None],
        np.zeros((20, 0)),
        None,
        20,
    )
    errors = []
    for row in redraws(table, seed=5, draws=300).treated:
        moved = UnitTable(
            table.units, table.y, row.astype(float), table.block, table.covariates, table.bystanders, None, 20
        )
        errors.append(fit(moved).std_error ** 2)
    from experiments.design.power import detectable

    assert found.smallest_effect == pytest.approx(detectable(float(np.sqrt(np.mean(errors))), 17, level=0.05), rel=0.04)


def test_more_stores_and_more_weeks_see_more() -> None:
    designs = propose_designs(
        _history(), stores=[16, 24, 40], periods=[2, 8], target=0.05, mechanisms=[COMPLETE, RERANDOMIZED]
    )
    seen = {(d.mechanism, d.n_stores, d.n_periods): d.smallest_effect for d in designs}
    for kind in (COMPLETE, RERANDOMIZED):
        for weeks in (2, 8):
            assert seen[kind, 16, weeks] > seen[kind, 24, weeks] > seen[kind, 40, weeks]
        for stores in (16, 24, 40):
            assert seen[kind, stores, 2] > seen[kind, stores, 8]


def test_designs_that_find_the_target_come_first_and_the_cheapest_of_them_leads() -> None:
    designs = propose_designs(
        _history(),
        stores=[4, 20, 40],
        periods=[4, 8],
        target=0.06,
        costs=Costs(100, 10, 5),
        mechanisms=[COMPLETE, PAIRS],
    )
    assert [design.rank for design in designs] == list(range(1, len(designs) + 1))
    able = [d for d in designs if d.power is not None and d.power >= 0.8]
    assert able
    assert designs[: len(able)] == tuple(able)
    assert [d.cost for d in able] == sorted(d.cost for d in able)
    unable = [d for d in designs if d.refusal is not None]
    assert {d.n_stores for d in unable} == {4}
    assert designs[-len(unable) :] == tuple(unable)
    assert designs[0].cost == 100 + 10 * designs[0].n_stores + 5 * (designs[0].n_stores // 2) * designs[0].n_periods


def test_a_dominated_design_costs_no_less_and_sees_no_more() -> None:
    designs = propose_designs(_history(), stores=[10, 20, 40], periods=[4, 8], target=0.05, costs=Costs(per_store=1))
    for design in designs:
        better = [
            other
            for other in designs
            if other.smallest_effect is not None
            and design.smallest_effect is not None
            and other.cost <= design.cost
            and other.smallest_effect < design.smallest_effect
        ]
        assert design.is_dominated == bool(better), design


def test_the_scale_of_the_history_does_not_matter() -> None:
    history = _history(20, between=0.3)
    scaled = NetworkHistory(history.stores, 1000 * history.values, history.strata)
    one, other = (
        propose_designs(h, stores=[20], periods=[4], target=0.05, mechanisms=[COMPLETE, STRATIFIED])
        for h in (history, scaled)
    )
    for a, b in zip(one, other, strict=True):
        assert (a.rank, a.mechanism) == (b.rank, b.mechanism)
        assert b.smallest_relative == pytest.approx(a.smallest_relative)
        assert b.power == pytest.approx(a.power)


def test_why_a_design_cannot_be_run_is_said() -> None:
    designs = propose_designs(_history(8, 10), stores=[6, 8, 20], periods=[2, 6], target=0.05, mechanisms=[COMPLETE])
    why = {(d.n_stores, d.n_periods): str(d.sentence) for d in designs if d.refusal is not None}
    assert "smallest p-value is 0.100" in why[6, 2]
    assert "no past window" in why[8, 6]
    assert "the history has 8 stores" in why[20, 2]
    assert (8, 2) not in why
    with pytest.raises(InvalidNumber):
        propose_designs(_history(), stores=[10], periods=[4], target=0.0)
    with pytest.raises(InvalidLevel):
        propose_designs(_history(), stores=[10], periods=[4], target=0.1, level=1.0)


def test_strata_are_offered_only_where_the_history_has_them() -> None:
    history = _history(12, 20)
    bare = NetworkHistory(history.stores, history.values)
    kinds = {d.mechanism for d in propose_designs(bare, stores=[12], periods=[4], target=0.1)}
    assert kinds == {COMPLETE, PAIRS, RERANDOMIZED}


def test_a_table_becomes_a_history_and_stores_with_gaps_are_named() -> None:
    data = panel(4, 6)
    history, gone = network_history(data, unit="store", period="week", value="sales", stratum="pair")
    assert (history.stores, history.strata, gone) == (("s00", "s01", "s02", "s03"), ("p00", "p00", "p01", "p01"), ())
    np.testing.assert_allclose(history.values.ravel(), data["sales"])
    short = {name: values[1:] for name, values in data.items()}
    kept, gone = network_history(short, unit="store", period="week", value="sales")
    assert (kept.stores, gone) == (("s01", "s02", "s03"), ("s00",))
    with pytest.raises(NotEstimable, match="every period"):
        network_history(
            {"store": ["a", "b"], "week": [1, 2], "sales": [1.0, 2.0]}, unit="store", period="week", value="sales"
        )
    with pytest.raises(InvalidNumber):
        NetworkHistory(("a",), np.array([[1.0, float("nan")]]))
    with pytest.raises(InvalidNumber):
        NetworkHistory(("a",), np.ones((1, 2)), ("x", "y"))


@pytest.mark.slow
def test_an_effect_of_the_size_a_design_sees_is_found_four_times_in_five() -> None:
    """20 stores in pairs on fresh years of the same network: found .80 ± .06 (fixed seeds)."""
    from experiments.design.mechanisms import Candidate, Share, draw, matched_pairs
    from experiments.estimate.unit_means import fit
    from experiments.estimate.unit_table import UnitTable

    n = 20
    base = 1.0 + 0.3 * np.random.default_rng(1).normal(size=(n, 1))

    def year(seed: int, weeks: int) -> np.ndarray:
        return base + 0.05 * np.random.default_rng(seed).normal(size=(n, weeks))

    stores = tuple(f"s{i:02}" for i in range(n))
    history = NetworkHistory(stores, year(2, 72))
    (found,) = propose_designs(history, stores=[n], periods=[4], target=0.05, mechanisms=[PAIRS])
    assert found.smallest_effect is not None
    hits = 0
    for seed in range(400):
        now = year(100 + seed, 8)
        before, during = now[:, :4].mean(axis=1), now[:, 4:].mean(axis=1)
        units = [Candidate(s, None, {"x": round(1e6 * v)}) for s, v in zip(stores, before, strict=True)]
        mechanism = matched_pairs(units, (Share("control", 1), Share("variant", 1)), ["x"])
        assignment = draw(mechanism, seed).assignment
        block = {code: number for number, pair in enumerate(mechanism.blocks) for code in pair}
        treated = np.array([float(assignment[s] == "variant") for s in stores])
        table = UnitTable(
            stores,
            during + found.smallest_effect * treated,
            treated,
            np.array([block[s] for s in stores]),
            before[:, None],
            np.zeros((n, 0)),
            None,
            n,
        )
        hits += fit(table).inference.p_value() <= 0.05
    assert hits / 400 == pytest.approx(0.80, abs=0.06)
