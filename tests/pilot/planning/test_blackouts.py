"""A blackout over a stage that is sealed already says whom it meets and what follows."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.outcomes.lake import Lake
from pilot.planning import calendar
from pilot.planning.blackouts import blackout_hits
from pilot.planning.calendar import EventData
from pilot.planning.calendar_model import CalendarEvent, EventKind
from pilot.settings import Settings
from tests.builders import a_user
from tests.pilot.assignment.a_drawn_pilot import drawn, sealed, started
from tests.pilot.planning.a_network import NOW, STARTS_ON, a_lake, a_network, a_pilot, a_stage


@pytest.fixture
def lake(session: Session, settings: Settings) -> Lake:
    a_network(session)
    return a_lake(settings)


def an_event(
    session: Session, *places: str, kind: EventKind = EventKind.BLACKOUT, from_week: int = 1, weeks: int = 1
) -> CalendarEvent:
    first = STARTS_ON + timedelta(weeks=from_week)
    data = EventData(kind, "Stock-taking", first, first + timedelta(days=7 * weeks - 1), places)
    return calendar.add_event(session, data, actor=a_user(session, Role.ANALYST), now=NOW)


def told(session: Session, event: CalendarEvent) -> list[tuple[str, int, tuple[str, ...], bool]]:
    return [(hit.pilot.code, hit.stage, hit.stores, hit.is_whole) for hit in blackout_hits(session, event)]


def test_a_blackout_names_the_sealed_stage_and_its_stores_by_what_follows(session: Session, lake: Lake) -> None:
    pilot = sealed(session, lake)
    some = an_event(session, "S03", "S04")
    assert told(session, some) == [("points-1", 1, ("S03", "S04"), False)]
    assert "S03, S04 will stay out of its draw" in str(blackout_hits(session, some)[0].message)
    whole = an_event(session)
    assert [hit.is_whole for hit in blackout_hits(session, whole)] == [True]
    assert "neither be drawn nor start" in str(blackout_hits(session, whole)[0].message)
    for event in (some, whole):
        calendar.remove_event(session, event, actor=a_user(session, Role.ANALYST), now=NOW)
    drawn(session, lake, pilot)
    late = an_event(session, "S03")
    assert "Amend the plan, so that it is drawn anew" in str(blackout_hits(session, late)[0].message)
    started(session, pilot)
    assert "runs already" in str(blackout_hits(session, late)[0].message)
    pilot.stop()
    assert told(session, late) == []


def test_drafts_other_events_other_days_and_other_stores_are_not_met(session: Session, lake: Lake) -> None:
    a_pilot(session, code="a-draft")
    sealed(session, lake, stages=[a_stage(units=[f"S{n:02d}" for n in range(1, 9)])], alpha="0.2")
    assert told(session, an_event(session, "S09")) == []
    assert told(session, an_event(session, "S01", from_week=8)) == []
    assert told(session, an_event(session, "S01", kind=EventKind.REFIT)) == []
    assert told(session, an_event(session, "region:SOUTH")) == [("points-1", 1, ("S07", "S08"), False)]


def test_the_weeks_of_a_planned_extension_count_and_so_does_a_changed_event(session: Session, lake: Lake) -> None:
    sealed(session, lake, stages=[a_stage(weeks=4, looks=2, extension_weeks=4)])
    event = an_event(session, "S01", from_week=7)
    assert told(session, event) == [("points-1", 1, ("S01",), False)]
    data = EventData(EventKind.BLACKOUT, "Later", STARTS_ON + timedelta(weeks=8), STARTS_ON + timedelta(weeks=9))
    calendar.change_event(session, event, data, actor=a_user(session, Role.ANALYST), now=NOW)
    assert told(session, event) == []
