"""Parked rows: what is wrong with each, correct and import again, or drop."""

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.imports import quarantine, queries
from pilot.imports.model import ImportKind, QuarantinedRow
from pilot.outcomes.importers import importer_for
from pilot.words import translate
from web import forms
from web.auth import actor, requires
from web.errors import status_of
from web.presenters import kind_name
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("quarantine", __name__, url_prefix="/quarantine")

PAGE = 50


@pages.get("/")
@requires(Permission.QUARANTINE_EDIT)
def show_all() -> ResponseReturnValue:
    """Waiting rows, of one import or of all."""
    page, run = forms.page_number(), request.args.get("run", type=int)
    found = queries.waiting_rows(session(), run_id=run, offset=(page - 1) * PAGE, limit=PAGE + 1)
    return render_template(
        "quarantine/show_all.html", rows=found[:PAGE], has_more=len(found) > PAGE, page=page, run=run
    )


@pages.get("/<row>")
@requires(Permission.QUARANTINE_EDIT, of="row")
def show(row: QuarantinedRow) -> ResponseReturnValue:
    return _page(row, row.row)


@pages.post("/<row>")
@requires(Permission.QUARANTINE_EDIT, of="row")
def release(row: QuarantinedRow) -> ResponseReturnValue:
    """The corrected row as an import of its own, checked like any other; publishing it is the next page."""
    importer = importer_for(ImportKind(row.kind))
    texts = {name[4:]: value for name, value in request.form.items() if name.startswith("col-")}
    try:
        run = quarantine.release_quarantined(session(), importer, {row.id: texts}, actor=actor(), now=settings().now())
    except PilotError as error:
        roll_back()
        return _page(row, texts, translate(error.message)), status_of(type(error))
    flash(_("The row is right now. Take it in."), "success")
    return redirect(url_for("imports.show", run=run.batch_id))


@pages.post("/<row>/drop")
@requires(Permission.QUARANTINE_EDIT, of="row")
def drop(row: QuarantinedRow) -> ResponseReturnValue:
    """Give the row up."""
    quarantine.drop_quarantined(session(), [row.id], actor=actor(), now=settings().now())
    flash(_("The row is dropped."), "success")
    return redirect(url_for("quarantine.show_all"))


def _page(row: QuarantinedRow, texts: Mapping[str, str], error: str | None = None) -> str:
    fields = importer_for(ImportKind(row.kind)).fields
    return render_template(
        "quarantine/show.html", row=row, texts=texts, fields=fields, kind=kind_name(row.kind), error=error
    )
