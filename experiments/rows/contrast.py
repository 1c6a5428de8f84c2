"""The contrast of one variant against control as a table of units, and what had to be left out of it."""

from dataclasses import dataclass

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.unit_table import UnitTable
from experiments.frame import Bools, Floats, Frame, Ints
from experiments.messages import N_, Message
from experiments.plan import Assignment, Kind, MetricSpec, Plan

_SHOWN = 8


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """The table, the position in the frame of each of its units, and the warnings that go with the row."""

    table: UnitTable
    place: Ints
    warnings: tuple[Message, ...]


def unit_values(frame: Frame, metric: MetricSpec) -> Floats:
    """(U,) each unit's value: the weighted mean of its rows, of a ratio Σ value / Σ denominator (NaN where there is
    nothing to divide by)."""
    values = frame.columns[metric.value]
    if metric.kind is not Kind.RATIO or metric.denominator is None:
        return frame.unit_mean(values)
    below = frame.unit_sum(frame.columns[metric.denominator])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(below > 0, frame.unit_sum(values) / below, np.nan), dtype=np.float64)


def row_weight(frame: Frame, metric: MetricSpec) -> Floats:
    """(U,) what a unit counts when rows count: the weight of its rows; of a ratio its denominator, which makes the
    weighted mean of an arm Σ value / Σ denominator."""
    if metric.kind is Kind.RATIO and metric.denominator is not None:
        return frame.unit_sum(frame.columns[metric.denominator])
    return frame.unit_weight()


def contrast(
    frame: Frame,
    plan: Plan,
    metric: MetricSpec,
    variant: str,
    values: Floats,
    covariates: Floats,
    weight: Floats | None = None,
) -> Contrast:
    """The table of ``variant`` against control from one value per unit (U,), NaN for a unit that has none.

    ``weight`` (U,) is what a unit counts; None: once. With blocks the other variants stand by (but not in matched
    pairs and rerandomised draws); a block that holds only one variant takes no part, nor does a matched pair that
    lost a unit. Raises ``NotEstimable`` for an empty arm.
    """
    kept = np.isfinite(values)
    number = frame.variants.index(variant)
    warnings = _lost(frame, metric, kept, number)
    pair = np.isin(frame.variant_of, (0, number))
    part = kept & (pair | frame.has_blocks)
    if plan.assignment in (Assignment.MATCHED_PAIRS, Assignment.RERANDOMIZED):
        part &= pair
    broken = _one_sided(frame, part, number)
    if broken.any():
        warnings.append(_named_blocks(frame, broken, variant, plan.assignment is Assignment.MATCHED_PAIRS))
    if frame.has_blocks:
        part &= ~_alone(frame, part)[frame.block_of]
    place = np.flatnonzero(part)
    place = place[np.argsort(frame.block_of[place], kind="stable")]
    _require_both(frame, place, metric, variant, number)
    members = frame.variant_of[place]
    others = [code for code in range(1, len(frame.variants)) if code != number and bool((members == code).any())]
    rows = np.bincount(frame.unit_of, minlength=frame.n_units)[place]
    table = UnitTable(
        units=tuple(frame.units[int(unit)] for unit in place),
        y=values[place],
        treated=(members == number).astype(np.float64),
        block=np.unique(frame.block_of[place], return_inverse=True)[1].astype(np.int64),
        covariates=covariates[place],
        bystanders=np.stack([(members == code).astype(np.float64) for code in others], axis=1)
        if others
        else np.zeros((len(place), 0)),
        weight=None if weight is None else weight[place],
        n_rows=int(rows[np.isin(members, (0, number))].sum()),
    )
    return Contrast(table, place, tuple(warnings))


def _lost(frame: Frame, metric: MetricSpec, kept: Bools, number: int) -> list[Message]:
    lost = ~kept & np.isin(frame.variant_of, (0, number))
    if not lost.any():
        return []
    counts = [int(np.count_nonzero(lost & (frame.variant_of == code))) for code in (0, number)]
    values: dict[str, str | int | float] = {
        "metric": metric.name,
        "control": frame.control,
        "variant": frame.variants[number],
        "n_control": counts[0],
        "n_variant": counts[1],
    }
    if metric.kind is Kind.RATIO:
        template = N_(
            "{metric}: {n_control} units of {control} and {n_variant} of {variant} have nothing to divide by and are "
            "left out"
        )
        return [Message("zero_denominator", template, values)]
    template = N_(
        "{metric}: {n_control} units of {control} and {n_variant} of {variant} have no value and are left out"
    )
    return [Message("units_lost", template, values)]


def _one_sided(frame: Frame, part: Bools, number: int) -> Bools:
    """(blocks) whether a block holds units of only one of the two variants."""
    if not frame.has_blocks:
        return np.zeros(1, dtype=np.bool_)
    there = [
        np.bincount(frame.block_of[part & (frame.variant_of == code)], minlength=len(frame.blocks)) > 0
        for code in (0, number)
    ]
    return np.asarray(there[0] != there[1], dtype=np.bool_)


def _alone(frame: Frame, part: Bools) -> Bools:
    """(blocks) whether the units of a block that take part are all of one variant: they say nothing about effects."""
    there = np.zeros((len(frame.blocks), len(frame.variants)), dtype=np.bool_)
    there[frame.block_of[part], frame.variant_of[part]] = True
    return np.asarray(there.sum(axis=1) < 2, dtype=np.bool_)


def _named_blocks(frame: Frame, broken: Bools, variant: str, paired: bool) -> Message:
    places = np.flatnonzero(broken)
    names = ", ".join(frame.blocks[int(place)] for place in places[:_SHOWN])
    names += f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    template = (
        N_("pairs without both units of {variant} and {control} leave the comparison: {blocks}")
        if paired
        else N_("blocks without one of {variant} and {control} take no part in their comparison: {blocks}")
    )
    values: dict[str, str | int | float] = {
        "variant": variant,
        "control": frame.control,
        "blocks": names,
        "n": len(places),
    }
    return Message("block_without_variant", template, values)


def _require_both(frame: Frame, place: Ints, metric: MetricSpec, variant: str, number: int) -> None:
    counts = [int(np.count_nonzero(frame.variant_of[place] == code)) for code in (0, number)]
    if max(counts) == 0 and frame.has_blocks:
        text = N_(
            "{metric}: no block holds units of both {variant} and {control}, so nothing can be compared inside one"
        )
        raise NotEstimable(
            Message("no_common_block", text, {"metric": metric.name, "variant": variant, "control": frame.control})
        )
    if min(counts) == 0:
        raise NotEstimable(
            Message(
                "empty_arm",
                N_(
                    "{metric}: {n_variant} units of {variant} and {n_control} of control can be compared; each arm "
                    "needs at least one"
                ),
                {"metric": metric.name, "variant": variant, "n_variant": counts[1], "n_control": counts[0]},
            )
        )
