"""The API's door: the key in the header, and whether it covers what is asked."""

from flask import request

from pilot.access.model import ApiKey
from pilot.access.permissions import KeyLacksScope, Scope, require_key
from web.api.live_keys import live_key
from web.errors import FieldMissing
from web.work import settings


def authenticate(scope: Scope, *, by_row: bool = False) -> ApiKey:
    """The live key of this request, checked for ``scope`` and for the store that the address names.

    ``by_row``: the rows of the body name the stores, and the view checks each of them.
    """
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    key = live_key(secret if kind.lower() == "bearer" else "", now=settings().wall_clock())
    if by_row:
        if scope not in key.scopes:
            raise KeyLacksScope(key=key.code, scope=str(scope))
        return key
    store = request.args.get("store", "")
    if not store:
        raise FieldMissing(field="store")
    require_key(key, scope, store)
    return key
