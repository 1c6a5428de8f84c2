"""Families: p-values adjusted for all primary rows of the plan, and for the segments of a metric."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.frame import Frame
from experiments.monitor.multiplicity import benjamini_hochberg, holm
from experiments.plan import MetricSpec, Plan, Role
from experiments.rows.finding import RowResult


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
