"""Observation windows: which business days a metric reads, and whether they have all been observed."""

from dataclasses import dataclass
from datetime import date, timedelta

from experiments.errors import InvalidWindow, NotEstimable
from experiments.measure.metrics import Metric, MetricKind
from experiments.messages import N_, Message


@dataclass(frozen=True, slots=True)
class Window:
    """Business days from ``first`` to ``last``, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise InvalidWindow(first=str(self.first), last=str(self.last), must_be="its last day precedes its first")

    @property
    def days(self) -> int:
        """The number of days in the window."""
        return (self.last - self.first).days + 1

    def contains(self, day: date) -> bool:
        """Whether ``day`` lies in the window."""
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Windows:
    """The window that a metric reads and the window before the start that adjusts it (None: there is no covariate)."""

    window: Window
    before: Window | None


def windows_for(metric: Metric, *, window: Window, before: Window | None, data_through: date) -> Windows:
    """The windows of ``metric`` for a stage that starts on ``window.first`` and is read to ``window.last``.

    A metric with days of its own (repeat purchase, retention) reads those days, counted from the start, which is day
    0; the others read the whole of ``window``. Before the start such a metric reads the last as many days of
    ``before``, or has no covariate when ``before`` is shorter. ``data_through`` is the last business day whose
    receipts are complete. Raises ``NotEstimable`` when the last day is later than ``window.last`` or not yet in the
    data, ``InvalidWindow`` when ``before`` does not end before the start.
    """
    if before is not None and before.last >= window.first:
        raise InvalidWindow(first=str(before.first), last=str(before.last), must_be="it must end before the start")
    outcome = _outcome(metric, window)
    observed = min(window.last, data_through)
    if outcome.last > observed:
        raise NotEstimable(
            Message(
                "window_not_observed",
                N_("{metric} reads receipts to {needed:date}; only days to {observed:date} are observed"),
                {"metric": metric.code, "needed": str(outcome.last), "observed": str(observed)},
            )
        )
    if before is None or not metric.has_fixed_window:
        return Windows(outcome, before)
    if before.days < outcome.days:
        return Windows(outcome, None)
    return Windows(outcome, Window(before.last - timedelta(days=outcome.days - 1), before.last))


def day_offsets(metric: Metric) -> tuple[int, int]:
    """First and last day, counted from the index day (day 0), that a metric with days of its own reads."""
    if metric.kind is MetricKind.REPEAT_PURCHASE:
        return 0, metric.params["days"] - 1
    return metric.params["first_day"], metric.params["last_day"]


def _outcome(metric: Metric, window: Window) -> Window:
    if not metric.has_fixed_window:
        return window
    first, last = day_offsets(metric)
    return Window(window.first + timedelta(days=first), window.first + timedelta(days=last))
