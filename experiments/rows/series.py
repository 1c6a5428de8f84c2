"""From the frame to panels: a metric's value per unit in a window, and per unit and period."""

import numpy as np

from experiments.estimate.unit_panel import UnitPanel
from experiments.frame import NEVER, Bools, Floats, Frame
from experiments.plan import Kind, MetricSpec

SHOWN = 8


def window_values(frame: Frame, metric: MetricSpec, rows: Bools) -> Floats:
    """(U,) each unit's value over ``rows`` (N,): the weighted mean, of a ratio Σ value / Σ denominator; NaN where a
    unit has no such row, or nothing to divide by."""
    weight = np.where(rows, frame.weights(), 0.0)
    below = _unit_sum(frame, weight * _denominator(frame, metric))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(below > 0, _unit_sum(frame, weight * frame.columns[metric.value]) / below, np.nan)
    return found


def window_weight(frame: Frame, metric: MetricSpec, rows: Bools) -> Floats:
    """(U,) what a unit counts when rows count: the weights of its ``rows`` (N,), of a ratio its denominator there."""
    return _unit_sum(frame, np.where(rows, frame.weights(), 0.0) * _denominator(frame, metric))


def series(frame: Frame, metric: MetricSpec) -> Floats:
    """(U, T) the value per unit and period, NaN where there is none."""
    value = frame.matrix_of(frame.columns[metric.value])
    if metric.kind is not Kind.RATIO:
        return value
    below = frame.matrix_of(_denominator(frame, metric))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(below > 0, value / below, np.nan)
    return found


def panel_of(frame: Frame, metric: MetricSpec, variant: str, covariates: Floats, weight: Floats | None) -> UnitPanel:
    """The panel of the units of ``variant`` and control; a control unit has no start whatever its column says."""
    number = frame.variants.index(variant)
    part = np.isin(frame.variant_of, (0, number))
    first = np.full(frame.n_units, NEVER) if frame.first_treated is None else frame.first_treated
    first = np.where(frame.variant_of == number, first, NEVER)
    return UnitPanel(
        units=tuple(frame.units[int(place)] for place in np.flatnonzero(part)),
        periods=frame.periods,
        y=series(frame, metric)[part],
        first_treated=first[part].astype(np.int64),
        covariates=covariates[part] if covariates.shape[1] else None,
        weight=None if weight is None else weight[part],
    )


def named(names: list[str]) -> dict[str, str | int | float]:
    """How many there are, and the first of them, for a message."""
    return {"n": len(names), "units": ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")}


def _denominator(frame: Frame, metric: MetricSpec) -> Floats:
    if metric.kind is Kind.RATIO and metric.denominator is not None:
        return frame.columns[metric.denominator]
    return np.ones(frame.n_rows)


def _unit_sum(frame: Frame, values: Floats) -> Floats:
    return np.bincount(frame.unit_of, weights=values, minlength=frame.n_units).astype(np.float64)
