"""``analyze``: families, guardrails and verdicts, looks, segments, health, and what further columns add."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from scipy import stats

from experiments.analysis import analyze
from experiments.report import Report, Row
from experiments.rows.choice import HEADLINES
from experiments.rows.methods import METHODS
from tests.experiments.a_table import a_metric, a_plan, customers, noise, stores

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "analyze.schema.json").read_text("utf-8"))
DURATION = {"name": "d", "kind": "duration", "value": "days", "event": "back", "horizon": 40, "role": "primary"}


def only_row(table: Any, plan: dict[str, Any]) -> Row:
    (row,) = analyze(table, plan).rows
    return row


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


def test_what_rows_counted_before_the_start_does_not_move_the_family() -> None:
    table = stores(12, 24, weeks=12, effect=0.4)
    unit = np.repeat(np.arange(36), 12)
    table["arm"] = unit // 12
    counted = 1.0 + unit % 5
    plan = panel(estimand="rows")
    plan["data"]["weight"] = "w"
    plain, other = (
        analyze(table | {"w": np.where(table["week"] < 8, before, counted)}, plan).rows
        for before in (counted, counted * (1 + 40 * (unit % 2)))
    )
    assert {row.adjusted_by for row in plain} == {"max_t"}
    for one, same in zip(plain, other, strict=True):
        assert (one.p_value, one.p_value_adjusted) == (same.p_value, same.p_value_adjusted)


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


@pytest.mark.parametrize(("direction", "holds"), [("increase", True), ("decrease", False)])
def test_a_rise_beyond_the_margin_is_a_loss_only_where_less_is_better(direction: str, holds: bool) -> None:
    table = customers(effect=2.0)
    row = only_row(table, a_plan(unit=None, metrics=[a_metric(role="guardrail", margin=1.0, direction=direction)]))
    control, variant = table["y"][::2], table["y"][1::2]
    at_margin = variant + 1.0 if direction == "increase" else variant - 1.0
    side = "greater" if direction == "increase" else "less"
    expected = stats.ttest_ind(at_margin, control, equal_var=False, alternative=side).pvalue
    assert row.p_value == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert row.p_value is not None
    assert (row.p_value < 0.001) is holds


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
    assert "not to be relied on" in str(report.rows[0].verdict)


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


# Further columns


def with_starts(*starts: int) -> dict[str, Any]:
    """30 stores, 10 weeks; every third part has one of ``starts`` (0: never)."""
    table = stores(15, 15, weeks=10)
    table["first"] = np.array(starts)[np.repeat(np.arange(30) % 3, 10)]
    started = (table["first"] > 0) & (table["week"] >= table["first"])
    return table | {"y": table["y"] + 1.0 * started}


def panel(**keys: Any) -> dict[str, Any]:
    return a_plan(data={"period": "week"}, windows={"before": [0, 7], "during": [8, 11]}, **keys)


def starts(assignment: str) -> dict[str, Any]:
    data = {"unit": "store", "period": "week", "treated_from": "first"}
    return {"data": data, "assignment": assignment, "metrics": [a_metric()], "draws": 199, "seed": 1}


def a_duration() -> dict[str, Any]:
    table = customers()
    days = np.abs(table["y"]) * 20 + 1
    return table | {"days": np.minimum(days, 50), "back": (days < 50) * 1}


def taken() -> dict[str, Any]:
    table = stores(12, 12, weeks=3, effect=1.0)
    return table | {"took": (table["arm"] == 1) & (np.arange(72) % 3 > 0)}


@pytest.mark.parametrize(
    ("table", "plan", "method", "others"),
    [
        (stores(10, 10, weeks=12), panel(), "permutation_studentised",
         {"difference_in_differences", "synthetic_control_demeaned", "synthetic_did"}),
        (stores(10, 10, weeks=12), panel(assignment="observational"), "difference_in_differences_hc2", {"cr2"}),
        (stores(20, 3, weeks=12), panel(assignment="observational"), "synthetic_did", {"synthetic_control_demeaned"}),
        (with_starts(0, 4, 7), starts("observational"), "callaway_santanna", {"imputation"}),
        (with_starts(3, 5, 7), starts("stepped_wedge"), "stepped_wedge_permutation", {"callaway_santanna"}),
        (a_duration(), a_plan(unit=None, metrics=[DURATION]), "rmst", {"cox"}),
        (taken(), a_plan(data={"received": "took"}), "permutation_studentised", {"complier_effect", "anderson_rubin"}),
    ],
)  # fmt: skip
def test_a_panel_a_start_a_duration_and_what_was_received_reach_their_methods(
    table: Any, plan: dict[str, Any], method: str, others: set[str]
) -> None:
    document = analyze(table, plan).to_dict()
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    (row,) = document["rows"]
    assert row["refusal"] is None
    assert row["method"] == method
    assert others <= {found["method"] for found in row["alternatives"]}
    assert json.loads(json.dumps(Report.from_dict(document).to_dict())) == document


def test_two_programs_that_start_together_are_two_rows_of_one_panel() -> None:
    table = stores(10, 20, weeks=10)
    unit = np.repeat(np.arange(30), 10)
    table |= {"arm": np.array(["none", "points", "coupons"])[unit // 10], "first": np.where(unit < 10, 0, 7)}
    plan = starts("complete")
    plan["data"] |= {"variant": "arm", "control": "none"}
    rows = analyze(table, plan).rows
    assert [row.variant for row in rows] == ["coupons", "points"]
    assert {row.adjusted_by for row in rows} == {"max_t"}
    assert all(row.n_units == 20 for row in rows)


def test_a_rerandomised_draw_is_compared_with_draws_that_its_rule_accepts() -> None:
    table = stores(10, 10, seed=2) | {"x": noise(20, 4)}
    rule = {"covariates": ["x"], "max_distance": 3.0}
    ruled = only_row(table, a_plan(assignment="rerandomized", rerandomized=rule))
    free = only_row(table, a_plan())
    assert ruled.effect == pytest.approx(free.effect)
    assert ruled.p_value != free.p_value
    strict = only_row(table, a_plan(assignment="rerandomized", rerandomized={**rule, "max_distance": 1e-9}))
    assert strict.refusal is not None


def test_a_horizon_beyond_the_follow_up_is_refused() -> None:
    row = only_row(a_duration(), a_plan(unit=None, metrics=[{**DURATION, "horizon": 400}]))
    assert row.refusal is not None
    assert "beyond the last follow-up" in str(row.refusal)


def test_a_covariate_that_changes_after_the_start_of_a_panel_is_refused() -> None:
    table = stores(10, 10, weeks=12)
    row = only_row(table | {"x": table["week"]}, panel(metrics=[a_metric(covariates=["x"])]))
    assert row.refusal is not None
    assert row.refusal.code == "covariate_changes"


def test_large_values_are_cut_at_one_quantile_of_all_and_the_uncut_answer_stands_beside() -> None:
    table = customers(effect=0.2)
    table["y"] = np.exp(table["y"])
    row = only_row(table, a_plan(unit=None, metrics=[a_metric(winsorise=0.95)]))
    uncut = only_row(table, a_plan(unit=None))
    (beside,) = [found for found in row.alternatives if found.extra.get("winsorised") is False]
    assert beside.effect == uncut.effect
    assert row.effect != uncut.effect
    assert row.extra["winsorised_above"] > 0


def test_the_schema_names_exactly_the_methods_there_are() -> None:
    for part in ("tested", "alternative"):
        assert SCHEMA["$defs"][part]["properties"]["method"]["enum"] == sorted(METHODS)
    assert set(METHODS) >= HEADLINES
