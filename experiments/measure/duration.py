"""Durations: days from an index day to an event or to the end of sight, and which windows have been fully observed.

The index day is the day of eligibility, never that of enrolment or of the event: counting from a day that only some
reach before the event makes those who reach it look immortal until then. A unit whose window is still open has not
failed: its duration is censored, or, for a share within d days, the unit is left out of both arms alike and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from experiments.errors import InvalidWindow
from experiments.estimate.unit_table import Flags, Floats
from experiments.messages import N_, Message


@dataclass(frozen=True, slots=True, eq=False)
class Durations:
    """``days`` (n) from the index day to the event, or to the last day observed; ``event`` (n) 1 where it was seen."""

    days: Floats
    event: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Maturity:
    """Which units' windows have been observed to the end: ``mature`` (n), and how many have not."""

    mature: Flags

    @property
    def n_open(self) -> int:
        """Units whose window is still open."""
        return int(np.count_nonzero(~self.mature))

    @property
    def warning(self) -> Message | None:
        """What a report says when only matured units are read; None where all are."""
        if not self.n_open:
            return None
        return Message(
            "windows_still_open",
            N_("{open} of {n} units are left out: their window had not ended on the last day observed"),
            {"open": self.n_open, "n": len(self.mature)},
        )


def durations(index: Sequence[date], event: Sequence[date | None], *, observed_through: date) -> Durations:
    """Days from each ``index`` day to its ``event`` (None: none seen), or to ``observed_through``, the last full day.

    An event after ``observed_through`` is not yet known and counts as unseen: days that are only half delivered tell
    more of one arm than of the other. An event on the index day has 0 days. Raises ``InvalidWindow`` for an event
    before its index day or an index day after ``observed_through``.
    """
    if len(index) != len(event):
        raise ValueError(f"{len(index)} index days and {len(event)} events")
    days, seen = [], []
    for start, happened in zip(index, event, strict=True):
        if start > observed_through:
            raise InvalidWindow(
                first=str(start), last=str(observed_through), must_be="an index day comes before the last day observed"
            )
        if happened is not None and happened < start:
            raise InvalidWindow(first=str(start), last=str(happened), must_be="an event follows its index day")
        known = happened is not None and happened <= observed_through
        end = happened if known and happened is not None else observed_through
        days.append(float((end - start).days))
        seen.append(float(known))
    return Durations(np.array(days), np.array(seen))


def maturity(index: Sequence[date], *, window_days: int, observed_through: date) -> Maturity:
    """Whether the ``window_days`` days from each index day (which is the first of them) had ended by
    ``observed_through``."""
    if window_days < 1:
        raise InvalidWindow(first=str(window_days), last=str(window_days), must_be="a window has at least one day")
    reach = timedelta(days=window_days - 1)
    return Maturity(np.array([day + reach <= observed_through for day in index], dtype=np.bool_))
