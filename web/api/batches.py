"""What became of a call: its state on the way to the lake, and what the drain found."""

from typing import Any

import orjson
from apiflask import APIBlueprint
from flask import Response, g

from pilot.access.permissions import Scope
from pilot.outcomes.inbox.queries import batch_for
from web.api.receipts import reception
from web.api.taken import counts
from web.api.verdicts import verdict
from web.auth import requires_key

api = APIBlueprint("batches", __name__, url_prefix="/api/v1", enable_openapi=False)


@api.get("/batches/<batch>")
@requires_key(Scope.RECEIPTS_WRITE, by_row=True, reads=True)
def show(batch: str) -> Response:
    """State, counts, verdicts, the drain's findings and the lake's version of one batch."""
    key = g.api_key
    with reception().inbox.reading() as session:
        found = batch_for(session, batch, key_code=key.code, store_codes=key.store_codes)
        answer: dict[str, Any] = {
            "batch_id": found.batch_id,
            "state": found.state,
            "received_at": found.received_at,
            "drained_at": found.drained_at,
            "lake_version": found.lake_version,
            **counts(found),
            "receipts": [verdict(one, key.store_codes) for one in found.verdicts],
            "drain_findings": [verdict(one, key.store_codes) for one in found.drain_findings or ()],
        }
    return Response(orjson.dumps(answer), content_type="application/json")
