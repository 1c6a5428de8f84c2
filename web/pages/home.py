"""The home page of each role: what waits for this person, what is new, and the pilots with where they stand."""

from collections.abc import Iterable

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.governance.inbox import inbox
from pilot.imports import queries as import_queries
from pilot.network import queries as network_queries
from pilot.notices import queries as notices
from pilot.notices import service
from pilot.planning.lifecycle import ENDED, PilotState
from pilot.planning.queries import pilots
from web import inbox_words
from web.auth import actor, may, requires
from web.shared import network
from web.words import _, ngettext
from web.work import session, settings

pages = Blueprint("home", __name__)


@pages.get("/")
@requires(Permission.HOME)
def show() -> ResponseReturnValue:
    found = pilots(session())
    return render_template(
        "home/show.html",
        waiting=[inbox_words.shown(item) for item in inbox(session(), actor(), now=settings().now())],
        notices=notices.unread(session(), actor().id),
        pilots=[pilot for pilot in found if PilotState(pilot.state) not in ENDED],
        n_ended=sum(PilotState(pilot.state) in ENDED for pilot in found),
        first_steps=list(_first_steps(bool(found))),
        parked=_parked(),
    )


@pages.post("/notices/<int:notice>/read")
@requires(Permission.HOME)
def read_notice(notice: int) -> ResponseReturnValue:
    """Put a notice away and go where it leads."""
    found = service.mark_read(session(), notice, actor=actor(), now=settings().now())
    return redirect(found.link or url_for("home.show"))


def _parked() -> str:
    """How many rows wait in quarantine, for who may look at them."""
    n = import_queries.n_waiting(session()) if may(Permission.QUARANTINE_EDIT) else 0
    one, many = (
        "%(num)d row waits until a person has looked at it.",
        "%(num)d rows wait until a person has looked at them.",
    )
    return ngettext(one, many, n) if n else ""


def _first_steps(has_pilots: bool) -> Iterable[tuple[str, str]]:
    """What a new installation still lacks, in order; without an address where somebody else does it."""
    if network() is None:
        if may(Permission.NETWORK_EDIT):
            yield _("Set the network's currency, time zone and business-day cut-off"), url_for("network.show")
        return
    if not network_queries.stores(session()):
        if may(Permission.NETWORK_IMPORT):
            yield _("Import regions, stores, customers and receipts"), url_for("imports.show_all")
        else:
            yield _("An analyst or an administrator imports the stores and their receipts; then a pilot can begin."), ""
        return
    if not has_pilots and may(Permission.PILOT_CREATE):
        yield _("Make a program with what you want to try"), url_for("programs.show_all")
        yield _("Plan the first pilot"), url_for("brief.create")
