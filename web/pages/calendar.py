"""The calendar of the network: pilots and their stages beside what else happens, by month or quarter."""

from datetime import date

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.network import queries as network
from pilot.planning import calendar
from pilot.planning.blackouts import blackout_hits
from pilot.planning.calendar import EventData
from pilot.planning.calendar_model import EVENT_KINDS, CalendarEvent, EventKind
from pilot.planning.queries import business_day
from pilot.words import translate
from web import calendar_view, forms
from web.auth import actor, requires
from web.errors import status_of
from web.words import _, ngettext
from web.work import roll_back, session, settings

pages = Blueprint("calendar", __name__, url_prefix="/calendar")


@pages.get("/")
@requires(Permission.NETWORK_VIEW)
def show() -> ResponseReturnValue:
    """A month or a quarter: stages and events as bars over weeks, and the events to change."""
    today = business_day(session(), settings().now())
    period = calendar_view.period(request.args.get("from", ""), request.args.get("by", ""), today)
    everything = calendar.spans(session(), date.min, date.max)
    spans = [span for span in everything if span.first_day <= period.last and period.first <= span.last_day]
    events = calendar.events_within(session(), period.first, period.last)
    return render_template(
        "calendar/show.html",
        period=period,
        weeks=period.weeks(today),
        before=calendar_view.before(period, everything),
        after=calendar_view.after(period, everything),
        bars=calendar_view.bars(period, spans, events, _place_names()),
        events=[
            (event, calendar_view.places_in_words(event, _place_names()), blackout_hits(session(), event))
            for event in events
        ],
        kinds=_kinds(),
        today=today,
    )


@pages.route("/new", methods=["GET", "POST"])
@requires(Permission.CALENDAR_EDIT)
def add() -> ResponseReturnValue:
    """A new event."""
    if request.method == "GET":
        return _form_page(None)
    try:
        made = calendar.add_event(session(), _read(), actor=actor(), now=settings().now())
        day = made.first_day
        n_hits = len(blackout_hits(session(), made))
    except PilotError as error:
        roll_back()
        return _form_page(None, translate(error.message)), status_of(type(error))
    flash(_("The event is in the calendar."), "success")
    _warn(n_hits)
    return redirect(url_for("calendar.show", **{"from": day.isoformat()}))


@pages.route("/<event>", methods=["GET", "POST"])
@requires(Permission.CALENDAR_EDIT, of="event")
def change(event: CalendarEvent) -> ResponseReturnValue:
    """Change what is said of an event."""
    if request.method == "GET":
        return _form_page(event)
    number = event.id
    try:
        calendar.change_event(session(), event, _read(), actor=actor(), now=settings().now())
        day = event.first_day
        n_hits = len(blackout_hits(session(), event))
    except PilotError as error:
        roll_back()
        return _form_page(calendar.event(session(), number), translate(error.message)), status_of(type(error))
    flash(_("The event is changed."), "success")
    _warn(n_hits)
    return redirect(url_for("calendar.show", **{"from": day.isoformat()}))


@pages.post("/<event>/remove")
@requires(Permission.CALENDAR_EDIT, of="event")
def remove(event: CalendarEvent) -> ResponseReturnValue:
    """Take an event out."""
    day = event.first_day
    calendar.remove_event(session(), event, actor=actor(), now=settings().now())
    flash(_("The event is removed. The log keeps what it was."), "success")
    return redirect(url_for("calendar.show", **{"from": day.isoformat()}))


def _warn(n_hits: int) -> None:
    """Of sealed stages in a blackout that was saved just now; which, stands beside the event."""
    if n_hits:
        text = ngettext(
            "It meets %(num)d sealed stage: see below.", "It meets %(num)d sealed stages: see below.", n_hits
        )
        flash(text, "warning")


def _read() -> EventData:
    first = forms.day("first_day", _("First day"))
    last = forms.day("last_day", _("Last day")) if forms.optional("last_day") else first
    return EventData(
        kind=forms.choice("kind", _("Kind"), EventKind),
        name=forms.text("name", _("Name")),
        first_day=first,
        last_day=last,
        places=tuple(forms.several("places")),
    )


def _form_page(event: CalendarEvent | None, error: str | None = None) -> str:
    return render_template(
        "calendar/edit.html",
        event=event,
        form=calendar_view.form_of(event, request.form),
        kinds=list(_kinds().items()),
        regions=network.regions(session()),
        stores=network.stores(session()),
        error=error,
    )


def _kinds() -> dict[str, str]:
    return {kind.value: translate(words) for kind, words in EVENT_KINDS.items()}


def _place_names() -> dict[str, str]:
    regions = {f"region:{region.code}": region.name for region in network.regions(session())}
    return regions | {store.code: store.name for store in network.stores(session())}
