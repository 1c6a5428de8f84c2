"""The log of who did what, and its verification."""

import json

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.audit import queries, service
from pilot.errors import PilotError
from pilot.words import translate
from web import forms
from web.auth import requires
from web.errors import status_of
from web.work import roll_back, session

pages = Blueprint("audit", __name__, url_prefix="/audit")

PAGE = 50


def _page(**more: object) -> str:
    page, who = forms.page_number(), request.args.get("actor") or None
    found = queries.entries(session(), limit=PAGE + 1, offset=(page - 1) * PAGE, actor=who)
    rows = [(entry, json.loads(entry.text)) for entry in found[:PAGE]]
    given = {"error": None, "verification": None, "printed": "", **more}
    return render_template(
        "audit/show.html",
        rows=rows,
        page=page,
        has_more=len(found) > PAGE,
        who=who,
        head=service.head(session()),
        **given,
    )


@pages.get("/")
@requires(Permission.AUDIT_VIEW)
def show() -> ResponseReturnValue:
    return _page()


@pages.post("/verify")
@requires(Permission.AUDIT_VIEW)
def verify() -> ResponseReturnValue:
    """Walk the whole chain, and compare with a printed head where one is given."""
    printed = forms.optional("head")
    try:
        found = service.verify(session(), printed)
    except PilotError as error:
        roll_back()
        return _page(error=translate(error.message), printed=printed or ""), status_of(type(error))
    return _page(verification=found, printed=printed or "")
