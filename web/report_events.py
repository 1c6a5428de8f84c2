"""What the calendar knows of a report's weeks and stores: marked on its charts over time and in their tables."""

from datetime import date, timedelta

from pilot.evidence.queries import ReportView
from pilot.planning import queries as planning
from pilot.planning.calendar import events_of_stage
from pilot.planning.calendar_model import CalendarEvent
from web import presenters
from web.work import session


def events_of(view: ReportView) -> list[CalendarEvent]:
    """The events of the stage's stores from the first to the last week of the series."""
    if not view.series:
        return []
    weeks = [point.week for point in view.series]
    document = view.document
    plan = planning.plan_of(session(), planning.pilot(session(), document.pilot), document.plan_hash)
    return events_of_stage(session(), plan, document.stage, min(weeks), max(weeks) + timedelta(days=6))


def week_label(week: str, events: list[CalendarEvent]) -> str:
    """A week by its first day, with the events that fall into it."""
    first = date.fromisoformat(week)
    names = [event.name for event in events if event.overlaps(first, first + timedelta(days=6))]
    return " · ".join([presenters.day(first), *names])
