"""Rows of panels with several starts: group-time effects, or the permutation of an order that was drawn."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from experiments.errors import NotEstimable
from experiments.estimate.callaway_santanna import Aggregation, callaway_santanna
from experiments.estimate.group_time import Controls
from experiments.estimate.imputation import imputation
from experiments.estimate.stepped_wedge import stepped_wedge
from experiments.monitor.diagnostic import Status
from experiments.plan import Plan, plan_from_mapping
from experiments.reading import read
from experiments.rows import staggered
from experiments.rows.finding import RowResult
from tests.experiments.panels import simulated

MADE = simulated(np.random.default_rng(14), (4, 4, 4, 4), (2, 4, 5, -1), 7, path=[1.0, 1.5, 2.0]).panel


def _table(starts: np.ndarray = MADE.first_treated, **more: Any) -> dict[str, list[Any]]:
    rows = [(i, t) for i in range(MADE.n_units) for t in range(MADE.n_periods)]
    table: dict[str, list[Any]] = {
        "store": [MADE.units[i] for i, _ in rows],
        "week": [t + 1 for _, t in rows],
        "first": [int(starts[i]) + 1 if starts[i] >= 0 else 0 for i, _ in rows],
        "sales": [float(MADE.y[i, t]) for i, t in rows],
    }
    return table | {name: [values[i] for i, _ in rows] for name, values in more.items()}


def _plan(assignment: str, **more: Any) -> Plan:
    metric = {"name": "sales", "kind": "mean", "value": "sales", "role": "primary"} | more.pop("metric", {})
    data = {"unit": "store", "period": "week", "treated_from": "first"} | more.pop("data", {})
    return plan_from_mapping({"data": data, "assignment": assignment, "metrics": [metric], "seed": 1} | more)


def _row(plan: Plan, table: dict[str, list[Any]]) -> RowResult:
    frame = read(table, plan).frame
    return staggered.build(frame, plan, plan.metrics[0], frame.variants[1])


def test_starts_that_nobody_drew_are_answered_by_group_time_effects() -> None:
    row = _row(_plan("observational"), _table())
    expected = callaway_santanna(MADE)
    assert (row.headline.method, row.headline.effect) == ("callaway_santanna", pytest.approx(expected.overall.effect))
    assert (row.headline.std_error, row.headline.df) == (
        pytest.approx(expected.inference.std_error),
        pytest.approx(expected.inference.df),
    )
    assert (row.n_units, row.n_rows, row.randomization_p) == (16, 112, None)
    beside = {one.method: one.effect for one in row.alternatives}
    assert beside == pytest.approx(
        {
            "callaway_santanna_never_treated": callaway_santanna(MADE, controls=Controls.NEVER_TREATED).overall.effect,
            "imputation": imputation(MADE).overall.effect,
        }
    )
    assert [word.code for word in row.assumptions] == ["observational_starts", "parallel_trends", "few_units_a_start"]


def test_two_way_fixed_effects_are_a_check_and_never_an_answer() -> None:
    row = _row(_plan("observational"), _table())
    check = next(d for d in row.diagnostics if d.check == "two_way_fixed_effects")
    assert check.status is Status.WARN
    assert check.value is not None
    assert 0 < check.value < 1
    assert "two_way_fixed_effects" not in {one.method for one in (row.headline, *row.alternatives)}


def test_the_averages_by_start_period_and_time_are_shown_with_their_bands() -> None:
    row = _row(_plan("observational"), _table())
    shown = json.loads(json.dumps(dict(row.extra)))
    dynamic = shown["group_time"]["dynamic"]
    expected = callaway_santanna(MADE).average(Aggregation.DYNAMIC)
    assert [part["at"] for part in dynamic["parts"]] == [part.label for part in expected.parts]
    assert all(part["band"][0] < part["effect"] < part["band"][1] for part in dynamic["parts"])
    assert {cell["start"] for cell in shown["group_time"]["cells"]} == {"3", "5", "6"}
    assert len(shown["imputation"]) == 5


def test_raw_means_are_those_of_the_compared_cells() -> None:
    row = _row(_plan("observational"), _table())
    treated = [MADE.y[i, t] for i in range(16) for t in range(7) if MADE.treated[i, t]]
    assert row.mean_variant == pytest.approx(np.mean(treated))
    assert row.mean_control != row.mean_variant - row.headline.effect


def test_a_drawn_order_is_permuted() -> None:
    row = _row(_plan("stepped_wedge", draws=999), _table())
    expected = stepped_wedge(MADE, seed=1, draws=999)
    assert (row.headline.method, row.headline.p_value) == ("stepped_wedge_permutation", expected.p_value())
    assert row.randomization_p == row.headline.p_value
    assert row.headline.interval == expected.interval(0.95)
    assert [one.method for one in row.alternatives] == [
        "callaway_santanna",
        "callaway_santanna_never_treated",
        "imputation",
    ]
    assert {"reach", "pre_trends", "two_way_fixed_effects"} == {d.check for d in row.diagnostics}


@pytest.mark.parametrize("assignment", ["complete", "stratified"])
def test_starts_that_were_dealt_to_few_units_are_permuted_too(assignment: str) -> None:
    """Units that never start are part of the deal; the influence functions stand beside."""
    market = [f"m{i % 2}" for i in range(16)]
    first = np.tile(np.repeat([2, 4, 5, -1], 2), 2)
    row = _row(_plan(assignment, data={"block": "market"}, draws=999), _table(first, market=market))
    block = np.array([i % 2 for i in range(16)])
    expected = stepped_wedge(replace(MADE, first_treated=first), seed=1, draws=999, block=block)
    assert row.headline.method == "stepped_wedge_permutation"
    assert row.randomization_p == row.headline.p_value == expected.p_value()
    assert row.headline.interval == expected.interval(0.95)
    beside = {one.method: one for one in row.alternatives}
    influence = callaway_santanna(replace(MADE, first_treated=first)).inference
    assert beside["callaway_santanna"].p_value == pytest.approx(influence.p_value())
    assert "parallel_trends" not in {word.code for word in row.assumptions}


def test_forty_units_and_rows_that_count_are_left_to_the_influence_functions() -> None:
    many = simulated(np.random.default_rng(3), (10, 10, 10, 10), (2, 4, 5, -1), 7, path=[1.0]).panel
    table = {
        "store": [unit for unit in many.units for _ in range(7)],
        "week": [t + 1 for _ in many.units for t in range(7)],
        "first": [int(start) + 1 if start >= 0 else 0 for start in many.first_treated for _ in range(7)],
        "sales": many.y.ravel().tolist(),
    }
    assert _row(_plan("complete"), table).headline.method == "callaway_santanna"
    rows = _row(_plan("complete", estimand="rows"), _table())
    assert (rows.headline.method, rows.randomization_p) == ("callaway_santanna", None)


@pytest.mark.slow
def test_a_dealt_start_rejects_at_its_level_when_nothing_happens() -> None:
    """400 rows of 20 units, starts in 2, 4, 5 and never: 5 % ± 2.5 %."""
    rejected = 0
    plan = _plan("complete", draws=199)
    metric = plan.metrics[0]
    for seed in range(400):
        made = simulated(np.random.default_rng(seed), (5, 5, 5, 5), (2, 4, 5, -1), 7, path=[0.0]).panel
        test = stepped_wedge(made, seed=seed, draws=199)
        rejected += test.p_value() <= plan.alpha
        if seed < 5:  # the row is that very test
            table = {
                "store": [unit for unit in made.units for _ in range(7)],
                "week": [t + 1 for _ in made.units for t in range(7)],
                "first": [int(start) + 1 if start >= 0 else 0 for start in made.first_treated for _ in range(7)],
                "sales": made.y.ravel().tolist(),
            }
            own = replace(plan, seed=seed)
            frame = read(table, own).frame
            row = staggered.build(frame, own, metric, frame.variants[1])
            assert row.headline.p_value == test.p_value()
    assert rejected / 400 == pytest.approx(0.05, abs=0.025)


def test_orders_are_redrawn_inside_blocks() -> None:
    market = [f"m{i % 2}" for i in range(16)]
    first = np.tile(np.repeat([2, 4, 5, -1], 2), 2)
    row = _row(_plan("stepped_wedge", data={"block": "market"}, draws=999), _table(first, market=market))
    block = np.array([i % 2 for i in range(16)])
    expected = stepped_wedge(replace(MADE, first_treated=first), seed=1, draws=999, block=block)
    assert row.headline.effect == pytest.approx(expected.effect)
    assert row.headline.p_value == expected.p_value()


def test_periods_without_an_untreated_unit_and_a_design_out_of_reach_are_said() -> None:
    first = np.where(MADE.first_treated == -1, 5, MADE.first_treated)
    row = _row(_plan("stepped_wedge"), _table(first))
    words = {word.code: str(word) for word in row.warnings}
    assert words["periods_without_untreated"].endswith("6, 7")
    two = _table(np.where(np.arange(16) == 0, 2, -1))
    kept = [k for k, store in enumerate(two["store"]) if store in MADE.units[:6]]
    few = {name: [values[k] for k in kept] for name, values in two.items()}
    reach = next(d for d in _row(_plan("stepped_wedge"), few).diagnostics if d.check == "reach")
    assert (reach.status, reach.value) == (Status.ALARM, pytest.approx(1 / 6))
    assert "never show an effect" in str(reach.message)


def test_covariates_make_the_group_time_effects_doubly_robust() -> None:
    x = np.random.default_rng(5).normal(size=16)
    row = _row(_plan("observational", metric={"covariates": ["size"]}), _table(size=x.tolist()))
    expected = callaway_santanna(replace(MADE, covariates=x[:, None]))
    assert row.headline.effect == pytest.approx(expected.overall.effect)
    assert "parallel_trends_given" in {word.code for word in row.assumptions}
    wedge = _row(_plan("stepped_wedge", metric={"covariates": ["size"]}, draws=999), _table(size=x.tolist()))
    assert "order_unadjusted" in {word.code for word in wedge.assumptions}


def test_weights_count_under_the_rows_estimand_and_an_order_is_not_permuted_by_rows() -> None:
    weight = np.arange(1.0, 17.0)
    more: dict[str, Any] = {"estimand": "rows", "data": {"weight": "w"}}
    row = _row(_plan("observational", **more), _table(w=weight.tolist()))
    weighted = callaway_santanna(replace(MADE, weight=7.0 * weight))
    assert (row.estimand, row.headline.effect) == ("rows", pytest.approx(weighted.overall.effect))
    with pytest.raises(NotEstimable, match="counts every unit once"):
        _row(_plan("stepped_wedge", estimand="rows", data={"weight": "w"}), _table(w=weight.tolist()))


def test_a_panel_without_the_column_of_starts_is_refused() -> None:
    plan = _plan("observational")
    frame = replace(read(_table(), plan).frame, first_treated=None)
    with pytest.raises(NotEstimable, match="treated_from"):
        staggered.build(frame, plan, plan.metrics[0], frame.variants[1])
