"""What a row may say when its draw cannot reach the level, and when its look cannot decide."""

from typing import Any

import numpy as np
import pytest

from experiments.analysis import analyze
from experiments.plan import plan_from_mapping
from experiments.report import Report
from experiments.rows.finding import Finding, RowResult
from experiments.rows.verdict import Question, verdict
from tests.experiments.a_table import a_metric, a_plan, noise, stores


def _verdict(report: Report) -> str:
    return str(report.rows[0].verdict)


def _pairs(n: int, *, effect: float = 0.0, seed: int = 1) -> dict[str, Any]:
    arm = np.tile([0, 1], n)
    pair = np.repeat([f"p{i:02d}" for i in range(n)], 2)
    return {
        "store": [f"s{i:02d}" for i in range(2 * n)],
        "arm": arm,
        "pair": pair,
        "y": noise(2 * n, seed) + effect * arm,
    }


OUT_OF_REACH = {
    "three against three": (stores(3, 3, effect=10.0), a_plan(), "0.1"),
    "two of six": (stores(4, 2), a_plan(), "0.067"),
    "one of ten": (stores(9, 1), a_plan(), "0.1"),
    "five pairs": (_pairs(5, effect=9.0), a_plan(data={"block": "pair"}, assignment="matched_pairs"), "0.062"),
    "two of five, as a guardrail": (stores(3, 2), a_plan(metrics=[a_metric(role="guardrail", margin=1.0)]), "0.1"),
}


@pytest.mark.parametrize("name", OUT_OF_REACH)
def test_a_draw_that_cannot_reach_the_level_is_said_to_be_no_test(name: str) -> None:
    table, plan, smallest = OUT_OF_REACH[name]
    report = analyze(table, plan)
    said = _verdict(report)
    assert f"cannot be tested at the 5 % level: the smallest p-value that this draw can give is {smallest};" in said
    assert "is descriptive" in said
    assert "no evidence" not in said
    assert "no limit" not in said
    assert report.rows[0].effect is not None
    assert any("it can never show an effect, however large" in str(word) for word in report.warnings)


def test_a_guardrail_is_judged_by_its_one_sided_reach() -> None:
    """One-sided, 3 against 3 stores reach .05: the draw itself, of 20."""
    report = analyze(stores(3, 3, effect=9.0), a_plan(metrics=[a_metric(role="guardrail", margin=1.0)]))
    assert report.rows[0].p_value == pytest.approx(0.05)
    assert "is ruled out" in _verdict(report)
    (reach,) = [check for check in report.diagnostics if check.check == "reach"]
    assert reach.value == pytest.approx(0.05)


def _endless(p_value: float | None) -> RowResult:
    head = Finding("permutation", 2.0, None, None, (None, None), p_value, 0.95)
    return RowResult(head, None, "units", 1.0, 3.0, 8, 8, p_value, (), ())


@pytest.mark.parametrize(
    ("p_value", "role", "words"),
    [
        (0.4, "primary", "no evidence of a difference between 1 and 0: +2, to which the data set no limit"),
        (0.4, "guardrail", "cannot be ruled out (+2, to which the data set no limit"),
        (None, "secondary", "no test is made"),
    ],
)
def test_an_interval_without_ends_is_not_called_no_limit_to_no_limit(
    p_value: float | None, role: str, words: str
) -> None:
    margin = {"margin": 1.0} if role == "guardrail" else {}
    plan = plan_from_mapping(a_plan(metrics=[a_metric(role=role, **margin)]))
    question = Question(plan.metrics[0], "1", "0", None, 0.05, p_value, None, exploratory=False)
    said = str(verdict(_endless(p_value), plan, question))
    assert words in said
    assert "no limit to no limit" not in said


def test_three_units_in_an_arm_are_said_to_be_few() -> None:
    def words(table: dict[str, Any], plan: dict[str, Any]) -> str:
        return " ".join(str(word) for word in analyze(table, plan).rows[0].assumptions)

    assert "three units in the smaller arm" in words(stores(9, 3), a_plan())
    assert "three units" not in words(stores(9, 4), a_plan())
    assert "three units" not in words(stores(9, 2), a_plan())
    assert "three units" not in words(_pairs(3), a_plan(data={"block": "pair"}, assignment="matched_pairs"))


def test_the_wild_bootstrap_does_not_flip_halves_of_pairs() -> None:
    def methods(report: Report) -> set[str]:
        return {found.method for found in report.rows[0].alternatives}

    paired = a_plan(data={"block": "pair"}, assignment="matched_pairs")
    assert "wild_cluster_bootstrap" not in methods(analyze(_pairs(8), paired))
    assert "wild_cluster_bootstrap" not in methods(analyze(_pairs(8), {**paired, "assignment": "stratified"}))
    assert "wild_cluster_bootstrap" in methods(analyze(stores(8, 8), a_plan()))


def test_a_look_that_can_only_stop_for_harm_does_not_say_better() -> None:
    def at(look: int, effect: float, **keys: Any) -> str:
        looks = {"planned": 3, "information": [(k + 1) / 3 for k in range(look)]}
        return _verdict(analyze(stores(8, 8, effect=effect), a_plan(looks=looks, **keys)))

    assert "is better" in at(3, 9.0)
    assert "is better than" not in at(1, 9.0)
    assert "can only stop for harm; look 3 alone" in at(1, 9.0)
    assert "is worse than" in at(1, -9.0)
    guardrail = [a_metric(role="guardrail", margin=1.0)]
    assert "is ruled out" in at(1, 9.0, metrics=guardrail)
    assert "so look 3 has to show it again" in at(1, 9.0, metrics=guardrail)


def test_the_level_of_a_harm_only_look_is_explained() -> None:
    report = analyze(stores(6, 6), a_plan(looks={"planned": 3, "information": [0.3]}))
    (said,) = [str(word) for word in report.warnings if "stop for harm" in str(word)]
    assert "one-sided at level 0.0167 (intervals are two-sided at 0.9667)" in said


@pytest.mark.parametrize("effect", [0.0, 9.0])
def test_a_look_beyond_the_plan_decides_nothing(effect: float) -> None:
    looks = {"planned": 1, "information": [0.5, 1.0]}
    said = _verdict(analyze(stores(15, 15, effect=effect), a_plan(looks=looks)))
    assert "look 2 is beyond the 1 planned, so nothing in it decides" in said
    assert "is better" not in said


def test_one_store_against_one_is_refused_without_naming_blocks() -> None:
    (row,) = analyze(stores(1, 1), a_plan()).rows
    assert str(row.refusal) == "2 units are too few: the effect needs both arms and a unit to spare"
