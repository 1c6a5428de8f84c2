"""Alternatives of a randomised panel with costs: time-based regression on totals, geo-based regression per unit."""

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.geo_regression import geo_regression
from experiments.estimate.time_based_regression import time_based_regression
from experiments.frame import NEVER, Bools, Floats, Frame, Ints
from experiments.messages import N_, Message
from experiments.plan import Assignment, Kind, MetricSpec, Plan
from experiments.reading_windows import window_periods
from experiments.rows.choice import is_panel
from experiments.rows.finding import Finding

TIME_BASED, GEO_BASED = "time_based_regression", "geo_regression"
TOTAL = "total"
UNIT_OF_COST = "unit of cost"


def alternatives(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> tuple[Finding, ...]:
    """The findings of ``tried``, without the reasons of those that cannot be made."""
    return tried(frame, plan, metric, variant)[0]


def tried(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str
) -> tuple[tuple[Finding, ...], tuple[Message, ...]]:
    """``time_based_regression`` (the total effect over the window, with the effect per unit of cost beside it where
    the cost is nil without treatment) and ``geo_regression`` (per unit of cost) for a panel with one start and a cost.

    Totals are sums of rows: there are none with sampling weights or with a unit that lacks a period. What cannot be
    formed is named, with the reason.
    """
    if frame.cost is None:
        return (), ()
    if frame.period_of is None or not is_panel(plan):
        return _nothing(metric, variant, N_("it needs periods before and after a start"))
    if frame.weight is not None:
        return _nothing(metric, variant, N_("rows with sampling weights have no totals"))
    if metric.kind in (Kind.RATIO, Kind.DURATION):
        return _nothing(metric, variant, N_("ratios and durations have no totals"))
    number = frame.variants.index(variant)
    windows = None if plan.assignment is Assignment.STEPPED_WEDGE else _windows(frame, plan, number)
    if windows is None:
        return _nothing(metric, variant, N_("it needs one start, with periods before it"))
    before, during = windows
    values, costs = (
        _sums(frame, frame.period_of, frame.columns[metric.value]),
        _sums(frame, frame.period_of, frame.cost),
    )
    treated, control = frame.variant_of == number, frame.variant_of == 0
    found: list[Finding] = []
    refused: list[Message] = []
    for method, make in ((TIME_BASED, _time_based), (GEO_BASED, _geo_based)):
        try:
            found.append(make(plan, values, costs, treated, control, before, during))
        except NotEstimable as reason:
            text = N_("{metric}, {variant}: no {method}: {reason}")
            said: dict[str, str | int | float] = {
                "metric": metric.name,
                "variant": variant,
                "method": method,
                "reason": str(reason.message),
            }
            refused.append(Message("no_alternative", text, said))
    return tuple(found), tuple(refused)


def _nothing(metric: MetricSpec, variant: str, reason: str) -> tuple[tuple[Finding, ...], tuple[Message, ...]]:
    text = N_("{metric}, {variant}: no effect per unit of cost: {reason}")
    values = {"metric": metric.name, "variant": variant, "reason": reason}
    return (), (Message("no_effect_per_cost", text, values),)


def _windows(frame: Frame, plan: Plan, number: int) -> tuple[Bools, Bools] | None:
    """(T,) which periods lie before the start and in the test; None where there is no one start."""
    if plan.windows is not None:
        before = window_periods(frame, "windows.before", plan.windows.before)
        return before, window_periods(frame, "windows.during", plan.windows.during)
    if frame.first_treated is None:
        return None
    starts = np.unique(frame.first_treated[frame.variant_of == number])
    if len(starts) != 1 or starts[0] == NEVER:
        return None
    early: Bools = np.arange(len(frame.periods)) < starts[0]
    return early, np.logical_not(early)


def _time_based(
    plan: Plan, values: Floats, costs: Floats, treated: Bools, control: Bools, before: Bools, during: Bools
) -> Finding:
    kept = np.concatenate([np.flatnonzero(before), np.flatnonzero(during)])
    found = time_based_regression(
        values[treated].sum(axis=0)[kept],
        values[control].sum(axis=0)[kept],
        before=int(before.sum()),
        window=int(during.sum()),
    )
    level = plan.confidence_level
    t = found.total
    extra: dict[str, object] = {"slope": found.slope, "residual_lag_1": found.residual_lag_1}
    spent = float(costs[treated][:, during].sum())
    otherwise = float(np.abs(costs[control]).sum() + np.abs(costs[treated][:, before]).sum())
    if spent > 0.0 and otherwise == 0.0:
        per_cost = found.per_cost(spent)
        extra |= {
            "cost": spent,
            "effect_per_cost": per_cost.effect,
            "std_error_per_cost": per_cost.std_error,
            "interval_per_cost": list(per_cost.interval(level)),
        }
    return Finding(
        TIME_BASED,
        t.effect,
        t.std_error,
        t.df,
        t.interval(level),
        t.p_value(),
        level,
        per=TOTAL,
        extra=extra,
    )


def _geo_based(
    plan: Plan, values: Floats, costs: Floats, treated: Bools, control: Bools, before: Bools, during: Bools
) -> Finding:
    units = treated | control
    t = geo_regression(
        values[units][:, before].sum(axis=1),
        values[units][:, during].sum(axis=1),
        treated[units].astype(np.float64),
        costs[units][:, before].sum(axis=1),
        costs[units][:, during].sum(axis=1),
    )
    level = plan.confidence_level
    return Finding(GEO_BASED, t.effect, t.std_error, t.df, t.interval(level), t.p_value(), level, per=UNIT_OF_COST)


def _sums(frame: Frame, period_of: Ints, values: Floats) -> Floats:
    """(U, T) the sum of the rows of each unit and period, nothing where a unit has no row."""
    shape = (frame.n_units, len(frame.periods))
    cell = frame.unit_of * shape[1] + period_of
    return np.bincount(cell, weights=values, minlength=shape[0] * shape[1]).astype(np.float64).reshape(shape)
