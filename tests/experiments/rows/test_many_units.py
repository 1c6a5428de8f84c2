"""Thousands of units: nothing breaks, and a draw with blocks or a rule of its own is analysed as it was drawn."""

from typing import Any

import numpy as np
import pytest

from experiments.analysis import analyze
from experiments.report import Row
from tests.experiments.a_table import a_metric, a_plan, customers, noise, stores


def _row(table: dict[str, Any], plan: dict[str, Any]) -> Row:
    (row,) = analyze(table, plan).rows
    return row


def _pairs(n: int, *, effect: float = 0.0) -> dict[str, Any]:
    """``n`` pairs that share most of what they are."""
    pair = np.repeat(np.arange(n), 2)
    arm = np.arange(2 * n) % 2
    return {
        "arm": arm,
        "pair": pair,
        "x": noise(n, 5)[pair],
        "y": noise(n, 3)[pair] + 0.1 * noise(2 * n, 4) + effect * arm,
    }


def _uneven(n: int) -> dict[str, Any]:
    return {**customers(n), "arm": (np.arange(n) < n // 5).astype(int)}


_PAIRED = a_plan(unit=None, data={"block": "pair"}, assignment="matched_pairs")


@pytest.mark.parametrize(
    ("table", "plan"),
    [(stores(600, 600), a_plan()), (_uneven(5_000), a_plan(unit=None)), (_pairs(2_000), _PAIRED)],
    ids=["1,200 stores", "4,000 customers against 1,000", "2,000 pairs"],
)
def test_more_draws_than_a_number_can_hold_are_permuted(table: dict[str, Any], plan: dict[str, Any]) -> None:
    report = analyze(table, plan)
    assert report.rows[0].method.startswith("permutation")
    (reach,) = [check for check in report.diagnostics if check.check == "reach"]
    assert reach.value == pytest.approx(1 / 1_000)


def test_very_many_pairs_are_compared_inside_pairs() -> None:
    """By hand: the t test of the differences."""
    table = _pairs(10_500, effect=0.01)
    row = _row(table, _PAIRED)
    differences = table["y"][1::2] - table["y"][::2]
    assert row.method == "regression_t"
    assert row.effect == pytest.approx(differences.mean())
    assert row.std_error == pytest.approx(differences.std(ddof=1) / np.sqrt(len(differences)))
    assert any("enough for the t distribution" in str(word) for word in row.assumptions)


@pytest.mark.parametrize("n", [200, 10_500])
def test_strata_of_two_customers_are_not_thrown_together(n: int) -> None:
    row = _row(_pairs(n), a_plan(unit=None, data={"block": "pair"}, assignment="stratified"))
    assert row.method in ("permutation_studentised", "regression_t")
    assert row.std_error is not None
    assert row.std_error < 0.2 / np.sqrt(n)  # across strata it is about 1.4 / √n


def test_strata_with_a_variance_of_their_own_keep_welch() -> None:
    table = customers(400) | {"town": np.arange(400) // 2 % 4}
    assert _row(table, a_plan(unit=None, data={"block": "town"}, assignment="stratified")).method == "welch"


def test_very_many_rerandomised_units_are_never_analysed_as_freely_drawn() -> None:
    table = _pairs(10_500)
    refused = _row(table, a_plan(unit=None, assignment="rerandomized"))
    assert "which draws the rerandomisation accepted" in str(refused.refusal)
    adjusted = _row(table, a_plan(unit=None, assignment="rerandomized", metrics=[a_metric(covariates=["x"])]))
    assert adjusted.method == "regression_t"
