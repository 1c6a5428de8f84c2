"""Replay of what an observational panel reports: changes with HC2, or synthetic DiD of few units, on past windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.design.past_windows import History, PastWindow, require_past_window
from experiments.design.placebo import Placebo
from experiments.design.replay import Replications, by_t
from experiments.errors import NotEstimable
from experiments.messages import N_, Message

if TYPE_CHECKING:
    from experiments.estimate.estimate import TInference
    from experiments.frame import Floats, Frame
    from experiments.plan import MetricSpec, Plan

CHANGES, SYNTHETIC = "difference_in_differences_hc2", "synthetic_did"
MOST_POSITIONS = 50  # of the window for synthetic DiD, each with its up to 200 placebos


def reported_method(history: History, metric: MetricSpec, variant: str) -> str | None:
    """What the plan would report of ``variant``, where that is neither the regression on the value before nor its
    permutation (None): in an observational panel with a period before."""
    from experiments.plan import Kind
    from experiments.rows.choice import FEW_TREATED, is_panel

    if history.plan.is_randomised or not is_panel(history.plan) or metric.kind is Kind.DURATION:
        return None
    treated = int(history.frame.arm_sizes()[history.frame.variants.index(variant)])
    return SYNTHETIC if treated <= FEW_TREATED else CHANGES


def reported_runs(history: History, metric: MetricSpec, variant: str, *, lift: float) -> Placebo:
    """The units that were picked, slid over the past positions of the window, each analysed as the report would.

    Without windows in the plan everything before a position is its time before. Synthetic DiD is slid over at most
    ``MOST_POSITIONS``, evenly spread. ``lift`` multiplies what the treated have during the window. A position that
    cannot be analysed is passed over; raises ``NotEstimable`` with the reason of the first where none can.
    """
    method = reported_method(history, metric, variant)
    if method is None:
        raise NotEstimable(
            Message("replayed_elsewhere", N_("{metric}: the regression is replayed"), {"metric": metric.name})
        )
    positions = history.windows(step=1)
    require_past_window(history, positions)
    if method == SYNTHETIC:
        positions = positions[:: -(-len(positions) // MOST_POSITIONS)]
    analyse = _synthetic if method == SYNTHETIC else _changes
    found: list[_Answer] = []
    stops: list[int] = []
    refusal = None
    for window in positions:
        frame, plan, start = _as_of(history, window)
        try:
            found.append(analyse(frame, plan, metric, variant, start, lift))
        except NotEstimable as problem:
            refusal = refusal or problem
            continue
        stops.append(window.stop)
    if refusal is not None and not found:
        raise refusal
    level = history.plan.confidence_level
    return Placebo(
        null={method: _replications(method, [one.null for one in found], level)},
        lifted={method: _replications(method, [one.lifted for one in found], level)},
        truth=np.array([one.truth for one in found]),
        n_windows=_apart(stops, history.n_during),
        n_control=found[0].n_control,
        n_variant=found[0].n_variant,
        mean=float(np.mean([one.mean for one in found])),
        attained=None,
        n_draws=None,
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """One position: the analysis without and with the lift, the effect of the lift, and the units compared."""

    null: TInference
    lifted: TInference
    truth: float
    mean: float
    n_control: int
    n_variant: int


def _as_of(history: History, window: PastWindow) -> tuple[Frame, Plan, int]:
    """The table as if the window were the test: its rows, the plan with its windows, and the position of the start."""
    from experiments.plan import Windows

    first = 0 if history.plan.windows is None else window.before
    frame = history.frame.restrict((history.period_of >= first) & (history.period_of < window.stop))
    names = history.frame.periods[first : window.stop]
    period_of = None if frame.period_of is None else frame.period_of - first
    frame = replace(frame, periods=names, period_of=period_of, first_treated=None)
    start = window.first - first
    windows = Windows(before=(names[0], names[start - 1]) if start else None, during=(names[start], names[-1]))
    return frame, replace(history.plan, windows=windows), start


def _changes(frame: Frame, plan: Plan, metric: MetricSpec, variant: str, start: int, lift: float) -> _Answer:
    from experiments.plan import Estimand
    from experiments.rows.panel import change_of
    from experiments.rows.series import window_values, window_weight

    if frame.period_of is None:
        raise ValueError("a history has periods")
    during = frame.period_of >= start
    weight = window_weight(frame, metric, during) if plan.estimand is Estimand.ROWS else None
    of_treated = frame.row_variant == frame.variants.index(variant)
    value = frame.columns[metric.value]
    raised = np.where(of_treated & during, value * (1.0 + lift), value)
    answers, table = [], None
    for moved in (frame, replace(frame, columns={**frame.columns, metric.value: raised})):
        change, _ = change_of(moved, plan, metric, variant, weight, start)
        if isinstance(change, Message):
            raise NotEstimable(change)
        if change.hc2 is None:
            raise NotEstimable(Message("one_treated_unit", N_("one unit alone carries the effect"), {}))
        answers.append(change.hc2)
        table = change.table
    if table is None:
        raise ValueError("both were analysed")
    place = {str(unit): position for position, unit in enumerate(frame.units)}
    own = window_values(frame, metric, during)[[place[unit] for unit in table.units]]
    level = replace(table, y=own)
    treated = int(np.count_nonzero(table.treated))
    return _Answer(
        answers[0],
        answers[1],
        lift * level.mean(treated=True),
        _mean(own[table.moves]),
        int(np.count_nonzero(table.moves)) - treated,
        treated,
    )


def _synthetic(frame: Frame, plan: Plan, metric: MetricSpec, variant: str, start: int, lift: float) -> _Answer:
    """Weights come from before the start and errors from donors, so a lift moves the effect and nothing else."""
    from experiments.rows.synthetic import hand_picked

    panel, placebo = hand_picked(frame, plan, metric, variant)
    own = placebo.inference
    truth = lift * _mean(panel.treated[:, start:])
    values = np.concatenate([panel.treated[:, start:], panel.donors[:, start:]])
    lifted = replace(own, effect=own.effect + truth)
    return _Answer(own, lifted, truth, _mean(values), len(panel.donors), len(panel.treated))


def _mean(values: Floats) -> float:
    return float(values.mean())


def _replications(method: str, answers: list[TInference], level: float) -> Replications:
    effect, error, df = (
        np.array([getattr(one, name) for one in answers], dtype=np.float64) for name in ("effect", "std_error", "df")
    )
    return by_t(method, effect, error, df, level)


def _apart(stops: list[int], n_during: int) -> int:
    """How many of the positions, the latest first, have outcomes that do not overlap."""
    count, earliest = 0, None
    for stop in stops:
        if earliest is None or stop <= earliest:
            count, earliest = count + 1, stop - n_during
    return count
