"""The life of a pilot and of its stages as two tables; everything that is not in them is refused by name."""

from enum import StrEnum

from pilot.planning.errors import IllegalMove
from pilot.words import N_, Message, listed


class PilotState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    COSIGNED = "cosigned"
    SEALED = "sealed"
    DRAWN = "drawn"
    RUNNING = "running"
    AT_GATE = "at_gate"
    ROLLED_OUT = "rolled_out"
    STOPPED = "stopped"


class StageState(StrEnum):
    PLANNED = "planned"
    DRAWN = "drawn"
    RUNNING = "running"
    AT_GATE = "at_gate"
    EXTENDED = "extended"
    PASSED = "passed"
    STOPPED = "stopped"


_WORDS: dict[str, str] = {
    PilotState.DRAFT: N_("a draft"),
    PilotState.SUBMITTED: N_("submitted"),
    PilotState.COSIGNED: N_("co-signed"),
    PilotState.SEALED: N_("sealed"),
    PilotState.DRAWN: N_("drawn"),
    PilotState.RUNNING: N_("running"),
    PilotState.AT_GATE: N_("at its gate"),
    PilotState.ROLLED_OUT: N_("rolled out"),
    PilotState.STOPPED: N_("stopped"),
    StageState.PLANNED: N_("planned"),
    StageState.EXTENDED: N_("extended"),
    StageState.PASSED: N_("through its gate"),
}

_P = PilotState
# The way forward, the way back to the author, and (from the seal on) the way to SUBMITTED: an amendment.
PILOT_MOVES: dict[PilotState, frozenset[PilotState]] = {
    _P.DRAFT: frozenset({_P.SUBMITTED, _P.STOPPED}),
    _P.SUBMITTED: frozenset({_P.COSIGNED, _P.DRAFT, _P.STOPPED}),
    # Sealing an amendment resumes what the current stage was doing.
    _P.COSIGNED: frozenset({_P.SEALED, _P.DRAWN, _P.RUNNING, _P.AT_GATE, _P.DRAFT, _P.STOPPED}),
    _P.SEALED: frozenset({_P.DRAWN, _P.SUBMITTED, _P.STOPPED}),
    _P.DRAWN: frozenset({_P.RUNNING, _P.SUBMITTED, _P.STOPPED}),
    _P.RUNNING: frozenset({_P.AT_GATE, _P.SUBMITTED, _P.STOPPED}),
    _P.AT_GATE: frozenset({_P.SEALED, _P.RUNNING, _P.ROLLED_OUT, _P.STOPPED, _P.SUBMITTED, _P.DRAFT}),
    _P.ROLLED_OUT: frozenset(),
    _P.STOPPED: frozenset(),
}

_S = StageState
STAGE_MOVES: dict[StageState, frozenset[StageState]] = {
    _S.PLANNED: frozenset({_S.DRAWN, _S.STOPPED}),
    _S.DRAWN: frozenset({_S.RUNNING, _S.PLANNED, _S.STOPPED}),
    _S.RUNNING: frozenset({_S.AT_GATE, _S.STOPPED}),
    _S.AT_GATE: frozenset({_S.EXTENDED, _S.PASSED, _S.STOPPED}),
    _S.EXTENDED: frozenset({_S.AT_GATE, _S.STOPPED}),
    _S.PASSED: frozenset(),
    _S.STOPPED: frozenset(),
}

# What the pilot is doing, by what its current stage is doing, once a plan is sealed.
STATE_BY_STAGE: dict[StageState, PilotState] = {
    _S.PLANNED: _P.SEALED,
    _S.DRAWN: _P.DRAWN,
    _S.RUNNING: _P.RUNNING,
    _S.EXTENDED: _P.RUNNING,
    _S.AT_GATE: _P.AT_GATE,
}

ENDED = frozenset({_P.ROLLED_OUT, _P.STOPPED})
UNDER_WAY = frozenset({_S.RUNNING, _S.EXTENDED, _S.AT_GATE})
STARTED = UNDER_WAY | {_S.PASSED, _S.STOPPED}


def require_move(subject: str, state: PilotState, to: PilotState) -> None:
    """``IllegalMove`` unless the table lets a pilot go from ``state`` to ``to``."""
    if to not in PILOT_MOVES[state]:
        raise IllegalMove(subject=subject, state=in_words(state), to=in_words(to), allowed=_names(PILOT_MOVES[state]))


def require_stage_move(subject: str, state: StageState, to: StageState) -> None:
    """``IllegalMove`` unless the table lets a stage go from ``state`` to ``to``."""
    if to not in STAGE_MOVES[state]:
        raise IllegalMove(subject=subject, state=in_words(state), to=in_words(to), allowed=_names(STAGE_MOVES[state]))


def in_words(state: PilotState | StageState | str) -> Message:
    """The state as a sentence names it: “the plan is …”."""
    return Message(f"state_{state}", _WORDS[state])


def _names(states: frozenset[PilotState] | frozenset[StageState]) -> Message:
    return listed([in_words(state) for state in sorted(states)])
