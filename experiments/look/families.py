"""Families of hypotheses in one look: which p-values are adjusted together, and by what.

All primary rows without segment are one family. One primary metric and several variants: max-T over joint redraws
where stores or regions were drawn, Dunnett's distribution where customers were (their arms share one control). Several
primary metrics, or what cannot be redrawn jointly: Holm. Segments: Benjamini and Hochberg inside their metric.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.design.acceptance import joint_acceptance
from experiments.design.mechanisms import CONTROL, Mechanism
from experiments.errors import NotEstimable
from experiments.estimate.dunnett import many_to_one_p
from experiments.estimate.estimate import TInference
from experiments.estimate.max_t import AcceptLabels, Labels, max_t
from experiments.estimate.unit_table import Flags, Ints, columns
from experiments.look.plan import LookPlan, Role
from experiments.look.report import ReportRow
from experiments.look.rows import FEW_IN_AN_ARM, Effect
from experiments.measure.metrics import Metric
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from experiments.monitor.multiplicity import benjamini_hochberg, holm

Moments = Sequence[UnitMoments] | Sequence[ArmMoments]


@dataclass(frozen=True, slots=True)
class Measured:
    """A row and, where it has an estimate, the effect that it was made from."""

    row: ReportRow
    effect: Effect | None


def adjust(plan: LookPlan, measured: Sequence[Measured], moments: Mapping[str, Moments]) -> list[ReportRow]:
    """The rows with ``p_value_adjusted``: primary rows without segment, and segments; None for all others."""
    adjusted = [one.row for one in measured]
    families: dict[str | None, list[int]] = {}
    for position, one in enumerate(measured):
        if one.effect is not None and one.row.segment is not None:
            families.setdefault(one.row.metric, []).append(position)
        elif one.effect is not None and one.row.role == Role.PRIMARY:
            families.setdefault(None, []).append(position)
    for metric, positions in families.items():
        family = [measured[position] for position in positions]
        values = _primary(plan, family, moments) if metric is None else benjamini_hochberg(_p_values(family))
        for position, value in zip(positions, values, strict=True):
            adjusted[position] = replace(adjusted[position], p_value_adjusted=value)
    return adjusted


def _primary(plan: LookPlan, family: Sequence[Measured], moments: Mapping[str, Moments]) -> tuple[float, ...]:
    metrics = {one.row.metric for one in family}
    if len(family) == 1 or len(metrics) > 1:
        return holm(_p_values(family))
    if plan.customers_assigned:
        return _dunnett(family)
    planned = next(planned for planned in plan.metrics if planned.metric.code in metrics)
    rows = [row for row in moments[planned.metric.code] if isinstance(row, UnitMoments)]
    try:
        return _max_t(plan, planned.metric, rows, family)
    except NotEstimable:  # too many variants, or blocks in which they cannot be told apart
        return holm(_p_values(family))


def _dunnett(family: Sequence[Measured]) -> tuple[float, ...]:
    """Each Welch statistic against the distribution of the largest; what they share is control's part of the error."""
    inferences = [one.effect.inference for one in family if one.effect is not None]
    found = [inference for inference in inferences if isinstance(inference, TInference)]
    shares = [one.effect.control_share for one in family if one.effect is not None]
    return many_to_one_p(
        [inference.effect / inference.std_error for inference in found],
        [inference.df for inference in found],
        [float(np.sqrt(share)) for share in shares],
    )


def _max_t(
    plan: LookPlan, metric: Metric, rows: Sequence[UnitMoments], family: Sequence[Measured]
) -> tuple[float, ...]:
    variants = [one.row.variant for one in family]
    usable = _usable(rows, mechanism=plan.mechanism, assignment=plan.assignment, variants=variants)
    labels = _labels(metric, rows, usable, assignment=plan.assignment, variants=variants)
    few = int(np.bincount(labels.label).min()) < FEW_IN_AN_ARM
    return max_t(
        labels,
        _p_values(family),
        seed=plan.seed,
        draws=plan.draws,
        studentise=not few,
        accept=_acceptance(plan, variants, [unit for block in usable for unit in block]),
    )


def _usable(
    moments: Sequence[UnitMoments], *, mechanism: Mechanism, assignment: Mapping[str, str], variants: Sequence[str]
) -> list[list[str]]:
    """The units of control and ``variants`` that have a value, in sorted order inside each block of the draw."""
    measured = {row.unit for row in moments if row.n > 0}
    arms = {CONTROL, *variants}
    found = [
        sorted(code for code in codes if code in measured and assignment.get(code) in arms)
        for codes in mechanism.blocks
    ]
    return [block for block in found if block]


def _labels(
    metric: Metric,
    moments: Sequence[UnitMoments],
    usable: Sequence[Sequence[str]],
    *,
    assignment: Mapping[str, str],
    variants: Sequence[str],
) -> Labels:
    """The ``usable`` units, labelled 0 for control and by their place in ``variants`` from 1."""
    arms = [CONTROL, *variants]
    by_unit = {row.unit: row for row in moments}
    kept = [unit for block in usable for unit in block]
    rows = [by_unit[code] for code in kept]
    known = all(row.n_x > 0 for row in rows)
    return Labels(
        y=np.array([metric.value(row) for row in rows]),
        label=np.array([arms.index(assignment[code]) for code in kept], dtype=np.int64),
        block=np.repeat(np.arange(len(usable)), [len(block) for block in usable]).astype(np.int64),
        covariates=columns(len(rows), *([np.array([metric.baseline(row) for row in rows])] if known else [])),
    )


def _acceptance(plan: LookPlan, variants: Sequence[str], units: Sequence[str]) -> AcceptLabels | None:
    """The rule of the mechanism for labels of control and ``variants``; None where it lets every redraw pass."""
    rule = joint_acceptance(plan.mechanism, plan.assignment, units)
    if rule is None:
        return None
    accepts = rule
    place = np.array([plan.mechanism.variants.index(arm) for arm in (CONTROL, *variants)], dtype=np.int64)

    def accept(labels: Ints) -> Flags:
        return accepts(place[labels])

    return accept


def _p_values(family: Sequence[Measured]) -> list[float]:
    return [one.row.estimate.p_value for one in family if one.row.estimate is not None]
