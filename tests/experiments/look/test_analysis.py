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
    draw,
    purchase_frequency,
    repeat_purchase,
    smallest_p,
    spend_per_customer,
    store_total,
)
from experiments.errors import (
    UnknownMetric,
    WrongUnitOfAnalysis,
)
from experiments.monitor.multiplicity import holm
from tests.experiments.building import SHARES, arm, complete_draw, moments, paired_draw, stratified_draw

TOTAL = PlannedMetric(store_total(), Role.PRIMARY)
FREQUENCY = PlannedMetric(purchase_frequency(), Role.SECONDARY)


def _plan(mechanism: Mechanism, *metrics: PlannedMetric, seed: int = 3, **options: Any) -> LookPlan:
    chosen: dict[str, Any] = {"leads": Leads.STORE_TOTALS, "draws": 999} | options
    return LookPlan(
        AssignmentUnit.STORE,
        mechanism,
        draw(mechanism, seed).assignment,
        metrics or (TOTAL, FREQUENCY),
        seed=1,
        **chosen,
    )


def _rows(plan: LookPlan, *, lift: float = 0.0, noise: float = 0.05, seed: int = 1, n: int = 1000) -> list[UnitMoments]:
    """Values of 1,000 or so per store that follow the value before, times the lift in treated stores."""
    rng = random.Random(seed)
    rows = []
    for unit in plan.mechanism.codes:
        base = rng.uniform(0.5, 1.5)
        y = base * (1 + rng.gauss(0, noise)) * (1 + (lift if plan.assignment[unit] != "control" else 0.0))
        rows.append(moments(unit, round(y * 1000 * n), round(base * 1000 * n), n=n))
    return rows


def _shares(plan: LookPlan, *, shift: float = 0.0, seed: int = 4, level: float = 0.8) -> list[UnitMoments]:
    rng = random.Random(seed)
    rows = []
    for unit in plan.mechanism.codes:
        before = level + rng.gauss(0, 0.03)
        after = before + rng.gauss(0, 0.01) + (shift if plan.assignment[unit] != "control" else 0.0)
        rows.append(moments(unit, round(after * 10_000), round(before * 10_000), n=10_000))
    return rows


def _report(plan: LookPlan, *, lift: float = 0.0, shift: float = 0.0, **options: Any) -> LookReport:
    data = {planned.metric.code: _rows(plan, lift=lift, seed=i) for i, planned in enumerate(plan.metrics)}
    return analyze_look(plan, data, _shares(plan, shift=shift), **options)


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
    row = _report(_plan(mechanism), lift=0.10).row("store_total", "points")
    assert row.estimate is not None
    assert row.estimate.method == method
    assert row.estimate.relative_effect == pytest.approx(0.10, abs=0.05)
    assert [other.method for other in row.alternatives] == ["regression_t", "cr2"]
    assert all(other.effect == row.estimate.effect for other in row.alternatives)


def test_a_lift_improves_and_a_fall_harms() -> None:
    plan = _plan(paired_draw(40))
    up, down = _report(plan, lift=0.10), _report(plan, lift=-0.10)
    assert up.row("store_total", "points").improves(up.look)
    assert not up.row("store_total", "points").harms(up.look)
    assert down.row("store_total", "points").harms(down.look)
    assert not down.row("store_total", "points").improves(down.look)


def test_the_gate_interval_is_wider_when_looks_are_shared() -> None:
    row = _report(_plan(paired_draw(40), looks_planned=3)).row("store_total", "points")
    assert row.estimate is not None
    assert row.interval_gate is not None
    assert row.gate_confidence == pytest.approx(1 - 0.05 / 3)
    (low, high), (gate_low, gate_high) = row.estimate.interval, row.interval_gate
    assert None not in (low, high, gate_low, gate_high)
    assert gate_low < low < high < gate_high  # type: ignore[operator]  # none of them is None


def test_store_totals_lead_where_the_plan_says_so() -> None:
    report = _report(_plan(paired_draw(40)))
    assert [row.metric for row in report.leading_rows] == ["store_total"]


def test_customers_lead_until_identification_moves() -> None:
    metrics = (PlannedMetric(spend_per_customer(), Role.PRIMARY), PlannedMetric(store_total(), Role.SECONDARY))
    plan = _plan(paired_draw(40), *metrics, leads=Leads.CUSTOMERS)
    assert [row.metric for row in _report(plan).leading_rows] == ["spend_per_customer"]
    moved = _report(plan, shift=0.05, lift=0.1)
    assert [row.metric for row in moved.leading_rows] == ["store_total"]
    stamped = moved.row("spend_per_customer", "points")
    assert stamped.stamps == ("may_be_identification",)
    assert not stamped.improves(moved.look)  # however large the effect


def test_identification_stamps_customer_rows_only() -> None:
    report = _report(_plan(paired_draw(40)), shift=0.05)
    assert report.row("store_total", "points").stamps == ()
    assert report.row("purchase_frequency", "points").stamps == ("may_be_identification",)
    check = next(d for d in report.diagnostics if d.check == "identification")
    assert (check.status, check.message.code) == (Status.WARN, "identification_moved")


def test_a_quiet_identification_says_what_it_could_hide() -> None:
    report = _report(_plan(paired_draw(40)))
    check = next(d for d in report.diagnostics if d.check == "identification")
    assert (check.status, check.message.code) == (Status.OK, "identification_quiet")
    assert 0 < float(check.message.values["hidden_artefact"]) < 0.05


def test_without_the_identified_shares_customer_rows_cannot_pass() -> None:
    plan = _plan(paired_draw(40))
    report = analyze_look(plan, {"purchase_frequency": _rows(plan, lift=0.2)})
    row = report.row("purchase_frequency", "points")
    assert row.stamps == ("identification_not_tested",)
    assert row.blocked


def test_a_draw_too_small_to_see_identification_move_leaves_customer_rows_untested() -> None:
    report = _report(_plan(paired_draw(8)))
    assert report.row("purchase_frequency", "points").stamps == ("identification_not_tested",)
    check = next(d for d in report.diagnostics if d.check == "identification")
    assert (check.status, check.value) == (Status.WARN, None)


def test_where_every_receipt_is_identified_nothing_can_have_moved() -> None:
    plan = _plan(paired_draw(40))
    everyone = [moments(unit, 500, 500, n=500) for unit in plan.mechanism.codes]
    report = analyze_look(plan, {"purchase_frequency": _rows(plan)}, everyone)
    assert report.row("purchase_frequency", "points").stamps == ()


def test_where_few_receipts_were_identified_customer_metrics_are_refused() -> None:
    plan = _plan(paired_draw(40))
    report = analyze_look(
        plan, {"store_total": _rows(plan), "purchase_frequency": _rows(plan)}, _shares(plan, level=0.2)
    )
    refused = report.row("purchase_frequency", "points")
    assert refused.estimate is None
    assert refused.refusal is not None
    assert refused.refusal.code == "few_identified"
    assert report.row("store_total", "points").estimate is not None


def test_what_was_not_measured_is_a_row_with_its_reason() -> None:
    plan = _plan(paired_draw(40))
    reason = Message("window_not_observed", "only {n} days have passed", {"n": 20})
    report = analyze_look(plan, {"store_total": _rows(plan)}, refusals={"purchase_frequency": reason})
    assert report.row("purchase_frequency", "points").refusal == reason
    missing = analyze_look(plan, {"purchase_frequency": _rows(plan)}, _shares(plan))
    found = missing.row("store_total", "points").refusal
    assert found is not None
    assert found.code == "no_moments"


def test_a_guardrail_must_show_that_the_loss_is_smaller_than_its_margin() -> None:
    guard = PlannedMetric(average_basket(), Role.GUARDRAIL, margin=0.10)
    plan = _plan(paired_draw(40), TOTAL, guard)
    held = _report(plan).row("average_basket", "points").non_inferiority
    assert held is not None
    assert held.holds
    assert held.margin == pytest.approx(0.10 * _mean_control(plan, seed=1))
    assert held.bound is not None
    assert held.bound > -held.margin
    broken = _report(plan, lift=-0.10).row("average_basket", "points").non_inferiority
    assert broken is not None
    assert not broken.holds


def _mean_control(plan: LookPlan, *, seed: int) -> float:
    values = [m.y / m.n for m in _rows(plan, seed=seed) if plan.assignment[m.unit] == "control"]
    return sum(values) / len(values)


def test_an_absolute_margin_is_taken_as_it_is() -> None:
    guard = PlannedMetric(average_basket(), Role.GUARDRAIL, margin=12.5, margin_scale=MarginScale.ABSOLUTE)
    found = _report(_plan(paired_draw(40), TOTAL, guard)).row("average_basket", "points").non_inferiority
    assert found is not None
    assert found.margin == 12.5


THREE = (Share("control", 1), Share("points", 1), Share("gift", 1))


def _adjusted(report: LookReport, metric: str, *variants: str) -> list[tuple[float, float]]:
    """(p-value, adjusted p-value) of each variant."""
    rows = [report.row(metric, variant) for variant in variants]
    return [(r.estimate.p_value, r.p_value_adjusted) for r in rows if r.estimate and r.p_value_adjusted is not None]


@pytest.mark.parametrize("mechanism", [complete_draw(45, THREE), stratified_draw(45, 3, THREE)])
def test_variants_of_one_primary_metric_are_adjusted_by_joint_redraws(mechanism: Mechanism) -> None:
    report = _report(_plan(mechanism), lift=0.02)
    found = _adjusted(report, "store_total", "points", "gift")
    alone = [p for p, _ in found]
    assert len(found) == 2
    assert all(p <= adjusted <= max(by_holm, 0.03) for (p, adjusted), by_holm in zip(found, holm(alone), strict=True))
    assert report.row("purchase_frequency", "gift").p_value_adjusted is None


def test_several_primary_metrics_and_variants_are_adjusted_by_holm() -> None:
    frequency = PlannedMetric(purchase_frequency(), Role.PRIMARY)
    report = _report(_plan(complete_draw(45, THREE), TOTAL, frequency))
    found = [
        pair for code in ("store_total", "purchase_frequency") for pair in _adjusted(report, code, "points", "gift")
    ]
    assert tuple(adjusted for _, adjusted in found) == pytest.approx(holm([p for p, _ in found]))


def test_where_customers_are_drawn_variants_share_control_and_dunnett_adjusts() -> None:
    plan = LookPlan(
        AssignmentUnit.CUSTOMER,
        bernoulli_hash(THREE, "s"),
        {},
        (PlannedMetric(repeat_purchase(28), Role.PRIMARY),),
        Leads.CUSTOMERS,
        seed=1,
    )
    counts = {"control": 300, "points": 345, "gift": 330}
    data = {"repeat_purchase_28d": [arm(v, [1] * n + [0] * (900 - n)) for v, n in counts.items()]}
    found = _adjusted(analyze_look(plan, data), "repeat_purchase_28d", "points", "gift")
    alone = [p for p, _ in found]
    assert all(p < adjusted < by_holm for (p, adjusted), by_holm in zip(found[:1], holm(alone), strict=False))
    assert all(adjusted >= p for p, adjusted in found)


def test_a_customer_metric_has_every_customer_counted_once_beside_it() -> None:
    """By hand: without a covariate the alternative is the difference of the customers' means."""
    plan = _plan(complete_draw(12), TOTAL, FREQUENCY)
    rng = random.Random(5)
    rows = []
    for unit in plan.mechanism.codes:
        n = rng.randrange(20, 90)
        values = [rng.randrange(5) for _ in range(n)]
        rows.append(UnitMoments(unit, n, sum(values), sum(v * v for v in values), 0, 0, 0, 0, 28, 0))
    row = analyze_look(plan, {"purchase_frequency": rows}, _shares(plan)).row("purchase_frequency", "points")
    beside = {estimate.method: estimate for estimate in row.alternatives}["customer_weighted"]
    arms = [[r for r in rows if plan.assignment[r.unit] == arm] for arm in ("control", "points")]
    means = [sum(r.y for r in members) / sum(r.n for r in members) for members in arms]
    assert beside.effect == pytest.approx(means[1] - means[0])
    assert (beside.mean_control, beside.mean_variant) == (pytest.approx(means[0]), pytest.approx(means[1]))
    assert beside.n_rows == sum(r.n for r in rows)
    assert row.estimate is not None
    assert beside.effect != pytest.approx(row.estimate.effect)


def test_segments_are_exploratory_and_adjusted_among_themselves() -> None:
    plan = _plan(paired_draw(40))
    segments = {name: {"purchase_frequency": _rows(plan, lift=0.1, seed=i)} for i, name in enumerate(("young", "old"))}
    report = analyze_look(plan, {"store_total": _rows(plan)}, _shares(plan), segments=segments)
    found = [row for row in report.rows if row.segment is not None]
    assert [row.segment for row in found] == ["old", "young"]
    assert all("exploratory" in row.stamps and not row.leads and not row.improves(report.look) for row in found)
    assert all(row.p_value_adjusted is not None for row in found)


def test_a_look_beyond_the_plan_is_exploratory_throughout() -> None:
    report = _report(_plan(paired_draw(40), look=2, looks_planned=1), lift=0.2)
    assert all("exploratory" in row.stamps for row in report.rows)
    assert report.leading_rows == ()
    assert "look_beyond_plan" in [warning.code for warning in report.warnings]


def test_an_early_look_at_few_units_can_harm_but_not_improve() -> None:
    plan = _plan(paired_draw(16), looks_planned=2)
    up, down = _report(plan, lift=0.3), _report(plan, lift=-0.3)
    assert not up.row("store_total", "points").improves(up.look)
    assert down.row("store_total", "points").harms(down.look)
    assert "harm_only" in [warning.code for warning in up.warnings]


def test_a_draw_that_cannot_reach_its_level_alarms() -> None:
    report = _report(_plan(complete_draw(6)))
    check = next(d for d in report.diagnostics if d.check == "smallest_p")
    assert (check.status, check.value) == (Status.ALARM, smallest_p(complete_draw(6), "points"))
    row = report.row("store_total", "points")
    assert row.interval_gate == (None, None)


def test_under_three_units_in_an_arm_the_row_says_what_it_assumes() -> None:
    shares = (Share("control", 9), Share("points", 1))
    row = _report(_plan(complete_draw(20, shares))).row("store_total", "points")
    assert row.estimate is not None
    assert (row.estimate.method, row.stamps) == ("permutation", ("assumes_same_effect",))
    assert row.assumption is not None


def test_a_lost_store_takes_its_pair_along_and_the_other_analysis_stands_beside() -> None:
    plan = _plan(paired_draw(40))
    rows = [row for row in _rows(plan, lift=0.1) if row.unit != "s007"]
    report = analyze_look(plan, {"store_total": rows}, _shares(plan))
    row = report.row("store_total", "points")
    assert row.estimate is not None
    assert row.estimate.n_units == 38
    assert row.stamps == ("units_lost",)
    assert [a.method for a in row.alternatives] == ["regression_t", "cr2", "unpaired_cr2"]
    assert row.alternatives[-1].n_units == 39
    assert any(w.code == "units_lost" and w.values["units"] == "s007" for w in report.warnings)


def test_a_store_without_customers_of_a_segment_is_not_lost_but_stays_out_with_its_pair() -> None:
    plan = _plan(paired_draw(40))
    rows = [moments(r.unit, 0, 0, n=0) if r.unit == "s007" else r for r in _rows(plan, n=10)]
    all_rows = {"store_total": _rows(plan), "purchase_frequency": _rows(plan, n=10)}
    report = analyze_look(plan, all_rows, _shares(plan), segments={"couples": {"purchase_frequency": rows}})
    row = report.row("purchase_frequency", "points", "couples")
    assert row.estimate is not None
    assert row.estimate.n_units == 38
    assert row.stamps == ("exploratory", "units_empty")
    assert report.row("purchase_frequency", "points").stamps == ()


def test_many_lost_units_of_one_arm_raise_the_sample_ratio_alarm() -> None:
    plan = _plan(complete_draw(60))
    treated = [unit for unit, variant in plan.assignment.items() if variant == "points"]
    rows = [row for row in _rows(plan) if row.unit not in treated[:28]]
    report = analyze_look(plan, {"store_total": rows}, _shares(plan))
    check = next(d for d in report.diagnostics if d.check == "sample_ratio")
    assert check.status is Status.ALARM
    assert "sample_ratio" in [warning.code for warning in report.warnings]


def test_a_unit_without_history_costs_the_covariate_and_the_row_says_so() -> None:
    plan = _plan(paired_draw(40))
    rows = [moments(r.unit, r.y, None, n=r.n) if r.unit == "s007" else r for r in _rows(plan)]
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
    plan = _plan(paired_draw(8))
    with pytest.raises(WrongUnitOfAnalysis, match="store"):
        analyze_look(plan, {"store_total": [arm("control", [1, 2]), arm("points", [3, 4])]})
    with pytest.raises(UnknownMetric):
        analyze_look(plan, {"average_basket": _rows(plan)})


def test_a_report_survives_json_to_the_last_digit() -> None:
    guard = PlannedMetric(average_basket(), Role.GUARDRAIL, margin=0.02)
    report = _report(_plan(stratified_draw(30, 3), TOTAL, FREQUENCY, guard, looks_planned=2), shift=0.05)
    assert LookReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False))) == report
    with pytest.raises(KeyError):
        report.row("store_total", "gift")


_PROGRAM = """
import json
from tests.experiments.look.test_analysis import _plan, _report
from tests.experiments.building import complete_draw, paired_draw
print(json.dumps([_report(_plan(m), lift=.03).to_dict() for m in (paired_draw(90), complete_draw(90))]))
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
    plan = _plan(complete_draw(30))
    rows = _rows(plan, lift=0.05)
    shuffled = list(rows)
    random.Random(9).shuffle(shuffled)
    one: Mapping[str, Sequence[UnitMoments]] = {"store_total": rows}
    assert analyze_look(plan, one) == analyze_look(plan, {"store_total": shuffled})
