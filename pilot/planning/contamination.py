"""Contamination before the start: how much of what control's customers buy would be bought in treated stores."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from experiments.design.spillover import Spillover, forecast
from experiments.errors import ExperimentError
from experiments.measure.metrics import AssignmentUnit
from experiments.measure.visits import visit_sums
from experiments.measure.windows import Window
from pilot.outcomes import history
from pilot.planning.candidates import home_list, units_table
from pilot.planning.designer import Design
from pilot.planning.metrics import in_our_words
from pilot.planning.plan import Plan, weeks_before
from pilot.words import Message

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake

_WEEKS = 13


def cross_shopping(lake: Lake, plan: Plan, design: Design) -> dict[tuple[str, str], int]:
    """(home unit, visited unit) → net sales of listed customers in the last weeks, homes fixed before those weeks.

    Stores that are no candidate are visited under their own number. Empty where nothing is known.
    """
    version = design.candidates.version
    known = history.period_known(lake, version)
    if known is None:
        return {}
    weeks = max(1, min(_WEEKS, ((known[1] - known[0]).days + 1) // 14))
    window = Window(*weeks_before(known[1] + timedelta(days=1), weeks))
    before = weeks_before(window.first, plan.windows.home_weeks)
    unit_of = {i: code for code, ids in design.candidates.stores.items() for i in ids}
    homes = {key: unit_of[i] for key, i in home_list(lake, version, before).items() if i in unit_of}
    table = visit_sums(
        lake.receipts(version),
        homes=units_table(homes, "customer_key"),
        stores=units_table(unit_of),
        window=window,
        before=Window(*before),
    )
    found: dict[tuple[str, str], int] = defaultdict(int)
    for row in table.to_pylist():
        if row["period"] == "window" and row["home"] is not None:
            found[row["home"], row["at"] or ""] += row["net_minor"]
    return dict(found)


def contamination(lake: Lake, plan: Plan, design: Design) -> dict[str, Any]:
    """The forecast as JSON: shares, the worst neighbours, merges and stores to leave out; or a ``refusal``."""
    if plan.unit is AssignmentUnit.CUSTOMER:
        return {}
    try:
        return _document(forecast(cross_shopping(lake, plan, design), design.mechanism))
    except ExperimentError as error:
        return {"refusal": _stored(in_our_words(error.message))}


def _document(found: Spillover) -> dict[str, Any]:
    return {
        "control_share": found.control_share,
        "treated_share": found.treated_share,
        "threshold": found.threshold,
        "too_much": found.too_much,
        "neighbours": [[one.unit, one.to, one.share] for one in found.neighbours[:10]],
        "merges": [[list(one.units), one.control_share] for one in found.merges],
        "drops": [[list(one.units), one.control_share] for one in found.drops],
    }


def _stored(message: Message) -> dict[str, Any]:
    return message.to_dict()
