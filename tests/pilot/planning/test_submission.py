"""What is submitted is what was checked: the long check holds no lock, and whatever moved meanwhile is noticed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.assignment.exclusions import excluding
from pilot.audit.model import AuditEntry
from pilot.database import Database
from pilot.network.service import save_segment
from pilot.planning import service, wizard
from pilot.planning.errors import MechanismDoesNotFit, NotADraft, PlanMovedOn, StartPassed
from pilot.planning.model import Pilot, PilotState
from pilot.planning.queries import draft_plan
from pilot.planning.queries import pilot as pilot_by_code
from pilot.planning.rules import problems
from pilot.planning.submission import as_submitted
from pilot.programs.queries import program
from pilot.programs.service import set_offer
from tests.pilot.assignment.a_drawn_pilot import drawn, sealed, started
from tests.pilot.planning.a_network import (
    NOW,
    STARTS_ON,
    a_document,
    a_lake,
    a_network,
    a_pilot,
    a_stage,
    signed,
    submitted,
)


def _edit_the_draft(session: Session, pilot: Pilot, owner: User) -> None:
    service.edit_draft(session, pilot, document=a_document(stages=[a_stage(weeks=9)]), actor=owner, now=NOW)


def _change_an_offer(session: Session, pilot: Pilot, owner: User) -> None:
    variant = program(session, "card").variant("points")
    terms = {"earn_share": "0.03", "redeem_share": "0.5"}
    set_offer(session, variant, name="3 %", mechanic="cumulative_bonus", terms=terms, actor=owner, now=NOW)


def _change_a_segment(session: Session, pilot: Pilot, owner: User) -> None:
    rule = {"attribute": "age", "is": "middle"}
    save_segment(session, "middle", name="Middle", position=3, rule=rule, actor=owner, now=NOW)


@pytest.mark.parametrize("change", [_edit_the_draft, _change_an_offer, _change_a_segment])
def test_a_plan_that_changed_while_it_was_checked_is_sent_again(
    session: Session, database: Database, change: Callable[[Session, Pilot, User], None]
) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = a_pilot(session)
    owner = session.get_one(User, pilot.owner_id)
    checked = service.check_submission(session, pilot, lake=lake, excluded=excluding(session, pilot))
    change(session, pilot, owner)
    with pytest.raises(PlanMovedOn, match="points-1"):
        service.submit(session, pilot, checked=checked, actor=owner, now=NOW)
    assert pilot.state == PilotState.DRAFT
    assert submitted(session, pilot, lake).number == 1


def test_a_plan_is_submitted_once_however_often_it_was_checked(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = a_pilot(session)
    owner = session.get_one(User, pilot.owner_id)
    checked = service.check_submission(session, pilot, lake=lake, excluded=excluding(session, pilot))
    service.submit(session, pilot, checked=checked, actor=owner, now=NOW)
    with pytest.raises(NotADraft):
        service.submit(session, pilot, checked=checked, actor=owner, now=NOW)


def test_a_stage_that_started_while_an_amendment_was_checked_is_not_amended(
    session: Session, database: Database
) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = a_pilot(session, stages=[a_stage(), a_stage(2)])
    submitted(session, pilot, lake)
    proofs, _analyst, executive = signed(session, pilot)
    service.mark_cosigned(session, pilot, proof=proofs[0])
    service.seal(session, pilot, proofs=proofs, actor=executive, now=NOW)
    later = a_document(stages=[a_stage(), a_stage(2, weeks=12)])
    checked = service.check_amendment(session, pilot, document=later, lake=lake, excluded=excluding(session, pilot))
    pilot.draw(1)
    service.start_stage(session, pilot, 1, approvals=proofs, actor=executive, now=NOW)
    with pytest.raises(PlanMovedOn):
        service.amend(
            session,
            pilot,
            document=later,
            reason="Longer",
            checked=checked,
            actor=session.get_one(User, pilot.owner_id),
            now=NOW,
        )


def test_a_draft_that_names_segments_is_shown_as_it_would_be_submitted(session: Session, database: Database) -> None:
    a_network(session)
    pilot = a_pilot(session, segments=["young"])
    shown = as_submitted(session, pilot, draft_plan(pilot))
    assert problems(draft_plan(pilot)), "the draft itself holds neither offers nor segment rules yet"
    assert problems(shown) == ()
    assert shown.text() == submitted(session, pilot, a_lake(database.settings)).text


def test_stores_that_another_pilot_holds_do_not_count_for_a_submission(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    drawn(session, lake, sealed(session, lake))
    late = a_pilot(session, code="points-2")
    with pytest.raises(MechanismDoesNotFit):
        submitted(session, late, lake)


def test_a_plan_whose_start_has_passed_is_not_submitted_for_signatures_that_could_lead_nowhere(
    session: Session, database: Database
) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = a_pilot(session)
    owner = session.get_one(User, pilot.owner_id)
    checked = service.check_submission(session, pilot, lake=lake, excluded=excluding(session, pilot))
    on_the_day = NOW + (STARTS_ON - NOW.date())
    with pytest.raises(StartPassed, match="amend its start"):
        service.submit(session, pilot, checked=checked, actor=owner, now=on_the_day + timedelta(days=1))
    assert pilot.state == PilotState.DRAFT
    assert service.submit(session, pilot, checked=checked, actor=owner, now=on_the_day).number == 1


def test_a_stage_that_runs_may_lie_in_the_past_of_an_amendment(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = sealed(session, lake, stages=[a_stage(), a_stage(2)], alpha="0.5")
    drawn(session, lake, pilot)
    started(session, pilot)
    document = a_document(stages=[a_stage(), a_stage(2, weeks=12)], alpha="0.5")
    checked = service.check_amendment(session, pilot, document=document, lake=lake, excluded=excluding(session, pilot))
    owner, late = session.get_one(User, pilot.owner_id), NOW + timedelta(weeks=6)
    amended = service.amend(session, pilot, document=document, reason="Longer", checked=checked, actor=owner, now=late)
    assert amended.number == 2


def test_of_two_who_write_an_amendment_at_once_both_are_kept_in_turn(database: Database) -> None:
    with database.unit_of_work() as session:
        a_network(session)
        code = sealed(session, a_lake(database.settings)).code

    def write(words: str) -> None:
        with database.unit_of_work() as session:
            pilot = pilot_by_code(session, code)
            owner = session.get_one(User, pilot.owner_id)
            wizard.save(session, pilot, a_document(hypothesis=words), actor=owner, now=NOW)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write, f"Words {n}") for n in range(4)]:
            done.result()
    with database.reading() as session:
        pilot = pilot_by_code(session, code)
        found = wizard.amendment_to_check(session, pilot)["hypothesis"]
        written = select(AuditEntry).where(AuditEntry.verb == "plan.write_amendment")
        assert len(session.scalars(written).all()) == 4
        assert found in {f"Words {n}" for n in range(4)}
