"""``analyze``: the right unit and the right method, by hand, against other programs, by invariants and simulation."""

import json
from typing import Any

import numpy as np
import pytest

import experiments
from experiments import (
    AssignmentUnit,
    Leads,
    LookPlan,
    PlannedMetric,
    Role,
    UnitMoments,
    analyze_look,
    draw,
    store_total,
)
from experiments.analysis import analyze
from experiments.estimate.welch import welch as moments_welch
from experiments.report import Row
from experiments.rows.choice import HEADLINES
from experiments.rows.methods import METHODS
from tests.experiments.a_table import a_metric, a_plan, customers, noise, stores
from tests.experiments.building import stratified_draw


def only_row(table: Any, plan: dict[str, Any]) -> Row:
    (row,) = analyze(table, plan).rows
    return row


def beside(row: Row, method: str, estimand: str | None = None) -> Any:
    (found,) = [f for f in row.alternatives if f.method == method and f.estimand == estimand]
    return found


# By hand


def test_four_stores_by_hand() -> None:
    table = {"store": list("abcdef"), "arm": [0, 0, 0, 1, 1, 1], "y": [1.0, 2.0, 3.0, 4.0, 6.0, 8.0]}
    row = only_row(table, a_plan())
    assert (row.mean_control, row.mean_variant, row.effect, row.relative_effect) == (2.0, 6.0, 4.0, 2.0)
    assert row.std_error == pytest.approx((1 / 3 + 4 / 3) ** 0.5)
    assert row.p_value == pytest.approx(2 / 20)  # the draw and its mirror, of 20
    assert row.interval == (None, None)  # so few draws exclude nothing at 95 %
    assert beside(row, "pooled_t").df == 4


def test_a_ratio_is_each_units_own_or_that_of_the_sums() -> None:
    table = {
        "store": list("aabbccdd"), "arm": [0] * 4 + [1] * 4,
        "y": [1.0, 3.0, 8.0, 4.0, 5.0, 5.0, 9.0, 9.0], "n": [1, 1, 4, 2, 1, 1, 2, 4],
    }  # fmt: skip
    metric = a_metric(kind="ratio", denominator="n")
    units = only_row(table, a_plan(metrics=[metric]))
    assert (units.mean_control, units.mean_variant) == (2.0, 4.0)
    rows = only_row(table, a_plan(metrics=[metric], estimand="rows"))
    assert (rows.mean_control, rows.mean_variant) == (2.0, 28 / 8)
    assert rows.effect == pytest.approx(1.5)
    assert rows.estimand == "rows"


def test_rows_are_averaged_by_their_weights_inside_the_unit() -> None:
    table = {
        "store": list("aabcd"), "arm": [0, 0, 0, 1, 1], "y": [0.0, 10.0, 5.0, 7.0, 9.0], "w": [3.0, 1.0, 1.0, 1.0, 5.0],
    }  # fmt: skip
    assert only_row(table, a_plan(data={"weight": "w"})).mean_control == pytest.approx((2.5 + 5.0) / 2)
    rows = only_row(table, a_plan(data={"weight": "w"}, estimand="rows"))
    assert rows.mean_control == pytest.approx((10.0 + 5.0) / 5)
    assert rows.mean_variant == pytest.approx((7.0 + 45.0) / 6)


# Against other implementations of ours and of others


def test_both_doors_give_the_same_digits() -> None:
    """The same store values through a pilot's look and through a table: effect, p and interval."""
    mechanism = stratified_draw(24, 3)
    assignment = draw(mechanism, 5).assignment
    raw = (noise(48) * 100_000).astype(int)
    moments = [
        UnitMoments(code, 7, 5_000_000 + int(raw[i]), 0, 5_000_000 + int(raw[i]) // 2 + int(raw[24 + i]), 0, 0, 7, 7, 7)
        for i, code in enumerate(sorted(assignment))
    ]
    metric = store_total()
    plan = LookPlan(
        AssignmentUnit.STORE, mechanism, assignment, (PlannedMetric(metric, Role.PRIMARY),), seed=1, draws=999,
        leads=Leads.STORE_TOTALS,
    )  # fmt: skip
    estimate = analyze_look(plan, {metric.code: moments}).row(metric.code, "points").estimate
    block = {code: f"{number:02d}" for number, codes in enumerate(mechanism.blocks) for code in codes}
    table = {
        "store": [m.unit for m in moments],
        "arm": [assignment[m.unit] for m in moments],
        "block": [block[m.unit] for m in moments],
        "y": [metric.value(m) for m in moments],
        "x": [metric.baseline(m) for m in moments],
    }
    row = only_row(
        table,
        a_plan(
            data={"control": "control", "block": "block"}, assignment="stratified",
            metrics=[a_metric(covariates=["x"])],
        ),
    )  # fmt: skip
    assert estimate is not None
    assert row.interval is not None
    assert row.effect == pytest.approx(estimate.effect, rel=1e-9)
    assert row.p_value == pytest.approx(estimate.p_value, rel=1e-9)
    assert row.interval == pytest.approx(estimate.interval, rel=1e-9)
    assert row.method == estimate.method


def test_customers_through_a_table_equal_customers_through_moments() -> None:
    from experiments import spend_per_customer
    from tests.experiments.building import arm

    raw = (noise(400) * 1000).astype(int) + 9000
    before = (raw + (noise(400, 9) * 500).astype(int)).tolist()
    arms = np.arange(400) % 2
    y = raw + 200 * arms
    moments = [
        arm(name, y[arms == code].tolist(), [before[i] for i in np.flatnonzero(arms == code)])
        for code, name in enumerate(("control", "points"))
    ]
    found = moments_welch(spend_per_customer(), moments, variant="points")
    row = only_row({"arm": arms, "y": y, "x": before}, a_plan(unit=None, metrics=[a_metric(covariates=["x"])]))
    assert row.method == "welch_adjusted"
    assert row.effect == pytest.approx(found.inference.effect, rel=1e-9)
    assert row.std_error == pytest.approx(found.inference.std_error, rel=1e-9)
    assert row.p_value == pytest.approx(found.inference.p_value(), rel=1e-9)


def test_welch_equals_scipy() -> None:
    from scipy.stats import ttest_ind

    table = customers(effect=0.2)
    row = only_row(table, a_plan(unit=None))
    expected = ttest_ind(table["y"][table["arm"] == 1], table["y"][table["arm"] == 0], equal_var=False)
    assert row.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert row.df == pytest.approx(expected.df, rel=1e-9)


def test_the_omnibus_f_equals_scipy() -> None:
    from scipy.stats import f_oneway

    table = {"store": np.arange(60), "arm": np.arange(60) % 3, "y": noise(60)}
    (found,) = analyze(table, a_plan()).omnibus
    expected = f_oneway(*(table["y"][table["arm"] == code] for code in range(3)))
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)


# Invariants


def test_swapping_the_variants_flips_the_sign() -> None:
    table = stores(6, 8, weeks=3, effect=0.7)  # so few that all draws are listed
    one, other = (only_row(table, a_plan(data={"control": control})) for control in (0, 1))
    assert one.effect == pytest.approx(-(other.effect or 0), rel=1e-9)
    assert one.p_value == other.p_value


def test_scaling_the_metric_scales_the_answer() -> None:
    table = stores(8, 8, weeks=3)
    one, other = (only_row({**table, "y": table["y"] * scale}, a_plan()) for scale in (1.0, 100.0))
    assert other.effect == pytest.approx(100 * (one.effect or 0), rel=1e-9)
    assert other.interval == pytest.approx([100 * (end or 0) for end in one.interval or ()], rel=1e-6)
    assert one.p_value == other.p_value


def test_the_order_of_the_rows_changes_nothing() -> None:
    table = stores(9, 11, weeks=2)
    order = np.argsort(noise(40, 5))
    one, other = (analyze(t, a_plan()).to_dict()["rows"][0] for t in (table, {k: v[order] for k, v in table.items()}))
    assert one["p_value"] == other["p_value"]
    assert one["effect"] == pytest.approx(other["effect"], rel=1e-12)


def test_weights_scale_and_their_sum_means_nothing() -> None:
    table = stores(9, 11, weeks=2) | {"w": 1.0 + np.arange(40) % 3}
    plan = a_plan(data={"weight": "w"}, estimand="rows")
    one, other = (only_row({**table, "w": table["w"] * scale}, plan) for scale in (1.0, 50.0))
    assert one.std_error == pytest.approx(other.std_error, rel=1e-9)
    assert one.p_value == other.p_value


def test_the_same_data_and_plan_give_the_same_bytes() -> None:
    table, plan = stores(9, 11, weeks=2), a_plan()
    plan.pop("seed")
    assert json.dumps(analyze(table, plan).to_dict()) == json.dumps(analyze(table, plan).to_dict())


# Which method


@pytest.mark.parametrize(
    ("table", "plan", "method"),
    [
        (stores(10, 10), a_plan(), "permutation_studentised"),
        (stores(10, 2), a_plan(), "permutation"),
        (stores(10, 10), a_plan(assignment="observational"), "cr2"),
        (stores(10, 10, weeks=2), a_plan(assignment="observational", estimand="rows", data={}), "rows_cr2"),
        (customers(), a_plan(unit=None), "welch"),
        (customers(80), a_plan(unit=None), "permutation_studentised"),
        (stores(300, 300), a_plan(), "permutation_studentised"),
        (stores(300, 300), a_plan(assignment="bernoulli"), "welch"),
        (stores(300, 100), a_plan(assignment="bernoulli"), "permutation_studentised"),
        ({**customers(), "b": np.arange(400) // 2}, a_plan(unit=None, data={"block": "b"}, assignment="matched_pairs"),
         "permutation"),
        ({**customers(), "y": np.arange(400) % 5 == 0}, a_plan(unit=None, metrics=[a_metric(kind="proportion")]),
         "welch"),
        ({**customers(), "y": np.arange(400) % 50 == 0}, a_plan(unit=None, metrics=[a_metric(kind="proportion")]),
         "newcombe"),
        ({**customers(), "x": noise(400, 4)}, a_plan(unit=None, metrics=[a_metric(covariates=["x"])]),
         "welch_adjusted"),
        ({**customers(), "n": 1 + np.arange(400) % 3},
         a_plan(unit=None, estimand="rows", metrics=[a_metric(kind="ratio", denominator="n")]), "welch_delta"),
    ],
)  # fmt: skip
def test_the_design_chooses_the_method_and_the_row_says_why(table: Any, plan: dict[str, Any], method: str) -> None:
    row = only_row(table, plan)
    assert row.method == method
    assert str(row.reason)
    assert method in HEADLINES
    assert {row.method, *(found.method for found in row.alternatives)} <= set(METHODS)
    assert (row.randomization_p is not None) == method.startswith("permutation")


def test_what_was_not_drawn_is_never_permuted() -> None:
    row = only_row(stores(12, 6), a_plan(assignment="observational"))
    assert row.randomization_p is None
    assert "observational" in str(row.verdict) + " ".join(map(str, row.assumptions))


def test_one_unit_in_an_arm_has_a_permutation_and_nothing_else() -> None:
    row = only_row(stores(30, 1, weeks=2), a_plan())
    assert row.method == "permutation"
    assert row.alternatives == ()
    assert row.std_error is None
    assert any("same effect" in str(message) for message in row.assumptions)


def test_the_other_estimand_stands_beside_by_name() -> None:
    table = stores(10, 10, weeks=2) | {"w": 1.0 + np.arange(40) % 3}
    assert beside(only_row(table, a_plan(data={"weight": "w"})), "rows_cr2", "rows")
    assert beside(only_row(table, a_plan(data={"weight": "w"}, estimand="rows")), "cr2", "units")


def test_the_package_offers_the_door() -> None:
    assert experiments.analyze is analyze


@pytest.mark.slow
def test_false_alarms_of_the_door_hold_the_level() -> None:
    """400 tables of 8 + 4 stores without any effect: at most 5 % and three Monte-Carlo errors."""
    plan = a_plan(draws=199)
    hits = sum((only_row(stores(8, 4, seed=100 + 2 * i), plan).p_value or 1.0) <= 0.05 for i in range(400))
    assert hits / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5
