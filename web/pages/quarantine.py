"""Parked rows of files and tills: what is wrong with each, correct and import again, or drop."""

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.imports import quarantine, queries
from pilot.imports.model import ImportKind, ImportRun, QuarantinedRow
from pilot.outcomes.importers import importer_for
from pilot.outcomes.receipt_model import API_MAPPING
from pilot.words import N_, Message, translate
from web import forms
from web.auth import actor, requires
from web.errors import status_of
from web.presenters import kind_name
from web.subjects import whole
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("quarantine", __name__, url_prefix="/quarantine")

PAGE = 50


REASONS = {
    "unknown_store": N_("Unknown store"),
    "implausible_date": N_("Impossible date, or in the future"),
    "before_history": N_("Before the network's history"),
    "impossible_money": N_("Impossible amount of money"),
    "impossible_count": N_("Impossible number of items"),
    "refers_to_unknown": N_("Refers to an unknown receipt"),
    "refers_to_other_id": N_("Refers to a receipt that is stored under another id"),
    "identified_already": N_("Identified as somebody else already"),
    "correction_too_large": N_("Correction is too large"),
    "nothing_to_identify": N_("Nothing left to identify"),
    "stored_with_other_content": N_("Stored with other content"),
    "stored_under_other_id": N_("Stored under another id"),
    "doubled_in_drain": N_("Sent twice with other content"),
    "doubled_key": N_("Twice in the file"),
    "missing": N_("A value is missing"),
    "id_missing": N_("A value is missing"),
    "text_missing": N_("A value is missing"),
    "not_a_date": N_("Not a date or time"),
    "no_such_day": N_("Not a date or time"),
    "id_form": N_("Not an id"),
    "id_is_date": N_("Not an id"),
    "id_is_number": N_("Not an id"),
    "id_too_long": N_("Too long"),
    "text_too_long": N_("Too long"),
    "text_control": N_("A text that is not allowed"),
    "formula": N_("A text that is not allowed"),
    "decimal_mark": N_("Not an amount of money"),
    "not_an_amount": N_("Not an amount of money"),
    "not_finite": N_("Not an amount of money"),
    "too_fine": N_("Not an amount of money"),
    "not_a_count": N_("Not a whole number"),
    "count_not_finite": N_("Not a whole number"),
    "not_a_choice": N_("Not one of the possible words"),
    "not_a_phone": N_("Not a phone number"),
    "not_an_email": N_("Not an e-mail address"),
    "unknown_zone": N_("Not a time zone"),
    "closed_before_opened": N_("Closed before it opened"),
    "negative_sale": N_("Sign of the amount"),
    "negative_on_sale": N_("Sign of the amount"),
    "positive_return": N_("Sign of the amount"),
    "vat_out_of_range": N_("VAT does not fit the amount"),
    "identification_of_nobody": N_("Identifies nobody"),
    "identification_with_amount": N_("Identification with amounts"),
    "refers_to_missing": N_("Names no receipt that it refers to"),
}


@pages.get("/")
@requires(Permission.QUARANTINE_EDIT)
def show_all() -> ResponseReturnValue:
    """Waiting rows of files and tills, all or some of them."""
    return _list()


@pages.post("/")
@requires(Permission.QUARANTINE_EDIT)
def decide() -> ResponseReturnValue:
    """Release the ticked rows as they are, or drop them."""
    rows = [row for row in map(whole, forms.several("row")) if row is not None]
    if not rows:
        flash(_("Tick the rows first."), "warning")
        return redirect(url_for("quarantine.show_all"))
    if "drop" in request.form:
        quarantine.drop_quarantined(session(), rows, actor=actor(), now=settings().now())
        flash(_("%(n)s rows are dropped.", n=len(rows)), "success")
        return redirect(url_for("quarantine.show_all"))
    try:
        run = _release({row: {} for row in rows})
    except PilotError as error:
        roll_back()
        return _list(translate(error.message)), status_of(type(error))
    flash(_("%(n)s rows are right now. Take them in.", n=len(rows)), "success")
    return redirect(url_for("imports.show", run=run.batch_id))


@pages.get("/<row>")
@requires(Permission.QUARANTINE_EDIT, of="row")
def show(row: QuarantinedRow) -> ResponseReturnValue:
    return _page(row, row.row)


@pages.post("/<row>")
@requires(Permission.QUARANTINE_EDIT, of="row")
def release(row: QuarantinedRow) -> ResponseReturnValue:
    """The corrected row as an import of its own, checked like any other; publishing it is the next page."""
    texts = {name[4:]: value for name, value in request.form.items() if name.startswith("col-")}
    try:
        run = _release({row.id: texts})
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


def _release(corrections: Mapping[int, Mapping[str, str]]) -> ImportRun:
    """Stage the rows with what a person corrected; all are of one kind."""
    kind = queries.quarantined_row(session(), min(corrections)).kind
    return quarantine.release_quarantined(
        session(),
        importer_for(ImportKind(kind)),
        corrections,
        actor=actor(),
        now=settings().now(),
        sent_as=API_MAPPING,
    )


def _list(error: str | None = None) -> str:
    page, given = forms.page_number(), request.args
    wanted = queries.Waiting(
        whole(given.get("run", "")), given.get("batch") or None, given.get("store") or None, given.get("reason") or None
    )
    found = queries.waiting_rows(session(), wanted, offset=(page - 1) * PAGE, limit=PAGE + 1)
    return render_template(
        "quarantine/show_all.html",
        rows=found[:PAGE],
        names={row.id: _name(row) for row in found},
        labels={kind: _labels(kind) for kind in {row.kind for row in found}},
        has_more=len(found) > PAGE,
        page=page,
        wanted=wanted,
        n_found=queries.n_waiting(session(), wanted),
        reasons=[(code, _reason(code), n) for code, n in queries.waiting_reasons(session())],
        stores=queries.waiting_stores(session()),
        error=error,
    )


def _reason(code: str) -> str:
    return translate(Message(code, REASONS[code])) if code in REASONS else _("Something else (%(code)s)", code=code)


def _page(row: QuarantinedRow, texts: Mapping[str, str], error: str | None = None) -> str:
    return render_template(
        "quarantine/show.html",
        row=row,
        name=_name(row),
        texts=texts,
        labels=_labels(row.kind),
        kind=kind_name(row.kind),
        error=error,
    )


def _name(row: QuarantinedRow) -> str:
    """How people find it where it came from: a till's receipt by its id, a row of a file by its line."""
    receipt = None if row.run_id else row.row.get("receipt")
    return _("Receipt %(id)s", id=receipt) if receipt else _("Line %(n)s", n=row.line)


def _labels(kind: str) -> dict[str, str]:
    """What people call the fields of an import."""
    return {field.name: translate(Message("label", field.label)) for field in importer_for(ImportKind(kind)).fields}
