"""The health checks speak of the row that stands beside them: the same units, values, weights and effect."""

from typing import Any

import numpy as np
import pytest

from experiments.analysis import analyze
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import UnitTable
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.monitor.influence import influence, influence_of
from experiments.report import Report
from tests.experiments.a_table import a_metric, a_plan, customers, noise, stores


def _influence(report: Report) -> list[Diagnostic]:
    return [check for check in report.diagnostics if check.check.startswith("influence")]


def _three_arms(n: int = 24) -> dict[str, Any]:
    level = noise(n, 4)
    return {
        "store": [f"s{i:02d}" for i in range(n)],
        "arm": np.arange(n) * 7 // 5 % 3,
        "town": np.array(list("abc"))[np.arange(n) // 4 % 3],
        "x": level,
        "n": 1 + np.arange(n) % 5,
        "y": np.exp(level + 0.4 * noise(n, 5)),
    }


def _panel(n: int = 16, weeks: int = 6) -> dict[str, Any]:
    arm = np.arange(n) % 2
    return {
        "store": np.repeat([f"s{i:02d}" for i in range(n)], weeks),
        "arm": np.repeat(arm, weeks),
        "week": np.tile(np.arange(weeks), n),
        "y": 5 + np.repeat(noise(n, 6), weeks) + noise(n * weeks, 7),
    }


_WINDOWS = {"before": [0, 2], "during": [3, 5]}
CASES = {
    "stores": (stores(8, 9), a_plan()),
    "blocks and bystanders": (_three_arms(), a_plan(data={"block": "town"}, assignment="stratified")),
    "covariate": (_three_arms(), a_plan(metrics=[a_metric(covariates=["x"])])),
    "winsorised": (_three_arms(), a_plan(metrics=[a_metric(winsorise=0.8)])),
    "ratio of rows": (_three_arms(), a_plan(estimand="rows", metrics=[a_metric(kind="ratio", denominator="n")])),
    "panel": (_panel(), a_plan(data={"period": "week"}, windows=_WINDOWS)),
    "observed panel": (_panel(), a_plan(data={"period": "week"}, windows=_WINDOWS, assignment="observational")),
    "customers": (
        customers(300) | {"x": noise(300, 9)}, a_plan(unit=None, metrics=[a_metric(covariates=["x"])]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_influence_speaks_of_the_effect_of_the_row(name: str) -> None:
    report = analyze(*CASES[name])
    found = _influence(report)
    assert len(found) == len(report.rows)
    for row, check in zip(report.rows, found, strict=True):
        assert check.variant == row.variant
        assert check.message.values["effect"] == pytest.approx(row.effect, rel=1e-9)
        assert check.message.values["n"] == row.n_units


def test_customers_in_blocks_have_no_regression_to_leave_a_unit_out_of() -> None:
    table = customers(400) | {"town": np.arange(400) // 2 % 3}
    report = analyze(table, a_plan(unit=None, data={"block": "town"}, assignment="bernoulli"))
    assert not _influence(report)


def _table(n: int = 14) -> UnitTable:
    return UnitTable(
        units=tuple(f"u{i:02d}" for i in range(n)),
        y=noise(n, 2),
        treated=(np.arange(n) % 3 == 0).astype(np.float64),
        block=np.arange(n) // 7,
        covariates=noise(n, 3)[:, None],
        bystanders=(np.arange(n) % 3 == 1).astype(np.float64)[:, None],
        weight=1.0 + np.arange(n) % 4,
        n_rows=n,
    )


def test_the_fit_without_a_unit_is_the_fit_without_it() -> None:
    """By hand: the regression fitted again without the unit that is named."""
    table = _table()
    found = influence_of(fit(table)).message.values
    keep = np.array([unit != found["unit"] for unit in table.units])
    assert table.weight is not None
    again = UnitTable(
        units=tuple(unit for unit in table.units if unit != found["unit"]), y=table.y[keep],
        treated=table.treated[keep], block=table.block[keep], covariates=table.covariates[keep],
        bystanders=table.bystanders[keep], weight=table.weight[keep], n_rows=13,
    )  # fmt: skip
    assert found["without"] == pytest.approx(fit(again).effect, rel=1e-9)
    assert found["n"] == table.n_units


def test_both_ways_into_the_check_agree() -> None:
    n = 14
    table = _table(n)
    plain = UnitTable(
        table.units, table.y, table.treated, table.block, table.covariates, np.zeros((n, 0)), None, n_rows=n
    )
    one = influence_of(fit(plain))
    other = influence(plain.y, plain.treated, plain.block, plain.covariates, units=plain.units)
    assert one.status is other.status
    assert one.value == pytest.approx(other.value)
    assert one.message.values["unit"] == other.message.values["unit"]


def test_without_shares_no_ratio_is_judged() -> None:
    report = analyze(stores(38, 2), a_plan())
    (check,) = [found for found in report.diagnostics if found.check == "sample_ratio"]
    assert check.status is Status.OK
    assert check.value is not None
    assert check.value < 1e-6
    assert "the plan states no shares: equal shares assumed" in str(check.message)
    assert not any("shares" in str(word) for word in report.warnings)


def test_an_outlier_is_called_one_and_its_metric_is_named() -> None:
    table = stores(10, 10)
    table["y"][3] += 60.0
    (check,) = _influence(analyze(table, a_plan()))
    assert check.status is Status.WARN
    assert str(check.message).startswith("y: unit shop № 003 is an outlier; without it the effect is")


def test_concentration_names_its_metric() -> None:
    report = analyze(customers(800), a_plan(unit=None))
    (check,) = [found for found in report.diagnostics if found.check == "concentration:y"]
    assert str(check.message).startswith("y: the largest 1.0% of rows (8) hold")
