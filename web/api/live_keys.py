"""Keys and whatever else a process may keep until something changes: every change of state has an audit entry.

The head of the audit log is read once a request. While it stands still, what was read under it still holds; a revoked
key has moved it. The end of a key's time is compared at every request.
"""

from datetime import datetime
from hashlib import sha256

from flask import current_app, g
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.api_keys import authenticate_key, is_live
from pilot.access.errors import KeyRefused
from pilot.access.model import ApiKey
from pilot.audit.model import AuditHead

Head = tuple[int, str]
_MOST_KEYS = 10_000


def audit_head(session: Session) -> Head:
    """How many entries the log has and the last one's hash, read once a request; equal heads: nothing has changed."""
    if "audit_head" not in g:
        row = session.execute(select(AuditHead.count, AuditHead.hash).where(AuditHead.id == 1)).first()
        g.audit_head = (row[0], row[1]) if row else (0, "")
    found: Head = g.audit_head
    return found


def live_key(session: Session, secret: str, *, now: datetime) -> ApiKey:
    """The live key of ``secret``, from memory while nothing has changed; ``KeyRefused`` otherwise."""
    head, digest = audit_head(session), sha256(secret.strip().encode()).digest()
    held: tuple[Head, dict[bytes, ApiKey]] = current_app.extensions.get("pilot_live_keys", ((-1, ""), {}))
    if held[0] != head:
        held = (head, {})
        current_app.extensions["pilot_live_keys"] = held
    keys = held[1]
    key = keys.get(digest)
    if key is None:
        key = authenticate_key(session, secret, now=now)
        if len(keys) < _MOST_KEYS:
            keys[digest] = key
    elif not is_live(key, now):
        raise KeyRefused
    return key
