"""The windows of a plan over the periods of a table: which rows they hold, and what they may not hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from experiments import arrow_columns as columns
from experiments.errors import ExperimentError
from experiments.frame import NEVER, Bools, Frame
from experiments.messages import N_, Message
from experiments.plan import Plan, WrongValue


class EmptyWindow(ExperimentError):
    """A window in which no row lies."""

    code = "empty_window"
    template = N_("{path}: no row lies from {first} to {last}; the periods go from {begin} to {end}")


def inside_windows(frame: Frame, plan: Plan, warnings: list[Message]) -> Frame:
    """The rows of the two windows; ``EmptyWindow`` where one of them holds none."""
    if plan.windows is None or plan.data.period is None or frame.period_of is None:
        return frame
    before = window_periods(frame, "windows.before", plan.windows.before)
    during = window_periods(frame, "windows.during", plan.windows.during)
    if (before & during).any() or (before.any() and np.flatnonzero(before)[-1] > np.flatnonzero(during)[0]):
        raise WrongValue(
            path="windows.before",
            value=str(list(plan.windows.before or ())),
            must_be="a window that ends before the test begins",
        )
    _require_untreated(frame, plan, before)
    warnings += _late_starts(frame, during)
    inside = (before | during)[frame.period_of]
    if inside.all():
        return frame
    n = int(np.count_nonzero(~inside))
    warnings.append(Message("rows_outside_windows", N_("{n} rows outside the two windows take no part"), {"n": n}))
    kept = _without_empty_periods(frame.restrict(inside), before | during)
    if plan.data.variant is not None or kept.first_treated is None:
        return kept
    return replace(kept, variant_of=(kept.first_treated != NEVER).astype(np.int64))  # a later start is not yet one


def _late_starts(frame: Frame, during: Bools) -> list[Message]:
    """A word where all treated units start in another period than the test window does."""
    first = np.zeros(0, dtype=np.int64) if frame.first_treated is None else frame.first_treated
    starts = np.unique(first[first != NEVER])
    opens = int(np.flatnonzero(during)[0])
    if len(starts) != 1 or int(starts[0]) == opens:
        return []
    template = N_(
        "the test window begins in {window}, but the treated units start in {start}: it reads periods without "
        "treatment, or leaves treated ones out"
    )
    values = {"window": frame.periods[opens], "start": frame.periods[int(starts[0])]}
    return [Message("window_and_start_differ", template, values)]


def _require_untreated(frame: Frame, plan: Plan, before: Bools) -> None:
    """Where all start together, nobody is treated in the window before; ``WrongValue``."""
    first = np.zeros(0, dtype=np.int64) if frame.first_treated is None else frame.first_treated
    starts = np.unique(first[first != NEVER])
    if plan.windows is not None and len(starts) == 1 and before[int(starts[0]) :].any():
        must_be = f"a window that ends before the first treated period, {frame.periods[int(starts[0])]}"
        raise WrongValue(path="windows.before", value=str(list(plan.windows.before or ())), must_be=must_be)


def _without_empty_periods(frame: Frame, kept: Bools) -> Frame:
    place = np.cumsum(kept) - 1
    later = np.append(np.where(kept, place, len(kept)), len(kept))
    following = np.minimum.accumulate(later[::-1])[::-1]  # the first kept period from each one on
    first = frame.first_treated
    if first is not None:
        first = np.where(first == NEVER, NEVER, following[first])
        first = np.where(first >= int(kept.sum()), NEVER, first)
    return replace(
        frame,
        periods=tuple(name for name, is_kept in zip(frame.periods, kept, strict=True) if is_kept),
        period_of=None if frame.period_of is None else place[frame.period_of].astype(np.int64),
        first_treated=first,
    )


def window_periods(frame: Frame, path: str, window: tuple[str, str] | None) -> Bools:
    """(T,) whether each period lies in the window ``window`` of the plan, both ends included; all False for None."""
    marks = np.zeros(len(frame.periods), dtype=np.bool_)
    if window is None:
        return marks
    time = columns.periods_of(frame.periods)
    ends = [time.key(end) for end in window]
    for end, key in zip(window, ends, strict=True):
        if key is None:
            must_be = "dates" if time.are_dates else "numbers"
            raise WrongValue(path=path, value=end, must_be=f"in units of the period column, which holds {must_be}")
    first, last = ends[0] or 0.0, ends[1] or 0.0
    marks = (time.keys >= first) & (time.keys <= last)
    if not marks.any():
        begin, end = frame.periods[0], frame.periods[-1]
        raise EmptyWindow(path=path, first=window[0], last=window[1], begin=begin, end=end)
    return np.asarray(marks, dtype=np.bool_)
