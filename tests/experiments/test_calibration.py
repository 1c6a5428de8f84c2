"""Calibration: false alarms by hand, what little history allows, hand-picked stores, and the sentences."""

import json
from dataclasses import replace

import numpy as np
import pytest

from experiments import NotEstimable
from experiments.calibration import Calibration, calibrate
from experiments.design.calibration_rows import Verdict
from experiments.design.past_windows import history_of
from experiments.design.placebo import rate_interval
from experiments.estimate.redraws import redraws
from experiments.estimate.unit_means import fit
from experiments.plan import WrongValue, plan_from_mapping
from experiments.reading import read
from tests.experiments.store_panels import panel, plan


def _row(found: Calibration, method: str):  # type: ignore[no-untyped-def]  # the row itself
    return next(row for row in found.rows if row.method == method)


def test_false_alarms_are_the_share_of_placebo_draws_that_reject_by_hand() -> None:
    data, the_plan = panel(), plan()
    found = calibrate(data, the_plan, replications=160, draws=99)
    history = history_of(read(data, the_plan, all_periods=True).frame, the_plan)
    windows = history.windows()
    assert [(w.before, w.first, w.stop) for w in windows][:2] == [(28, 32, 36), (24, 28, 32)]
    assert len(windows) == found.n_windows == 8
    rejected = 0
    for window in windows:
        table = history.contrast(window, the_plan.metrics[0], "v1").table
        for row in redraws(table, seed=2, draws=99).treated[:20]:
            rejected += fit(replace(table, treated=row.astype(float))).inference.p_value() <= 0.05
    assert _row(found, "regression_t").false_alarms == rejected / 160
    assert _row(found, "regression_t").n_runs == 160


def test_only_the_past_is_used() -> None:
    data = panel()
    future = {name: list(values) for name, values in data.items()}
    future["sales"] = [s * 5 if w >= 36 else s for s, w in zip(data["sales"], data["week"], strict=True)]
    assert calibrate(future, plan(), replications=40).to_dict() == calibrate(data, plan(), replications=40).to_dict()


def test_a_plan_before_its_start_counts_its_windows_in_the_periods_of_the_table() -> None:
    found = calibrate(panel(), plan(before=(44, 47), during=(48, 55)), replications=20)
    assert (found.n_periods, found.n_before, found.n_during) == (40, 4, 8)


def test_windows_in_dates_count_the_weeks_that_the_table_has() -> None:
    import datetime as dt

    data = panel()
    data["week"] = [str(dt.date(2024, 1, 1) + dt.timedelta(weeks=week)) for week in data["week"]]
    inside = plan(before=("2024-08-12", "2024-09-08"), during=("2024-09-09", "2024-10-06"))
    assert calibrate(data, inside, replications=20).n_during == 4
    ahead = plan(before=("2024-11-04", "2024-12-01"), during=("2024-12-02", "2024-12-29"))
    found = calibrate(data, ahead, replications=20)
    assert (found.n_periods, found.n_before, found.n_during) == (40, 4, 4)
    with pytest.raises(WrongValue, match="dates"):
        calibrate(data, plan(before=None, during=("soon", "later")))


def test_under_four_windows_there_is_too_little_history_to_say() -> None:
    found = calibrate(panel(n_weeks=20), plan(before=(12, 15), during=(16, 19)), replications=40)
    assert found.n_windows == 3
    assert found.has_too_little_history
    row = _row(found, "regression_t")
    assert (row.verdict, row.false_alarms, row.coverage) == (Verdict.TOO_LITTLE_HISTORY, None, None)
    assert "too little history" in str(row.sentence)
    assert _row(found, "permutation_studentised").verdict is Verdict.BY_DESIGN
    assert row.smallest_effect is not None


def test_uncertainty_comes_from_windows_and_not_from_draws() -> None:
    few = calibrate(panel(), plan(), replications=40)
    many = calibrate(panel(), plan(), replications=400)
    for found in (few, many):
        row = _row(found, "cr2")
        assert row.false_alarms_interval == rate_interval(row.false_alarms, 8)
    assert rate_interval(0.0, 4) == (0.0, pytest.approx(1 - 0.025 ** (1 / 4)))
    assert rate_interval(1.0, 4) == (pytest.approx(0.025 ** (1 / 4)), 1.0)


def test_the_level_of_a_permutation_is_that_of_its_design() -> None:
    found = calibrate(panel(8), plan(), replications=80)
    row = _row(found, "permutation_studentised")
    assert row.level_by_design == 2 / 70
    assert row.false_alarms is None
    assert "2.9% by design" in str(row.sentence)
    pairs = calibrate(panel(12), plan("matched_pairs", data={"block": "pair"}), replications=80)
    assert _row(pairs, "permutation").level_by_design == 2 / 64


def test_hand_picked_units_are_slid_over_every_past_position_and_never_permuted() -> None:
    found = calibrate(panel(treated=(0, 1, 2, 3)), plan("observational"), replications=10)
    assert [row.method for row in found.rows] == ["regression_t", "cr2"]
    assert found.rows[0].n_runs == 29  # 36 past weeks, 4 + 4 a window
    assert "no permutation test is licensed" in found.to_text()


def test_restless_hand_picked_stores_are_flagged_for_the_t_and_not_for_cr2() -> None:
    """Four of 24 stores, five times as noisy: the pooled error of the t is far too small (fixed seed)."""
    data = panel(n_weeks=200, treated=(3, 9, 14, 20), restless=5.0, seed=4)
    found = calibrate(data, plan("observational", before=(192, 195), during=(196, 199)))
    assert found.is_flagged
    t, cr2 = _row(found, "regression_t"), _row(found, "cr2")
    assert t.verdict is Verdict.FLAGGED
    assert t.false_alarms > 0.2
    assert cr2.false_alarms < t.false_alarms / 2
    assert "FLAGGED" in found.to_text()


def test_power_grows_with_the_lift_and_the_smallest_effect_is_found_four_times_in_five() -> None:
    data = panel()
    small, large = (calibrate(data, plan(), replications=160, lift=lift) for lift in (0.01, 0.05))
    row = _row(small, "permutation_studentised")
    assert row.power < _row(large, "permutation_studentised").power
    exact = calibrate(data, plan(), replications=160, lift=row.smallest_relative)
    assert _row(exact, "permutation_studentised").power == pytest.approx(0.8, abs=0.05)


def test_windows_before_the_stores_were_there_are_passed_over() -> None:
    """All stores of the variant opened in week 20: windows before it have nothing to compare."""
    data = panel()
    there = [
        i for i, (arm, week) in enumerate(zip(data["arm"], data["week"], strict=True)) if arm == "control" or week >= 20
    ]
    found = calibrate({name: [values[i] for i in there] for name, values in data.items()}, plan(), replications=40)
    row = _row(found, "regression_t")
    assert "3 windows" in str(row.sentence)
    assert row.n_runs == 15
    one_late = [
        i
        for i, (store, week) in enumerate(zip(data["store"], data["week"], strict=True))
        if store != "s01" or week >= 20
    ]
    found = calibrate({name: [values[i] for i in one_late] for name, values in data.items()}, plan(), replications=40)
    assert _row(found, "regression_t").n_runs == 40


def test_several_variants_and_rerandomised_draws_are_replayed_by_their_own_mechanism() -> None:
    found = calibrate(panel(variants=2), plan(), replications=40)
    assert sorted({row.variant for row in found.rows}) == ["v1", "v2"]
    ruled = plan("rerandomized", rerandomized={"covariates": ["customers"], "max_distance": 1.0})
    assert _row(calibrate(panel(), ruled, replications=40), "permutation_studentised").level_by_design is not None


def test_a_share_and_a_ratio_are_replayed_per_unit() -> None:
    data = panel()
    ratio = plan(metric={"kind": "ratio", "denominator": "customers"})
    found = calibrate(data, ratio, replications=40)
    assert not found.refusals
    rows = plan(metric={"kind": "ratio", "denominator": "customers"}, estimand="rows")
    refused = calibrate(data, rows, replications=40)
    assert not refused.rows
    assert "ratios per unit" in refused.to_text()


def test_what_has_no_past_is_refused_by_name() -> None:
    data = panel()
    with pytest.raises(NotEstimable, match="period"):
        calibrate({k: v[::40] for k, v in data.items()}, plan(during=None, data={"period": None}))
    starts = data | {"first": [30 + 2 * (int(store[1:]) % 3) for store in data["store"]]}
    with pytest.raises(NotEstimable, match="one start"):
        calibrate(starts, plan("stepped_wedge", during=None, data={"treated_from": "first"}))
    short = calibrate(panel(n_weeks=10), plan(before=(0, 4), during=(5, 9)))
    assert [refusal.reason.code for refusal in short.refusals] == ["no_past_window"]


def test_the_answer_is_json_and_the_same_every_time() -> None:
    first, again = (calibrate(panel(), plan(), replications=40) for _ in range(2))
    assert json.dumps(first.to_dict()) == json.dumps(again.to_dict())
    assert first.to_text() == str(first)
    other = calibrate(panel(), plan(), replications=40, seed=9)
    assert other.to_dict() != first.to_dict()


@pytest.mark.slow
def test_on_quiet_panels_the_intervals_keep_what_they_promise() -> None:
    """20 panels of independent weeks: false alarms of t and CR2 within 5 ± 1.5 %, coverage within 95 ± 1.5 %."""
    alarms: dict[str, list[float]] = {"regression_t": [], "cr2": []}
    coverage: dict[str, list[float]] = {"regression_t": [], "cr2": []}
    for seed in range(20):
        found = calibrate(panel(seed=seed), plan(), replications=200, draws=99)
        for method in alarms:
            row = _row(found, method)
            alarms[method].append(row.false_alarms)
            coverage[method].append(row.coverage)
    for method in alarms:
        assert np.mean(alarms[method]) == pytest.approx(0.05, abs=0.015)
        assert np.mean(coverage[method]) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("assignment", ["complete", "matched_pairs", "observational"])
@pytest.mark.parametrize("estimand", ["units", "rows"])
def test_a_replayed_window_is_analysed_as_a_report_would(assignment: str, estimand: str) -> None:
    """The window of the plan itself, taken for a past one: the numbers are those of the panel's own row."""
    from experiments.design.past_windows import History
    from experiments.design.replay import replay
    from experiments.rows.panel import build
    from experiments.rows.units import studentised

    data = panel(20, weights=True)
    columns = {"weight": "customers"} | ({"block": "pair"} if assignment == "matched_pairs" else {})
    the_plan = plan(assignment, data=columns, estimand=estimand)
    frame = read(data, the_plan, all_periods=True).frame
    assert frame.period_of is not None
    history = History(frame, the_plan, frame.period_of, 40, 4, 4)
    table = history.contrast(history.windows()[0], the_plan.metrics[0], "v1").table
    shared = redraws(table, seed=the_plan.effective_seed, draws=the_plan.draws)
    student = studentised(table, the_plan)
    actual = (table.treated == 1.0)[None, :]
    found = {
        runs.method: runs
        for runs in replay(table, actual, shared, confidence_level=the_plan.confidence_level, studentise=student)
    }
    row = build(read(data, the_plan).frame, the_plan, the_plan.metrics[0], "v1")
    reported = {finding.method: finding for finding in (row.headline, *row.alternatives) if finding.estimand is None}
    compared = 0
    for method, runs in found.items():
        name = "rows_cr2" if (method, estimand) == ("cr2", "rows") else method
        if name not in reported:
            continue
        finding = reported[name]
        assert runs.effect[0] == pytest.approx(finding.effect, rel=1e-9)
        assert runs.p_value[0] == pytest.approx(finding.p_value, abs=1e-9)
        assert (runs.low[0], runs.high[0]) == (
            pytest.approx(finding.interval[0], rel=1e-9),
            pytest.approx(finding.interval[1], rel=1e-9),
        )
        compared += 1
    assert compared >= 2


def test_a_plan_may_be_the_mapping_of_its_file() -> None:
    stated = {
        "data": {"unit": "store", "variant": "arm", "control": "control", "period": "week"},
        "windows": {"before": [32, 35], "during": [36, 39]},
        "metrics": [{"name": "sales", "kind": "mean", "value": "sales"}],
        "seed": 2,
    }
    found = calibrate(panel(), stated, replications=20)
    assert found.to_dict() == calibrate(panel(), plan_from_mapping(stated), replications=20).to_dict()
