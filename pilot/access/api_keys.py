"""Keys of tills and systems: made once, shown once, kept as a hash; with scopes, stores, an end, and rotation."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.errors import KeyIsRevoked, KeyRefused, KeyWithoutScope, NameNeeded
from pilot.access.model import ApiKey, User
from pilot.access.permissions import Scope
from pilot.access.service import name_of
from pilot.audit.service import record
from pilot.words import N_

ROTATION_GRACE = timedelta(hours=24)


def create_api_key(
    session: Session,
    *,
    name: str,
    scopes: Sequence[Scope],
    store_codes: Sequence[str],
    expires_at: datetime | None,
    actor: User | str,
    now: datetime,
) -> tuple[ApiKey, str]:
    """A key and its secret, which is shown this once. No stores: the key is for all of them; no end: until revoked."""
    if not 1 <= len(name.strip()) <= 300:
        raise NameNeeded(kind=N_("API key"))
    if not scopes:
        raise KeyWithoutScope(scopes=", ".join(Scope))
    key = ApiKey(
        code=_free_code(session, name),
        name=name.strip(),
        key_hash="",
        scopes=sorted({str(Scope(scope)) for scope in scopes}),
        store_codes=sorted(set(store_codes)),
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
    )
    secret = _new_secret(key)
    session.add(key)
    session.flush()
    details = {"scopes": key.scopes, "stores": key.store_codes, "expires_at": expires_at}
    _record(session, actor, "key.created", key, details, now)
    return key, secret


def rotate_api_key(session: Session, key: ApiKey, *, actor: User | str, now: datetime) -> tuple[ApiKey, str]:
    """A successor with the same rights; the old key still works for ``ROTATION_GRACE``, so that no till goes dark."""
    if not is_live(key, now):
        raise KeyIsRevoked(key=key.code)
    last_moment = now + ROTATION_GRACE
    successor, secret = create_api_key(
        session,
        name=key.name,
        scopes=[Scope(scope) for scope in key.scopes],
        store_codes=key.store_codes,
        expires_at=key.expires_at,
        actor=actor,
        now=now,
    )
    key.expires_at = min(key.expires_at or last_moment, last_moment)
    session.flush()
    _record(session, actor, "key.rotated", key, {"successor": successor.code, "expires_at": key.expires_at}, now)
    return successor, secret


def revoke_api_key(session: Session, key: ApiKey, *, actor: User | str, now: datetime) -> ApiKey:
    """End a key at once; a revoked key stays revoked."""
    if key.revoked_at is None:
        key.revoked_at = now
        session.flush()
        _record(session, actor, "key.revoked", key, {}, now)
    return key


def authenticate_key(session: Session, secret: str, *, now: datetime) -> ApiKey:
    """The live key that ``secret`` belongs to; ``KeyRefused`` otherwise."""
    code, _, random = secret.strip().rpartition(".")
    key = session.scalar(select(ApiKey).where(ApiKey.code == code)) if random else None
    if key is None or not hmac.compare_digest(key.key_hash, _digest(secret.strip())) or not is_live(key, now):
        raise KeyRefused()
    return key


def is_live(key: ApiKey, now: datetime) -> bool:
    """Neither revoked nor expired at ``now``."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def _new_secret(key: ApiKey) -> str:
    secret = f"{key.code}.{secrets.token_urlsafe(32)}"
    key.key_hash = _digest(secret)
    return secret


def _free_code(session: Session, name: str) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80] or "key"
    taken = set(session.scalars(select(ApiKey.code).where(ApiKey.code.startswith(base, autoescape=True))))
    number = 1
    while (code := base if number == 1 else f"{base}-{number}") in taken:
        number += 1
    return code


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()  # 256 random bits need no slow hash


def _record(
    session: Session, actor: User | str, verb: str, key: ApiKey, details: dict[str, Any], now: datetime
) -> None:
    record(
        session,
        actor=name_of(actor),
        verb=verb,
        subject_kind="api_key",
        subject=key.code,
        details=details,
        at=now,
    )
