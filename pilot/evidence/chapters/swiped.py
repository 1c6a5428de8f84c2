"""Real or just swiped: the exact account of the store total, what moved between the arms, and the red banner.

``only_identification`` is fixed before any result: the share of receipts with a customer rose by the report's own
test, and neither the gate's interval of the store total nor that of sales outside the list lies above zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from experiments.errors import NotEstimable
from experiments.look.account import Account, AccountRow, Crossed, UnitSales, account, moved_sales
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.store_sales import crossed, require_units, unit_sales
from pilot.planning.metrics import in_our_words

_MOVED = "identification_moved"


def compute(inputs: ChapterInputs) -> dict[str, Any]:
    """By variant: ``rows`` (total, listed, outside), ``moved``, ``identification``, and what they say together."""
    require_units(inputs)
    sales, cells = unit_sales(inputs), crossed(inputs)
    variants = {variant: _variant_or_reason(inputs, sales, cells, variant) for variant in inputs.plan.treated}
    return {
        "gate_confidence": inputs.analysis.look.gate_confidence,
        "variants": variants,
        "only_identification": any(found.get("only_identification", False) for found in variants.values()),
    }


def _variant_or_reason(
    inputs: ChapterInputs, sales: Sequence[UnitSales], cells: Crossed, variant: str
) -> dict[str, Any]:
    try:
        return _variant(inputs, sales, cells, variant)
    except NotEstimable as refused:
        return {"refusal": in_our_words(refused.message).to_dict()}


def _variant(inputs: ChapterInputs, sales: Sequence[UnitSales], cells: Crossed, variant: str) -> dict[str, Any]:
    gate = inputs.analysis.look.gate_confidence
    found = account(inputs.look_plan, sales, variant, gate_confidence=gate)
    rate = identification_of(inputs, variant)
    rose = rate is not None and rate["moved"] and rate["points"] > 0
    return {
        "rows": {row.part.value: _row(row) for row in found.rows},
        "n_units": found.n_units,
        "treated_days": found.treated_days,
        "adjusted": found.adjusted,
        "card_showing": found.card_showing.value if found.card_showing else None,
        "identification": rate,
        "only_identification": bool(rose and not found.sold_more),
        "moved": _moved(inputs, sales, cells, found),
    }


def identification_of(inputs: ChapterInputs, variant: str) -> dict[str, Any] | None:
    """The report's own test of the share of receipts with a customer; None where it could not be made."""
    for check in inputs.analysis.diagnostics:
        if check.check == "identification" and check.variant == variant and check.value is not None:
            points = check.message.values["effect_points"]
            return {"moved": check.message.code == _MOVED, "points": points, "p_value": check.value}
    return None


def _row(row: AccountRow) -> dict[str, Any]:
    estimate = row.estimate
    return {
        "effect_micro": row.effect_micro,
        "whole_minor": row.whole_minor,
        "interval": list(estimate.interval) if estimate else None,
        "interval_gate": list(row.interval_gate) if row.interval_gate else None,
        "p_value": estimate.p_value if estimate else None,
        "mean_control": estimate.mean_control if estimate else None,
        "refusal": in_our_words(row.refusal).to_dict() if row.refusal else None,
    }


def _moved(inputs: ChapterInputs, sales: Sequence[UnitSales], cells: Crossed, found: Account) -> dict[str, Any]:
    try:
        moved = moved_sales(inputs.look_plan, sales, cells, found.variant, gate_confidence=found.gate_confidence)
    except NotEstimable as refused:
        return {"refusal": in_our_words(refused.message).to_dict()}
    return asdict(moved) | {"interval": list(moved.interval), "interval_gate": list(moved.interval_gate)}
