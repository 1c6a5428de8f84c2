"""The memo of a report: one page to read and decide on, on screen and as a tagged PDF."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.planning.model import Pilot
from web.auth import requires
from web.report_source import report_view

pages = Blueprint("memo", __name__)


@pages.get("/pilots/<pilot>/reports/<report>/memo")
@requires(Permission.PILOT_VIEW, of="pilot")
def show(pilot: Pilot, report: str) -> ResponseReturnValue:
    """The memo, with the decision form where one waits."""
    return render_template("reports/memo.html", pilot=pilot, tab="report", error=None, view=report_view(pilot, report))
