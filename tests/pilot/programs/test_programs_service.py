"""Programs: one variant is control, each holds one offer for all or one per segment, every change is in the log."""

from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Role, User
from pilot.audit.model import AuditEntry
from pilot.errors import NotFound
from pilot.network.model import Segment
from pilot.programs import queries
from pilot.programs.errors import (
    CodeTaken,
    ControlHasNoOffer,
    InvalidCode,
    InvalidTerms,
    NameMissing,
    OneForAllOrOnePerSegment,
    UnknownSegment,
)
from pilot.programs.model import Offer, Program
from pilot.programs.service import add_variant, create_program, remove_offer, set_offer
from tests.builders import a_user

TERMS = {"discount_share": "0.05"}


@pytest.fixture
def manager(session: Session) -> User:
    return a_user(session, Role.MANAGER)


@pytest.fixture
def program(session: Session, manager: User, now: datetime) -> Program:
    session.add(Segment(code="young", name="Young", position=1, rule={"all": []}))
    made = create_program(session, code="card", name="Card", actor=manager, now=now)
    add_variant(session, made, code="five", name="Five per cent", actor=manager, now=now)
    return made


def an_offer(session: Session, program: Program, manager: User, now: datetime, **changes: object) -> Offer:
    given: dict[str, object] = {"name": "Offer", "mechanic": "fixed_discount", "terms": TERMS, **changes}
    return set_offer(session, program.variant("five"), **given, actor=manager, now=now)  # type: ignore[arg-type] # a builder


def test_a_program_begins_with_control(session: Session, program: Program) -> None:
    assert [variant.code for variant in queries.program(session, "card").variants] == ["control", "five"]
    assert program.variants[0].is_control


@pytest.mark.parametrize("code", ["", "Card", "1card", "a b", "x" * 37, "ä"])
def test_a_code_that_cannot_travel_is_refused(session: Session, manager: User, now: datetime, code: str) -> None:
    with pytest.raises(InvalidCode):
        create_program(session, code=code, name="Card", actor=manager, now=now)


def test_codes_are_given_once_and_names_are_not_empty(
    session: Session, program: Program, manager: User, now: datetime
) -> None:
    with pytest.raises(CodeTaken):
        create_program(session, code="card", name="Again", actor=manager, now=now)
    with pytest.raises(CodeTaken):
        add_variant(session, program, code="five", name="Again", actor=manager, now=now)
    with pytest.raises(NameMissing):
        add_variant(session, program, code="six", name=" ", actor=manager, now=now)


def test_a_variant_holds_one_offer_for_all_or_one_per_segment(
    session: Session, program: Program, manager: User, now: datetime
) -> None:
    for_all = an_offer(session, program, manager, now)
    with pytest.raises(OneForAllOrOnePerSegment):
        an_offer(session, program, manager, now, segment_code="young")
    remove_offer(session, for_all, actor=manager, now=now)
    for_young = an_offer(session, program, manager, now, segment_code="young")
    assert for_young.code == "card.five.young"
    with pytest.raises(OneForAllOrOnePerSegment):
        an_offer(session, program, manager, now)


def test_setting_an_offer_again_changes_it_in_place(
    session: Session, program: Program, manager: User, now: datetime
) -> None:
    first = an_offer(session, program, manager, now)
    second = an_offer(
        session, program, manager, now, terms={"discount_share": "0.1"}, enrolment={"form_fields": ["name"]}
    )
    assert second is first
    assert queries.offer(session, "card.five.all").terms == {"discount_share": "0.1"}
    assert first.enrolment == {"purchase_required": False, "form_fields": ["name"]}


def test_an_offer_that_makes_no_sense_is_refused_and_nothing_is_stored(
    session: Session, program: Program, manager: User, now: datetime
) -> None:
    with pytest.raises(InvalidTerms):
        an_offer(session, program, manager, now, terms={"discount_share": "5"})
    with pytest.raises(UnknownSegment, match="young"):
        an_offer(session, program, manager, now, segment_code="old")
    with pytest.raises(ControlHasNoOffer):
        set_offer(
            session,
            program.variant("control"),
            name="Nothing",
            mechanic="fixed_discount",
            terms=TERMS,
            actor=manager,
            now=now,
        )
    with pytest.raises(NotFound):
        queries.offer(session, "card.five.all")


def test_every_change_is_in_the_log(session: Session, program: Program, manager: User, now: datetime) -> None:
    remove_offer(session, an_offer(session, program, manager, now), actor=manager, now=now)
    verbs = session.scalars(select(AuditEntry.verb).where(AuditEntry.subject == "card").order_by(AuditEntry.seq))
    assert list(verbs) == ["program.create", "program.add_variant", "program.set_offer", "program.remove_offer"]
    assert [found.code for found in queries.programs(session)] == ["card"]
