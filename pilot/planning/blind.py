"""Metrics that a stage could not test: the past shows the same value in every store, or for every customer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from experiments.errors import ExperimentError
from experiments.measure.metrics import AssignmentUnit
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from pilot.errors import PilotError
from pilot.outcomes import history
from pilot.planning import spending
from pilot.planning.candidates import Exclusions
from pilot.planning.designer import Design, design_of, past_moments
from pilot.planning.metrics import library_metric
from pilot.planning.plan import Plan
from pilot.words import N_, Message

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake

FULL_PRICE = "full_price_share"


@dataclass(frozen=True, slots=True)
class Blind:
    """A stage's leading metric or guardrail of which the past says that nothing can be estimated; and what would do."""

    stage: int
    metric: str
    message: Message


def blind_metrics(lake: Lake, plan: Plan, number: int, design: Design) -> tuple[Blind, ...]:
    """The leading metric and the guardrails that have one value for all units in the weeks before the stage.

    What cannot be measured on the past at all is not among them: of that nothing is known.
    """
    found = []
    for code in dict.fromkeys((plan.primary, *(guardrail.metric for guardrail in plan.guardrails))):
        try:
            moments = past_moments(lake, plan, number, design, code)
        except (PilotError, ExperimentError):
            continue
        if moments and _is_blind(moments):
            found.append(Blind(number, code, _said(plan, code)))
    return tuple(found)


def blind_in(
    session: Session, lake: Lake, plan: Plan, *, excluded: Callable[[int], Exclusions], after: int = 0
) -> tuple[Blind, ...]:
    """The same of every stage after ``after`` that can be drawn. Reads only, and may take long."""
    found: list[Blind] = []
    for stage in plan.stages:
        if stage.number > after:
            try:
                design = design_of(session, lake, plan, stage.number, excluded=excluded(stage.number))
            except PilotError:
                continue
            found += blind_metrics(lake, plan, stage.number, design)
    return tuple(found)


def blind_guardrails(lake: Lake) -> frozenset[str]:
    """Guardrails that no plan could test on the network's last weeks: the full-price share without any discount."""
    period = spending.past_period(lake, None)
    if period is None:
        return frozenset()
    receipts = history.receipts_within(lake, None, *period)
    some = receipts.filter(receipts.discount_minor != 0).select("discount_minor").limit(1).to_pyarrow()
    return frozenset() if some.num_rows else frozenset({FULL_PRICE})


def _is_blind(moments: Iterable[UnitMoments | ArmMoments]) -> bool:
    """Whether no unit's value differs from another's; of customers in one arm, no customer's."""
    known = [row for row in moments if row.n]
    if any(isinstance(row, ArmMoments) for row in known):
        return all(row.n * row.yy == row.y * row.y for row in known)
    first = known[0] if known else None
    return first is not None and all(row.y * first.n == first.y * row.n for row in known)


def _said(plan: Plan, code: str) -> Message:
    values = {"metric": library_metric(code).title}
    if code == plan.primary:
        return Message("blind_primary", _PRIMARY, values)
    if code == FULL_PRICE:
        return Message("blind_full_price", _FULL_PRICE, values)
    units = "customers" if plan.unit is AssignmentUnit.CUSTOMER else "stores"
    return Message(f"blind_guardrail_{units}", _GUARDRAIL[units], values)


_PRIMARY = N_(
    "“{metric}” leads and has had one and the same value everywhere in the past weeks: no effect on it could be "
    "estimated, and the stage could never advance. Let another metric lead, or import what this one is measured from."
)
_FULL_PRICE = N_(
    "The guardrail “{metric}” has had the same value in every store in the past weeks: its margin cannot be tested, "
    "and the gate would stop. Leave it out, or import the discounts of receipts."
)
_GUARDRAIL = {
    "stores": N_(
        "The guardrail “{metric}” has had the same value in every store in the past weeks: its margin cannot be "
        "tested, and the gate would stop. Leave it out, or import what it is measured from."
    ),
    "customers": N_(
        "The guardrail “{metric}” has had the same value for every customer in the past weeks: its margin cannot be "
        "tested, and the gate would stop. Leave it out, or import what it is measured from."
    ),
}
