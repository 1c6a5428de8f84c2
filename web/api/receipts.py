"""Receipts from tills and systems: taken into the inbox, durable before the answer."""

from hashlib import sha256
from typing import Any, cast

from apiflask import APIBlueprint
from flask import Response, current_app, g, request

from pilot.access.permissions import Scope
from pilot.outcomes.inbox.accept import Reception
from pilot.outcomes.inbox.work import Accepted, Call
from web.api.bodies import read_body, read_receipts
from web.api.fast_receipts import FastReceipts
from web.api.live_keys import audit_head
from web.api.taken import TAKEN, answer_body, answer_headers, count, idempotency_key
from web.auth import requires_key
from web.work import session, settings

api = APIBlueprint("receipts", __name__, url_prefix="/api/v1", enable_openapi=False)


def reception() -> Reception:
    """The inbox of this process."""
    return cast("Reception", current_app.extensions["pilot_reception"])


@api.post("/receipts")
@requires_key(Scope.RECEIPTS_WRITE, by_row=True, reads=True)
def send() -> Response:
    """Take the call in, unless the short cut did before it failed, and say of each receipt what became of it."""
    accepted = request.environ.get(TAKEN) or _take_in()
    content = answer_body(accepted, g.api_key.store_codes)
    return Response(content, 202, answer_headers(accepted), content_type="application/json")


def _take_in() -> Accepted:
    """Check the call and take in what is good."""
    body = read_body(request)
    call = Call(
        texts=read_receipts(request, body),
        key_code=g.api_key.code,
        store_codes=g.api_key.store_codes,
        idempotency_key=idempotency_key(request.headers.get("Idempotency-Key")),
        body_hash=sha256(body).hexdigest(),
        now=settings().now(),
    )
    accepted = reception().accept(session(), call, head=audit_head())
    count(accepted)
    return accepted


@api.record_once
def _install(state: Any) -> None:
    state.app.wsgi_app = FastReceipts(state.app)
