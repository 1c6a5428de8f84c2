"""Tables that break naive analyses: each is answered, refused by row, or refused as a file, and never crashes."""

import json
import time
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from experiments.analysis import analyze
from experiments.report import Report
from experiments.rows.methods import METHODS
from tests.experiments.a_table import a_metric, a_plan, customers, noise, stores

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "analyze.schema.json").read_text("utf-8"))
RATIO = a_metric(kind="ratio", denominator="n")


def checked(table: Any, plan: dict[str, Any]) -> Report:
    """The report, whose document fits the published schema and whose texts can be made."""
    report = analyze(table, plan)
    document = report.to_dict()
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    json.dumps(document, allow_nan=False)
    for row in document["rows"]:
        assert {row["method"], *(found["method"] for found in row["alternatives"])} <= {None, *METHODS}
    assert all(len(line) <= 120 for line in str(report).splitlines())
    report._repr_html_()
    return report


def blocks(*names: str) -> dict[str, Any]:
    return {"data": {"block": "b"}, "assignment": "stratified"}


@pytest.mark.parametrize(
    ("table", "plan", "code"),
    [
        (stores(1, 1), a_plan(), "too_few_units"),
        (stores(1, 1, weeks=50), a_plan(), "too_few_units"),
        ({**stores(), "y": [1.0] * 20}, a_plan(), "no_variation"),
        ({**customers(), "y": [1.0] * 400}, a_plan(unit=None), "no_variation"),
        (stores(30, 1), a_plan(assignment="observational"), "unit_stands_alone"),
        ({**stores(), "b": ["p"] * 10 + ["q"] * 10}, a_plan(**blocks()), "no_common_block"),
        ({**customers(), "b": np.arange(400) % 2}, a_plan(unit=None, **blocks()), "no_common_block"),
        ({**stores(), "n": [0] * 20}, a_plan(metrics=[RATIO]), "empty_arm"),
        ({**stores(), "x": [np.nan] + [1.0] * 19}, a_plan(metrics=[a_metric(covariates=["x"])]), "covariate_missing"),
        (stores(), a_plan(assignment="rerandomized"), "no_rule"),
        (stores(), a_plan(metrics=[a_metric(covariates=["y"])]), "covariate_is_outcome"),
    ],
)
def test_a_row_that_cannot_be_tested_is_refused_without_a_number(table: Any, plan: dict[str, Any], code: str) -> None:
    (row,) = checked(table, plan).to_dict()["rows"]
    assert row["refusal_code"] == code
    assert {row[name] for name in ("effect", "p_value", "mean_control", "n_units")} == {None}


def test_three_against_three_says_that_it_can_never_show_an_effect() -> None:
    report = checked(stores(3, 3, effect=100.0), a_plan())
    (row,) = report.rows
    assert row.p_value == pytest.approx(0.1)
    assert row.interval == (None, None)
    (reach,) = [d for d in report.diagnostics if d.check == "reach"]
    assert (reach.status, reach.value) == ("alarm", pytest.approx(0.1))


def test_a_constant_covariate_is_left_out_and_said_so() -> None:
    table = stores() | {"x": [3.0] * 20}
    with_it, without = (checked(table, a_plan(metrics=[m])).rows[0] for m in (a_metric(covariates=["x"]), a_metric()))
    assert with_it.p_value == without.p_value
    assert any("not adjusted by x" in str(message) for message in with_it.assumptions)


def test_a_block_with_one_arm_takes_no_part_and_is_named() -> None:
    table = stores() | {"b": ["p"] * 4 + ["q"] * 6 + ["q"] * 6 + ["r"] * 4}
    report = checked(table, a_plan(**blocks()))
    assert report.rows[0].n_units == 12
    assert any("take no part in their comparison: p, r" in str(message) for message in report.warnings)


def test_a_pair_that_lost_a_unit_leaves_and_is_named() -> None:
    table = {name: values[1:] for name, values in (stores(6, 6) | {"b": np.tile(np.arange(6), 2)}).items()}
    report = checked(table, a_plan(data={"block": "b"}, assignment="matched_pairs"))
    assert report.rows[0].n_units == 10
    assert any("pairs without both units" in str(message) for message in report.warnings)
    (kept,) = [found for found in report.rows[0].alternatives if found.extra.get("keeps_partners")]
    assert kept.df is not None  # eleven units, unpaired


def test_units_with_nothing_to_divide_by_are_counted_and_left_out() -> None:
    table = stores() | {"n": [0, 0] + [1] * 17 + [0]}
    report = checked(table, a_plan(metrics=[RATIO]))
    assert report.rows[0].n_units == 17
    assert any("2 units of 0 and 1 of 1 have nothing to divide by" in str(m) for m in report.warnings)


def test_a_proportion_without_any_event_still_has_an_interval() -> None:
    table = {**customers(120), "y": [0.0] * 120}
    (row,) = checked(table, a_plan(unit=None, metrics=[a_metric(kind="proportion")])).rows
    assert (row.method, row.effect, row.p_value) == ("newcombe", 0.0, 1.0)
    assert row.interval is not None
    assert row.interval[0] is not None
    assert row.interval[0] < -0.01


def test_names_may_hold_anything() -> None:
    table = {"unité № 1": ["{a}", "b<br>", "c\n", "d"], "arm": ["x", "x", "{y}", "{y}"], "y €": [1.0, 2.0, 3.0, 5.0]}
    plan = a_plan(metrics=[a_metric(value="y €", name="sales {net} <b>")], data={"unit": "unité № 1", "control": "x"})
    report = checked(table, plan)
    assert report.rows[0].variant == "{y}"
    assert "<b>" not in report._repr_html_()
    assert Report.from_dict(report.to_dict()).to_dict() == report.to_dict()


def test_one_variant_that_lost_everyone_leaves_the_others_alone() -> None:
    table = {"store": np.arange(20), "arm": np.arange(20) % 2, "y": noise(20)}
    report = checked(table, a_plan(shares={0: 1, 1: 1, 2: 1}))
    (check,) = [d for d in report.diagnostics if d.check == "sample_ratio"]
    assert check.value is not None
    assert check.value < 0.01
    assert report.rows[0].refusal is None


def test_a_segment_that_holds_one_variant_only_is_refused_and_the_rest_stands() -> None:
    table = stores() | {"seg": ["a"] * 12 + ["b"] * 8}
    rows = checked(table, a_plan(segments=["seg"])).rows
    assert rows[0].refusal is None
    assert [row.segment for row in rows if row.refusal] == ["seg=b"]


@pytest.mark.slow
def test_a_million_rows_of_a_hundred_stores_take_seconds() -> None:
    n = 1_000_000
    table = {"store": np.arange(n) % 100, "arm": np.arange(n) % 2, "y": np.tile(noise(1000), n // 1000)}
    begun = time.perf_counter()
    (row,) = analyze(table, a_plan(draws=9_999)).rows
    assert (row.n_units, row.n_rows) == (100, n)
    assert time.perf_counter() - begun < 20.0


def test_a_ratio_of_customers_is_compared_inside_its_blocks() -> None:
    """By hand: the ratios' differences of the two blocks, each by its share of the denominators."""
    n = 400
    block, arm = np.arange(n) // 200, np.arange(n) % 2
    below = 1.0 + np.arange(n) % 3 + 2 * block
    above = below * (5 + 10 * block + arm) + noise(n)
    table = {"arm": arm, "b": block, "y": above + 50, "n": below}
    plan = a_plan(unit=None, **blocks(), estimand="rows", metrics=[RATIO])
    (row,) = checked(table, plan).rows
    expected = 0.0
    for b in (0, 1):
        inside = block == b
        ratio = [table["y"][inside & (arm == a)].sum() / below[inside & (arm == a)].sum() for a in (0, 1)]
        expected += below[inside].sum() / below.sum() * (ratio[1] - ratio[0])
    assert row.effect == pytest.approx(expected)
    assert row.method == "welch_delta"
    with_one = {**table, "b": np.where(np.arange(n) < 10, 5 + arm, block)}
    assert any("take no part" in str(message) for message in checked(with_one, plan).warnings)


def test_the_delta_method_is_the_same_with_one_block_as_without() -> None:
    table = {**customers(), "n": 1.0 + np.arange(400) // 2 % 3, "b": ["all"] * 400}
    table["y"] = table["y"] + 9
    plain = a_plan(unit=None, estimand="rows", metrics=[RATIO])
    blocked = a_plan(unit=None, **blocks(), estimand="rows", metrics=[RATIO])
    one, other = (checked(table, plan).rows[0] for plan in (plain, blocked))
    assert one.effect == pytest.approx(other.effect, rel=1e-9)
    assert one.std_error == pytest.approx(other.std_error, rel=1e-9)
    assert one.p_value == pytest.approx(other.p_value, rel=1e-9)


@pytest.mark.parametrize("more", [{}, {"covariates": ["x"]}])
@pytest.mark.parametrize("design", [{}, {"data": {"block": "b"}, "assignment": "stratified"}])
def test_the_other_estimand_of_a_ratio_of_customers_stands_beside(more: dict[str, Any], design: dict[str, Any]) -> None:
    n = 400
    table = {**customers(), "n": 1.0 + np.arange(n) // 2 % 3, "x": noise(n + 1)[1:], "b": np.arange(n) // 200}
    table["y"] = table["y"] + 9
    metrics = [a_metric(kind="ratio", denominator="n", **more)]
    units, rows = (
        checked(table, a_plan(unit=None, **design, estimand=estimand, metrics=metrics)).rows[0]
        for estimand in ("units", "rows")
    )
    for one, other in ((units, rows), (rows, units)):
        (beside,) = [found for found in one.alternatives if found.estimand == other.estimand]
        assert beside.method == other.method
        assert beside.effect == pytest.approx(other.effect, rel=1e-9)
        assert beside.std_error == pytest.approx(other.std_error, rel=1e-9)


def test_arms_without_spread_that_differ_are_permuted_though_nothing_else_can_be_said() -> None:
    table = {"store": np.arange(20), "arm": np.arange(20) % 2, "y": 1.0 + np.arange(20) % 2}
    (row,) = checked(table, a_plan()).rows
    assert row.refusal is None
    assert (row.effect, row.method) == (1.0, "permutation_studentised")
    assert row.p_value == pytest.approx(1 / 1000)
