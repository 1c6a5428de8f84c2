"""The two tables of moves, and the verbs of a pilot that has no database."""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from pilot.planning.errors import (
    IllegalMove,
    NoLookLeft,
    OwnPlan,
    SignOffMissing,
    StageOutOfTurn,
    TwoPeopleNeeded,
    WindowStillOpen,
)
from pilot.planning.lifecycle import (
    PILOT_MOVES,
    STAGE_MOVES,
    STATE_BY_STAGE,
    PilotState,
    StageState,
    in_words,
    require_move,
    require_stage_move,
)
from pilot.planning.model import Pilot
from pilot.planning.plan import Plan, StagePlan
from pilot.planning.proofs import Proof, ProofKind
from tests.pilot.planning.a_network import a_document, a_stage

AT = datetime(2026, 3, 2, tzinfo=UTC)
HASH = "a" * 64
OWNER, ANALYST, BOSS, OTHER_BOSS = 1, 2, 3, 4
APPROVALS = [Proof(ProofKind.COSIGN, ANALYST, HASH, AT), Proof(ProofKind.APPROVE, BOSS, HASH, AT)]
ONE = [Proof(ProofKind.DECISION, BOSS, HASH, AT)]
TWO = [*ONE, Proof(ProofKind.DECISION, OTHER_BOSS, HASH, AT)]


def stages(*changes: dict[str, object]) -> tuple[StagePlan, ...]:
    listed = [a_stage(number, **change) for number, change in enumerate(changes or ({},), start=1)]
    return Plan.from_document({"pilot": "p", "program": "c", **a_document(stages=listed)}).stages


def a_pilot(*changes: dict[str, object], until: PilotState = PilotState.AT_GATE) -> Pilot:
    """A pilot that went its way up to ``until``."""
    pilot = Pilot(code="p", owner_id=OWNER, state=PilotState.DRAFT, plan_hash=None, stages=[])
    planned = stages(*changes)
    steps = {
        PilotState.SUBMITTED: lambda: pilot.submit(),
        PilotState.COSIGNED: lambda: pilot.cosign(HASH, APPROVALS[0]),
        PilotState.SEALED: lambda: pilot.seal(HASH, planned, APPROVALS, at=AT),
        PilotState.DRAWN: lambda: pilot.draw(1),
        PilotState.RUNNING: lambda: pilot.start_stage(1, APPROVALS, today=planned[0].starts_on),
        PilotState.AT_GATE: lambda: pilot.reach_gate(1, today=planned[0].ends_on() + timedelta(days=1)),
    }
    for state, step in steps.items():
        step()
        assert pilot.state == state
        if state == until:
            break
    return pilot


def test_the_tables_know_every_state_and_the_end_is_the_end() -> None:
    assert set(PILOT_MOVES) == set(PilotState)
    assert set(STAGE_MOVES) == set(StageState)
    assert not PILOT_MOVES[PilotState.ROLLED_OUT]
    assert not PILOT_MOVES[PilotState.STOPPED]
    assert set(STATE_BY_STAGE.values()) <= PILOT_MOVES[PilotState.COSIGNED]


@pytest.mark.parametrize(("state", "to"), list(product(PilotState, PilotState)))
def test_a_move_outside_the_table_is_refused_by_name(state: PilotState, to: PilotState) -> None:
    if to in PILOT_MOVES[state]:
        require_move("p", state, to)
    else:
        with pytest.raises(IllegalMove, match=f"p is {in_words(state)} and cannot become {in_words(to)}"):
            require_move("p", state, to)


@pytest.mark.parametrize(("state", "to"), list(product(StageState, StageState)))
def test_a_stage_moves_by_its_table_only(state: StageState, to: StageState) -> None:
    if to in STAGE_MOVES[state]:
        require_stage_move("p / 1", state, to)
    else:
        with pytest.raises(IllegalMove):
            require_stage_move("p / 1", state, to)


def test_every_state_can_be_reached_from_a_draft() -> None:
    reached, found = {PilotState.DRAFT}, {PilotState.DRAFT}
    while found:
        found = {to for state in found for to in PILOT_MOVES[state]} - reached
        reached |= found
    assert reached == set(PilotState)


def test_the_gate_opens_on_the_day_after_the_window() -> None:
    pilot = a_pilot(until=PilotState.RUNNING)
    with pytest.raises(WindowStillOpen, match="2026-05-03"):
        pilot.reach_gate(1, today=date(2026, 5, 3))
    pilot.reach_gate(1, today=date(2026, 5, 4))
    assert pilot.stage(1).looks_taken == 1


def test_a_stage_is_extended_while_planned_looks_are_left_and_keeps_its_draw() -> None:
    pilot = a_pilot({"looks": 2, "extension_weeks": 4})
    planned = stages({"looks": 2, "extension_weeks": 4})[0]
    pilot.extend_stage(1, planned, ONE)
    assert (pilot.state, pilot.stage(1).state) == (PilotState.RUNNING, StageState.EXTENDED)
    assert pilot.stage(1).ends_on == planned.ends_on(2)
    pilot.reach_gate(1, today=planned.ends_on(2) + timedelta(days=1))
    with pytest.raises(NoLookLeft, match="all its 2 planned looks"):
        pilot.extend_stage(1, planned, ONE)


def test_after_a_gate_the_next_stage_waits_for_its_draw() -> None:
    pilot = a_pilot({}, {})
    pilot.pass_stage(1, ONE, is_next_network=False)
    assert pilot.state == PilotState.SEALED
    assert pilot.current_stage is pilot.stage(2)
    with pytest.raises(StageOutOfTurn, match="current stage of p is 2"):
        pilot.draw(1)


def test_going_network_wide_takes_two_people() -> None:
    for pilot, is_next_network in ((a_pilot(), False), (a_pilot({}, {"is_network": True}), True)):
        with pytest.raises(TwoPeopleNeeded):
            pilot.pass_stage(1, ONE, is_next_network=is_next_network)
        with pytest.raises(TwoPeopleNeeded):
            pilot.pass_stage(1, [*ONE, *ONE], is_next_network=is_next_network)
    last = a_pilot()
    last.pass_stage(1, TWO, is_next_network=False)
    assert last.state == PilotState.ROLLED_OUT
    assert last.is_ended


def test_nobody_decides_their_own_pilot_and_no_decision_is_no_move() -> None:
    pilot = a_pilot({}, {})
    with pytest.raises(SignOffMissing):
        pilot.pass_stage(1, [], is_next_network=False)
    with pytest.raises(OwnPlan):
        pilot.pass_stage(1, [Proof(ProofKind.DECISION, OWNER, HASH, AT)], is_next_network=False)
    with pytest.raises(OwnPlan):
        pilot.pass_stage(1, [*ONE, Proof(ProofKind.DECISION, OWNER, HASH, AT)], is_next_network=False)


def test_an_amendment_before_the_start_waits_for_a_new_draw() -> None:
    pilot = a_pilot(until=PilotState.DRAWN)
    pilot.submit()
    assert pilot.stage(1).state == StageState.PLANNED
    pilot.cosign(HASH, APPROVALS[0])
    pilot.seal(HASH, stages({"weeks": 10}), APPROVALS, at=AT)
    assert pilot.state == PilotState.SEALED


@pytest.mark.parametrize("until", [PilotState.RUNNING, PilotState.AT_GATE])
def test_an_amendment_of_later_stages_leaves_the_running_one_alone(until: PilotState) -> None:
    pilot = a_pilot({}, {}, until=until)
    before = (pilot.stage(1).state, pilot.stage(1).ends_on)
    pilot.submit()
    assert (pilot.stage(1).state, pilot.stage(1).ends_on) == before
    pilot.cosign(HASH, APPROVALS[0])
    pilot.seal(HASH, stages({}, {"weeks": 20}, {}), APPROVALS, at=AT)
    assert pilot.state == until
    assert (pilot.stage(1).state, pilot.stage(1).ends_on) == before
    assert pilot.stage(2).ends_on == stages({}, {"weeks": 20}, {})[1].ends_on()
    assert len(pilot.stages) == 3


def test_a_window_may_end_while_an_amendment_waits_for_its_sign_offs() -> None:
    pilot = a_pilot({}, {}, until=PilotState.RUNNING)
    pilot.submit()
    pilot.reach_gate(1, today=date(2026, 5, 4))
    assert (pilot.state, pilot.stage(1).state) == (PilotState.SUBMITTED, StageState.AT_GATE)
    with pytest.raises(IllegalMove):
        pilot.pass_stage(1, ONE, is_next_network=False)
    pilot.cosign(HASH, APPROVALS[0])
    pilot.seal(HASH, stages({}, {}), APPROVALS, at=AT)
    assert pilot.state == PilotState.AT_GATE


def test_what_is_sent_back_at_a_gate_returns_to_the_gate_after_its_new_seal() -> None:
    pilot = a_pilot({}, {})
    pilot.send_back()
    assert (pilot.state, pilot.stage(1).state) == (PilotState.DRAFT, StageState.AT_GATE)
    pilot.submit()
    pilot.cosign(HASH, APPROVALS[0])
    pilot.seal(HASH, stages({}, {}), APPROVALS, at=AT)
    assert pilot.state == PilotState.AT_GATE


def test_stopping_stops_what_has_not_passed() -> None:
    pilot = a_pilot({}, {})
    pilot.pass_stage(1, ONE, is_next_network=False)
    pilot.stop()
    assert [stage.state for stage in pilot.stages] == [StageState.PASSED, StageState.STOPPED]
