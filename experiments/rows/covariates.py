"""Covariates of a row: checked against what the plan forbids, and averaged over the rows of each unit."""

import numpy as np

from experiments.errors import NotEstimable
from experiments.frame import NEVER, Bools, Floats, Frame
from experiments.messages import N_, Message
from experiments.plan import MetricSpec, Plan
from experiments.reading_windows import window_periods


def unit_covariates(
    frame: Frame, plan: Plan, metric: MetricSpec, rows: Bools | None = None
) -> tuple[Floats, tuple[Message, ...]]:
    """(U, k) the weighted mean of each covariate of ``metric`` over the unit's rows (of ``rows`` (N,) only, where
    given; in a panel of the periods before the start, where there are any), and the assumption that follows.

    Raises ``NotEstimable`` for a covariate that is an outcome of the plan, that is missing somewhere, or that in a
    panel changes after the start.
    """
    found = np.zeros((frame.n_units, len(metric.covariates)))
    outcomes = _outcomes(plan)
    for position, name in enumerate(metric.covariates):
        if name in outcomes:
            raise NotEstimable(
                Message(
                    "covariate_is_outcome",
                    N_(
                        "covariate {name} is {what}: it can have moved with the treatment, so nothing is adjusted by it"
                    ),
                    {"name": name, "what": outcomes[name]},
                )
            )
        values = frame.columns[name]
        missing = ~np.isfinite(values)
        if missing.any():
            raise NotEstimable(
                Message(
                    "covariate_missing",
                    N_("covariate {name} is empty or not finite in {n} of {of} rows; fill it, or leave it out"),
                    {"name": name, "n": int(missing.sum()), "of": frame.n_rows},
                )
            )
        found[:, position] = _of_units(frame, plan, name, values, rows)
    if not metric.covariates:
        return found, ()
    word = Message(
        "covariates_before",
        N_("the plan says that {names} were known before the start; nothing here can check it"),
        {"names": ", ".join(metric.covariates)},
    )
    return found, (word,)


def mean_before(frame: Frame, plan: Plan, values: Floats) -> Floats:
    """(U,) the weighted mean of ``values`` (N,) over each unit's rows before the start; without periods over all."""
    if frame.period_of is None:
        return frame.unit_mean(values)
    before = frame.period_of < start_of(frame, plan)
    return _mean(frame, values, before) if before.any() else frame.unit_mean(values)


def start_of(frame: Frame, plan: Plan) -> int:
    """The position of the first period of the test: of the window, else the first treated period of any unit."""
    if plan.windows is not None:
        return int(np.flatnonzero(window_periods(frame, "windows.during", plan.windows.during))[0])
    if frame.first_treated is not None and bool((frame.first_treated != NEVER).any()):
        return int(frame.first_treated[frame.first_treated != NEVER].min())
    return 0


def _outcomes(plan: Plan) -> dict[str, str]:
    """Columns that may have moved with the treatment, and what they are."""
    found = {}
    if plan.data.received:
        found[plan.data.received] = "what was received"
    for metric in plan.metrics:
        found[metric.value] = f"the value of {metric.name}"
        if metric.denominator:
            found[metric.denominator] = f"the denominator of {metric.name}"
        if metric.event:
            found[metric.event] = f"the event of {metric.name}"
    return found


def _of_units(frame: Frame, plan: Plan, name: str, values: Floats, rows: Bools | None) -> Floats:
    if frame.period_of is None:
        return frame.unit_mean(values) if rows is None else _mean(frame, values, rows)
    start = start_of(frame, plan)
    _require_constant(frame, name, values, frame.period_of >= start - 1)
    before = frame.period_of < start
    known = np.bincount(frame.unit_of[before], minlength=frame.n_units) > 0
    everywhere = frame.unit_mean(values)
    return np.where(known, _mean(frame, values, before), everywhere) if before.any() else everywhere


def _mean(frame: Frame, values: Floats, rows: Bools) -> Floats:
    weight = np.where(rows, frame.weights(), 0.0)
    total = np.bincount(frame.unit_of, weights=weight, minlength=frame.n_units)
    with np.errstate(divide="ignore", invalid="ignore"):
        means: Floats = np.bincount(frame.unit_of, weights=weight * values, minlength=frame.n_units) / total
    return means


def _require_constant(frame: Frame, name: str, values: Floats, after: Bools) -> None:
    """From the last period before the start on, a covariate stays what it was."""
    first = np.full(frame.n_units, np.inf)
    last = np.full(frame.n_units, -np.inf)
    np.minimum.at(first, frame.unit_of[after], values[after])
    np.maximum.at(last, frame.unit_of[after], values[after])
    changed = np.isfinite(first) & (first != last)
    if changed.any():
        place = int(np.flatnonzero(changed)[0])
        raise NotEstimable(
            Message(
                "covariate_changes",
                N_("covariate {name} changes after the start in {n} units (such as {unit}): it may be an outcome"),
                {"name": name, "n": int(changed.sum()), "unit": frame.units[place]},
            )
        )
