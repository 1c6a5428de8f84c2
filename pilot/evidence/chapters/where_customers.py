"""Where does it work, where customers were drawn one by one: segments are independent samples of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.errors import ExperimentError, NotEstimable
from experiments.estimate.estimate import Estimate
from experiments.estimate.interaction import segments_differ
from experiments.estimate.segment_shrinkage import shrink_segments
from experiments.messages import N_
from experiments.messages import Message as ExperimentMessage
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.of_customers import Flags, arms, mean_effect
from pilot.evidence.chapters.reasons import REFUSAL, customers, named, or_reason, require_enough
from pilot.evidence.chapters.where_groups import REST, Family, declared, in_order
from pilot.evidence.home_list import segments_of
from pilot.planning.metrics import in_our_words

METRIC = "spend_per_customer"
_NO_LEVEL = ExperimentMessage(
    "no_level_before", N_("this group had no level before the start that its effect could be a share of"), {}
)
_SIZES = ExperimentMessage(
    "sizes_are_of_stores", N_("sizes are of stores, and customers were drawn one by one: they shop in both"), {}
)


def families(inputs: ChapterInputs, variant: str) -> list[dict[str, Any]]:
    """The segments, and why there are no sizes where the plan named one."""
    found = []
    codes = tuple(segment.code for segment in inputs.plan.segment_rules)
    if codes:
        keys = inputs.customers.column("customer_key").to_numpy()
        in_segment = segments_of(inputs.attributes, inputs.plan, keys, codes).to_pylist()
        found.append(_segments(inputs, np.array([code or REST for code in in_segment]), variant))
    sizes = declared(inputs, Family.SIZE)
    if sizes:
        refused = {REFUSAL: in_our_words(_SIZES).to_dict()}
        found.append(
            {
                "family": Family.SIZE.value,
                "metric": METRIC,
                **named(declared=True),
                "groups": [{"group": size, **named(declared=True), **refused} for size in sizes],
                "shrinkage": refused,
                "interaction": refused,
            }
        )
    return found


def _segments(inputs: ChapterInputs, group_of: npt.NDArray[np.str_], variant: str) -> dict[str, Any]:
    chosen, groups = declared(inputs, Family.SEGMENT), in_order(set(group_of.tolist()))
    effects: dict[str, tuple[Estimate, float]] = {}

    def row(group: str) -> dict[str, Any]:
        estimate, level = _effect(inputs, variant, group_of == group)
        effects[group] = estimate, level
        low, high = (None if end is None else end / level for end in estimate.interval)
        return {
            "estimate": estimate.to_dict(),
            "share": {"effect": estimate.effect / level, "interval": [low, high]},
        }

    rows = [
        {
            "group": group,
            **named(declared=group in chosen),
            **or_reason(row, group),
            **customers(*arms(inputs, variant, group_of == group)),
        }
        for group in groups
    ]

    def differ() -> dict[str, Any]:
        compared = [group for group in groups if group in chosen] or list(groups)
        others = [group for group in groups if group not in compared]
        members = {group: group_of == group for group in compared}
        if others:
            members[REST] = np.isin(group_of, others)
        found = [_effect(inputs, variant, keep) for keep in members.values()]
        shares, errors = _as_shares(found)
        test = segments_differ(shares, errors, [estimate.df or np.inf for estimate, _ in found])
        return {"compared": list(members), **asdict(test)}

    return {
        "family": Family.SEGMENT.value,
        "metric": METRIC,
        **named(declared=bool(chosen)),
        "groups": rows,
        "shrinkage": _shrink(rows, effects),
        "interaction": or_reason(differ),
    }


def _effect(inputs: ChapterInputs, variant: str, keep: Flags) -> tuple[Estimate, float]:
    """The effect on spend of a group and its level before the start, over as many days as the window has."""
    require_enough(*arms(inputs, variant, keep))
    now, before = inputs.amounts.window["net_minor"], inputs.amounts.before["net_minor"]
    level = float(before[keep].mean()) * inputs.window.days / inputs.before.days
    if not level > 0.0:
        raise NotEstimable(_NO_LEVEL)
    return mean_effect(inputs, variant, now, before, keep), level


def _as_shares(found: Sequence[tuple[Estimate, float]]) -> tuple[list[float], list[float]]:
    return [one.effect / level for one, level in found], [one.std_error / level for one, level in found]


def _shrink(rows: list[dict[str, Any]], effects: dict[str, tuple[Estimate, float]]) -> dict[str, Any]:
    """Put each group's shrunk share into its row; why not, where it cannot be."""
    try:
        shrunk = dict(zip(effects, shrink_segments(*_as_shares(list(effects.values()))), strict=True))
    except ExperimentError as refused:
        return {REFUSAL: in_our_words(refused.message).to_dict()}
    for row in rows:
        if row["group"] in shrunk:
            one = shrunk[row["group"]]
            row["shrunk"] = {"effect": one.effect, "interval": list(one.interval), "weight": one.weight}
    return {"groups": len(shrunk)}
