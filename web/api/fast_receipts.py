"""The short cut for receipts: ``POST /api/v1/receipts`` with a plain body of JSON."""

import io
from hashlib import sha256
from typing import Any, cast

from pilot.access.permissions import Scope
from pilot.outcomes.inbox.accept import Reception
from pilot.outcomes.inbox.work import Call
from pilot.words import speaking
from web.api.bodies import JSON, MOST_BYTES, NDJSON, receipts_in
from web.api.live_keys import head_of, remembered_key
from web.api.short_cut import Answer, ShortCut, secret_of
from web.api.taken import TAKEN, answer_body, answer_headers, count, idempotency_key


class FastReceipts(ShortCut):
    """The key's life and scope, the form of the body, the inbox and the answer: as the view has them."""

    method, path, status = "POST", "/api/v1/receipts", "202 ACCEPTED"

    def answer(self, environ: dict[str, Any]) -> Answer | None:
        kind, secret = environ.get("CONTENT_TYPE", ""), secret_of(environ)
        length = environ.get("CONTENT_LENGTH", "")
        is_plain = kind in (JSON, NDJSON) and "HTTP_CONTENT_ENCODING" not in environ
        if secret is None or not is_plain or not (length.isascii() and length.isdigit()) or int(length) > MOST_BYTES:
            return None
        head = head_of(self.app)
        key = remembered_key(self.app, head, secret, now=self.settings.wall_clock())
        if key is None or Scope.RECEIPTS_WRITE not in key.scopes:
            return None
        body = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = io.BytesIO(body)  # for Flask, should it be asked after all
        if len(body) != int(length):
            return None
        call = Call(
            texts=receipts_in(body, kind),
            key_code=key.code,
            store_codes=key.store_codes,
            idempotency_key=idempotency_key(environ.get("HTTP_IDEMPOTENCY_KEY")),
            body_hash=sha256(body).hexdigest(),
            now=self.settings.now(),
        )
        reception = cast("Reception", self.app.extensions["pilot_reception"])
        with self.app.extensions["pilot_database"].reading() as session:
            environ[TAKEN] = accepted = reception.accept(session, call, head=head)
        count(accepted)
        with speaking(self.language):
            return Answer(answer_body(accepted, key.store_codes), answer_headers(accepted))
