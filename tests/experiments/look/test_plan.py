"""The analysis plan: valid from birth, one named error per broken rule."""

from dataclasses import replace
from typing import Any

import pytest

from experiments import (
    AssignmentUnit,
    Leads,
    LookPlan,
    PlannedMetric,
    Role,
    average_basket,
    bernoulli_hash,
    draw,
    purchase_frequency,
    store_total,
)
from experiments.errors import DuplicateMetric, InvalidLevel, InvalidNumber, InvalidPlan, NotMeasurable, UnknownVariant
from tests.experiments.building import SHARES, paired_draw

TOTAL = PlannedMetric(store_total(), Role.PRIMARY)
FREQUENCY = PlannedMetric(purchase_frequency(), Role.SECONDARY)


def _plan() -> LookPlan:
    mechanism = paired_draw(8)
    assignment = draw(mechanism, 1).assignment
    return LookPlan(AssignmentUnit.STORE, mechanism, assignment, (TOTAL, FREQUENCY), Leads.STORE_TOTALS, seed=1)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"alpha": 0.0}, InvalidLevel),
        ({"alpha": 2}, InvalidLevel),
        ({"metrics": (TOTAL, TOTAL)}, DuplicateMetric),
        ({"metrics": (FREQUENCY,)}, InvalidPlan),
        ({"metrics": (PlannedMetric(average_basket(), Role.PRIMARY),)}, InvalidPlan),
        ({"leads": Leads.CUSTOMERS}, InvalidPlan),
        ({"assignment": {"s000": "control"}}, InvalidPlan),
        ({"assignment": {"s000": "gift"}}, UnknownVariant),
        ({"mechanism": bernoulli_hash(SHARES, "x")}, InvalidPlan),
        ({"unit": AssignmentUnit.CUSTOMER}, NotMeasurable),
    ],
)
def test_a_plan_is_valid_from_birth(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        replace(_plan(), **change)


@pytest.mark.parametrize(("margin", "error"), [(-0.1, InvalidPlan), (0.0, InvalidPlan), (float("nan"), InvalidNumber)])
def test_a_guardrail_needs_a_positive_margin(margin: float, error: type[Exception]) -> None:
    with pytest.raises(error, match="margin"):
        PlannedMetric(average_basket(), Role.GUARDRAIL, margin=margin)


def test_only_a_guardrail_has_a_margin() -> None:
    with pytest.raises(InvalidPlan):
        PlannedMetric(average_basket(), Role.GUARDRAIL)
    with pytest.raises(InvalidPlan):
        PlannedMetric(average_basket(), Role.PRIMARY, margin=0.1)
