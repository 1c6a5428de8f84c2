"""One look at a stage for tests: a plan, values that follow the value before, shares of identified receipts."""

import random
from typing import Any

from experiments import (
    AssignmentUnit,
    Leads,
    LookPlan,
    LookReport,
    Mechanism,
    PlannedMetric,
    Role,
    UnitMoments,
    analyze_look,
    draw,
    purchase_frequency,
    store_total,
)
from tests.experiments.building import moments

TOTAL = PlannedMetric(store_total(), Role.PRIMARY)
FREQUENCY = PlannedMetric(purchase_frequency(), Role.SECONDARY)


def a_plan(mechanism: Mechanism, *metrics: PlannedMetric, seed: int = 3, **options: Any) -> LookPlan:
    chosen: dict[str, Any] = {"leads": Leads.STORE_TOTALS, "draws": 999} | options
    return LookPlan(
        AssignmentUnit.STORE,
        mechanism,
        draw(mechanism, seed).assignment,
        metrics or (TOTAL, FREQUENCY),
        seed=1,
        **chosen,
    )


def values_of(
    plan: LookPlan, *, lift: float = 0.0, noise: float = 0.05, seed: int = 1, n: int = 1000
) -> list[UnitMoments]:
    """Values of 1,000 or so per store that follow the value before, times the lift in treated stores."""
    rng = random.Random(seed)
    rows = []
    for unit in plan.mechanism.codes:
        base = rng.uniform(0.5, 1.5)
        y = base * (1 + rng.gauss(0, noise)) * (1 + (lift if plan.assignment[unit] != "control" else 0.0))
        rows.append(moments(unit, round(y * 1000 * n), round(base * 1000 * n), n=n))
    return rows


def shares_of(plan: LookPlan, *, shift: float = 0.0, seed: int = 4, level: float = 0.8) -> list[UnitMoments]:
    rng = random.Random(seed)
    rows = []
    for unit in plan.mechanism.codes:
        before = level + rng.gauss(0, 0.03)
        after = before + rng.gauss(0, 0.01) + (shift if plan.assignment[unit] != "control" else 0.0)
        rows.append(moments(unit, round(after * 10_000), round(before * 10_000), n=10_000))
    return rows


def a_report(plan: LookPlan, *, lift: float = 0.0, shift: float = 0.0, **options: Any) -> LookReport:
    data = {planned.metric.code: values_of(plan, lift=lift, seed=i) for i, planned in enumerate(plan.metrics)}
    return analyze_look(plan, data, shares_of(plan, shift=shift), **options)
