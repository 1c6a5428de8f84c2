"""Files of the network's own: upload, the mapping as it was understood, the check with every bad row, publishing."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.imports import queries, service
from pilot.imports.dialects import DELIMITERS, ENCODINGS, Dialect, FileFormat
from pilot.imports.mapping import STORE_TIME, FileMapping, MappingGuess, guess_mapping
from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.values import DATE_ORDERS
from pilot.jobs import service as jobs
from pilot.jobs.model import JobKind
from pilot.network import queries as network_queries
from pilot.outcomes.importers import importer_for
from pilot.words import translate
from web import forms, uploads
from web.auth import actor, requires
from web.errors import FieldMissing, status_of
from web.presenters import kind_name
from web.uploads import Upload
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("imports", __name__, url_prefix="/imports")

PAGE = 100
CORRECTED = "corrected"  # the form's own mark: its values count, not the guess


def _list(error: str | None = None) -> str:
    kinds = [(kind.value, kind_name(kind)) for kind in ImportKind]
    return render_template(
        "imports/show_all.html",
        runs=queries.recent_runs(session()),
        kinds=kinds,
        n_waiting=queries.n_waiting(session()),
        is_set_up=network_queries.is_set_up(session()),
        error=error,
    )


@pages.get("/")
@requires(Permission.NETWORK_IMPORT)
def show_all() -> ResponseReturnValue:
    return _list()


@pages.post("/")
@requires(Permission.NETWORK_IMPORT)
def upload() -> ResponseReturnValue:
    """Keep the file and show how it was understood."""
    try:
        kind = forms.choice("kind", _("What is in it"), ImportKind)
        file = request.files.get("file")
        if file is None or not file.filename:
            raise FieldMissing(field=_("File"))
        kept = uploads.keep(settings(), file, kind)
    except PilotError as error:
        roll_back()
        return _list(translate(error.message)), status_of(type(error))
    return redirect(url_for("imports.map_columns", token=kept.token))


@pages.route("/files/<token>", methods=["GET", "POST"])
@requires(Permission.NETWORK_IMPORT)
def map_columns(token: str) -> ResponseReturnValue:
    """Columns, encoding, dates and decimals as guessed; corrected by a person, then checked in the background."""
    found = uploads.find(settings(), token)
    if request.method == "GET":
        return _mapping_page(found)
    try:
        if "again" in request.form:
            return _mapping_page(found, dialect=_dialect())
        mapping = _mapping()
        if name := forms.optional("save_as"):
            service.save_mapping(session(), name, found.kind, mapping, actor=actor(), now=settings().now())
        arguments = {
            "kind": str(found.kind),
            "path": str(found.path),
            "filename": found.filename,
            "mapping": mapping.to_dict(),
            "quarantine": forms.ticked("quarantine"),
            "token": token,
        }
        job = jobs.enqueue(session(), JobKind.STAGE_IMPORT, arguments, actor=actor(), now=settings().wall_clock())
    except PilotError as error:
        roll_back()
        return _mapping_page(found, error=translate(error.message)), status_of(type(error))
    return redirect(url_for("jobs.show", job=job.code))


@pages.get("/<run>")
@requires(Permission.NETWORK_IMPORT, of="run")
def show(run: ImportRun) -> ResponseReturnValue:
    """One import: what is in it, and every row that is not right."""
    page = forms.page_number()
    found = queries.findings(session(), run.id, offset=(page - 1) * PAGE, limit=PAGE + 1)
    return render_template(
        "imports/show.html",
        run=run,
        findings=found[:PAGE],
        has_more=len(found) > PAGE,
        page=page,
        kind=kind_name(run.kind),
        file=request.args.get("file"),
    )


@pages.post("/<run>/publish")
@requires(Permission.NETWORK_IMPORT, of="run")
def publish(run: ImportRun) -> ResponseReturnValue:
    """Take the checked rows in, all at once, in the background."""
    arguments = {"run": run.batch_id}
    job = jobs.enqueue(session(), JobKind.PUBLISH_IMPORT, arguments, actor=actor(), now=settings().wall_clock())
    return redirect(url_for("jobs.show", job=job.code))


@pages.post("/<run>/discard")
@requires(Permission.NETWORK_IMPORT, of="run")
def discard(run: ImportRun) -> ResponseReturnValue:
    """Give checked rows up before they are in."""
    service.discard(session(), run, actor=actor(), now=settings().now())
    flash(_("The checked rows are given up; nothing was taken in."), "success")
    return redirect(url_for("imports.show_all"))


def _dialect() -> Dialect:
    form = request.form
    complete = forms.ticked("last_line_complete")
    return Dialect(FileFormat(form.get("format", "csv")), form.get("encoding", ""), _delimiter(), complete)


def _delimiter() -> str:
    return {"comma": ",", "semicolon": ";", "tab": "\t"}.get(request.form.get("delimiter", ""), "")


def _mapping() -> FileMapping:
    form = request.form
    columns = {name[4:]: value for name, value in form.items() if name.startswith("col-") and value}
    attributes = {name[5:]: value for name, value in form.items() if name.startswith("attr-") and value}
    dialect = _dialect()
    return FileMapping(
        columns,
        attributes,
        dialect.format,
        dialect.encoding,
        dialect.delimiter,
        form.get("decimal_mark", ""),
        form.get("date_order", ""),
        form.get("time_zone", "") or STORE_TIME,
        dialect.last_line_complete,
    )


def _mapping_page(found: Upload, *, dialect: Dialect | None = None, error: str | None = None) -> str:
    importer = importer_for(found.kind)
    try:
        guess = guess_mapping(importer, found.path, dialect=dialect)
    except PilotError as unreadable:
        roll_back()
        text = translate(unreadable.message)
        return render_template("imports/unreadable.html", upload=found, text=text, choices=_choices())
    chosen = _chosen(guess) if error and CORRECTED in request.form else guess.mapping.to_dict()
    saved = queries.saved_mappings(session(), found.kind)
    earlier = queries.run_of_batch(session(), request.args.get("run", ""))
    if earlier is not None:
        chosen = earlier.mapping
    chosen = next((one.definition for one in saved if one.code == request.args.get("mapping")), chosen)
    return render_template(
        "imports/mapping.html",
        upload=found,
        fields=importer.fields,
        takes_attributes=importer.takes_attributes,
        guess=guess,
        mapping=chosen,
        saved=saved,
        choices=_choices(),
        kind=kind_name(found.kind),
        error=error,
    )


def _chosen(guess: MappingGuess) -> dict[str, Any]:
    """What the person had chosen, so that a refusal does not throw it away."""
    form = request.form
    return {
        **guess.mapping.to_dict(),
        "columns": {name[4:]: value for name, value in form.items() if name.startswith("col-") and value},
        "attributes": {name[5:]: value for name, value in form.items() if name.startswith("attr-") and value},
        **{name: form[name] for name in ("encoding", "decimal_mark", "date_order", "time_zone") if name in form},
    }


def _choices() -> dict[str, list[tuple[str, str]]]:
    names = {",": ("comma", _("Comma ,")), ";": ("semicolon", _("Semicolon ;")), "\t": ("tab", _("Tab"))}
    encodings = {
        "utf-8-sig": _("UTF-8"),
        "cp1251": _("Windows Cyrillic (cp1251)"),
        "cp1252": _("Windows Western (cp1252)"),
    }
    return {
        "encoding": [(code, encodings.get(code, code)) for code in ENCODINGS],
        "delimiter": [names[mark] for mark in DELIMITERS],
        "decimal_mark": [(".", _("Point: 12.50")), (",", _("Comma: 12,50"))],
        "date_order": [(order, order) for order in DATE_ORDERS],
    }
