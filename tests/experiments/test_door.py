"""``analyze``: the right unit, the right method, families, looks, guardrails, segments, and the same digits twice."""

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
from experiments.report import Report, Row
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


# Families


def test_a_family_of_one_row_is_its_own_p_value() -> None:
    row = only_row(stores(), a_plan())
    assert row.p_value_adjusted == row.p_value
    assert row.adjusted_by == "single"


@pytest.mark.parametrize(("unit", "method"), [(None, "dunnett"), ("store", "max_t")])
def test_several_variants_of_one_metric_are_adjusted_jointly(unit: str | None, method: str) -> None:
    n = 300 if unit is None else 60
    table = {"store": np.arange(n), "arm": np.arange(n) % 3, "y": noise(n) + 0.3 * (np.arange(n) % 3 == 1)}
    rows = analyze(table, a_plan(unit=unit)).rows
    assert {row.adjusted_by for row in rows} == {method}
    for row in rows:
        assert row.p_value is not None
        assert row.p_value_adjusted is not None
        assert row.p_value <= row.p_value_adjusted <= min(1.0, 2 * row.p_value + 0.01)


def test_several_primary_metrics_are_adjusted_by_holm_and_other_roles_not_at_all() -> None:
    table = stores(10, 10) | {"z": noise(20, 8)}
    metrics = [
        a_metric(),
        {"name": "z", "kind": "mean", "value": "z", "role": "primary"},
        {"name": "s", "kind": "mean", "value": "z"},
        {"name": "g", "kind": "mean", "value": "z", "role": "guardrail", "margin": 1.0},
    ]
    rows = {row.metric: row for row in analyze(table, a_plan(metrics=metrics)).rows}
    p = sorted(rows[name].p_value or 0 for name in ("y", "z"))
    assert min(rows[name].p_value_adjusted or 0 for name in ("y", "z")) == pytest.approx(min(1.0, 2 * p[0]))
    assert {rows["y"].adjusted_by, rows["z"].adjusted_by} == {"holm"}
    assert rows["s"].p_value_adjusted is rows["g"].p_value_adjusted is None


# Guardrails and verdicts


def test_a_guardrail_tests_the_margin_and_shows_a_two_sided_interval() -> None:
    table = stores(20, 20)
    metric = a_metric(role="guardrail", margin=2.0)
    guard, plain = only_row(table, a_plan(metrics=[metric])), only_row(table, a_plan())
    assert guard.interval == plain.interval
    assert guard.p_value is not None
    assert guard.p_value < 0.01
    assert "is ruled out" in str(guard.verdict)
    tight = only_row(table, a_plan(metrics=[a_metric(role="guardrail", margin=0.0001)]))
    assert "cannot be ruled out" in str(tight.verdict)


def test_a_guardrail_without_a_margin_is_refused_alone() -> None:
    row = only_row(stores(), a_plan(metrics=[a_metric(role="guardrail")]))
    assert row.refusal is not None
    assert row.refusal.code == "margin_missing"


def test_an_interval_over_zero_is_no_evidence_and_never_no_effect() -> None:
    row = only_row(stores(10, 10), a_plan())
    assert "no evidence of a difference" in str(row.verdict)
    assert "no effect" not in str(row.verdict)


@pytest.mark.parametrize(("direction", "word"), [("increase", "better"), ("decrease", "worse")])
def test_a_difference_is_good_or_bad_by_the_plans_direction(direction: str, word: str) -> None:
    row = only_row(stores(10, 10, effect=5.0), a_plan(metrics=[a_metric(direction=direction)]))
    assert f"is {word} than" in str(row.verdict)


# Looks


def test_a_look_has_its_own_level_and_the_95_percent_interval_is_not_for_the_gate() -> None:
    table = stores(15, 15)
    looks = {"planned": 2, "spending": "pocock", "information": [0.5]}
    report = analyze(table, a_plan(looks=looks))
    (row,) = report.rows
    assert report.look is not None
    assert row.interval_level == pytest.approx(1 - report.look.level)
    document = row.to_dict()
    assert document["interval_95"]["use"] == "not for the gate"
    assert document["interval_95"]["interval"] == pytest.approx(
        list(only_row(table, a_plan()).interval or ()), rel=1e-6
    )
    assert document["interval"][0] < document["interval_95"]["interval"][0]


def test_a_look_beyond_the_plan_is_exploratory() -> None:
    looks = {"planned": 1, "spending": "equal", "information": [0.5, 1.0]}
    report = analyze(stores(15, 15), a_plan(looks=looks))
    assert report.rows[0].exploratory
    assert any("exploratory" in str(message) for message in report.warnings)


def test_under_twenty_units_an_early_look_only_stops_for_harm() -> None:
    report = analyze(stores(8, 8), a_plan(looks={"planned": 2, "information": [0.5]}))
    assert report.look is not None
    assert report.look.harm_only
    assert report.rows[0].interval_level == pytest.approx(0.95)  # one-sided at alpha / 2: two-sided at alpha


# Segments


def test_a_segment_is_additional_exploratory_and_compared() -> None:
    table = customers(900, effect=0.1) | {"band": np.array(["a", "b", "c"])[np.arange(900) // 2 % 3]}
    report = analyze(table, a_plan(unit=None, segments=["band"]))
    assert [row.segment for row in report.rows] == [None, "band=a", "band=b", "band=c"]
    assert all(row.exploratory for row in report.rows[1:])
    assert {row.adjusted_by for row in report.rows[1:]} == {"benjamini_hochberg"}
    assert all("interaction_p" in row.extra and "shrunk_effect" in row.extra for row in report.rows[1:])
    assert sum(row.n_units or 0 for row in report.rows[1:]) == report.rows[0].n_units


def test_segments_inside_stores_are_compared_on_the_stores() -> None:
    table = stores(10, 10, weeks=4) | {"band": np.tile(["a", "b", "c", "d"], 20)}
    report = analyze(table, a_plan(segments=["band"]))
    assert all(row.n_units == 20 for row in report.rows)
    assert all(str(row.extra["interaction_method"]).startswith("hotelling") for row in report.rows[1:])


# Health


def test_lost_units_alarm_against_the_shares() -> None:
    report = analyze(stores(100, 30), a_plan(shares={0: 1, 1: 1}))
    (check,) = [d for d in report.diagnostics if d.check == "sample_ratio"]
    assert check.status == "alarm"
    assert check.message in report.warnings


def test_covariates_that_are_outcomes_are_refused_and_others_are_taken_at_their_word() -> None:
    table = stores(10, 10) | {"x": noise(20, 4)}
    metrics = [a_metric(covariates=["x"]), {"name": "z", "kind": "mean", "value": "x"}]
    first = analyze(table, a_plan(metrics=metrics)).rows[0]
    assert first.refusal is not None
    assert first.refusal.code == "covariate_is_outcome"
    taken = only_row(table, a_plan(metrics=[a_metric(covariates=["x"])]))
    assert any("known before the start" in str(message) for message in taken.assumptions)


def test_a_report_survives_json() -> None:
    report = analyze(stores(10, 10, weeks=2), a_plan(segments=[], looks={"planned": 2, "information": [0.5]}))
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert Report.from_dict(document).to_dict() == document


def test_the_package_offers_the_door() -> None:
    assert experiments.analyze is analyze


@pytest.mark.slow
def test_false_alarms_of_the_door_hold_the_level() -> None:
    """400 tables of 8 + 4 stores without any effect: at most 5 % and three Monte-Carlo errors."""
    plan = a_plan(draws=199)
    hits = sum((only_row(stores(8, 4, seed=100 + 2 * i), plan).p_value or 1.0) <= 0.05 for i in range(400))
    assert hits / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5
