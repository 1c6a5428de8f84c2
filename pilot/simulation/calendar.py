"""How the receipts of a simulated network spread over its days: weekdays, seasons, holidays, openings of stores."""

from datetime import date
from functools import cache

import numpy as np
import numpy.typing as npt

from pilot.simulation.people import CLASSES
from pilot.simulation.places import Stores
from pilot.simulation.shape import Shape, Stream

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]

WEEKDAYS = (0.93, 0.90, 0.95, 1.00, 1.20, 1.25, 0.77)  # Monday to Sunday
_MONTHS = (0.95, 0.96, 0.98, 1.00, 1.01, 1.02, 0.93, 0.97, 1.00, 1.00, 1.02, 1.16)
_HOLIDAYS = {(12, 25): 0.15, (12, 26): 0.5, (1, 1): 0.25}
_NOISE = 0.04
_FAVOURITE, _OTHER_DAY = 3.0, 0.67  # how much likelier a visit is on one's favourite weekday, and on another one

_HOURS = np.arange(7, 25)  # closed at midnight: the business date is that of the clock, whatever the cut-off
_STEPS = 4_096
_WEEKDAY_HOURS = (2, 4, 5, 6, 7, 8, 8, 8, 9, 12, 13, 11, 8, 6, 4, 2, 0.6)
_WEEKEND_HOURS = (1, 2, 4, 7, 10, 12, 12, 12, 11, 10, 9, 7, 5, 4, 3, 2, 0.8)


def receipts_by_day(shape: Shape, stores: Stores) -> Ints:
    """How many receipts each day has; they sum to ``shape.receipts``."""
    rng = shape.stream(Stream.CALENDAR)
    days = [shape.day(number) for number in range(shape.n_days)]
    open_share = np.array([stores.size[stores.opens <= number].sum() for number in range(shape.n_days)])
    weight = np.array([_weight(day) for day in days]) * (0.5 + 0.5 * open_share / stores.size.sum())
    weight *= np.exp(_NOISE * rng.standard_normal(shape.n_days))
    return rng.multinomial(shape.receipts, weight / weight.sum())


def class_shares(weekday: int, totals: Ints) -> Floats:
    """Cumulative shares of visits by class of favourite weekday, from the classes' ``totals`` over all days."""
    likelihood = np.full(CLASSES, _OTHER_DAY)
    likelihood[weekday] = _FAVOURITE
    likelihood[-1] = 1.0
    cumulated = np.concatenate([[0.0], np.cumsum(totals * likelihood)])
    shares: Floats = cumulated / cumulated[-1]
    return shares


def clock_seconds(weekday: int, shares: Floats32) -> Ints:
    """The seconds since midnight at which these shares of the day's receipts have been written."""
    starts, lengths = _clock(weekday >= 5)
    place = shares * np.float32(_STEPS)
    step = np.minimum(place.astype(np.int32), _STEPS - 1)
    place -= step
    place *= lengths.take(step)
    place += starts.take(step)
    seconds: Ints = place.astype(np.int64)
    return seconds


@cache
def _clock(is_weekend: bool) -> tuple[Floats32, Floats32]:
    """At which second each of many equal shares of the receipts begins, and how many seconds it takes."""
    weights = np.array(_WEEKEND_HOURS if is_weekend else _WEEKDAY_HOURS)
    written = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
    edges = np.interp(np.arange(_STEPS + 1) / _STEPS, written, _HOURS * 3600.0)
    return edges[:-1].astype(np.float32), np.diff(edges).astype(np.float32)


def _weight(day: date) -> float:
    return WEEKDAYS[day.weekday()] * _MONTHS[day.month - 1] * _HOLIDAYS.get((day.month, day.day), 1.0)
