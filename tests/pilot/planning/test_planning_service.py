"""From a draft to a sealed plan: what is refused, who may sign, and what an amendment does."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.audit import service as audit
from pilot.database import Database
from pilot.outcomes.lake import Lake
from pilot.planning import queries, service
from pilot.planning.errors import (
    DesignRefused,
    IllegalMove,
    NotADraft,
    NotSealed,
    OwnPlan,
    PlanIncomplete,
    ReasonMissing,
    SignOffMissing,
    StartPassed,
    UnchangedPlan,
    UnknownUnits,
)
from pilot.planning.model import Pilot, PilotState, StageState
from pilot.planning.proofs import Proof, ProofKind
from pilot.programs import queries as programs
from pilot.programs.service import set_offer
from tests.pilot.planning.a_network import (
    NOW,
    STARTS_ON,
    a_document,
    a_lake,
    a_network,
    a_pilot,
    a_stage,
    amended,
    signed,
    submitted,
)


def _owner(session: Session, pilot: Pilot) -> User:
    return session.get_one(User, pilot.owner_id)


def _submitted(session: Session, database: Database, **changes: Any) -> tuple[Pilot, Lake]:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = a_pilot(session, **changes)
    submitted(session, pilot, lake)
    return pilot, lake


def _sealed(session: Session, database: Database, **changes: Any) -> tuple[Pilot, Lake, list[Proof]]:
    pilot, lake = _submitted(session, database, **changes)
    proofs, _analyst, executive = signed(session, pilot)
    service.mark_cosigned(session, pilot, proof=proofs[0])
    service.seal(session, pilot, proofs=proofs, actor=executive, now=NOW)
    return pilot, lake, proofs


def test_a_plan_goes_from_draft_to_seal_and_its_text_is_what_was_signed(session: Session, database: Database) -> None:
    pilot, _, proofs = _sealed(session, database)
    plan = queries.sealed_plan(session, pilot)
    assert pilot.state == PilotState.SEALED
    assert pilot.plan_hash == plan.hash() == proofs[0].plan_hash
    assert [offer.code for offer in plan.offers] == ["card.points.all"]
    assert [segment.code for segment in plan.segment_rules] == ["young", "old"]
    assert [(s.number, s.state, s.starts_on) for s in pilot.stages] == [(1, StageState.PLANNED, STARTS_ON)]
    assert audit.verify(session).ok


def test_a_sealed_plan_keeps_its_offers_when_the_program_changes(session: Session, database: Database) -> None:
    pilot, _, _ = _sealed(session, database)
    program = programs.program(session, "card")
    set_offer(
        session,
        program.variant("points"),
        name="Five per cent back",
        mechanic="cumulative_bonus",
        terms={"earn_share": "0.05", "redeem_share": "0.5"},
        actor=_owner(session, pilot),
        now=NOW,
    )
    assert queries.sealed_plan(session, pilot).offers[0].terms["earn_share"] == "0.02"


def test_an_incomplete_draft_is_saved_but_not_submitted(session: Session, database: Database) -> None:
    a_network(session)
    pilot = a_pilot(session, hypothesis="")
    with pytest.raises(PlanIncomplete, match="hypothesis"):
        submitted(session, pilot, a_lake(database.settings))
    assert pilot.state == PilotState.DRAFT


def test_a_submitted_plan_is_not_edited_but_sent_back_with_a_reason(session: Session, database: Database) -> None:
    pilot, lake = _submitted(session, database)
    owner, first = _owner(session, pilot), queries.submitted_version(session, pilot).hash
    with pytest.raises(NotADraft):
        service.edit_draft(session, pilot, document=a_document(), actor=owner, now=NOW)
    with pytest.raises(ReasonMissing):
        service.send_back(session, pilot, reason=" ", actor=owner, now=NOW)
    service.send_back(session, pilot, reason="Name the guardrail", actor=owner, now=NOW)
    submitted(session, pilot, lake)
    assert queries.submitted_version(session, pilot).hash != first, "sign-offs on what was sent back must lapse"


def test_stores_that_the_network_does_not_have_are_named(session: Session, database: Database) -> None:
    with pytest.raises(UnknownUnits, match="S77"):
        _submitted(session, database, stages=[a_stage(units=["S01", "S02", "S77"])])


def test_a_draw_that_can_never_reach_its_level_is_refused_before_launch(session: Session, database: Database) -> None:
    few = a_stage(units=["S01", "S02", "S03", "S04", "S05", "S06"])
    with pytest.raises(DesignRefused, match=r"0\.1000.*0\.0500"):
        _submitted(session, database, mechanism={"kind": "complete"}, stages=[few])


def test_the_looks_before_the_last_do_not_count_against_few_stores(session: Session, database: Database) -> None:
    """Under 20 units the last look has the full alpha: 12 stores in 6 pairs reach 2/64, which is above .05/3."""
    pilot, _ = _submitted(session, database, stages=[a_stage(looks=3, extension_weeks=4)])
    assert pilot.state == PilotState.SUBMITTED


def test_nobody_signs_their_own_plan(session: Session, database: Database) -> None:
    pilot, _ = _submitted(session, database)
    own = Proof(ProofKind.COSIGN, pilot.owner_id, queries.submitted_version(session, pilot).hash, NOW)
    with pytest.raises(OwnPlan):
        service.mark_cosigned(session, pilot, proof=own)


def test_one_person_does_not_both_cosign_and_approve(session: Session, database: Database) -> None:
    pilot, _ = _submitted(session, database)
    proofs, analyst, _ = signed(session, pilot)
    service.mark_cosigned(session, pilot, proof=proofs[0])
    twice = [proofs[0], Proof(ProofKind.APPROVE, analyst.id, proofs[0].plan_hash, NOW)]
    with pytest.raises(SignOffMissing, match="executive"):
        service.seal(session, pilot, proofs=twice, actor=analyst, now=NOW)


def test_a_seal_needs_sign_offs_on_exactly_this_plan(session: Session, database: Database) -> None:
    pilot, _ = _submitted(session, database)
    proofs, _analyst, executive = signed(session, pilot)
    service.mark_cosigned(session, pilot, proof=proofs[0])
    other = Proof(ProofKind.APPROVE, executive.id, "0" * 64, NOW)
    with pytest.raises(SignOffMissing):
        service.seal(session, pilot, proofs=[proofs[0], other], actor=executive, now=NOW)
    with pytest.raises(NotSealed):
        queries.sealed_plan(session, pilot)


def test_an_amendment_is_a_new_version_with_a_reason_and_needs_new_sign_offs(
    session: Session, database: Database
) -> None:
    pilot, lake, proofs = _sealed(session, database)
    longer = a_document(stages=[a_stage(weeks=10)])
    with pytest.raises(ReasonMissing):
        amended(session, pilot, lake, longer, "")
    with pytest.raises(UnchangedPlan):
        amended(session, pilot, lake, a_document(), "No change")
    version = amended(session, pilot, lake, longer, "Longer")
    assert (version.number, version.reason, pilot.state) == (2, "Longer", PilotState.SUBMITTED)
    with pytest.raises(SignOffMissing):
        service.mark_cosigned(session, pilot, proof=proofs[0])
    new, _analyst, executive = signed(session, pilot)
    service.mark_cosigned(session, pilot, proof=new[0])
    service.seal(session, pilot, proofs=new, actor=executive, now=NOW)
    assert pilot.stages[0].ends_on == STARTS_ON + timedelta(days=69)


def test_before_the_first_seal_there_is_nothing_to_amend(session: Session, database: Database) -> None:
    pilot, lake = _submitted(session, database)
    with pytest.raises(NotSealed):
        amended(session, pilot, lake, a_document(), "Why not")


def test_a_stage_starts_only_after_its_draw_and_not_after_its_day(session: Session, database: Database) -> None:
    pilot, _, proofs = _sealed(session, database)
    owner = _owner(session, pilot)
    with pytest.raises(IllegalMove):
        service.start_stage(session, pilot, 1, approvals=proofs, actor=owner, now=NOW)
    pilot.draw(1)
    with pytest.raises(StartPassed, match="2026-03-10"):
        service.start_stage(session, pilot, 1, approvals=proofs, actor=owner, now=NOW + timedelta(days=8))
    with pytest.raises(SignOffMissing):
        service.start_stage(session, pilot, 1, approvals=proofs[:1], actor=owner, now=NOW)
    service.start_stage(session, pilot, 1, approvals=proofs, actor=owner, now=NOW)
    assert pilot.state == PilotState.RUNNING


def test_a_pilot_can_be_stopped_with_a_reason_until_it_has_ended(session: Session, database: Database) -> None:
    pilot, _, _ = _sealed(session, database)
    owner = _owner(session, pilot)
    with pytest.raises(ReasonMissing):
        service.stop_pilot(session, pilot, reason="", actor=owner, now=NOW)
    service.stop_pilot(session, pilot, reason="The supplier left", actor=owner, now=NOW)
    assert (pilot.state, pilot.stages[0].state) == (PilotState.STOPPED, StageState.STOPPED)
    with pytest.raises(IllegalMove):
        service.stop_pilot(session, pilot, reason="Again", actor=owner, now=NOW)
