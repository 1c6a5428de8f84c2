"""What the plan asks to stand beside a row, and cannot, is named with its reason."""

from typing import Any

import numpy as np
import pytest

from experiments.analysis import analyze
from experiments.report import Report
from tests.experiments.a_table import a_metric, a_plan, noise

_WINDOWS = {"before": [0, 3], "during": [4, 7]}


def _panel(n: int = 12, weeks: int = 8) -> dict[str, Any]:
    arm, week = np.arange(n) % 2, np.tile(np.arange(weeks), n)
    return {
        "store": np.repeat([f"s{i:02d}" for i in range(n)], weeks),
        "arm": np.repeat(arm, weeks),
        "week": week,
        "cost": np.repeat(arm, weeks) * (week >= 4) * 2.0,
        "n": np.ones(n * weeks),
        "y": 20 + np.repeat(noise(n, 6), weeks) + noise(n * weeks, 7),
    }


def _plan(**keys: Any) -> dict[str, Any]:
    data = {"period": "week", "cost": "cost", **keys.pop("data", {})}
    return a_plan(data=data, windows=_WINDOWS, **keys)


def _said(report: Report) -> list[str]:
    return [str(word) for word in report.warnings if ": no " in str(word)]


def _beside(report: Report) -> set[str]:
    return {found.method for found in report.rows[0].alternatives}


def test_what_can_be_made_is_not_warned_of() -> None:
    report = analyze(_panel(), _plan())
    assert {"time_based_regression", "geo_regression", "synthetic_did"} <= _beside(report)
    assert _said(report) == []


def test_a_regression_that_cannot_be_made_is_named_with_its_reason() -> None:
    table = _panel()
    report = analyze({**table, "y": table["y"] - 40.0}, _plan())
    assert "time_based_regression" in _beside(report)
    (said,) = _said(report)
    assert said.startswith("y, 1: no geo_regression: 12 units have no positive total before the start")


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (a_plan(data={"cost": "cost"}), "it needs periods before and after a start"),
        (_plan(data={"weight": "n"}), "rows with sampling weights have no totals"),
        (_plan(metrics=[a_metric(kind="ratio", denominator="n")]), "ratios and durations have no totals"),
    ],
)
def test_a_cost_that_nothing_can_be_divided_by_is_said(plan: dict[str, Any], reason: str) -> None:
    report = analyze(_panel(), plan)
    assert f"y, 1: no effect per unit of cost: {reason}" in _said(report)


def test_starts_one_after_the_other_have_no_effect_per_cost() -> None:
    table = _panel()
    starts = np.repeat(2 + np.arange(12) % 3, 8)
    plan = a_plan(data={"period": "week", "cost": "cost", "treated_from": "from"}, assignment="stepped_wedge")
    plan["data"] = {key: value for key, value in plan["data"].items() if key not in ("variant", "control")}
    report = analyze({**table, "from": starts}, plan)
    assert any("it needs one start, with periods before it" in said for said in _said(report))


def test_a_panel_without_whole_series_has_no_synthetic_control() -> None:
    table = _panel()
    gaps = (table["arm"] == 1) & (table["week"] == 1)
    report = analyze(
        {name: column[~gaps] for name, column in table.items()}, a_plan(data={"period": "week"}, windows=_WINDOWS)
    )
    assert report.rows[0].effect is not None
    assert "y, 1: no synthetic control can be formed to stand beside this row" in _said(report)
