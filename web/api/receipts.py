"""Receipts from tills and systems: taken into the inbox, durable before the answer."""

from hashlib import sha256
from typing import Any, cast

import orjson
from apiflask import APIBlueprint
from flask import Response, current_app, g, request

from pilot.access.permissions import Scope
from pilot.outcomes.inbox.accept import Reception
from pilot.outcomes.inbox.work import Accepted, Call
from pilot.words import N_
from web.api.bodies import read_body, read_receipts
from web.api.live_keys import audit_head
from web.api.verdicts import verdict
from web.auth import requires_key
from web.errors import BodyUnreadable
from web.metrics import RECEIPTS
from web.work import session, settings

api = APIBlueprint("receipts", __name__, url_prefix="/api/v1", enable_openapi=False)

_LONGEST_KEY = 255


class IdempotencyKeyUnreadable(BodyUnreadable):
    code = "idempotency_key_unreadable"
    template = N_("An Idempotency-Key has 1 to 255 visible ASCII characters without spaces.")


def reception() -> Reception:
    """The inbox of this process."""
    return cast("Reception", current_app.extensions["pilot_reception"])


@api.post("/receipts")
@requires_key(Scope.RECEIPTS_WRITE, by_row=True, reads=True)
def send() -> Response:
    """Check the call, take in what is good, and say of each other receipt what became of it."""
    body = read_body(request)
    call = Call(
        texts=read_receipts(request, body),
        key_code=g.api_key.code,
        store_codes=g.api_key.store_codes,
        idempotency_key=_idempotency_key(),
        body_hash=sha256(body).hexdigest(),
        now=settings().now(),
    )
    accepted = reception().accept(session(), call, head=audit_head())
    if not accepted.replayed:
        _count(accepted)
    headers = {"Location": f"/api/v1/batches/{accepted.batch_id}"}
    if accepted.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(orjson.dumps(_answer(accepted)), 202, headers, content_type="application/json")


def counts(batch: Any) -> dict[str, int]:
    """How many receipts of the call became what; the quarantined are among the accepted."""
    names = ("accepted", "known", "conflict", "rejected", "quarantined")
    return {name: getattr(batch, f"n_{name}") for name in names}


def _answer(accepted: Accepted) -> dict[str, Any]:
    return {
        "batch_id": accepted.batch_id,
        **counts(accepted),
        "receipts": [verdict(found, g.api_key.store_codes) for found in accepted.verdicts],
    }


def _count(accepted: Accepted) -> None:
    for name, n in counts(accepted).items():
        if n:
            RECEIPTS.labels(name).inc(n)


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= _LONGEST_KEY or not all("!" <= character <= "~" for character in key):
        raise IdempotencyKeyUnreadable
    return key
