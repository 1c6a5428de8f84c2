"""Families of a look: max-T over the draw, Dunnett for customers, Holm; customers counted once beside."""

import random

import pytest

from experiments import (
    AssignmentUnit,
    Leads,
    LookPlan,
    LookReport,
    Mechanism,
    PlannedMetric,
    Role,
    Share,
    UnitMoments,
    analyze_look,
    bernoulli_hash,
    purchase_frequency,
    repeat_purchase,
)
from experiments.monitor.multiplicity import holm
from tests.experiments.building import arm, complete_draw, stratified_draw
from tests.experiments.look.a_look import FREQUENCY, TOTAL, a_plan, a_report, shares_of

THREE = (Share("control", 1), Share("points", 1), Share("gift", 1))


def _adjusted(report: LookReport, metric: str, *variants: str) -> list[tuple[float, float]]:
    """(p-value, adjusted p-value) of each variant."""
    rows = [report.row(metric, variant) for variant in variants]
    return [(r.estimate.p_value, r.p_value_adjusted) for r in rows if r.estimate and r.p_value_adjusted is not None]


@pytest.mark.parametrize("mechanism", [complete_draw(45, THREE), stratified_draw(45, 3, THREE)])
def test_variants_of_one_primary_metric_are_adjusted_by_joint_redraws(mechanism: Mechanism) -> None:
    report = a_report(a_plan(mechanism), lift=0.02)
    found = _adjusted(report, "store_total", "points", "gift")
    alone = [p for p, _ in found]
    assert len(found) == 2
    assert all(p <= adjusted <= max(by_holm, 0.03) for (p, adjusted), by_holm in zip(found, holm(alone), strict=True))
    assert report.row("purchase_frequency", "gift").p_value_adjusted is None


def test_several_primary_metrics_and_variants_are_adjusted_by_holm() -> None:
    frequency = PlannedMetric(purchase_frequency(), Role.PRIMARY)
    report = a_report(a_plan(complete_draw(45, THREE), TOTAL, frequency))
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
    plan = a_plan(complete_draw(12), TOTAL, FREQUENCY)
    rng = random.Random(5)
    rows = []
    for unit in plan.mechanism.codes:
        n = rng.randrange(20, 90)
        values = [rng.randrange(5) for _ in range(n)]
        rows.append(UnitMoments(unit, n, sum(values), sum(v * v for v in values), 0, 0, 0, 0, 28, 0))
    row = analyze_look(plan, {"purchase_frequency": rows}, shares_of(plan)).row("purchase_frequency", "points")
    beside = {estimate.method: estimate for estimate in row.alternatives}["customer_weighted"]
    arms = [[r for r in rows if plan.assignment[r.unit] == arm] for arm in ("control", "points")]
    means = [sum(r.y for r in members) / sum(r.n for r in members) for members in arms]
    assert beside.effect == pytest.approx(means[1] - means[0])
    assert (beside.mean_control, beside.mean_variant) == (pytest.approx(means[0]), pytest.approx(means[1]))
    assert beside.n_rows == sum(r.n for r in rows)
    assert row.estimate is not None
    assert beside.effect != pytest.approx(row.estimate.effect)
