"""Rows of panels with one start: adjusted by the mean before, permuted where drawn, compared by change otherwise."""

from typing import Any

import numpy as np
import pytest

from experiments.errors import NotEstimable
from experiments.estimate.difference_in_differences import difference_in_differences
from experiments.plan import Plan, plan_from_mapping
from experiments.reading import read
from experiments.rows import panel
from experiments.rows.finding import RowResult
from tests.experiments.panels import simulated

N, PERIODS, START = 12, 6, 4
MADE = simulated(np.random.default_rng(12), (5, 7), (START, -1), PERIODS, path=[1.5]).panel
TREATED = MADE.first_treated == START


def _table(*, without: tuple[tuple[int, int], ...] = (), **more: Any) -> dict[str, list[Any]]:
    rows = [(i, t) for i in range(N) for t in range(PERIODS) if (i, t) not in without]
    table: dict[str, list[Any]] = {
        "store": [f"s{i:02}" for i, _ in rows],
        "week": [t + 1 for _, t in rows],
        "arm": ["new" if TREATED[i] else "old" for i, _ in rows],
        "first": [START + 1 if TREATED[i] else 0 for i, _ in rows],
        "sales": [float(MADE.y[i, t]) for i, t in rows],
    }
    return table | {name: [values[i][t] for i, t in rows] for name, values in more.items()}


def _plan(assignment: str = "complete", *, by: str = "windows", **more: Any) -> Plan:
    data = {"unit": "store", "period": "week"}
    data |= {"variant": "arm", "control": "old"} if by == "windows" else {"treated_from": "first"}
    metric = {"name": "sales", "kind": "mean", "value": "sales", "role": "primary"} | more.pop("metric", {})
    windows = {"windows": {"before": [1, START], "during": [START + 1, PERIODS]}} if by == "windows" else {}
    return plan_from_mapping(
        {"data": data | more.pop("data", {}), "assignment": assignment, "metrics": [metric], "seed": 1} | windows | more
    )


def _row(plan: Plan, table: dict[str, list[Any]]) -> RowResult:
    frame = read(table, plan).frame
    return panel.build(frame, plan, plan.metrics[0], frame.variants[1])


def _by_method(row: RowResult) -> dict[str, float]:
    return {one.method: one.effect for one in (row.headline, *row.alternatives)}


def test_a_drawn_panel_is_permuted_with_the_mean_before_as_covariate_and_changes_stand_beside() -> None:
    row = _row(_plan(), _table())
    before, during = MADE.y[:, :START].mean(axis=1), MADE.y[:, START:].mean(axis=1)
    design = np.column_stack([TREATED, np.ones(N), before])
    effects = _by_method(row)
    assert row.headline.method == "permutation_studentised"
    assert row.headline.effect == pytest.approx(np.linalg.lstsq(design, during, rcond=None)[0][0])
    assert row.randomization_p == row.headline.p_value
    assert {
        "regression_t",
        "cr2",
        "difference_in_differences",
        "difference_in_differences_hc2",
        "permutation_unadjusted",
    } <= set(effects)
    did = difference_in_differences(MADE)
    beside = {one.method: one for one in row.alternatives}
    assert beside["difference_in_differences"].std_error == pytest.approx(did.pooled.std_error)
    assert did.hc2 is not None
    assert beside["difference_in_differences_hc2"].df == pytest.approx(did.hc2.df)
    assert effects["permutation_unadjusted"] == pytest.approx(during[TREATED].mean() - during[~TREATED].mean())
    assert (row.mean_variant, row.mean_control) == (
        pytest.approx(during[TREATED].mean()),
        pytest.approx(during[~TREATED].mean()),
    )
    assert (row.n_units, row.n_rows) == (N, N * PERIODS)


def test_the_start_may_come_from_the_column_of_the_first_treated_period() -> None:
    by_windows, by_column = _row(_plan(), _table()), _row(_plan(by="column"), _table())
    assert by_column.headline == by_windows.headline
    assert by_column.alternatives == by_windows.alternatives


def test_a_panel_that_nobody_drew_is_answered_by_changes_and_says_so() -> None:
    row = _row(_plan("observational"), _table())
    did = difference_in_differences(MADE).hc2
    assert did is not None
    assert (row.headline.method, row.randomization_p) == ("difference_in_differences_hc2", None)
    assert row.headline.p_value == pytest.approx(did.p_value())
    assert row.inference is not None
    assert row.inference.interval(0.9) == pytest.approx(did.interval(0.9))
    assert {"observational", "parallel_trends"} <= {word.code for word in row.assumptions}
    assert "permutation" not in " ".join(_by_method(row))


def test_the_periods_before_the_start_are_checked_and_the_path_is_shown() -> None:
    row = _row(_plan(), _table())
    check = next(d for d in row.diagnostics if d.check == "pre_trends")
    assert check.value is not None
    assert 0 < check.value <= 1
    path = row.extra["event_times"]
    assert isinstance(path, dict)
    assert path["base"] == "4"
    assert [one["event"] for one in path["effects"]] == [-4, -3, -2, 0, 1]


def test_units_with_gaps_are_named_and_those_without_a_row_in_a_window_are_lost() -> None:
    table = _table(without=((0, 1), (3, 0), (3, 1), (3, 2), (3, 3), (7, 4), (7, 5)))
    row = _row(_plan(), table)
    words = {word.code: str(word) for word in row.warnings}
    assert "s03" in words["no_row_before"]
    assert "s07" in words["no_row_during"]
    assert all(name in words["changes_without_units"] for name in ("s00", "s03", "s07"))
    assert row.n_units == N - 2
    kept = np.array([i not in (0, 3, 7) for i in range(N)])
    change = MADE.y[:, START:].mean(axis=1) - MADE.y[:, :START].mean(axis=1)
    expected = change[kept & TREATED].mean() - change[kept & ~TREATED].mean()
    assert _by_method(row)["difference_in_differences"] == pytest.approx(expected)


def test_a_ratio_is_the_ratio_of_a_units_sums_in_each_window() -> None:
    receipts = np.random.default_rng(3).integers(5, 9, (N, PERIODS)).astype(float)
    plan = _plan(metric={"kind": "ratio", "denominator": "receipts"})
    row = _row(plan, _table(receipts=receipts.tolist()))
    during = MADE.y[:, START:].sum(axis=1) / receipts[:, START:].sum(axis=1)
    assert _by_method(row)["permutation_unadjusted"] == pytest.approx(during[TREATED].mean() - during[~TREATED].mean())


def test_blocks_are_held_in_the_changes_too() -> None:
    block = np.arange(N) % 3
    shifted = _table(market=[[f"m{block[i]}"] * PERIODS for i in range(N)])
    shifted["sales"] = [
        value + 100.0 * int(m[1]) * (week > START)
        for value, m, week in zip(shifted["sales"], shifted["market"], shifted["week"], strict=True)
    ]
    row = _row(_plan("stratified", data={"block": "market"}), shifted)
    did = difference_in_differences(MADE, block=block.astype(np.int64))
    assert _by_method(row)["difference_in_differences"] == pytest.approx(did.effect)


def test_one_hand_picked_unit_has_no_error_and_is_refused() -> None:
    plan = _plan("observational")
    table = _table()
    first = int(np.flatnonzero(TREATED)[0])
    keep = [k for k, s in enumerate(table["store"]) if s == f"s{first:02}" or not TREATED[int(s[1:])]]
    few = {name: [values[k] for k in keep] for name, values in table.items()}
    with pytest.raises(NotEstimable):
        _row(plan, few)


def test_under_the_rows_estimand_units_count_by_their_weight_in_the_test() -> None:
    weight = np.repeat(np.arange(1.0, N + 1.0)[:, None], PERIODS, axis=1)
    plan = _plan(estimand="rows", data={"weight": "w"})
    row = _row(plan, _table(w=weight.tolist()))
    during, w = MADE.y[:, START:].mean(axis=1), weight[:, 0]
    assert row.estimand == "rows"
    assert row.mean_variant == pytest.approx(float((w * during)[TREATED].sum() / w[TREATED].sum()))


def test_under_the_rows_estimand_a_ratio_is_that_of_the_arms_sums_in_the_test() -> None:
    receipts = np.random.default_rng(3).integers(5, 40, (N, PERIODS)).astype(float)
    metric = {"kind": "ratio", "denominator": "receipts"}
    row = _row(_plan(estimand="rows", metric=metric), _table(receipts=receipts.tolist()))
    y, d = MADE.y[:, START:].sum(axis=1), receipts[:, START:].sum(axis=1)
    assert row.mean_control == pytest.approx(y[~TREATED].sum() / d[~TREATED].sum())
    assert row.mean_variant == pytest.approx(y[TREATED].sum() / d[TREATED].sum())


def test_the_estimand_that_the_plan_did_not_choose_stands_beside() -> None:
    weight = np.repeat(np.arange(1.0, N + 1.0)[:, None], PERIODS, axis=1).tolist()
    rows = _row(_plan(estimand="rows", data={"weight": "w"}), _table(w=weight))
    units = _row(_plan(estimand="units", data={"weight": "w"}), _table(w=weight))
    other = [(one.estimand, one.effect) for one in units.alternatives if one.method == "rows_cr2"]
    assert other == [("rows", pytest.approx(rows.headline.effect))]
    other = [(one.estimand, one.effect) for one in rows.alternatives if one.method == "cr2"]
    assert other == [("units", pytest.approx(units.headline.effect))]
    assert not [one for one in _row(_plan(), _table()).alternatives if one.estimand in ("rows", "units")]


def test_the_partner_of_a_lost_unit_leaves_with_its_pair_and_the_answer_that_keeps_it_stands_beside() -> None:
    rng = np.random.default_rng(8)
    rows = [(unit, week) for unit in range(16) for week in range(1, 7) if not (unit == 3 and week > 4)]
    y = {(unit, week): float(rng.normal(100 + 5 * (unit // 2), 3)) for unit, week in rows}
    table = {
        "store": [f"s{unit:02}" for unit, _ in rows],
        "week": [week for _, week in rows],
        "arm": ["new" if unit % 2 else "old" for unit, _ in rows],
        "pair": [f"p{unit // 2}" for unit, _ in rows],
        "sales": [y[row] for row in rows],
    }
    row = _row(_plan("matched_pairs", data={"block": "pair"}), table)
    (kept,) = [one for one in row.alternatives if one.extra.get("keeps_partners")]
    units = [unit for unit in range(16) if unit != 3]
    during = np.array([np.mean([y[unit, week] for week in (5, 6)]) for unit in units])
    before = np.array([np.mean([y[unit, week] for week in range(1, 5)]) for unit in units])
    design = np.column_stack([np.array(units) % 2, np.ones(15), before])
    assert row.n_units == 14
    assert kept.method == "cr2"
    assert kept.effect == pytest.approx(np.linalg.lstsq(design, during, rcond=None)[0][0])
