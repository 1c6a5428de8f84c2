"""Past windows of a panel: as long as the windows of the plan, before anybody was treated, as tables of units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import NotEstimable
from experiments.messages import N_, Message

if TYPE_CHECKING:
    from experiments.estimate.unit_table import Floats
    from experiments.frame import Frame, Ints
    from experiments.plan import MetricSpec, Plan, Windows
    from experiments.rows.contrast import Contrast


@dataclass(frozen=True, slots=True)
class PastWindow:
    """Positions of periods, the last excluded: the outcome from ``first`` to ``stop``, the value before from
    ``before`` to ``first``. ``name`` says the outcome's first and last period."""

    before: int
    first: int
    stop: int
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The untreated past of a panel. Only the first ``n_periods`` periods are past; a plan's windows take
    ``n_before`` (0: no value before) and ``n_during`` periods. ``period_of`` (N,) are the frame's."""

    frame: Frame
    plan: Plan
    period_of: Ints
    n_periods: int
    n_before: int
    n_during: int

    def windows(self, *, step: int | None = None) -> tuple[PastWindow, ...]:
        """Windows back from the last untreated period, the latest first. By default outcomes do not overlap (the value
        before of one may be the outcome of another); ``step`` 1 gives every position."""
        found, stop, by = [], self.n_periods, step or self.n_during
        while stop - self.n_during - self.n_before >= 0:
            first = stop - self.n_during
            name = f"{self.frame.periods[first]} … {self.frame.periods[stop - 1]}"
            found.append(PastWindow(first - self.n_before, first, stop, name))
            stop -= by
        return tuple(found)

    def contrast(self, window: PastWindow, metric: MetricSpec, variant: str) -> Contrast:
        """The units of ``variant`` and control in the window: value, value before and the metric's covariates.

        A unit without data in the window or before it is left out of this window. Raises ``NotEstimable`` for what
        cannot be replayed.
        """
        from experiments.plan import Estimand, Kind
        from experiments.rows.contrast import contrast

        if metric.kind is Kind.DURATION or (metric.kind is Kind.RATIO and self.plan.estimand is Estimand.ROWS):
            raise NotEstimable(
                Message(
                    "not_replayed",
                    N_("{metric}: replay knows means, shares, counts and ratios per unit"),
                    {"metric": metric.name},
                )
            )
        during, weight = self._value(metric, window.first, window.stop)
        columns = []
        if self.n_before:
            before, _ = self._value(metric, window.before, window.first)
            during = np.where(np.isfinite(before), during, np.nan)
            columns.append(np.where(np.isfinite(before), before, 0.0))
        for name in metric.covariates:
            values = self._mean(self.frame.columns[name], window.before if self.n_before else window.first, window.stop)
            during = np.where(np.isfinite(values), during, np.nan)
            columns.append(np.where(np.isfinite(values), values, 0.0))
        covariates = np.stack(columns, axis=1) if columns else np.zeros((self.frame.n_units, 0))
        weighted = weight if self.plan.estimand is Estimand.ROWS else None
        return contrast(self.frame, self.plan, metric, variant, during, covariates, weighted)

    def _value(self, metric: MetricSpec, first: int, stop: int) -> tuple[Floats, Floats]:
        """(U,) the value of each unit (NaN where there is none) and the weight of its rows."""
        from experiments.plan import Kind

        weight = self._sum(np.ones(self.frame.n_rows), first, stop)
        below = weight
        if metric.kind is Kind.RATIO and metric.denominator is not None:
            below = self._sum(self.frame.columns[metric.denominator], first, stop)
        return _divided(self._sum(self.frame.columns[metric.value], first, stop), below), weight

    def _mean(self, values: Floats, first: int, stop: int) -> Floats:
        return _divided(self._sum(values, first, stop), self._sum(np.ones(self.frame.n_rows), first, stop))

    def _sum(self, values: Floats, first: int, stop: int) -> Floats:
        frame = self.frame
        rows = (self.period_of >= first) & (self.period_of < stop)
        weighted = (values * frame.weights())[rows]
        return np.bincount(frame.unit_of[rows], weights=weighted, minlength=frame.n_units).astype(np.float64)


def require_past_window(history: History, windows: tuple[PastWindow, ...]) -> None:
    """Raises ``NotEstimable`` where there is not one window."""
    if not windows:
        raise NotEstimable(
            Message(
                "no_past_window",
                N_("{n} periods before the start are too few for one past window of {during} after {before}"),
                {"n": history.n_periods, "during": history.n_during, "before": history.n_before},
            )
        )


def history_of(frame: Frame, plan: Plan) -> History:
    """The untreated past of ``frame`` (which must hold all periods of the table) and the lengths of the plan's windows.

    Windows may lie beyond the table (a plan before its start): their lengths are then counted in the table's own
    periods. Raises ``NotEstimable`` without periods, and for stepped or staggered starts, which have no one window.
    """
    from experiments.frame import NEVER
    from experiments.plan import Assignment

    if frame.period_of is None:
        raise NotEstimable(
            Message("no_panel", N_("replay needs a panel: name the column of periods (data.period) in the plan"), {})
        )
    starts = None if frame.first_treated is None else frame.first_treated[frame.first_treated != NEVER]
    several = starts is not None and len(np.unique(starts)) > 1
    if plan.assignment is Assignment.STEPPED_WEDGE or several:
        raise NotEstimable(
            Message(
                "several_starts", N_("replay needs one start for all; stepped and staggered starts have several"), {}
            )
        )
    if plan.windows is not None:
        n_past, n_before, n_during = _by_windows(frame, plan.windows)
    elif starts is not None and len(starts):
        n_past = int(starts[0])
        n_during = len(frame.periods) - n_past
        n_before = n_during
    else:
        raise NotEstimable(Message("no_windows", N_("replay needs the windows of the plan (windows)"), {}))
    if starts is not None and len(starts):
        n_past = min(n_past, int(starts.min()))
    return History(frame, plan, frame.period_of, n_past, n_before, n_during)


def _by_windows(frame: Frame, windows: Windows) -> tuple[int, int, int]:
    """Periods before the start, and the lengths of both windows in periods."""
    from experiments.arrow_columns import periods_of
    from experiments.plan import WrongValue

    time = periods_of(frame.periods)

    def ends(path: str, window: tuple[str, str]) -> tuple[float, float]:
        keys = [time.key(end) for end in window]
        for end, key in zip(window, keys, strict=True):
            if key is None:
                kind = "dates" if time.are_dates else "numbers"
                raise WrongValue(path=path, value=end, must_be=f"in units of the period column, which holds {kind}")
        return keys[0] or 0.0, keys[1] or 0.0

    def length(first: float, last: float) -> int:
        inside = int(((time.keys >= first) & (time.keys <= last)).sum())
        whole = first >= time.keys[0] and last <= time.keys[-1]
        if inside and whole:
            return inside
        spacing = float(np.median(np.diff(time.keys))) if len(time.keys) > 1 else 1.0
        return max(1, math.ceil((last - first + 1.0) / spacing - 1e-9))

    start, end = ends("windows.during", windows.during)
    n_before = length(*ends("windows.before", windows.before)) if windows.before else 0
    return int((time.keys < start).sum()), n_before, length(start, end)


def _divided(above: Floats, below: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        value: Floats = np.where(below > 0, above / below, np.nan)
    return value
