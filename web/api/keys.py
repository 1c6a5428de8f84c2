"""The API's door: the key in the header, and whether it covers what is asked."""

from flask import request

from pilot.access import api_keys
from pilot.access.model import ApiKey
from pilot.access.permissions import Scope, require_key
from web.errors import FieldMissing
from web.work import session, settings


def authenticate(scope: Scope) -> ApiKey:
    """The live key of this request, checked for ``scope`` and, where the address names a store, for that store."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    key = api_keys.authenticate_key(session(), secret if kind.lower() == "bearer" else "", now=settings().wall_clock())
    store = request.args.get("store", "")
    if not store:
        raise FieldMissing(field="store")
    require_key(key, scope, store)
    return key
