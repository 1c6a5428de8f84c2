"""The rules of decision as tables: what answers which recommendation, and how many signatures a choice needs."""

from pilot.evidence.recommendation import Recommended
from pilot.governance.model import Choice

_AGREES: dict[Recommended, Choice] = {
    Recommended.ADVANCE: Choice.APPROVE,
    Recommended.EXTEND: Choice.EXTEND,
    Recommended.STOP: Choice.STOP,
}
# What ends a round. Sending back asks the author; it decides nothing and so overrides nothing.
_FINAL = frozenset({Choice.APPROVE, Choice.EXTEND, Choice.STOP})


def agrees(choice: Choice, recommended: Recommended) -> bool:
    """Whether ``choice`` is what the gate's own rules recommend."""
    return _AGREES[recommended] is choice


def is_override(choice: Choice, recommended: Recommended) -> bool:
    """Whether ``choice`` goes against what the gate's own rules recommend."""
    return choice in _FINAL and not agrees(choice, recommended)


def goes_network_wide(choice: Choice, *, is_last_stage: bool, next_is_network: bool) -> bool:
    """Whether ``choice`` takes the program to the whole network: approving the last stage, or the one before it."""
    return choice is Choice.APPROVE and (is_last_stage or next_is_network)


def signatures_needed(*, override: bool, network_wide: bool) -> int:
    """How many different executives have to make the same choice before it takes effect."""
    return 2 if override or network_wide else 1
