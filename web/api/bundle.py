"""What a till fetches to answer offline: the signed bundle of its store, and the key to check it with."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response, current_app, request
from pydantic import BaseModel, Field

from pilot.access.permissions import Scope
from pilot.assignment.asking import read_question
from pilot.assignment.bundle import Bundler
from pilot.assignment.signing import key_id, public_key
from pilot.words import Message
from web.api.live_keys import audit_head, desk
from web.api.questions import OF_STORE, QuestionUnreadable, asked_in_address
from web.auth import requires_key
from web.work import database, settings

api = APIBlueprint("bundle", __name__, url_prefix="/api/v1", tag="Bundles")
_FOUND: dict[str, Any] = {
    "description": "One line with format, key id and signature, then the payload, which is JSON",
    "content": {"text/plain": {"schema": {"type": "string"}}},
    "headers": {"ETag": {"schema": {"type": "string"}, "description": "Names the content; send as If-None-Match"}},
}


class PublicKey(BaseModel):
    """The key with which bundles are checked. Give it to tills by hand, not over the line that brings bundles."""

    algorithm: str = Field(description="Ed25519")
    id: str = Field(description="As the first line of each bundle names it")
    key: str = Field(description="32 bytes, hexadecimal")


@api.get("/bundle")
@requires_key(Scope.BUNDLE_READ)
@api.doc(
    summary="Everything a store's till needs to answer offline",
    operation_id="bundle",
    security="key",
    responses={200: _FOUND, 304: {"description": "The content is the one that If-None-Match names"}},
)
def bundle() -> Response:
    """The signed bundle of a store, valid for two days; ask every hour, with If-None-Match."""
    asked, head = read_question(asked_in_address(request, OF_STORE)), audit_head()
    if isinstance(asked, Message):
        raise QuestionUnreadable(problem=asked)
    kept, now = desk().kept(head), settings().now()
    content = bundler().content(kept, asked.store, now=now)
    if content is not None and request.if_none_match.contains_weak(content):
        return _named(Response(status=304), content)
    found = bundler().bundle(kept, head, asked.store, now=now)
    if request.if_none_match.contains_weak(found.content):
        response = Response(status=304)
    elif request.accept_encodings.quality("gzip") > 0:
        response = Response(found.packed, mimetype="text/plain", headers={"Content-Encoding": "gzip"})
    else:
        response = Response(found.text, mimetype="text/plain")
    return _named(response, found.content)


def _named(response: Response, content: str) -> Response:
    response.set_etag(content, weak=True)
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@api.get("/bundle/key")
@requires_key(Scope.BUNDLE_READ, by_row=True)
@api.output(PublicKey)
@api.doc(summary="The public key of bundles", operation_id="bundle_key", security="key")
def bundle_key() -> dict[str, str]:
    """The public key and its id; ``pilot key bundle`` prints the same on the machine."""
    public = public_key(settings())
    return {"algorithm": "Ed25519", "id": key_id(public), "key": public.hex()}


def bundler() -> Bundler:
    """The bundles of this process."""
    found: Bundler = current_app.extensions.setdefault("pilot_bundler", Bundler(database()))
    return found
