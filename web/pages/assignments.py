"""Who gets what, and why: one customer in one store, asked by a person."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.assignment.lookup import who_gets_what
from pilot.errors import PilotError
from pilot.network import queries as network
from pilot.words import translate
from web import terms
from web.auth import requires
from web.errors import status_of
from web.shared import currency
from web.work import session, settings

pages = Blueprint("assignments", __name__, url_prefix="/assignments")


@pages.get("/")
@requires(Permission.ASSIGNMENT_LOOK_UP)
def look_up() -> ResponseReturnValue:
    """The answer that a till would get, with its reason."""
    store, customer = request.args.get("store", "").strip(), request.args.get("customer", "").strip()
    answer, lines, error, status = None, [], None, 200
    if store:
        try:
            answer = who_gets_what(session(), customer=customer or None, store=store, at=settings().now())
        except PilotError as refused:
            error, status = translate(refused.message), status_of(type(refused))
    if answer is not None and answer.offer is not None:
        lines = terms.lines(answer.offer.mechanic, answer.offer.terms, currency())
    stores = [(one.code, f"{one.code} · {one.name}") for one in network.stores(session())]
    page = render_template(
        "assignments/look_up.html",
        answer=answer,
        lines=lines,
        error=error,
        stores=stores,
        store=store,
        customer=customer,
    )
    return page, status
