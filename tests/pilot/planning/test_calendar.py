"""The calendar: who may say what, where it meets a plan, and which stores it keeps out of a draw."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.assignment.exclusions import exclusions
from pilot.audit.model import AuditEntry
from pilot.planning import calendar
from pilot.planning.calendar import EventData
from pilot.planning.calendar_model import EventKind
from pilot.planning.candidate_words import StaysOut
from pilot.planning.candidates import candidate_list
from pilot.planning.errors import (
    EventElsewhere,
    EventEndsBeforeItBegins,
    MustIncludeStaysOut,
    StageInBlackout,
)
from pilot.planning.queries import draft_plan
from pilot.settings import Settings
from tests.builders import a_user
from tests.pilot.assignment.a_drawn_pilot import drawn, sealed, started
from tests.pilot.planning.a_network import NOW, STARTS_ON, a_lake, a_network, a_pilot


@pytest.fixture(autouse=True)
def network(session: Session) -> None:
    a_network(session)


def an_event(session: Session, kind: EventKind, *places: str, from_week: int = 1, weeks: int = 1) -> None:
    first = STARTS_ON + timedelta(weeks=from_week)
    last = first + timedelta(days=7 * weeks - 1)
    data = EventData(kind, f"An event of {kind}", first, last, places)
    calendar.add_event(session, data, actor=a_user(session, Role.ANALYST), now=NOW)


def test_a_blackout_keeps_its_stores_out_and_no_others(session: Session) -> None:
    an_event(session, EventKind.BLACKOUT, "S03", "region:SOUTH")
    pilot = a_pilot(session)
    out = exclusions(session, pilot, 1).stores
    assert out == dict.fromkeys(("S03", *(f"S{n:02d}" for n in range(7, 13))), StaysOut.BLACKOUT)


def test_a_blackout_after_the_last_possible_day_keeps_nobody_out(session: Session) -> None:
    an_event(session, EventKind.BLACKOUT, from_week=8)
    assert exclusions(session, a_pilot(session), 1).stores == {}


def test_a_stage_in_a_blackout_of_all_its_stores_is_refused_by_name(session: Session) -> None:
    an_event(session, EventKind.BLACKOUT)
    plan = draft_plan(a_pilot(session))
    with pytest.raises(StageInBlackout, match="An event of blackout"):
        calendar.require_no_blackout(session, plan, 1)
    assert [(one.stage, one.is_refused) for one in calendar.conflicts(session, plan)] == [(1, True)]


def test_what_happens_beside_a_stage_is_warned_about(session: Session) -> None:
    an_event(session, EventKind.HOLIDAY, from_week=2)
    an_event(session, EventKind.REFIT, "S02", from_week=-3)  # in the weeks to compare with
    an_event(session, EventKind.HOLIDAY, from_week=-3)  # a holiday before the start moves both arms alike
    an_event(session, EventKind.COMPETITOR, "S05")
    found = calendar.conflicts(session, draft_plan(a_pilot(session)))
    assert [(one.is_refused, one.message.code) for one in found] == [
        (False, "event_before"),
        (False, "event_warns_competitor"),
        (False, "event_warns_holiday"),
    ]
    assert "S02" in str(found[0].message)


def test_an_event_names_places_that_exist_and_ends_after_it_begins(session: Session) -> None:
    with pytest.raises(EventElsewhere, match="S99"):
        an_event(session, EventKind.REFIT, "S01", "S99")
    with pytest.raises(EventEndsBeforeItBegins):
        an_event(session, EventKind.OTHER, weeks=0)


def test_every_change_of_the_calendar_is_in_the_log(session: Session) -> None:
    an_event(session, EventKind.OTHER)
    event = calendar.events_within(session, STARTS_ON, STARTS_ON + timedelta(days=60))[0]
    analyst = a_user(session, Role.ANALYST)
    data = EventData(EventKind.HOLIDAY, "A feast", event.first_day, event.last_day)
    calendar.change_event(session, event, data, actor=analyst, now=NOW)
    calendar.remove_event(session, event, actor=analyst, now=NOW)
    verbs = session.scalars(select(AuditEntry.verb).where(AuditEntry.subject_kind == "event").order_by(AuditEntry.seq))
    assert list(verbs) == ["calendar.add", "calendar.change", "calendar.remove"]


def test_a_store_that_must_take_part_and_cannot_is_named_with_its_reason(session: Session, settings: Settings) -> None:
    lake = a_lake(settings)
    eligibility = {"must_include": ["S04"], "must_exclude": ["S02", "S04"]}
    pilot = a_pilot(session, eligibility=eligibility)
    with pytest.raises(MustIncludeStaysOut, match=r"S04 must take part in stage 1.*leaves it out by name"):
        candidate_list(session, lake, draft_plan(pilot), 1, version=lake.version())


def test_a_store_that_the_plan_leaves_out_is_no_candidate(session: Session, settings: Settings) -> None:
    lake = a_lake(settings)
    pilot = a_pilot(session, eligibility={"must_include": ["S04"], "must_exclude": ["S02"]})
    found = candidate_list(session, lake, draft_plan(pilot), 1, version=lake.version())
    assert found.left_out == (("S02", "excluded"),)
    assert len(found.candidates) == 11


def test_a_blackout_that_came_after_the_seal_stops_the_go_ahead(session: Session, settings: Settings) -> None:
    lake = a_lake(settings)
    pilot = sealed(session, lake)
    drawn(session, lake, pilot)
    an_event(session, EventKind.BLACKOUT)
    with pytest.raises(StageInBlackout):
        started(session, pilot)
