"""Replay of observational panels: the analysis of a report, slid over the past; by hand, and what stands beside it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from experiments import analyze
from experiments.calibration import calibrate
from experiments.design.calibration_rows import Verdict
from experiments.design.past_windows import History, history_of
from experiments.design.placebo import placebo_runs
from experiments.design.reported_replay import CHANGES, MOST_POSITIONS, SYNTHETIC, reported_method, reported_runs
from experiments.plan import Plan
from experiments.reading import read
from experiments.rows.choice import choose
from tests.experiments.store_panels import panel, plan

MANY, FEW = (0, 2, 5, 7, 9, 11), (5, 9)
LONG: dict[str, Any] = {"before": (28, 35), "during": (36, 39)}


def _history(data: dict[str, list[Any]], the_plan: Plan) -> History:
    return history_of(read(data, the_plan, all_periods=True).frame, the_plan)


@pytest.mark.parametrize(("treated", "method"), [(MANY, CHANGES), (FEW, SYNTHETIC)])
@pytest.mark.parametrize("data", [{}, {"block": "pair"}, {"weight": "customers"}])
def test_a_replayed_position_is_analysed_as_a_report_would(
    treated: tuple[int, ...], method: str, data: dict[str, str]
) -> None:
    """The weeks up to each position, cut out and analysed as a table of their own."""
    if data.get("block"):
        treated = tuple(t for t in treated if t % 2)
        treated = (*treated, 12, 14) if method == CHANGES else treated
    table = panel(treated=treated, weights=True)
    the_plan = plan("observational", data=data, **LONG)
    history = _history(table, the_plan)
    metric = the_plan.metrics[0]
    assert reported_method(history, metric, "v1") == method
    runs = reported_runs(history, metric, "v1", lift=0.0).null[method]
    for number, position in enumerate(history.windows(step=1)):
        weeks = table["week"]
        cut = {
            name: [v for v, w in zip(values, weeks, strict=True) if position.before <= w < position.stop]
            for name, values in table.items()
        }
        as_of = plan(
            "observational",
            data=data,
            before=(position.before, position.first - 1),
            during=(position.first, position.stop - 1),
        )
        frame = read(cut, as_of).frame
        row = choose(frame, as_of, metric, "v1").build(frame, as_of, metric, "v1").headline
        assert row.method == method
        assert runs.effect[number] == pytest.approx(row.effect, rel=1e-9)
        assert runs.p_value[number] == pytest.approx(row.p_value, rel=1e-9)
        assert (runs.low[number], runs.high[number]) == pytest.approx(row.interval, rel=1e-9)
        if method == SYNTHETIC and number == 3:
            break


def test_the_calibration_measures_what_the_report_leads_with_and_shows_the_rest_beside() -> None:
    found = calibrate(panel(treated=MANY), plan("observational", **LONG))
    assert [(row.method, row.beside) for row in found.rows] == [
        ("regression_t", CHANGES),
        ("cr2", CHANGES),
        (CHANGES, None),
    ]
    lead = found.rows[-1]
    assert lead.false_alarms is not None
    assert lead.n_runs == 25
    assert "beside difference in differences, HC2, which the plan reports: CR2" in found.to_text()
    assert "power (difference in differences, HC2)" in found.to_text()
    few = calibrate(panel(treated=FEW), plan("observational", **LONG))
    assert [row.method for row in few.rows] == ["regression_t", "cr2", SYNTHETIC]
    reported = analyze(panel(treated=FEW), plan("observational", **LONG)).rows[0]
    assert reported.method == SYNTHETIC


def test_false_alarms_are_the_positions_that_reject_by_hand() -> None:
    table, the_plan = panel(n_weeks=80, treated=MANY), plan("observational", before=(68, 75), during=(76, 79))
    sales = np.array(table["sales"]).reshape(24, 80)
    treated = np.isin(np.arange(24), MANY)
    from scipy.stats import ttest_ind

    rejected = positions = 0
    for first in range(8, 73):
        change = sales[:, first : first + 4].mean(axis=1) - sales[:, first - 8 : first].mean(axis=1)
        rejected += ttest_ind(change[treated], change[~treated], equal_var=False).pvalue <= 0.05
        positions += 1
    lead = calibrate(table, the_plan).rows[-1]
    assert lead.n_runs == positions == 65
    assert lead.false_alarms == pytest.approx(rejected / positions, abs=0.016)  # HC2's df differs a little from Welch's


@pytest.mark.parametrize(("treated", "method"), [(MANY, CHANGES), (FEW, SYNTHETIC)])
def test_a_lift_moves_the_effect_by_its_share_of_what_the_treated_had(treated: tuple[int, ...], method: str) -> None:
    table, the_plan = panel(treated=treated), plan("observational", **LONG)
    history = _history(table, the_plan)
    runs = reported_runs(history, the_plan.metrics[0], "v1", lift=0.05)
    sales = np.array(table["sales"]).reshape(24, 40)[list(treated)]
    by_hand = [0.05 * sales[:, window.first : window.stop].mean() for window in history.windows(step=1)]
    assert runs.truth == pytest.approx(by_hand)
    assert runs.lifted[method].effect - runs.null[method].effect == pytest.approx(by_hand)
    beside = placebo_runs(history, the_plan.metrics[0], "v1", replications=9, draws=99, seed=1, lift=0.05)
    assert beside.truth == pytest.approx(by_hand)


def test_a_long_past_is_slid_over_in_even_steps_whose_windows_are_counted_once() -> None:
    the_plan = plan("observational", before=(145, 149), during=(150, 153))
    history = _history(panel(n_units=20, n_weeks=154, treated=(3,)), the_plan)
    runs = reported_runs(history, the_plan.metrics[0], "v1", lift=0.0)
    assert len(history.windows(step=1)) == 142
    assert len(runs.truth) == 48 <= MOST_POSITIONS  # every third
    assert runs.n_windows == 24  # every sixth week: windows of four weeks do not overlap


def test_what_the_report_would_refuse_is_refused_and_the_rest_stands_beside() -> None:
    short = calibrate(panel(treated=FEW), plan("observational"))
    assert [refusal.reason.code for refusal in short.refusals] == ["too_few_periods_before"]
    assert [row.method for row in short.rows] == ["regression_t", "cr2"]
    assert {row.beside for row in short.rows} == {SYNTHETIC}
    donors = calibrate(panel(n_units=14, treated=FEW), plan("observational", **LONG))
    assert [refusal.reason.code for refusal in donors.refusals] == ["few_donors"]
    past = calibrate(panel(n_weeks=10, treated=MANY), plan("observational", before=(0, 4), during=(5, 9)))
    assert [refusal.reason.code for refusal in past.refusals] == ["no_past_window"]


def test_an_alarm_of_a_method_that_only_stands_beside_does_not_flag_the_plan() -> None:
    found = calibrate(panel(treated=MANY), plan("observational", **LONG))
    t, cr2, lead = (replace(row, verdict=Verdict.OK) for row in found.rows)
    alarmed = replace(t, verdict=Verdict.FLAGGED)
    assert not replace(found, rows=(alarmed, cr2, lead)).is_flagged
    assert replace(found, rows=(t, cr2, replace(lead, verdict=Verdict.FLAGGED))).is_flagged
    assert replace(found, rows=(alarmed, cr2)).is_flagged  # nothing leads: what stands beside has to be believed


def test_drawn_plans_and_panels_without_a_time_before_are_left_to_the_regression() -> None:
    the_plan = plan()
    assert reported_method(_history(panel(), the_plan), the_plan.metrics[0], "v1") is None
    after = plan("observational", before=None)
    found = calibrate(panel(treated=MANY), after)
    assert [(row.method, row.beside) for row in found.rows] == [("regression_t", None), ("cr2", None)]
