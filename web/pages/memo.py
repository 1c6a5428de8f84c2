"""The memo of a report: one page to read and decide on, on screen and as a tagged PDF."""

from flask import Blueprint, Response, render_template
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.evidence import charts
from pilot.evidence.queries import ReportView
from pilot.governance import queries as governance
from pilot.planning.model import Pilot
from web import decision_words
from web.auth import requires
from web.chapters.registry import menu
from web.memo_pdf import memo_pdf
from web.memo_words import memo
from web.report_source import report_view
from web.words import _
from web.work import session

pages = Blueprint("memo", __name__)


@pages.get("/pilots/<pilot>/reports/<report>/memo")
@requires(Permission.PILOT_VIEW, of="pilot")
def show(pilot: Pilot, report: str) -> ResponseReturnValue:
    """The memo, with the decision form where one waits."""
    view = report_view(pilot, report)
    waits = view.frozen is not None and governance.is_waiting_for_decision(session(), view.frozen)
    form = decision_words.form(pilot, view.frozen) if waits and view.frozen else {}
    return render_template(
        "reports/memo.html",
        pilot=pilot,
        tab="report",
        error=None,
        view=view,
        menu=menu(view, pilot.code, "memo"),
        memo=memo(pilot, view),
        forest=charts.forest_chart(view),
        hashes=_hashes(view),
        **{"form": bool(form), "report": None} | form,
    )


@pages.get("/pilots/<pilot>/reports/<report>/memo.pdf")
@requires(Permission.PILOT_VIEW, of="pilot")
def pdf(pilot: Pilot, report: str) -> ResponseReturnValue:
    """The same on exactly one page of paper."""
    view = report_view(pilot, report)
    made = memo_pdf(view, memo(pilot, view), hashes=_hashes(view))
    name = f"memo-{view.document.code}.pdf"
    return Response(made, content_type="application/pdf", headers={"Content-Disposition": f'inline; filename="{name}"'})


def _hashes(view: ReportView) -> dict[str, str]:
    """What the page rests on, by name."""
    document = view.document
    known = {_("Plan hash"): document.plan_hash, _("Ledger hash"): document.ledger_hash}
    if view.frozen is None:
        return known
    return {_("Report hash"): view.frozen.hash, _("Audit head"): document.audit_head, **known}
