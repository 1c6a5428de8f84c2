"""Families: p-values adjusted for all primary rows of the plan, and for the segments of a metric."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.max_t import Labels, max_t
from experiments.frame import Floats, Frame
from experiments.messages import N_, Message
from experiments.monitor.multiplicity import benjamini_hochberg, holm
from experiments.plan import Assignment, Estimand, MetricSpec, Plan, Role
from experiments.rows.choice import is_panel
from experiments.rows.contrast import row_weight, unit_values
from experiments.rows.covariates import start_of, unit_covariates
from experiments.rows.finding import RowResult
from experiments.rows.series import window_values, window_weight
from experiments.rows.units import FEWEST_STUDENTISED

_PERMUTED = ("permutation", "permutation_studentised")
_MOST_REDRAWN = 100_000_000  # units × draws × sets of variants


@dataclass(frozen=True, slots=True)
class Member:
    """A row of a family: where it stands, what it is about, and what was found."""

    place: int
    metric: MetricSpec
    variant: str
    segment: str | None
    result: RowResult
    p_value: float


@dataclass(frozen=True, slots=True)
class Adjusted:
    """An adjusted p-value and the method that gave it."""

    p_value: float
    method: str


def adjust(frame: Frame, plan: Plan, members: Sequence[Member]) -> dict[int, Adjusted]:
    """By place: primary rows without segment are one family, the segments of a metric are one each; other rows have
    none."""
    found: dict[int, Adjusted] = {}
    primary = [m for m in members if m.metric.role is Role.PRIMARY and m.segment is None]
    method, values = _primary(frame, plan, primary)
    found.update({m.place: Adjusted(p, method) for m, p in zip(primary, values, strict=True)})
    for name in dict.fromkeys(m.metric.name for m in members):
        group = [m for m in members if m.metric.name == name and m.segment is not None]
        values = benjamini_hochberg([m.p_value for m in group])
        found.update({m.place: Adjusted(p, "benjamini_hochberg") for m, p in zip(group, values, strict=True)})
    return found


def _primary(frame: Frame, plan: Plan, family: Sequence[Member]) -> tuple[str, Sequence[float]]:
    plain = [m.p_value for m in family]
    if len(family) <= 1:
        return "single", plain
    is_one_metric = len({m.metric.name for m in family}) == 1
    if is_one_metric and all(m.result.control_error and m.result.headline.std_error for m in family):
        return "dunnett", _dunnett(family)
    if is_one_metric and all(m.result.headline.method in _PERMUTED for m in family):
        try:
            return "max_t", _max_t(frame, plan, family)
        except NotEstimable:
            return "holm", holm(plain)
    return "holm", holm(plain)


def _dunnett(family: Sequence[Member]) -> Sequence[float]:
    from experiments.estimate.dunnett import many_to_one_p

    statistics, dfs, loadings = [], [], []
    for member in family:
        head = member.result.headline
        error = head.std_error or 0.0
        statistics.append(head.effect / error)
        dfs.append(head.df or math.inf)
        loadings.append(math.sqrt(min(1.0, (member.result.control_error or 0.0) / error**2)))
    return many_to_one_p(statistics, dfs, loadings)


def _max_t(frame: Frame, plan: Plan, family: Sequence[Member]) -> Sequence[float]:
    """Over joint redraws of all variants of the family inside the blocks. Raises ``NotEstimable`` where the draw has
    a rule of its own, or where there are too many units and variants to redraw jointly."""
    metric = family[0].metric
    numbers = [0, *(frame.variants.index(member.variant) for member in family)]
    values, covariates, counts = _values(frame, plan, metric)
    kept = np.isfinite(values) & np.isfinite(covariates).all(axis=1) & np.isin(frame.variant_of, numbers)
    sets = 2 ** len(family) - len(family) - 1
    too_much = int(np.count_nonzero(kept)) * plan.draws * sets > _MOST_REDRAWN
    if plan.assignment in (Assignment.RERANDOMIZED, Assignment.MATCHED_PAIRS) or too_much:
        raise NotEstimable(Message("no_joint_redraws", N_("the variants are not redrawn jointly"), {}))
    place = np.zeros(len(frame.variants), dtype=np.int64)
    place[numbers] = np.arange(len(numbers))
    label = place[frame.variant_of[kept]]
    labels = Labels(
        y=values[kept],
        label=label,
        block=np.unique(frame.block_of[kept], return_inverse=True)[1].astype(np.int64),
        covariates=covariates[kept],
        weight=counts[kept] if plan.estimand is Estimand.ROWS else None,
    )
    smallest = int(np.bincount(label, minlength=len(numbers)).min())
    return max_t(
        labels,
        [member.p_value for member in family],
        seed=plan.effective_seed,
        draws=plan.draws,
        studentise=smallest >= FEWEST_STUDENTISED,
    )


def _values(frame: Frame, plan: Plan, metric: MetricSpec) -> tuple[Floats, Floats, Floats]:
    """(U,) the values, (U, k) the covariates and (U,) what units count, that the rows of the family were made from."""
    covariates, _ = unit_covariates(frame, plan, metric)
    if not is_panel(plan) or frame.period_of is None:
        return unit_values(frame, metric), covariates, row_weight(frame, metric)
    start = start_of(frame, plan)
    before = frame.period_of < start
    if before.any():
        covariates = np.column_stack([covariates, window_values(frame, metric, before)])
    return window_values(frame, metric, ~before), covariates, window_weight(frame, metric, ~before)
