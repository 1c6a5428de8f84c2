"""A report in the forms in which it leaves the house: CSV, Excel, a notebook, JSON. Small cells stay at home."""

import json
from datetime import date
from io import BytesIO

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.assignment import queries as assignment
from pilot.evidence.chapter_sheets import Names
from pilot.evidence.computing import analysis_plan
from pilot.evidence.export import csv_text, exported
from pilot.evidence.notebook import notebook as as_notebook
from pilot.evidence.queries import ReportView
from pilot.evidence.workbook import workbook as as_workbook
from pilot.network import queries as network
from pilot.network.segments import segments
from pilot.planning.model import Pilot
from pilot.planning.queries import plan_of
from web import difference_words, report_words
from web.auth import requires
from web.report_source import report_view
from web.work import session

pages = Blueprint("exports", __name__, url_prefix="/pilots/<pilot>/reports/<report>")

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NOTEBOOK = "application/x-ipynb+json"


@pages.get("/rows.csv")
@requires(Permission.PILOT_VIEW, of="pilot")
def rows_csv(pilot: Pilot, report: str) -> ResponseReturnValue:
    """The effect table with every digit."""
    view = report_view(pilot, report)
    return _file(csv_text(exported(view.document.text())).encode(), "text/csv; charset=utf-8", view, "csv")


@pages.get("/report.xlsx")
@requires(Permission.PILOT_VIEW, of="pilot")
def workbook(pilot: Pilot, report: str) -> ResponseReturnValue:
    """The report as a workbook, with the plan and the methods on sheets of their own."""
    view = report_view(pilot, report)
    plan = plan_of(session(), pilot, view.document.plan_hash)
    regions = {one.code: one.name for one in network.regions(session())}
    names = Names(
        groups={**regions, **{one.code: one.name for one in segments(session())}},
        places={**regions, **{one.code: one.name for one in network.stores(session())}},
    )
    checks = [
        (report_words.check_name(one.check), report_words.check_says(view, one))
        for one in view.document.analysis.diagnostics
    ]
    sealed = [(one.part, one.words) for one in difference_words.parts(plan.to_document())]
    file = BytesIO()
    as_workbook(file, view, sealed, sentences=report_words.verdict(view), checks=checks, names=names)
    return _file(file.getvalue(), XLSX, view, "xlsx")


@pages.get("/report.ipynb")
@requires(Permission.PILOT_VIEW, of="pilot")
def notebook(pilot: Pilot, report: str) -> ResponseReturnValue:
    """A notebook that computes every row again from the moments."""
    view = report_view(pilot, report)
    document = view.document
    plan = plan_of(session(), pilot, document.plan_hash)
    draw = next(one for one in assignment.draws(session(), pilot) if one.ledger_hash == document.ledger_hash)
    look = analysis_plan(
        plan,
        plan.stage(document.stage),
        assignment.mechanism_of(draw),
        assignment.assignment_of(session(), draw) if plan.unit != "customer" else {},
        look=document.look,
        seed=document.permutation_seed,
    )
    written = json.dumps(as_notebook(exported(document.text()), look), ensure_ascii=False, indent=1)
    return _file(written.encode(), NOTEBOOK, view, "ipynb")


@pages.get("/document.json")
@requires(Permission.PILOT_VIEW, of="pilot")
def document(pilot: Pilot, report: str) -> ResponseReturnValue:
    """The whole document, as JSON."""
    view = report_view(pilot, report)
    text = json.dumps(exported(view.document.text()), ensure_ascii=False, sort_keys=True)
    return _file(text.encode(), "application/json", view, "json")


def _file(content: bytes, kind: str, view: ReportView, suffix: str) -> Response:
    """An attachment; its name is made of the report's code, which is letters, digits and dashes."""
    document = view.document
    day: date = document.freshness.through
    name = f"{document.code}{'-exploratory-' + day.isoformat() if document.exploratory else ''}.{suffix}"
    return Response(content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
