"""What a check of the experiment itself says: its name, its status, its number and a sentence."""

from dataclasses import dataclass
from enum import StrEnum

from experiments.messages import Message


class Status(StrEnum):
    """The verdict of a diagnostic."""

    OK = "ok"
    WARN = "warn"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One check of the experiment itself, per variant where it has one."""

    check: str
    status: Status
    value: float | None
    message: Message
    variant: str | None = None


def status_of_p(p_value: float, *, alarm: float = 0.001, warning: float = 0.01) -> Status:
    """Alarm below ``alarm``, warning below ``warning``: the levels of the sample ratio, used by all such checks."""
    return Status.ALARM if p_value < alarm else Status.WARN if p_value < warning else Status.OK
