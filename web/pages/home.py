"""The home page of each role: what waits for this person, what is new, and the pilots with their next step."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from pilot.access.permissions import Permission
from pilot.notices import queries as notices
from pilot.notices import service
from pilot.planning.model import Pilot
from web.auth import actor, requires
from web.shared import network
from web.work import session, settings

pages = Blueprint("home", __name__)


@pages.get("/")
@requires(Permission.HOME)
def show() -> ResponseReturnValue:
    pilots = session().scalars(select(Pilot).order_by(Pilot.created_at.desc())).all()
    return render_template(
        "home/show.html", waiting=[], notices=notices.unread(session(), actor().id), pilots=pilots, network=network()
    )


@pages.post("/notices/<int:notice>/read")
@requires(Permission.HOME)
def read_notice(notice: int) -> ResponseReturnValue:
    """Put a notice away and go where it leads."""
    found = service.mark_read(session(), notice, actor=actor(), now=settings().now())
    return redirect(found.link or url_for("home.show"))
