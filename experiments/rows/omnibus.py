"""The omnibus test of a metric with several variants: the F test of all variants on unit values, given the blocks.

In a panel with one start a unit's value is its mean during the test, given its mean before; of a duration it is the
unit's own restricted mean time up to the horizon.
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.rmst import unit_rmst
from experiments.frame import Floats, Frame, Ints
from experiments.messages import N_, Message
from experiments.plan import Assignment, Kind, MetricSpec, Plan
from experiments.rows.choice import has_one_start, is_panel
from experiments.rows.contrast import unit_values
from experiments.rows.covariates import start_of, unit_covariates
from experiments.rows.series import window_values

_NOTHING = 1e-9  # of a column's own size: what is left of it is rounding


@dataclass(frozen=True, slots=True)
class Omnibus:
    """``statistic`` is F with ``df`` (between, within) degrees of freedom; without them there is a ``refusal``."""

    metric: str
    statistic: float | None
    df: tuple[int, int] | None
    p_value: float | None
    method: str
    refusal: Message | None = None


def omnibus(frame: Frame, plan: Plan, metric: MetricSpec) -> Omnibus | None:
    """F of the variants on one value per unit, given the blocks, the covariates of the metric and, in a panel, the mean
    before the start; None with two variants.

    Every unit counts once, also where the rows of the plan count rows. Assumes equal variances. Refused are panels in
    which units start at different times, customers whose sight ends before the horizon of a duration, and a variant
    without any value.
    """
    if len(frame.variants) < 3:
        return None
    method = "f_given_blocks" if frame.has_blocks else "f"
    try:
        values, covariates = _values(frame, plan, metric)
        kept = np.isfinite(values) & np.isfinite(covariates).all(axis=1)
        _require_every_variant(frame, metric, frame.variant_of[kept])
        statistic, df, p = _f(values[kept], frame.variant_of[kept], frame.block_of[kept], covariates[kept])
    except NotEstimable as refused:
        return Omnibus(metric.name, None, None, None, method, refused.message)
    return Omnibus(metric.name, statistic, df, p, method)


def _values(frame: Frame, plan: Plan, metric: MetricSpec) -> tuple[Floats, Floats]:
    """(U,) the values and (U, k) what they are adjusted by."""
    covariates, _ = unit_covariates(frame, plan, metric)
    if metric.kind is Kind.DURATION:
        return _restricted_means(frame, metric), covariates
    if not is_panel(plan) or frame.period_of is None:
        return unit_values(frame, metric), covariates
    if plan.assignment is Assignment.STEPPED_WEDGE or not has_one_start(frame):
        text = N_(
            "{metric}: units start at different times, so there is no window in which all variants can be compared at "
            "once; the rows compare each with control"
        )
        raise NotEstimable(Message("omnibus_several_starts", text, {"metric": metric.name}))
    before = frame.period_of < start_of(frame, plan)
    if before.any():
        covariates = np.column_stack([covariates, window_values(frame, metric, before)])
    return window_values(frame, metric, ~before), covariates


def _restricted_means(frame: Frame, metric: MetricSpec) -> Floats:
    """(U,) each unit's mean time without the event up to the horizon; NaN where it was not watched that long."""
    if frame.period_of is not None:
        text = N_("{metric}: a duration is one row per event time; with periods it has no meaning")
        raise NotEstimable(Message("duration_in_panel", text, {"metric": metric.name}))
    time, event, tau = frame.columns[metric.value], frame.columns[metric.event or ""], float(metric.horizon or np.nan)
    unseen = int(np.count_nonzero((event != 1.0) & (time < tau)))
    if frame.rows_are_units and unseen:
        text = N_(
            "{metric}: {n} of {of} units were out of sight before the horizon of {tau:g} days without the event; such "
            "a unit has no value for an F test, and without it the others would mislead; the rows compare whole curves"
        )
        counts: dict[str, str | int | float] = {"n": unseen, "of": len(time), "tau": tau}
        raise NotEstimable(Message("omnibus_out_of_sight", text, {"metric": metric.name, **counts}))
    try:
        return unit_rmst(time, event, frame.unit_of, frame.n_units, tau=tau, weight=frame.weight)
    except InvalidNumber as problem:
        text = N_("{metric}: days must not be negative and events must be 0 or 1 ({reason})")
        reason = {"metric": metric.name, "reason": str(problem)}
        raise NotEstimable(Message("not_a_duration", text, reason)) from problem


def _require_every_variant(frame: Frame, metric: MetricSpec, members: Ints) -> None:
    counts = np.bincount(members, minlength=len(frame.variants))
    missing = [name for name, n in zip(frame.variants, counts, strict=True) if not n]
    if missing:
        text = N_("{metric}: no unit of {variants} has a value, so not all variants can be compared at once")
        names = {"metric": metric.name, "variants": ", ".join(missing)}
        raise NotEstimable(Message("omnibus_without_variant", text, names))


def _f(y: Floats, variant: Ints, block: Ints, covariates: Floats) -> tuple[float, tuple[int, int], float]:
    from scipy.special import fdtrc

    block = np.unique(block, return_inverse=True)[1].astype(np.int64)
    counts = np.bincount(block)

    def within(values: Floats) -> Floats:
        rest = values - (np.bincount(block, weights=values) / counts)[block]
        return np.where(np.abs(rest).max() > _NOTHING * np.abs(values).max(), rest, 0.0)

    y = within(y)
    total = float((y * y).sum())
    known = _basis([within(column) for column in covariates.T], [])
    for column in known:
        y = y - float((column * y).sum()) * column
    arms = _basis([within((variant == code) * 1.0) for code in range(1, int(variant.max()) + 1)], known)
    explained = sum(float((column * y).sum()) ** 2 for column in arms)
    rank = len(arms)
    df = (rank, len(y) - len(counts) - len(known) - rank)
    residual = float((y * y).sum()) - explained
    if rank < 1 or df[1] < 1 or residual <= 1e-12 * max(total, 1e-300):
        raise NotEstimable(Message("no_variation", N_("too few units, or none that differ, for an F test"), {}))
    statistic = (explained / rank) / (residual / df[1])
    return statistic, df, float(fdtrc(rank, df[1], statistic))


def _basis(columns: list[Floats], given: list[Floats]) -> list[Floats]:
    """Orthonormal columns that add to ``given`` what the independent ones of ``columns`` span (Gram and Schmidt)."""
    found: list[Floats] = []
    for column in columns:
        rest = column
        for _ in range(2):
            for known in (*given, *found):
                rest = rest - float((known * rest).sum()) * known
        size = float((rest * rest).sum())
        if size > _NOTHING * max(float((column * column).sum()), 1e-300):
            found.append(rest / np.sqrt(size))
    return found
