"""Customers beneath stores: how many there are is compared as a value of each store, over the recorded mechanism."""

import random

from experiments import (
    AssignmentUnit,
    Leads,
    LookPlan,
    Mechanism,
    PlannedMetric,
    Role,
    Status,
    UnitMoments,
    analyze_look,
    draw,
    purchase_frequency,
    store_total,
)
from experiments.monitor.sample_ratio import sample_ratio
from tests.experiments.building import SHARES, complete_draw, moments


def _plan(mechanism: Mechanism, *, draws: int = 999) -> LookPlan:
    metrics = (PlannedMetric(store_total(), Role.PRIMARY), PlannedMetric(purchase_frequency(), Role.SECONDARY))
    assignment = draw(mechanism, 3).assignment
    return LookPlan(AssignmentUnit.STORE, mechanism, assignment, metrics, leads=Leads.STORE_TOTALS, seed=1, draws=draws)


def _listed(plan: LookPlan, sizes: dict[str, int]) -> list[UnitMoments]:
    """Purchase days of so many customers per store."""
    return [moments(unit, 3 * sizes[unit] + i, 3 * sizes[unit], n=sizes[unit]) for i, unit in enumerate(sizes)]


def test_customers_beneath_stores_are_compared_as_a_value_of_each_store() -> None:
    """Few large stores make χ² of the customers alarm; over the draws that could have been made, nothing is odd."""
    plan = _plan(complete_draw(24))
    rng = random.Random(5)
    sizes = {unit: rng.choice([40, 60, 900]) for unit in sorted(plan.mechanism.codes)}
    report = analyze_look(plan, {"purchase_frequency": _listed(plan, sizes)})
    (check,) = [d for d in report.diagnostics if d.check == "rows_per_unit"]
    counts = {
        variant: sum(sizes[u] for u in sizes if plan.assignment[u] == variant) for variant in ("control", "points")
    }
    assert sample_ratio(counts, SHARES).p_value < 0.001
    assert check.status is Status.OK
    assert check.value is not None
    assert check.value > 0.05


def test_customers_missing_in_one_arm_alarm() -> None:
    plan = _plan(complete_draw(40), draws=9_999)
    sizes = {u: (60 if plan.assignment[u] == "points" else 100) + i % 7 for i, u in enumerate(plan.mechanism.codes)}
    report = analyze_look(plan, {"purchase_frequency": _listed(plan, sizes)})
    (check,) = [d for d in report.diagnostics if d.check == "rows_per_unit"]
    assert check.status is Status.ALARM


def test_where_every_store_has_as_many_customers_there_is_nothing_to_test() -> None:
    plan = _plan(complete_draw(24))
    report = analyze_look(plan, {"purchase_frequency": _listed(plan, dict.fromkeys(plan.mechanism.codes, 50))})
    assert "rows_per_unit" not in {d.check for d in report.diagnostics}
