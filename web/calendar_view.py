"""The calendar as a table over weeks: which period is shown, and each bar with its place in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from babel import dates
from flask import url_for
from werkzeug.datastructures import MultiDict

from pilot.planning.calendar import StageSpan
from pilot.planning.calendar_model import EVENT_KINDS, CalendarEvent, EventKind
from pilot.words import translate
from web import presenters
from web.language import current_language
from web.words import _

_WEEKS = {"month": 5, "quarter": 13}


@dataclass(frozen=True, slots=True)
class Week:
    """A column: its Monday, as short as it can be, and whether today is in it."""

    monday: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class Period:
    """Whole weeks from a Monday on."""

    by: str
    first: date
    last: date

    def weeks(self, today: date) -> list[Week]:
        mondays = [self.first + timedelta(weeks=n) for n in range(_WEEKS[self.by])]
        return [
            Week(
                dates.format_skeleton("MMMd", monday, locale=current_language()),
                monday <= today < monday + timedelta(weeks=1),
            )
            for monday in mondays
        ]

    @property
    def before(self) -> str:
        """The address of the period before."""
        return self.at(self.first - timedelta(weeks=_WEEKS[self.by]))

    @property
    def after(self) -> str:
        """The address of the period after."""
        return self.at(self.last + timedelta(days=1))

    def as_(self, by: str) -> str:
        """The address of the same days by month or quarter."""
        return url_for("calendar.show", by=by, **{"from": self.first.isoformat()})

    def at(self, day: date) -> str:
        """The address of as many weeks from ``day`` on."""
        return url_for("calendar.show", by=self.by, **{"from": day.isoformat()})


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: ``skip`` empty weeks, then ``span`` weeks of it, then ``rest``. ``tone`` is a class of the sheet."""

    title: str
    url: str
    about: str
    days: str
    skip: int
    span: int
    rest: int
    tone: str


def period(start: str, by: str, today: date) -> Period:
    """The period that an address names; the quarter of today where it says nothing sensible."""
    by = by if by in _WEEKS else "quarter"
    try:
        day = date.fromisoformat(start)
    except ValueError:
        day = today
    first = day - timedelta(days=day.weekday())
    return Period(by, first, first + timedelta(weeks=_WEEKS[by]) - timedelta(days=1))


def bars(
    shown: Period, spans: Sequence[StageSpan], events: Sequence[CalendarEvent], places: Mapping[str, str]
) -> list[Bar]:
    """Stages first, then events."""
    found = [
        _bar(
            shown, span.first_day, span.last_day, "is-on", f"{span.pilot.name}: {span.name}",
            url_for("pilots.show", pilot=span.pilot.code), _state(span),
        )
        for span in spans
    ]  # fmt: skip
    for event in events:
        about = f"{translate(EVENT_KINDS[EventKind(event.kind)])}. {places_in_words(event, places)}"
        tone = "is-blackout" if event.kind == EventKind.BLACKOUT else "is-event"
        found.append(_bar(shown, event.first_day, event.last_day, tone, event.name, "", about))
    return found


@dataclass(frozen=True, slots=True)
class Beyond:
    """Stages outside the period: how many, the day of the nearest, and where it is shown."""

    n: int
    day: date
    url: str


def before(shown: Period, spans: Sequence[StageSpan]) -> Beyond | None:
    """The stages that were over before the period; None where there are none."""
    over = [span for span in spans if span.last_day < shown.first]
    if not over:
        return None
    last = max(over, key=lambda span: span.last_day)
    return Beyond(len(over), last.last_day, shown.at(last.first_day))


def after(shown: Period, spans: Sequence[StageSpan]) -> Beyond | None:
    """The stages that begin after the period; None where there are none."""
    coming = [span for span in spans if span.first_day > shown.last]
    if not coming:
        return None
    first = min(coming, key=lambda span: span.first_day)
    return Beyond(len(coming), first.first_day, shown.at(first.first_day))


def places_in_words(event: CalendarEvent, names: Mapping[str, str]) -> str:
    """Where an event happens."""
    if not event.places:
        return _("The whole network")
    return ", ".join(names.get(code, code) for code in event.places)


def form_of(event: CalendarEvent | None, sent: MultiDict[str, str]) -> MultiDict[str, str]:
    """What the form shows: what was sent, else the event."""
    if sent or event is None:
        return sent
    form: MultiDict[str, str] = MultiDict(
        {"kind": event.kind, "name": event.name, "first_day": str(event.first_day), "last_day": str(event.last_day)}
    )
    form.setlist("places", event.places)
    return form


def _state(span: StageSpan) -> str:
    table: dict[str, Any] = {"draft": presenters.pilot_state, "submitted": presenters.pilot_state}
    badge = table.get(span.state, presenters.stage_state)(span.state)
    return _("Stage %(n)s: %(state)s", n=span.number, state=badge.text)


def _bar(shown: Period, first: date, last: date, tone: str, title: str, url: str, about: str) -> Bar:
    n_weeks = _WEEKS[shown.by]
    begin = max(0, (max(first, shown.first) - shown.first).days // 7)
    end = min(n_weeks - 1, (min(last, shown.last) - shown.first).days // 7)
    days = _("%(first)s to %(last)s", first=presenters.day(first), last=presenters.day(last))
    return Bar(title, url, about, days, begin, end - begin + 1, n_weeks - end - 1, tone)
