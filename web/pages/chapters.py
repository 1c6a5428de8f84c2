"""The chapters of a report, a page each: money, real or just swiped, where it works, who shops where."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.errors import NotFound
from pilot.evidence.chapter_names import with_names
from pilot.evidence.chapters.registry import ChapterCode, refusal_of
from pilot.network import queries as network
from pilot.network.segments import segments
from pilot.planning.model import Pilot
from web.auth import requires
from web.chapters.registry import PRESENTERS, TITLES, menu
from web.report_source import report_view
from web.words import _
from web.work import session

pages = Blueprint("chapters", __name__)


@pages.get("/pilots/<pilot>/reports/<report>/chapters/<chapter>")
@requires(Permission.PILOT_VIEW, of="pilot")
def show(pilot: Pilot, report: str, chapter: str) -> ResponseReturnValue:
    """One chapter of a frozen report, or why it could not be estimated."""
    view = report_view(pilot, report)
    if chapter not in set(PRESENTERS) or chapter not in view.document.chapters:
        raise NotFound(kind="chapter", name=chapter)
    code = ChapterCode(chapter)
    groups = {one.code: one.name for one in (*network.regions(session()), *segments(session()))}
    stored = with_names(view.document.chapters[chapter], view.variant_names, groups)
    refusal = refusal_of(stored)
    frame = {
        "pilot": pilot,
        "tab": "report",
        "error": None,
        "view": view,
        "menu": menu(view, pilot.code, code),
        "chapter_title": _(TITLES[code]),
    }
    if refusal is not None:
        return render_template("reports/chapters/_refused.html", refusal=refusal, **frame)
    return render_template(f"reports/chapters/{code.value}.html", **frame, **PRESENTERS[code](view, stored))
