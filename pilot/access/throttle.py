"""Failed sign-ins, counted in the database so that all workers share them; kept as keyed hashes, not as addresses."""

import hashlib
import hmac
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from pilot.access.errors import TooManyAttempts
from pilot.access.model import SignInAttempt
from pilot.database import settings_of
from pilot.keys import read_or_make_key

WINDOW = timedelta(minutes=15)

# One person from one place; one person from many places; one place against many people.
_LIMITS = {"both": 5, "email": 20, "address": 50}


def check(session: Session, email: str, address: str, now: datetime) -> None:
    """Raise ``TooManyAttempts`` where one of the limits is reached within the window before ``now``."""
    keys = _keys(session, email, address)
    _one_at_a_time(session, keys["email"])
    since = now - WINDOW
    for kind, limit in _LIMITS.items():
        recent = select(func.count()).where(SignInAttempt.key == keys[kind], SignInAttempt.at > since)
        if (session.scalar(recent) or 0) >= limit:
            raise TooManyAttempts(minutes=int(WINDOW.total_seconds() // 60))


def count_failure(session: Session, email: str, address: str, now: datetime) -> None:
    """Add one failed attempt and drop those that no longer count. The caller commits although it refuses."""
    session.execute(delete(SignInAttempt).where(SignInAttempt.at <= now - WINDOW))
    session.add_all(SignInAttempt(key=key, at=now) for key in _keys(session, email, address).values())
    session.flush()


def forget_failures(session: Session, email: str, address: str) -> None:
    """After a good sign-in the person starts at zero; what the address did to other people still counts."""
    keys = _keys(session, email, address)
    session.execute(delete(SignInAttempt).where(SignInAttempt.key.in_([keys["both"], keys["email"]])))


def _keys(session: Session, email: str, address: str) -> dict[str, str]:
    secret = read_or_make_key(settings_of(session), "throttle")
    words = {"both": f"both\n{email}\n{address}", "email": f"email\n{email}", "address": f"address\n{address}"}
    return {kind: hmac.new(secret, word.encode(), hashlib.sha256).hexdigest() for kind, word in words.items()}


def _one_at_a_time(session: Session, key: str) -> None:
    """Attempts for one person wait for each other: parallel guesses would all count before any is counted."""
    if session.get_bind().dialect.name == "postgresql":
        number = int.from_bytes(bytes.fromhex(key[:16]), signed=True)
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
