"""The calendar: what happens in the network and when, who changed it, and where it meets a plan's stages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.audit import service as audit
from pilot.errors import NotFound
from pilot.network.model import Region, Store
from pilot.planning.calendar_model import CalendarEvent, EventKind
from pilot.planning.candidates import units_of
from pilot.planning.errors import EventElsewhere, EventEndsBeforeItBegins, StageInBlackout, UnknownUnits
from pilot.planning.model import Pilot
from pilot.planning.plan import REGION_PREFIX, Plan, StagePlan
from pilot.words import N_, Message

MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class EventData:
    """What a person says of an event. ``places`` are store codes and ``region:CODE``; empty: the whole network."""

    kind: EventKind
    name: str
    first_day: date
    last_day: date
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Where a stage meets an event. ``is_refused``: it cannot be submitted so; otherwise it is a warning."""

    stage: int
    is_refused: bool
    message: Message


@dataclass(frozen=True, slots=True)
class StageSpan:
    """A stage of a pilot on the calendar; the dates are those of today, extensions taken included."""

    pilot: Pilot
    number: int
    name: str
    first_day: date
    last_day: date
    state: str


def add_event(session: Session, data: EventData, *, actor: User, now: datetime) -> CalendarEvent:
    """Put an event into the calendar. Raises ``EventEndsBeforeItBegins`` and ``EventElsewhere``."""
    _check(session, data)
    event = CalendarEvent(created_by_id=actor.id, created_at=now)
    _take_over(event, data)
    session.add(event)
    session.flush()
    _record(session, "calendar.add", event, actor, now)
    return event


def change_event(session: Session, event: CalendarEvent, data: EventData, *, actor: User, now: datetime) -> None:
    """Replace what is said of an event."""
    _check(session, data)
    _take_over(event, data)
    session.flush()
    _record(session, "calendar.change", event, actor, now)


def remove_event(session: Session, event: CalendarEvent, *, actor: User, now: datetime) -> None:
    """Take an event out of the calendar."""
    session.delete(event)
    session.flush()
    _record(session, "calendar.remove", event, actor, now)


def event(session: Session, number: int) -> CalendarEvent:
    """The event with this number; ``NotFound`` where there is none."""
    found = session.get(CalendarEvent, number)
    if found is None:
        raise NotFound(kind=N_("event"), name=str(number))
    return found


def events_within(session: Session, first: date, last: date) -> list[CalendarEvent]:
    """The events with a day from ``first`` to ``last``, in the order of their days."""
    found = select(CalendarEvent).where(CalendarEvent.first_day <= last, CalendarEvent.last_day >= first)
    return list(session.scalars(found.order_by(CalendarEvent.first_day, CalendarEvent.id)))


def stores_of(session: Session, event: CalendarEvent) -> set[str]:
    """The codes of the stores where it happens."""
    return _stores(event.places, _store_regions(session))


def stores_of_stage(session: Session, plan: Plan, stage: StagePlan) -> set[str]:
    """The codes of the stores that the plan names for the stage; empty where it names what there is not."""
    try:
        units = units_of(session, plan, stage)
    except UnknownUnits:
        return set()
    return {store.code for stores in units.values() for store in stores} - set(plan.holdout)


def stores_in_blackout(session: Session, stage: StagePlan) -> set[str]:
    """The codes of the stores where nothing is tried on some day that the stage may run."""
    regions = _store_regions(session)
    events = events_within(session, stage.starts_on, stage.last_possible_day)
    return {code for one in events if one.kind == EventKind.BLACKOUT for code in _stores(one.places, regions)}


def events_of_stage(session: Session, plan: Plan, number: int, first: date, last: date) -> list[CalendarEvent]:
    """The events from ``first`` to ``last`` in a store of the stage: what its charts mark."""
    stores, regions = stores_of_stage(session, plan, plan.stage(number)), _store_regions(session)
    return [one for one in events_within(session, first, last) if stores & _stores(one.places, regions)]


def conflicts(session: Session, plan: Plan, *, after: int = 0) -> list[Conflict]:
    """Where the stages after ``after`` meet the calendar, refusals first."""
    regions, found = _store_regions(session), []
    for stage in plan.stages:
        if stage.number > after:
            found += _conflicts_of(session, plan, stage, regions)
    return sorted(found, key=lambda one: (not one.is_refused, one.stage))


def require_no_blackout(session: Session, plan: Plan, number: int) -> None:
    """``StageInBlackout`` where nothing may be tried in any store of the stage while it may run."""
    stage = plan.stage(number)
    stores = stores_of_stage(session, plan, stage)
    regions = _store_regions(session)
    for one in events_within(session, stage.starts_on, stage.last_possible_day):
        if one.kind == EventKind.BLACKOUT and stores and stores <= _stores(one.places, regions):
            raise _in_blackout(stage, one)


def spans(session: Session, first: date, last: date) -> list[StageSpan]:
    """The stages of all pilots with a day from ``first`` to ``last``; of drafts and submitted plans as written."""
    found = []
    for pilot in session.scalars(select(Pilot).order_by(Pilot.created_at, Pilot.code)):
        running = {stage.number: stage for stage in pilot.stages}
        for planned in Plan.from_document(pilot.plan).stages:
            stage = running.get(planned.number)
            starts_on, ends_on = (stage.starts_on, stage.ends_on) if stage else (planned.starts_on, planned.ends_on())
            state = str(stage.state) if stage else str(pilot.state)
            if starts_on <= last and first <= ends_on:
                found.append(StageSpan(pilot, planned.number, planned.name, starts_on, ends_on, state))
    return sorted(found, key=lambda span: (span.first_day, span.pilot.code, span.number))


def _conflicts_of(session: Session, plan: Plan, stage: StagePlan, regions: Mapping[str, str]) -> list[Conflict]:
    stores = stores_of_stage(session, plan, stage)
    first_before = plan.pre_window(stage.starts_on)[0]
    found = []
    for one in events_within(session, first_before, stage.last_possible_day):
        met = sorted(stores & _stores(one.places, regions))
        in_window = one.overlaps(stage.starts_on, stage.last_possible_day)
        if not met or (not in_window and one.kind not in _ALSO_BEFORE):
            continue
        if one.kind == EventKind.BLACKOUT and len(met) == len(stores):
            found.append(Conflict(stage.number, True, _in_blackout(stage, one).message))
            continue
        values = {
            "name": one.name,
            "first": str(one.first_day),
            "last": str(one.last_day),
            "n": len(met),
            "stores": ", ".join(met[:MOST_NAMED]) + (" …" if len(met) > MOST_NAMED else ""),
        }
        code, template = _WARNINGS[EventKind(one.kind)] if in_window else _BEFORE
        found.append(Conflict(stage.number, False, Message(code, template, values)))
    return found


_ALSO_BEFORE = (EventKind.REFIT, EventKind.COMPETITOR)
_BEFORE = (
    "event_before",
    N_(
        "“{name}” ({first:date} to {last:date}) changes what {stores} sold in the weeks to compare with. Leave these "
        "stores out, or compare with fewer weeks."
    ),
)
_WARNINGS: dict[EventKind, tuple[str, str]] = {
    EventKind.HOLIDAY: (
        "event_warns_holiday",
        N_(
            "“{name}” ({first:date} to {last:date}) lies in the window. Both arms have it alike, but what is seen may "
            "not hold for other weeks."
        ),
    ),
    EventKind.REFIT: (
        "event_warns_refit",
        N_(
            "“{name}” ({first:date} to {last:date}): {stores} will sell more or less for a reason of their own. Leave "
            "them out by name."
        ),
    ),
    EventKind.COMPETITOR: (
        "event_warns_competitor",
        N_(
            "“{name}” ({first:date} to {last:date}) takes sales from {stores}. Leave them out, or defend them on "
            "purpose."
        ),
    ),
    EventKind.BLACKOUT: (
        "event_warns_blackout",
        N_("“{name}” ({first:date} to {last:date}): nothing is tried in {stores}, so they stay out of the draw."),
    ),
    EventKind.OTHER: (
        "event_warns_other",
        N_("“{name}” ({first:date} to {last:date}) lies in the window, in {stores}."),
    ),
}


def _in_blackout(stage: StagePlan, event: CalendarEvent) -> StageInBlackout:
    return StageInBlackout(
        stage=stage.number,
        first=str(stage.starts_on),
        last=str(stage.last_possible_day),
        blackout_first=str(event.first_day),
        blackout_last=str(event.last_day),
        name=event.name,
    )


def _store_regions(session: Session) -> dict[str, str]:
    rows = session.execute(select(Store.code, Region.code).join(Region, Store.region_id == Region.id))
    return {row[0]: row[1] for row in rows}


def _stores(places: Sequence[str], regions: Mapping[str, str]) -> set[str]:
    if not places:
        return set(regions)
    return {store for store, region in regions.items() if store in places or REGION_PREFIX + region in places}


def _check(session: Session, data: EventData) -> None:
    if data.last_day < data.first_day:
        raise EventEndsBeforeItBegins(name=data.name, first=str(data.first_day), last=str(data.last_day))
    regions = _store_regions(session)
    known: Iterable[str] = {*regions, *(REGION_PREFIX + region for region in session.scalars(select(Region.code)))}
    unknown = sorted(set(data.places) - set(known))
    if unknown:
        raise EventElsewhere(name=data.name, places=", ".join(unknown))


def _take_over(event: CalendarEvent, data: EventData) -> None:
    event.kind, event.name = data.kind, data.name
    event.first_day, event.last_day = data.first_day, data.last_day
    event.places = list(data.places)


def _record(session: Session, verb: str, event: CalendarEvent, actor: User, now: datetime) -> None:
    details = {
        "kind": str(event.kind),
        "name": event.name,
        "first_day": str(event.first_day),
        "last_day": str(event.last_day),
        "places": list(event.places),
    }
    subject = str(event.id)
    audit.record(session, actor=actor.email, verb=verb, subject_kind="event", subject=subject, details=details, at=now)
