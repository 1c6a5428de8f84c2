"""The units, values and covariates that a row is made from, for what else must speak of the very same effect."""

from dataclasses import dataclass, replace

import numpy as np

from experiments.frame import Bools, Floats, Frame
from experiments.plan import Estimand, MetricSpec, Plan
from experiments.rows import customers
from experiments.rows.choice import choose, is_panel
from experiments.rows.contrast import Contrast, contrast, row_weight, unit_values
from experiments.rows.covariates import start_of, unit_covariates
from experiments.rows.series import series, window_values, window_weight


@dataclass(frozen=True, slots=True, eq=False)
class _Values:
    """(U,) values, the mean before the start where the row adjusts by it, and what a unit counts (None: once)."""

    y: Floats
    before: Floats | None
    weight: Floats | None


def row_contrast(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, *, usable: Bools | None = None
) -> Contrast:
    """The contrast whose regression gives the effect of the row of ``metric``: in a panel with one start the mean
    during the test with the mean before it as last covariate, or without chance the change; else the units' values.

    Only units that are ``usable`` (U,) take part. With several starts, with synthetic controls and for many
    independent units in blocks the row is no such regression: see ``has_regression``.
    """
    covariates, _ = unit_covariates(frame, plan, metric)
    made = _values(frame, plan, metric)
    y = made.y if usable is None else np.where(usable, made.y, np.nan)
    if made.before is not None:
        covariates = np.column_stack([covariates, made.before])
        y = np.where(np.isfinite(made.before), y, np.nan)
    return contrast(frame, plan, metric, variant, y, covariates, made.weight)


def has_regression(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> bool:
    """Whether the effect of the row is the coefficient of the regression on ``row_contrast``."""
    from experiments.rows import panel, units

    build = choose(frame, plan, metric, variant).build
    if build is customers.build:
        is_delta = metric.denominator is not None and plan.estimand is Estimand.ROWS and bool(metric.covariates)
        return not frame.has_blocks and not is_delta
    return build in (units.build, panel.build)


def winsorised(frame: Frame, metric: MetricSpec) -> tuple[Frame, MetricSpec]:
    """The frame and the metric that the row is made from: values cut where the plan says so."""
    if metric.winsorise is None:
        return frame, metric
    from experiments.measure.winsorise import winsorise

    cut = winsorise(frame.columns[metric.value], quantile=metric.winsorise, weight=frame.weight)
    return replace(frame, columns={**frame.columns, metric.value: cut.values}), replace(metric, winsorise=None)


def rows_of_test(frame: Frame, plan: Plan) -> Bools:
    """(N,) the rows that a row's values come from: in a panel those from the start on, else all."""
    if not is_panel(plan) or frame.period_of is None:
        return np.ones(frame.n_rows, dtype=np.bool_)
    return np.asarray(frame.period_of >= start_of(frame, plan), dtype=np.bool_)


def _values(frame: Frame, plan: Plan, metric: MetricSpec) -> _Values:
    counts = plan.estimand is Estimand.ROWS
    if not is_panel(plan) or frame.period_of is None:
        return _Values(unit_values(frame, metric), None, row_weight(frame, metric) if counts else None)
    start = start_of(frame, plan)
    during, before = frame.period_of >= start, frame.period_of < start
    weight = window_weight(frame, metric, during) if counts else None
    if not before.any():
        return _Values(window_values(frame, metric, during), None, weight)
    if not plan.is_randomised:
        y = series(frame, metric)
        return _Values(y[:, start:].mean(axis=1) - y[:, :start].mean(axis=1), None, weight)
    return _Values(window_values(frame, metric, during), window_values(frame, metric, before), weight)
