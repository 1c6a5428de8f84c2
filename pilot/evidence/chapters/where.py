"""Where does it work? Pre-declared segments and kinds of stores, shrunk, with a test whether they differ at all.

Effects are compared as shares of each group's own level before the start: the same per cent in small and large stores
is the same effect. Groups of stores hold different units (``group_interaction``), segments share them
(``interaction``).
What the plan did not name is exploratory, adjusted for how much is looked at (Benjamini and Hochberg).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from experiments.design.mechanisms import CONTROL
from experiments.errors import ExperimentError, NotEstimable
from experiments.estimate.estimate import Estimate
from experiments.estimate.group_interaction import groups_differ
from experiments.estimate.interaction import segment_effects_clustered, segments_differ_clustered
from experiments.estimate.segment_shrinkage import shrink_segments
from experiments.estimate.unit_means import residual_on_nuisance
from experiments.estimate.unit_table import Flags, Floats, Ints, UnitTable, unit_table
from experiments.look.plan import LookPlan
from experiments.look.unit_effects import permuted, ratio_table, redraws_of
from experiments.measure.metrics import MetricKind, metric_from_code
from experiments.measure.unit_moments import UnitMoments
from experiments.messages import N_
from experiments.messages import Message as ExperimentMessage
from experiments.monitor.multiplicity import benjamini_hochberg
from pilot.evidence.chapters import where_customers
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.reasons import (
    REFUSAL,
    customers,
    identification_of,
    named,
    or_reason,
    require_enough,
)
from pilot.evidence.chapters.where_groups import REST, Family, SegmentSums, Split, segment_sums, splits_of_units
from pilot.planning.metrics import in_our_words

_SEGMENT_METRIC = "spend_per_customer"
_NO_LEVEL = ExperimentMessage(
    "no_level_before", N_("this group had no level before the start that its effect could be a share of"), {}
)

_NOWHERE = ExperimentMessage("no_unit_with_all_segments", N_("no store has listed customers of all these segments"), {})

TableOf = Callable[[str], UnitTable]  # the table of a group, by its code


@dataclass(frozen=True, slots=True)
class _Effect:
    """A group's table, its effect in the metric's unit, and the ``level`` before the start that it is a share of."""

    table: UnitTable
    estimate: Estimate
    level: float

    @property
    def share(self) -> float:
        return self.estimate.effect / self.level


def compute(inputs: ChapterInputs) -> dict[str, Any]:
    """The chapter: per variant and family the groups with their effects, the shrunk ones, and the interaction test."""
    if inputs.population.customers is None:
        segments, splits = segment_sums(inputs), splits_of_units(inputs)

    def families_of(variant: str) -> list[dict[str, Any]]:
        if inputs.population.customers is not None:
            return where_customers.families(inputs, variant)
        found = [_of_segments(inputs, segments, variant)] if segments else []
        return [*found, *(_of_units(inputs, split, variant) for split in splits)]

    def of(variant: str) -> dict[str, Any]:
        families = families_of(variant)
        _adjust(families)
        return {"families": families, "identification": identification_of(inputs, variant)}

    return {
        "confidence_level": 0.95,
        "alpha": float(inputs.plan.alpha),
        "drawn": "stores" if inputs.population.customers is None else "customers",
        "declared": list(inputs.plan.subgroups),
        "variants": {variant: of(variant) for variant in inputs.plan.treated},
    }


def _adjust(families: Sequence[Mapping[str, Any]]) -> None:
    """Benjamini and Hochberg over every group that the plan did not name."""
    rows = [row for family in families for row in family["groups"] if not row["declared"] and "estimate" in row]
    values = benjamini_hochberg([row["estimate"]["p_value"] for row in rows]) if rows else ()
    for row, p_value in zip(rows, values, strict=True):
        row["p_adjusted"] = p_value


def _of_units(inputs: ChapterInputs, split: Split, variant: str) -> dict[str, Any]:
    """Regions or sizes: each group holds units of its own, and the plan's primary metric is compared."""
    metric, plan = metric_from_code(inputs.plan.primary), inputs.look_plan
    stretch = _stretch(inputs) if metric.kind is MetricKind.SPEND_PER_CUSTOMER else 1.0  # others are rates or shares
    moments = [row for row in inputs.moments.get(metric.code, ()) if isinstance(row, UnitMoments)]

    def table_of(rows: Sequence[UnitMoments]) -> UnitTable:
        return unit_table(metric, rows, mechanism=plan.mechanism, assignment=plan.assignment, variant=variant)

    effects, rows = _effects(
        split.groups, split.declared, lambda group: table_of([m for m in moments if split.group_of[m.unit] == group]),
        plan, variant, stretch,
    )  # fmt: skip
    errors = np.array([effect.estimate.std_error / effect.level for effect in effects.values()])
    compared = split.compared()
    return {
        "family": split.family.value,
        "metric": metric.code,
        **named(declared=bool(split.declared)),
        "groups": rows,
        "shrinkage": _shrink(rows, effects, lambda: errors),
        "interaction": or_reason(lambda: _groups_differ(table_of(moments), compared, plan, variant, stretch)),
    }


def _of_segments(inputs: ChapterInputs, segments: SegmentSums, variant: str) -> dict[str, Any]:
    """Segments: every unit holds all of them, and the sales of their listed customers are compared."""
    plan, units, stretch = inputs.look_plan, inputs.population.units, _stretch(inputs)

    def table_of(members: Sequence[str]) -> UnitTable:
        return ratio_table(segments.ratios(units, members), plan, variant)

    def table_of_one(group: str) -> UnitTable:
        require_enough(*counted[group])
        return table_of([group])

    arms = [[unit for unit in units if plan.assignment[unit] == arm] for arm in (CONTROL, variant)]
    counted = {group: (segments.listed(arms[0], group), segments.listed(arms[1], group)) for group in segments.segments}
    effects, rows = _effects(segments.segments, segments.declared, table_of_one, plan, variant, stretch)
    for row in rows:
        row |= customers(*counted[row["group"]])

    def covariance() -> Floats:
        values, common = _side_by_side([effect.table for effect in effects.values()], _levels(effects.values()))
        return segment_effects_clustered(values, common.treated, common.block).covariance

    def differ() -> dict[str, Any]:
        first = [group for group in segments.segments if group in segments.declared] or list(segments.segments)
        others = [group for group in segments.segments if group not in first]
        compared = {group: [group] for group in first} | ({REST: others} if others else {})
        tables = [table_of(members) for members in compared.values()]
        values, common = _side_by_side(tables, [_level(table, stretch) for table in tables])
        test = segments_differ_clustered(
            values, common.treated, common.block, redraws=redraws_of(common, plan, variant)
        )
        return {"compared": list(compared), **asdict(test)}

    return {
        "family": Family.SEGMENT.value,
        "metric": _SEGMENT_METRIC,
        **named(declared=bool(segments.declared)),
        "groups": rows,
        "shrinkage": _shrink(rows, effects, covariance),
        "interaction": or_reason(differ),
    }


def _effects(
    groups: Sequence[str], chosen: Sequence[str], table_of: TableOf, plan: LookPlan, variant: str, stretch: float
) -> tuple[dict[str, _Effect], list[dict[str, Any]]]:
    """The effects that can be estimated, and one row a group: in the metric's unit and as a share of the level."""
    effects: dict[str, _Effect] = {}

    def found(group: str) -> dict[str, Any]:
        table = table_of(group)
        one = _Effect(table, permuted(table, plan, variant)[0], _level(table, stretch))
        effects[group] = one
        low, high = (None if end is None else end / one.level for end in one.estimate.interval)
        return {"estimate": one.estimate.to_dict(), "share": {"effect": one.share, "interval": [low, high]}}

    rows = [{"group": group, **named(declared=group in chosen), **or_reason(found, group)} for group in groups]
    return effects, rows


def _shrink(
    rows: Sequence[dict[str, Any]], effects: Mapping[str, _Effect], errors: Callable[[], Floats]
) -> dict[str, Any]:
    """Put each group's shrunk share into its row; why not, where it cannot be."""
    try:
        known = errors() if len(effects) > 1 else np.ones(len(effects))  # one group alone is refused whatever they are
        shrunk = shrink_segments([effect.share for effect in effects.values()], known)
    except ExperimentError as refused:
        return {REFUSAL: in_our_words(refused.message).to_dict()}
    by_group = dict(zip(effects, shrunk, strict=True))
    for row in rows:
        if row["group"] in by_group:
            one = by_group[row["group"]]
            row["shrunk"] = {"effect": one.effect, "interval": list(one.interval), "weight": one.weight}
    return {"groups": len(by_group)}


def _groups_differ(table: UnitTable, split: Split, plan: LookPlan, variant: str, stretch: float) -> dict[str, Any]:
    """The test for groups of units: of each block and group what holds both arms, as shares of the group's level."""
    groups = split.groups
    group = np.array([groups.index(split.group_of[unit]) for unit in table.units], dtype=np.int64)
    cell = table.block * len(groups) + group
    arms = {number: set(table.treated[cell == number]) for number in np.unique(cell)}
    keep = np.array([len(arms[number]) == 2 for number in cell], dtype=np.bool_)
    held = set(group[keep].tolist())
    if len(held) < len(groups):
        missing = ", ".join(groups[place] or "–" for place in range(len(groups)) if place not in held)
        text = N_("in {groups} no treated unit has a control unit to be compared with")
        raise NotEstimable(ExperimentMessage("group_without_both_arms", text, {"groups": missing}))
    table, group = _only(replace(table, block=cell), keep), group[keep]
    levels = np.array([_level(_only(table, group == place), stretch) for place in range(len(groups))])
    residual, _, _ = residual_on_nuisance(table)
    test = groups_differ(residual / levels[group], table.treated, table.block, group, redraws_of(table, plan, variant))
    return {"compared": list(groups), **asdict(test)}


def _side_by_side(tables: Sequence[UnitTable], levels: Sequence[float]) -> tuple[Floats, UnitTable]:
    """(units × groups) what each group's blocks and level before leave of its value, for the units that all have."""
    held = set.intersection(*(set(table.units) for table in tables))
    if not held:
        raise NotEstimable(_NOWHERE)
    common = [_only(table, np.array([unit in held for unit in table.units])) for table in tables]
    values = [residual_on_nuisance(table)[0] / level for table, level in zip(common, levels, strict=True)]
    return np.column_stack(values), common[0]


def _only(table: UnitTable, keep: Flags) -> UnitTable:
    blocks: Ints = np.unique(table.block[keep], return_inverse=True)[1].astype(np.int64)
    return replace(
        table,
        units=tuple(unit for unit, is_kept in zip(table.units, keep, strict=True) if is_kept),
        y=table.y[keep],
        treated=table.treated[keep],
        block=blocks,
        covariates=table.covariates[keep],
        bystanders=table.bystanders[keep],
        weight=None,
    )


def _level(table: UnitTable, stretch: float) -> float:
    """The mean of the units before the start, in as many days as the window has. Raises ``NotEstimable`` where it is
    not positive or not known."""
    level = stretch * float(table.covariates[:, 0].mean()) if table.covariates.shape[1] else 0.0
    if not level > 0.0:
        raise NotEstimable(_NO_LEVEL)
    return level


def _stretch(inputs: ChapterInputs) -> float:
    """How much longer the window is than the period before it, for sums over them."""
    return inputs.window.days / inputs.before.days


def _levels(effects: Any) -> list[float]:
    return [effect.level for effect in effects]
