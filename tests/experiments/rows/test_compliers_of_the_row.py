"""The complier effect times the uptake difference is the effect of the row, whatever the row adjusts by."""

from typing import Any

import numpy as np
import pytest

from experiments.analysis import analyze
from experiments.monitor.diagnostic import Status
from tests.experiments.a_table import a_metric, a_plan, noise

_WEEKS = 6


def _table(n: int = 24, weeks: int = 1, *, seed: int = 3) -> dict[str, Any]:
    """Stores in four blocks; some of the treated take it up, those with a high level before more often."""
    arm = np.arange(n) % 2
    level = noise(n, seed)
    took = (arm == 1) & (noise(n, seed + 1) + level > -0.8)
    week = np.tile(np.arange(weeks), n)
    during = week >= weeks // 2
    units = 1 + np.arange(n) % 5
    return {
        "store": np.repeat([f"s{i:02d}" for i in range(n)], weeks),
        "arm": np.repeat(arm, weeks),
        "town": np.repeat(np.array(list("abcd"))[np.arange(n) // 2 % 4], weeks),
        "x": np.repeat(level, weeks),
        "week": week,
        "took": np.repeat(took, weeks).astype(int) * during,
        "n": np.repeat(units, weeks),
        "y": 10 + 2 * np.repeat(level, weeks) + np.repeat(took, weeks) * during + 0.3 * noise(n * weeks, seed + 2),
    }


def _panel(**keys: Any) -> dict[str, Any]:
    windows = {"before": [0, 2], "during": [3, 5]}
    return a_plan(data={"received": "took", "period": "week"}, windows=windows, **keys)


_UNEVEN = np.where(np.arange(300) % 8 < 2, np.arange(300) % 3 > 0, np.arange(300) % 2).astype(int)
_BLOCKS = {"received": "took", "block": "town"}
CASES = {
    "stores": (_table(), a_plan(data={"received": "took"})),
    "covariate": (_table(), a_plan(data={"received": "took"}, metrics=[a_metric(covariates=["x"])])),
    "blocks": (_table(), a_plan(data=_BLOCKS, assignment="stratified", metrics=[a_metric(covariates=["x"])])),
    "ratio": (
        _table(),
        a_plan(data={"received": "took"}, estimand="rows", metrics=[a_metric(kind="ratio", denominator="n")]),
    ),
    "panel": (_table(weeks=_WEEKS), _panel()),
    "panel of rows": (_table(weeks=_WEEKS), _panel(estimand="rows", metrics=[a_metric(covariates=["n"])])),
    "customers": (_table(300), a_plan(unit=None, data={"received": "took"}, metrics=[a_metric(covariates=["x"])])),
    "customers in blocks": (
        {**_table(300), "arm": _UNEVEN},
        a_plan(unit=None, data=_BLOCKS, assignment="bernoulli", metrics=[a_metric(covariates=["x"])]),
    ),
    "ratio of customers": (
        _table(300),
        a_plan(
            unit=None, data={"received": "took"}, estimand="rows",
            metrics=[a_metric(kind="ratio", denominator="n", covariates=["x"])],
        ),
    ),
    "winsorised": (_table(), a_plan(data={"received": "took"}, metrics=[a_metric(winsorise=0.9)])),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_complier_effect_times_uptake_is_the_effect_of_the_row(name: str) -> None:
    table, plan = CASES[name]
    (row,) = analyze(table, plan).rows
    found = {one.method: one for one in row.alternatives}
    uptake = found["complier_effect"].extra["uptake_difference"]
    assert row.effect is not None
    for method in ("complier_effect", "anderson_rubin"):
        assert found[method].effect * uptake == pytest.approx(row.effect, rel=1e-9)
    if found["anderson_rubin"].extra["by_permutation"]:
        assert found["anderson_rubin"].p_value == pytest.approx(row.p_value, abs=1e-12)


def test_stepped_wedges_have_no_complier() -> None:
    table = _table(weeks=_WEEKS)
    starts = np.repeat(2 + np.arange(24) % 3, _WEEKS)
    plan = a_plan(data={"received": "took", "period": "week", "treated_from": "from"}, assignment="stepped_wedge")
    report = analyze({**table, "from": starts, "arm": np.repeat(np.arange(24) % 2, _WEEKS)}, plan)
    assert not any(f.method == "complier_effect" for row in report.rows for f in row.alternatives)


def test_uptake_that_runs_the_wrong_way_is_said() -> None:
    table = _table()
    report = analyze({**table, "took": 1 - table["arm"]}, a_plan(data={"received": "took"}))
    said = " ".join(str(word) for word in report.warnings)
    assert "fewer took it up in 1 than in control (-1)" in said
    status = {check.check: check.status for check in report.diagnostics}
    assert (status["first_stage"], status["contamination"]) == (Status.WARN, Status.ALARM)
    assert "100.0% of control and 0.0% of the variant were treated: no more than control" in said


def test_contamination_of_a_panel_counts_from_the_start_on() -> None:
    """Two of twelve control stores received it during the test, and before it everybody did."""
    table = _table(weeks=_WEEKS)
    store = np.repeat(np.arange(24), _WEEKS)
    took = (table["week"] < 3) | (table["arm"] == 1) | np.isin(store, (0, 2))
    report = analyze({**table, "took": took.astype(int)}, _panel())
    (check,) = [found for found in report.diagnostics if found.check == "contamination"]
    assert check.value == pytest.approx(2 / 12)
    assert check.status is Status.WARN
