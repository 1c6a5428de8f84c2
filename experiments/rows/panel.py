"""Rows of a panel with one start: the mean during the test, adjusted by the mean before it; changes stand beside."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.cluster_robust import unit_means_cr2
from experiments.estimate.difference_in_differences import DifferenceInDifferences, EventTimes, of_series
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_means import fit
from experiments.frame import Floats, Frame
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic
from experiments.plan import Estimand, MetricSpec, Plan
from experiments.rows.contrast import contrast
from experiments.rows.covariates import start_of, unit_covariates
from experiments.rows.finding import Finding, RowResult, finding
from experiments.rows.pre_trends import pre_trends_of
from experiments.rows.series import named, series, window_values, window_weight
from experiments.rows.units import unit_row, with_partners

POOLED, HC2 = "difference_in_differences", "difference_in_differences_hc2"
UNADJUSTED = "permutation_unadjusted"


def build(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> RowResult:
    """One metric of one variant: a unit's value is its mean over the rows of the test, adjusted by its mean before.

    Randomised: the coefficient of that regression by permutation (``unit_row``), beside it the change from before to
    during (pooled t and HC2) and the permutation without the period before. Observational: the change, with the HC2
    error (exactly CR2 of the panel with unit and period indicators). Changes are compared on the units that have every
    period; the others are named. Raises ``NotEstimable`` where the row cannot be tested.
    """
    if frame.period_of is None:
        raise NotEstimable(Message("no_period", N_("{metric}: a panel needs periods"), {"metric": metric.name}))
    start = start_of(frame, plan)
    during, before = frame.period_of >= start, frame.period_of < start
    values = window_values(frame, metric, during)
    counts = window_weight(frame, metric, during)
    weight = counts if plan.estimand is Estimand.ROWS else None
    earlier = window_values(frame, metric, before) if before.any() else None
    row = unit_row(frame, plan, metric, variant, values, weight=weight, before=earlier)
    beside = list(_other_estimand(frame, plan, metric, variant, values, earlier, counts))
    kept = with_partners(frame, plan, metric, variant, row, values, earlier)
    row = replace(row, alternatives=(*row.alternatives, *beside, *([] if kept is None else [kept])))
    if earlier is None:
        return row
    warnings = _without_before(frame, metric, values, earlier, variant)
    change, left_out = change_of(frame, plan, metric, variant, weight, start)
    row = replace(row, warnings=(*row.warnings, *warnings, *left_out))
    if isinstance(change, Message):
        if not plan.is_randomised:
            raise NotEstimable(change)
        return replace(row, warnings=(*row.warnings, change))
    row = replace(
        row,
        diagnostics=(*row.diagnostics, *_pre_trends(change.event_times, plan, variant)),
        extra={**row.extra, **_event_times(change.event_times, plan, frame, start)},
    )
    if not plan.is_randomised:
        return _observational(row, change, plan, metric)
    changes = [*_findings(change, plan), *_unadjusted(frame, plan, metric, variant, values, weight)]
    return replace(row, alternatives=(*row.alternatives, *changes))


def change_of(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, weight: Floats | None, start: int
) -> tuple[DifferenceInDifferences | Message, tuple[Message, ...]]:
    """The comparison of changes on units with every period, or why there is none; and who was left out."""
    y = series(frame, metric)
    full = np.asarray(np.isfinite(y).all(axis=1), dtype=np.bool_)
    part = np.isin(frame.variant_of, (0, frame.variants.index(variant)))
    gaps = [frame.units[int(place)] for place in np.flatnonzero(part & ~full)]
    left_out: tuple[Message, ...] = ()
    if gaps:
        template = N_("{n} units lack a period and take no part in the comparison of changes: {units}")
        left_out = (Message("changes_without_units", template, named(gaps)),)
    covariates, _ = unit_covariates(frame, plan, metric)
    try:
        made = contrast(frame, plan, metric, variant, np.where(full, 0.0, np.nan), covariates, weight)
        return of_series(made.table, y[made.place], start), left_out
    except NotEstimable as refused:
        return refused.message, left_out


def _findings(change: DifferenceInDifferences, plan: Plan) -> Iterator[Finding]:
    tries: tuple[tuple[str, TInference | None], ...] = ((POOLED, change.pooled), (HC2, change.hc2))
    for method, inference in tries:
        if inference is not None:
            yield finding(
                inference, method, std_error=inference.std_error, df=inference.df, level=plan.confidence_level
            )


def _unadjusted(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, values: Floats, weight: Floats | None
) -> Iterator[Finding]:
    """The permutation of the difference of means, without the period before."""
    try:
        row = unit_row(frame, plan, metric, variant, values, weight=weight)
    except NotEstimable:
        return
    if row.randomization_p is not None:
        yield replace(row.headline, method=UNADJUSTED)


def _other_estimand(
    frame: Frame,
    plan: Plan,
    metric: MetricSpec,
    variant: str,
    values: Floats,
    earlier: Floats | None,
    counts: Floats,
) -> Iterator[Finding]:
    """The same regression for the estimand that the plan did not choose, named; nothing where all units count alike."""
    is_rows = plan.estimand is Estimand.UNITS
    compared = np.isfinite(values) & np.isin(frame.variant_of, (0, frame.variants.index(variant)))
    if len(np.unique(counts[compared])) <= 1:
        return
    covariates, _ = unit_covariates(frame, plan, metric)
    if earlier is not None:
        covariates = np.column_stack([covariates, earlier])
        values = np.where(np.isfinite(earlier), values, np.nan)
    try:
        made = contrast(frame, plan, metric, variant, values, covariates, counts if is_rows else None)
        found = unit_means_cr2(fit(made.table))
    except NotEstimable:
        return
    method, estimand = ("rows_cr2", Estimand.ROWS) if is_rows else ("cr2", Estimand.UNITS)
    answer = finding(found, method, std_error=found.std_error, df=found.df, level=plan.confidence_level)
    yield replace(answer, estimand=estimand.value)


def _observational(row: RowResult, change: DifferenceInDifferences, plan: Plan, metric: MetricSpec) -> RowResult:
    """The change as the headline; the regression on the mean before stands beside it."""
    if change.hc2 is None:
        raise NotEstimable(
            Message(
                "one_treated_unit",
                N_("{metric}: one unit alone carries the effect, and nobody drew it: no error can be had"),
                {"metric": metric.name},
            )
        )
    headline, *beside = sorted(_findings(change, plan), key=lambda one: one.method != HC2)
    word = Message(
        "parallel_trends",
        N_("assumes that without treatment both groups would have changed by the same amount"),
        {},
    )
    return replace(
        row,
        headline=headline,
        inference=change.hc2,
        alternatives=(*beside, row.headline, *row.alternatives),
        assumptions=(*row.assumptions, word),
    )


def _without_before(
    frame: Frame, metric: MetricSpec, values: Floats, earlier: Floats, variant: str
) -> tuple[Message, ...]:
    part = np.isin(frame.variant_of, (0, frame.variants.index(variant)))
    lost = part & np.isfinite(values) & ~np.isfinite(earlier)
    gone = part & ~np.isfinite(values)
    found = []
    for units, code, template in (
        (lost, "no_row_before", N_("{metric}: {n} units have no row before the start and are left out: {units}")),
        (gone, "no_row_during", N_("{metric}: {n} units have no row during the test and are left out: {units}")),
    ):
        if units.any():
            names = [frame.units[int(place)] for place in np.flatnonzero(units)]
            found.append(Message(code, template, {"metric": metric.name, **named(names)}))
    return tuple(found)


def _pre_trends(events: EventTimes | None, plan: Plan, variant: str) -> tuple[Diagnostic, ...]:
    if events is None or not events.before.any():
        return ()
    chosen = events.before
    effects, influence = events.effects[chosen], events.influence[:, chosen]
    periods = np.array([event + 1 for event in events.events], dtype=np.float64)[chosen]
    return (
        pre_trends_of(effects, influence, df=events.df, periods=periods, seed=plan.effective_seed, variant=variant),
    )


def _event_times(events: EventTimes | None, plan: Plan, frame: Frame, start: int) -> dict[str, object]:
    if events is None:
        return {}
    band = events.band(confidence_level=plan.confidence_level, seed=plan.effective_seed)
    rows = [
        {
            "period": frame.periods[start + event],
            "event": event,
            "effect": float(effect),
            "std_error": float(error),
            "band": [low, high],
        }
        for event, effect, error, low, high in zip(
            events.events, events.effects, events.std_errors, band.low, band.high, strict=True
        )
    ]
    return {"event_times": {"base": frame.periods[start - 1], "critical": band.critical, "effects": rows}}
