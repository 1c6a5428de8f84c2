"""The report: who leads, what is stamped, adjusted, refused, and that it is the same to the last digit."""

import json
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from experiments import (
    AssignmentUnit,
    Leads,
    LookPlan,
    LookReport,
    MarginScale,
    Mechanism,
    Message,
    PlannedMetric,
    Role,
    Share,
    Status,
    UnitMoments,
    analyze_look,
    average_basket,
    bernoulli_hash,
    repeat_purchase,
    smallest_p,
    spend_per_customer,
    store_total,
)
from experiments.errors import (
    UnknownMetric,
    WrongUnitOfAnalysis,
)
from tests.experiments.building import SHARES, arm, complete_draw, moments, paired_draw, stratified_draw
from tests.experiments.look.a_look import FREQUENCY, TOTAL, a_plan, a_report, shares_of, values_of


@pytest.mark.parametrize(
    ("mechanism", "method"),
    [
        (paired_draw(40), "permutation"),
        (complete_draw(40), "permutation_studentised"),
        (stratified_draw(40, 4), "permutation_studentised"),
    ],
)
def test_the_headline_permutes_over_the_recorded_mechanism_and_others_stand_beside(
    mechanism: Mechanism, method: str
) -> None:
    row = a_report(a_plan(mechanism), lift=0.10).row("store_total", "points")
    assert row.estimate is not None
    assert row.estimate.method == method
    assert row.estimate.relative_effect == pytest.approx(0.10, abs=0.05)
    assert [other.method for other in row.alternatives] == ["regression_t", "cr2"]
    assert all(other.effect == row.estimate.effect for other in row.alternatives)


def test_a_lift_improves_and_a_fall_harms() -> None:
    plan = a_plan(paired_draw(40))
    up, down = a_report(plan, lift=0.10), a_report(plan, lift=-0.10)
    assert up.row("store_total", "points").improves(up.look)
    assert not up.row("store_total", "points").harms(up.look)
    assert down.row("store_total", "points").harms(down.look)
    assert not down.row("store_total", "points").improves(down.look)


def test_the_gate_interval_is_wider_when_looks_are_shared() -> None:
    row = a_report(a_plan(paired_draw(40), looks_planned=3)).row("store_total", "points")
    assert row.estimate is not None
    assert row.interval_gate is not None
    assert row.gate_confidence == pytest.approx(1 - 0.05 / 3)
    (low, high), (gate_low, gate_high) = row.estimate.interval, row.interval_gate
    assert None not in (low, high, gate_low, gate_high)
    assert gate_low < low < high < gate_high  # type: ignore[operator]  # none of them is None


def test_store_totals_lead_where_the_plan_says_so() -> None:
    report = a_report(a_plan(paired_draw(40)))
    assert [row.metric for row in report.leading_rows] == ["store_total"]


def test_customers_lead_until_identification_moves() -> None:
    metrics = (PlannedMetric(spend_per_customer(), Role.PRIMARY), PlannedMetric(store_total(), Role.SECONDARY))
    plan = a_plan(paired_draw(40), *metrics, leads=Leads.CUSTOMERS)
    assert [row.metric for row in a_report(plan).leading_rows] == ["spend_per_customer"]
    moved = a_report(plan, shift=0.05, lift=0.1)
    assert [row.metric for row in moved.leading_rows] == ["store_total"]
    stamped = moved.row("spend_per_customer", "points")
    assert stamped.stamps == ("may_be_identification",)
    assert not stamped.improves(moved.look)  # however large the effect


def test_identification_stamps_customer_rows_only() -> None:
    report = a_report(a_plan(paired_draw(40)), shift=0.05)
    assert report.row("store_total", "points").stamps == ()
    assert report.row("purchase_frequency", "points").stamps == ("may_be_identification",)
    check = next(d for d in report.diagnostics if d.check == "identification")
    assert (check.status, check.message.code) == (Status.WARN, "identification_moved")


def test_a_quiet_identification_says_what_it_could_hide() -> None:
    report = a_report(a_plan(paired_draw(40)))
    check = next(d for d in report.diagnostics if d.check == "identification")
    assert (check.status, check.message.code) == (Status.OK, "identification_quiet")
    assert 0 < float(check.message.values["hidden_artefact"]) < 0.05


def test_without_the_identified_shares_customer_rows_cannot_pass() -> None:
    plan = a_plan(paired_draw(40))
    report = analyze_look(plan, {"purchase_frequency": values_of(plan, lift=0.2)})
    row = report.row("purchase_frequency", "points")
    assert row.stamps == ("identification_not_tested",)
    assert row.blocked


def test_a_draw_too_small_to_see_identification_move_leaves_customer_rows_untested() -> None:
    report = a_report(a_plan(paired_draw(8)))
    assert report.row("purchase_frequency", "points").stamps == ("identification_not_tested",)
    check = next(d for d in report.diagnostics if d.check == "identification")
    assert (check.status, check.value) == (Status.WARN, None)


def test_where_every_receipt_is_identified_nothing_can_have_moved() -> None:
    plan = a_plan(paired_draw(40))
    everyone = [moments(unit, 500, 500, n=500) for unit in plan.mechanism.codes]
    report = analyze_look(plan, {"purchase_frequency": values_of(plan)}, everyone)
    assert report.row("purchase_frequency", "points").stamps == ()


def test_where_few_receipts_were_identified_customer_metrics_are_refused() -> None:
    plan = a_plan(paired_draw(40))
    report = analyze_look(
        plan, {"store_total": values_of(plan), "purchase_frequency": values_of(plan)}, shares_of(plan, level=0.2)
    )
    refused = report.row("purchase_frequency", "points")
    assert refused.estimate is None
    assert refused.refusal is not None
    assert refused.refusal.code == "few_identified"
    assert report.row("store_total", "points").estimate is not None


def test_what_was_not_measured_is_a_row_with_its_reason() -> None:
    plan = a_plan(paired_draw(40))
    reason = Message("window_not_observed", "only {n} days have passed", {"n": 20})
    report = analyze_look(plan, {"store_total": values_of(plan)}, refusals={"purchase_frequency": reason})
    assert report.row("purchase_frequency", "points").refusal == reason
    missing = analyze_look(plan, {"purchase_frequency": values_of(plan)}, shares_of(plan))
    found = missing.row("store_total", "points").refusal
    assert found is not None
    assert found.code == "no_moments"


def test_a_guardrail_must_show_that_the_loss_is_smaller_than_its_margin() -> None:
    guard = PlannedMetric(average_basket(), Role.GUARDRAIL, margin=0.10)
    plan = a_plan(paired_draw(40), TOTAL, guard)
    held = a_report(plan).row("average_basket", "points").non_inferiority
    assert held is not None
    assert held.holds
    assert held.margin == pytest.approx(0.10 * _mean_control(plan, seed=1))
    assert held.bound is not None
    assert held.bound > -held.margin
    broken = a_report(plan, lift=-0.10).row("average_basket", "points").non_inferiority
    assert broken is not None
    assert not broken.holds


def _mean_control(plan: LookPlan, *, seed: int) -> float:
    values = [m.y / m.n for m in values_of(plan, seed=seed) if plan.assignment[m.unit] == "control"]
    return sum(values) / len(values)


def test_an_absolute_margin_is_taken_as_it_is() -> None:
    guard = PlannedMetric(average_basket(), Role.GUARDRAIL, margin=12.5, margin_scale=MarginScale.ABSOLUTE)
    found = a_report(a_plan(paired_draw(40), TOTAL, guard)).row("average_basket", "points").non_inferiority
    assert found is not None
    assert found.margin == 12.5


def test_segments_are_exploratory_and_adjusted_among_themselves() -> None:
    plan = a_plan(paired_draw(40))
    segments = {
        name: {"purchase_frequency": values_of(plan, lift=0.1, seed=i)} for i, name in enumerate(("young", "old"))
    }
    report = analyze_look(plan, {"store_total": values_of(plan)}, shares_of(plan), segments=segments)
    found = [row for row in report.rows if row.segment is not None]
    assert [row.segment for row in found] == ["old", "young"]
    assert all("exploratory" in row.stamps and not row.leads and not row.improves(report.look) for row in found)
    assert all(row.p_value_adjusted is not None for row in found)


def test_a_look_beyond_the_plan_is_exploratory_throughout() -> None:
    report = a_report(a_plan(paired_draw(40), look=2, looks_planned=1), lift=0.2)
    assert all("exploratory" in row.stamps for row in report.rows)
    assert report.leading_rows == ()
    assert "look_beyond_plan" in [warning.code for warning in report.warnings]


def test_an_early_look_at_few_units_can_harm_but_not_improve() -> None:
    plan = a_plan(paired_draw(16), looks_planned=2)
    up, down = a_report(plan, lift=0.3), a_report(plan, lift=-0.3)
    assert not up.row("store_total", "points").improves(up.look)
    assert down.row("store_total", "points").harms(down.look)
    assert "harm_only" in [warning.code for warning in up.warnings]


def test_a_draw_that_cannot_reach_its_level_alarms() -> None:
    report = a_report(a_plan(complete_draw(6)))
    check = next(d for d in report.diagnostics if d.check == "smallest_p")
    assert (check.status, check.value) == (Status.ALARM, smallest_p(complete_draw(6), "points"))
    row = report.row("store_total", "points")
    assert row.interval_gate == (None, None)


def test_under_three_units_in_an_arm_the_row_says_what_it_assumes() -> None:
    shares = (Share("control", 9), Share("points", 1))
    row = a_report(a_plan(complete_draw(20, shares))).row("store_total", "points")
    assert row.estimate is not None
    assert (row.estimate.method, row.stamps) == ("permutation", ("assumes_same_effect",))
    assert row.assumption is not None


def test_a_lost_store_takes_its_pair_along_and_the_other_analysis_stands_beside() -> None:
    plan = a_plan(paired_draw(40))
    rows = [row for row in values_of(plan, lift=0.1) if row.unit != "s007"]
    report = analyze_look(plan, {"store_total": rows}, shares_of(plan))
    row = report.row("store_total", "points")
    assert row.estimate is not None
    assert row.estimate.n_units == 38
    assert row.stamps == ("units_lost",)
    assert [a.method for a in row.alternatives] == ["regression_t", "cr2", "unpaired_cr2"]
    assert row.alternatives[-1].n_units == 39
    assert any(w.code == "units_lost" and w.values["units"] == "s007" for w in report.warnings)


def test_a_store_without_customers_of_a_segment_is_not_lost_but_stays_out_with_its_pair() -> None:
    plan = a_plan(paired_draw(40))
    rows = [moments(r.unit, 0, 0, n=0) if r.unit == "s007" else r for r in values_of(plan, n=10)]
    all_rows = {"store_total": values_of(plan), "purchase_frequency": values_of(plan, n=10)}
    report = analyze_look(plan, all_rows, shares_of(plan), segments={"couples": {"purchase_frequency": rows}})
    row = report.row("purchase_frequency", "points", "couples")
    assert row.estimate is not None
    assert row.estimate.n_units == 38
    assert row.stamps == ("exploratory", "units_empty")
    assert report.row("purchase_frequency", "points").stamps == ()


def test_many_lost_units_of_one_arm_raise_the_sample_ratio_alarm() -> None:
    plan = a_plan(complete_draw(60))
    treated = [unit for unit, variant in plan.assignment.items() if variant == "points"]
    rows = [row for row in values_of(plan) if row.unit not in treated[:28]]
    report = analyze_look(plan, {"store_total": rows}, shares_of(plan))
    check = next(d for d in report.diagnostics if d.check == "sample_ratio")
    assert check.status is Status.ALARM
    assert "sample_ratio" in [warning.code for warning in report.warnings]


def test_a_unit_without_history_costs_the_covariate_and_the_row_says_so() -> None:
    plan = a_plan(paired_draw(40))
    rows = [moments(r.unit, r.y, None, n=r.n) if r.unit == "s007" else r for r in values_of(plan)]
    assert analyze_look(plan, {"store_total": rows}).row("store_total", "points").stamps == ("no_covariate",)


CUSTOMER_METRICS = (
    PlannedMetric(repeat_purchase(28), Role.PRIMARY),
    PlannedMetric(spend_per_customer(), Role.SECONDARY),
)


def _customer_report(**options: Any) -> LookReport:
    plan = LookPlan(
        AssignmentUnit.CUSTOMER, bernoulli_hash(SHARES, "x"), {}, CUSTOMER_METRICS, Leads.CUSTOMERS, seed=1, **options
    )
    rng = random.Random(5)
    arms: dict[str, list[Any]] = {"repeat_purchase_28d": [], "spend_per_customer": []}
    for variant, rate in (("control", 0.3), ("points", 0.4)):
        x = [int(rng.random() < 0.5) for _ in range(900)]
        y = [int(rng.random() < rate + 0.3 * b) for b in x]
        arms["repeat_purchase_28d"].append(arm(variant, y, x))
        arms["spend_per_customer"].append(arm(variant, [v * 100 for v in y]))
    return analyze_look(plan, arms)


@pytest.mark.parametrize(("n_variant", "warned"), [(900, False), (500, True)])
def test_amounts_of_customers_in_unequal_arms_say_what_the_test_rests_on(n_variant: int, warned: bool) -> None:
    plan = LookPlan(AssignmentUnit.CUSTOMER, bernoulli_hash(SHARES, "x"), {}, CUSTOMER_METRICS, Leads.CUSTOMERS, seed=1)
    rng = random.Random(5)
    counts = {"control": 900, "points": n_variant}
    arms = {
        code: [arm(variant, [int(rng.random() < 0.4) for _ in range(n)]) for variant, n in counts.items()]
        for code in ("repeat_purchase_28d", "spend_per_customer")
    }
    report = analyze_look(plan, arms)
    said = report.row("spend_per_customer", "points").assumption
    assert (said is not None and said.code == "unequal_arms") is warned
    assert report.row("repeat_purchase_28d", "points").assumption is None


def test_customer_draws_carry_the_stamp_unless_the_plan_says_why_not() -> None:
    stamped = _customer_report()
    assert stamped.row("repeat_purchase_28d", "points").stamps == ("may_be_identification",)
    assert not stamped.row("repeat_purchase_28d", "points").improves(stamped.look)
    free = _customer_report(identification_cannot_differ="both variants show the same card at every visit")
    row = free.row("repeat_purchase_28d", "points")
    assert row.stamps == ()
    assert row.improves(free.look)
    assert row.leads
    assert row.estimate is not None
    assert (row.estimate.method, row.estimate.n_units) == ("welch_adjusted", 1800)
    assert [a.method for a in row.alternatives] == ["welch"]


def test_rows_finer_than_the_unit_of_assignment_are_refused() -> None:
    plan = a_plan(paired_draw(8))
    with pytest.raises(WrongUnitOfAnalysis, match="store"):
        analyze_look(plan, {"store_total": [arm("control", [1, 2]), arm("points", [3, 4])]})
    with pytest.raises(UnknownMetric):
        analyze_look(plan, {"average_basket": values_of(plan)})


def test_a_report_survives_json_to_the_last_digit() -> None:
    guard = PlannedMetric(average_basket(), Role.GUARDRAIL, margin=0.02)
    report = a_report(a_plan(stratified_draw(30, 3), TOTAL, FREQUENCY, guard, looks_planned=2), shift=0.05)
    assert LookReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False))) == report
    with pytest.raises(KeyError):
        report.row("store_total", "gift")


_PROGRAM = """
import json
from tests.experiments.look.a_look import a_plan, a_report
from tests.experiments.building import complete_draw, paired_draw
print(json.dumps([a_report(a_plan(m), lift=.03).to_dict() for m in (paired_draw(90), complete_draw(90))]))
"""


def test_the_same_input_gives_the_same_report_whatever_the_threads() -> None:
    def run(threads: str) -> str:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": threads} | dict.fromkeys(names, threads)
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert run("1") == run("4")


def test_the_order_of_the_moments_changes_nothing() -> None:
    plan = a_plan(complete_draw(30))
    rows = values_of(plan, lift=0.05)
    shuffled = list(rows)
    random.Random(9).shuffle(shuffled)
    one: Mapping[str, Sequence[UnitMoments]] = {"store_total": rows}
    assert analyze_look(plan, one) == analyze_look(plan, {"store_total": shuffled})
