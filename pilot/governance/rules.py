"""The rules of decision as tables: what answers which recommendation, and how many signatures a choice needs."""

from pilot.evidence.recommendation import Recommended
from pilot.governance.model import Choice

_AGREES: dict[Recommended, Choice] = {
    Recommended.ADVANCE: Choice.APPROVE,
    Recommended.EXTEND: Choice.EXTEND,
    Recommended.STOP: Choice.STOP,
}
# What ends a round. Sending back asks the author; it decides nothing and so overrides nothing.
_FINAL = frozenset({Choice.APPROVE, Choice.APPROVE_SOME, Choice.EXTEND, Choice.STOP})
_GOES_ON = frozenset({Choice.APPROVE, Choice.APPROVE_SOME})


def agrees(choice: Choice, recommended: Recommended) -> bool:
    """Whether ``choice`` is what the gate's own rules recommend; to go on in some regions only is the smaller step."""
    return _AGREES[recommended] is choice or (recommended is Recommended.ADVANCE and choice is Choice.APPROVE_SOME)


def is_override(choice: Choice, recommended: Recommended) -> bool:
    """Whether ``choice`` goes against what the gate's own rules recommend."""
    return choice in _FINAL and not agrees(choice, recommended)


def goes_network_wide(choice: Choice, *, is_last_stage: bool, next_is_network: bool) -> bool:
    """Whether ``choice`` takes the program to the whole network: approving the last stage, or the one before it."""
    return choice in _GOES_ON and (is_last_stage or next_is_network)


def signatures_needed(choice: Choice, *, override: bool, network_wide: bool, by_policy: int = 1) -> int:
    """How many different executives have to make the same choice before it takes effect.

    The policy may ask for more; against the recommendation and to the network two are needed whatever it says. A
    question to the author is anybody's.
    """
    if choice is Choice.SEND_BACK:
        return 1
    return max(by_policy, 2 if override or network_wide else 1)
