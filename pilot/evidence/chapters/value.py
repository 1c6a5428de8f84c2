"""Value and cost: what a newly identified customer cost and how long they stay, beside the cost of sales gained.

Newly identified customers are descriptive: a card reveals shoppers who were there before. What can be tested is the
gain outside the list; its cost has an interval only where that gain has a positive lower bound. Nothing here is in a
gate. The cost of a channel is not known apart, so each newly identified customer of a variant carries the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from experiments.errors import NotEstimable
from experiments.forecast.economics import value_per_cost
from experiments.measure.newcomers import SILENCE_DAYS, Newcomers, lifetime, newcomers
from experiments.messages import Message as ExperimentMessage
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.store_sales import require_units
from pilot.evidence.home_list import segments_of
from pilot.evidence.population import named_segments
from pilot.planning.metrics import in_our_words
from pilot.words import N_, Message

FEWEST = 5  # customers of whom anything is said
OTHERS = ""  # the channel of customers in no segment
_CONTROL = "control"

_NO_COST = Message("cost_unknown", N_("what the variant cost is not known, so nothing can be set against it"), {})
_NO_GAIN = Message(
    "no_gain_outside_list",
    N_("the gain outside the list may be nothing: without a positive lower bound there is no cost per unit of it"),
    {},
)
_NO_ACCOUNT = Message("no_account", N_("there is no estimate of the sales outside the list"), {})
_FEW = ExperimentMessage("few_newcomers", N_("fewer than {n} were identified for the first time"), {"n": FEWEST})


def compute(inputs: ChapterInputs) -> dict[str, Any]:
    """Per variant, control among them: newcomers, their cost, lifetime and value per cost, by channel as well."""
    require_units(inputs)
    everybody = newcomers(inputs.receipts, listed=inputs.population.homes, window=inputs.window, before=inputs.before)
    arms = _arms(inputs, everybody)
    rate = _margin_rate(inputs)
    found = {arm: _arm(inputs, arm, everybody.among(arms == arm), rate) for arm in (_CONTROL, *inputs.plan.treated)}
    known = bool(named_segments(inputs.plan))
    return {"silence_days": SILENCE_DAYS, "margin_rate": rate, "channels_known": known, "variants": found}


def _arm(inputs: ChapterInputs, arm: str, mine: Newcomers, rate: float | None) -> dict[str, Any]:
    cost = None if arm == _CONTROL else _cost(inputs, arm)
    stores = sum(inputs.population.assignment.get(unit) == arm for unit in _units_of_stores(inputs))
    each = cost / len(mine) if cost is not None and len(mine) >= FEWEST else None
    told: dict[str, Any] = {
        "new_customers": _count(mine),
        "stores": stores,
        "cost_minor": cost,
        "cost_per_new_minor": each,
        "stay": _stay(inputs, mine, rate, each),
        "channels": _channels(inputs, mine, rate, each),
    }
    return told if arm == _CONTROL else told | {"outside": _outside(inputs, arm, cost)}


def _stay(inputs: ChapterInputs, mine: Newcomers, rate: float | None, each: float | None) -> dict[str, Any]:
    """Lifetime in weeks, margin in a week of it, and their product over the cost of one customer."""
    try:
        if len(mine) < FEWEST:
            raise NotEstimable(_FEW)
        stay = lifetime(mine, inputs.window)
    except NotEstimable as refused:
        return {"n": _count(mine), "refusal": in_our_words(refused.message).to_dict()}
    told = {
        "n": stay.n,
        "left": stay.left,
        "weeks": stay.weeks,
        "tau_weeks": stay.tau_weeks,
        "weekly_margin_minor": None if rate is None else stay.weekly_sales_minor * rate,
        "value_per_cost": None,
    }
    if rate is not None and each is not None and each > 0:
        value = value_per_cost(
            customers=1,
            weeks_each=Decimal(stay.weeks),
            weekly_margin=Decimal(stay.weekly_sales_minor * rate),
            cost=Decimal(each),
        )
        told["value_per_cost"] = float(value)
    return told


def _channels(inputs: ChapterInputs, mine: Newcomers, rate: float | None, each: float | None) -> list[dict[str, Any]]:
    """By segment, where the plan or its offers name any; a channel is what is known of how somebody came."""
    named = named_segments(inputs.plan)
    if not named or not len(mine):
        return []
    segments: Any = segments_of(inputs.attributes, inputs.plan, mine.customer_key, named)
    codes = np.array([code or OTHERS for code in segments.to_pylist()])
    return [{"channel": code, **_stay(inputs, mine.among(codes == code), rate, each)} for code in (*named, OTHERS)]


def _count(mine: Newcomers) -> int | None:
    """How many; None for so few that they could be recognised."""
    return len(mine) if not 0 < len(mine) < FEWEST else None


def _outside(inputs: ChapterInputs, variant: str, cost: int | None) -> dict[str, Any]:
    """What a unit of sales gained outside the list cost, with the ends of the gain's 95 % interval turned over."""
    account: Mapping[str, Any] = inputs.done.get("swiped", {}).get("variants", {}).get(variant, {})
    row = account.get("rows", {}).get("outside")
    if row is None or row["interval"] is None:
        return {"refusal": _NO_ACCOUNT.to_dict()}
    weeks = account["treated_days"] / 7
    low, high = (None if end is None else end * weeks for end in row["interval"])
    gained = {"gain_minor": row["whole_minor"], "low_minor": low, "high_minor": high}
    if cost is None:
        return gained | {"refusal": _NO_COST.to_dict()}
    if low is None or low <= 0:
        return gained | {"refusal": _NO_GAIN.to_dict()}
    return gained | {
        "cost_per_unit": cost / row["whole_minor"],
        "interval": [None if high is None else cost / high, cost / low],
    }


def _cost(inputs: ChapterInputs, variant: str) -> int | None:
    """All that the chapter about money says was spent."""
    found = inputs.done.get("money", {}).get("variants", {}).get(variant, {})
    cost = found.get("return", {}).get("cost_minor")
    return None if cost is None else int(cost)


def _margin_rate(inputs: ChapterInputs) -> float | None:
    rate = inputs.done.get("money", {}).get("margin_rate")
    return None if rate is None else float(rate)


def _arms(inputs: ChapterInputs, found: Newcomers) -> Any:
    """(n) the variant of the store in which each was first seen; "-" for stores of no compared unit."""
    unit_of = dict(
        zip(
            inputs.population.stores.column("store_id").to_pylist(),
            inputs.population.stores.column("unit").cast(pa.string()).to_pylist(),
            strict=True,
        )
    )
    compared = set(inputs.population.units)
    arms = [
        inputs.population.assignment[unit] if (unit := unit_of.get(int(store))) in compared else "-"
        for store in found.store_id
    ]
    return np.array(arms, dtype=object)


def _units_of_stores(inputs: ChapterInputs) -> list[str]:
    compared = set(inputs.population.units)
    units = inputs.population.stores.column("unit").cast(pa.string()).to_pylist()
    return [unit for unit in units if unit in compared]
