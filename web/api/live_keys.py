"""Keys and whatever else a process may keep until something changes: every change of state has an audit entry.

The head of the audit log is read once a request. While it stands still, what was read under it still holds; a revoked
key has moved it. The end of a key's time is compared at every request.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any

from flask import Flask, current_app, g

from pilot.access.api_keys import authenticate_key, is_live
from pilot.access.errors import KeyRefused
from pilot.access.model import ApiKey
from pilot.assignment.desk import Desk, Reader
from pilot.assignment.keeping import Head
from web.work import database

_MOST_KEYS = 10_000


def desk() -> Desk:
    """The desk of this process."""
    return desk_of(current_app)


def desk_of(app: Flask) -> Desk:
    """The desk that ``app`` answers from."""
    found: Desk | None = app.extensions.get("pilot_desk")
    if found is None:
        found = app.extensions["pilot_desk"] = Desk(app.extensions["pilot_database"])
    return found


def head_of(app: Flask) -> Head:
    """The head of the audit log, in one trip to the database."""
    with app.extensions["pilot_database"].glimpse() as cursor:
        return Reader(desk_of(app), cursor).head()


def audit_head() -> Head:
    """How many entries the log has and the last one's hash, read once a request; equal heads: nothing has changed."""
    if "audit_head" not in g:
        g.audit_head = head_of(current_app)
    found: Head = g.audit_head
    return found


def live_key(secret: str, *, now: datetime) -> ApiKey:
    """The live key of ``secret``, from memory while nothing has changed; ``KeyRefused`` otherwise."""
    held = _held(current_app.extensions, audit_head())
    digest = sha256(secret.strip().encode()).digest()
    key = held.get(digest)
    if key is None:
        with database().reading() as session:
            key = authenticate_key(session, secret, now=now)
        if len(held) < _MOST_KEYS:
            held[digest] = key
    elif not is_live(key, now):
        raise KeyRefused
    return key


def remembered_key(app: Flask, head: Head, secret: str, *, now: datetime) -> ApiKey | None:
    """The live key of ``secret`` if it was met under ``head``; None: ask ``live_key``."""
    key = _held(app.extensions, head).get(sha256(secret.strip().encode()).digest())
    return key if key is not None and is_live(key, now) else None


def _held(extensions: dict[str, Any], head: Head) -> dict[bytes, ApiKey]:
    """The keys met under ``head``; those met under another one are forgotten."""
    held: tuple[Head, dict[bytes, ApiKey]] | None = extensions.get("pilot_live_keys")
    if held is None or held[0] != head:
        held = extensions["pilot_live_keys"] = (head, {})
    return held[1]
