"""The verbs about people: invite, change, end; one-time links; signing in. Edges commit; the audit entry is last."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from pilot.access import passwords, throttle
from pilot.access.errors import (
    AdministratorExists,
    EmailNotValid,
    EmailTaken,
    LastAdministrator,
    LinkNotValid,
    NameNeeded,
    SignInRefused,
    UnknownPreference,
    WrongPassword,
)
from pilot.access.model import OneTimeLink, Role, User
from pilot.audit.service import record
from pilot.database import settings_of
from pilot.words import N_

SYSTEM = "system"
_EMAIL = re.compile(r"[^\s@<>\"',;:]+@[^\s@<>\"',;:]+\.[^\s@<>\"',;:.]+")


def first_administrator(session: Session, *, email: str, name: str, now: datetime) -> str:
    """Make the first person, an administrator, and return the token of the link that sets the password.

    ``AdministratorExists`` once there is anybody: there is no second way in.
    """
    if session.scalar(select(func.count()).select_from(User)):
        raise AdministratorExists()
    user = create_user(session, email=email, name=name, role=Role.ADMIN, actor=SYSTEM, now=now)
    return make_link(session, user, actor=SYSTEM, now=now)


def create_user(session: Session, *, email: str, name: str, role: Role, actor: User | str, now: datetime) -> User:
    """A person without a password yet; ``make_link`` gives the way in. Raises by name what is wrong."""
    address = normal_email(email)
    if not 1 <= len(name.strip()) <= 300:
        raise NameNeeded(kind=N_("person"))
    if session.scalar(select(User).where(User.email == address)) is not None:
        raise EmailTaken(email=address)
    user = User(
        email=address,
        name=name.strip(),
        role=Role(role),
        password_hash=None,
        is_active=True,
        session_version=1,
        created_at=now,
    )
    session.add(user)
    session.flush()
    _record(session, actor, "user.created", user, {"role": str(user.role)}, now)
    return user


def change_role(session: Session, user: User, role: Role, *, actor: User | str, now: datetime) -> User:
    """Give ``user`` another role and end every open session of theirs; the same role changes nothing."""
    before, wanted = Role(user.role), Role(role)
    if before is wanted:
        return user
    _keep_an_administrator(session, user)
    user.role = wanted
    user.session_version += 1
    session.flush()
    _record(session, actor, "user.role_changed", user, {"before": str(before), "after": str(wanted)}, now)
    return user


def deactivate(session: Session, user: User, *, actor: User | str, now: datetime) -> User:
    """End the person's access, open sessions and unused links; what they did stays in the log."""
    if not user.is_active:
        return user
    _keep_an_administrator(session, user)
    user.is_active = False
    user.session_version += 1
    _end_links(session, user, now)
    session.flush()
    _record(session, actor, "user.deactivated", user, {}, now)
    return user


def reactivate(session: Session, user: User, *, actor: User | str, now: datetime) -> User:
    """Let a deactivated person sign in again with the password they had."""
    if user.is_active:
        return user
    user.is_active = True
    session.flush()
    _record(session, actor, "user.reactivated", user, {}, now)
    return user


def make_link(session: Session, user: User, *, actor: User | str, now: datetime) -> str:
    """The token of a new one-time link that sets the password; earlier unused links end. Only its hash is kept.

    It lasts ``settings.link_hours``. The address is ``<public_url>/link/<token>`` (``link_address``).
    """
    if not user.is_active:
        raise LinkNotValid()
    _end_links(session, user, now)
    token = secrets.token_urlsafe(32)
    expires_at = now + timedelta(hours=settings_of(session).link_hours)
    session.add(OneTimeLink(user_id=user.id, token_hash=_digest(token), expires_at=expires_at, used_at=None))
    session.flush()
    _record(session, actor, "user.link_made", user, {"expires_at": expires_at}, now)
    return token


def link_address(session: Session, token: str) -> str:
    """The address that a person opens to use the link."""
    return f"{settings_of(session).public_url.rstrip('/')}/link/{token}"


def redeem_link(session: Session, token: str, password: str, *, now: datetime) -> User:
    """Set the password of the link's person, once; open sessions end. ``LinkNotValid`` or ``WeakPassword``."""
    link = session.scalar(select(OneTimeLink).where(OneTimeLink.token_hash == _digest(token)).with_for_update())
    user = session.get(User, link.user_id) if link else None
    if link is None or user is None or not user.is_active or link.used_at is not None or link.expires_at <= now:
        raise LinkNotValid()
    user.password_hash = passwords.hash_password(password, unlike=(user.email, user.name))
    user.session_version += 1
    link.used_at = now
    session.flush()
    _record(session, user, "user.password_set", user, {"by": "link"}, now)
    return user


def change_password(session: Session, user: User, *, present: str, password: str, now: datetime) -> User:
    """Replace the password by one's own hand; every open session ends. ``WrongPassword`` or ``WeakPassword``."""
    if not passwords.is_password(user.password_hash, present):
        raise WrongPassword()
    user.password_hash = passwords.hash_password(password, unlike=(user.email, user.name))
    user.session_version += 1
    session.flush()
    _record(session, user, "user.password_set", user, {"by": "person"}, now)
    return user


def change_preferences(session: Session, *, language: str, timezone: str | None, actor: User, now: datetime) -> User:
    """Set in which language and time zone ``actor`` reads (empty: as the browser asks; no time zone: the network's)."""
    if language and not _is_language(language):
        raise UnknownPreference(kind=N_("language"), value=language)
    if timezone is not None and timezone not in available_timezones():
        raise UnknownPreference(kind=N_("time zone"), value=timezone)
    actor.language, actor.timezone = language, timezone
    session.flush()
    _record(session, actor, "user.preferences_changed", actor, {"language": language, "timezone": timezone}, now)
    return actor


def sign_in(session: Session, email: str, password: str, *, address: str, now: datetime) -> User:
    """The person who has this e-mail address and password.

    Raises ``TooManyAttempts`` or ``SignInRefused``; the caller commits in that case too, so that the attempt counts.
    ``now`` is the wall clock (a demonstration's clock stands still, and so would the waiting time).
    """
    known_as = email.strip().lower()
    throttle.check(session, known_as, address, now)
    user = session.scalar(select(User).where(User.email == known_as))
    right = passwords.is_password(user.password_hash if user else None, password)
    if user is None or not right or not user.is_active:
        throttle.count_failure(session, known_as, address, now)
        raise SignInRefused()
    throttle.forget_failures(session, known_as, address)
    if user.password_hash and passwords.is_outdated(user.password_hash):
        user.password_hash = passwords.hash_password(password, unlike=())
    session.flush()
    _record(session, user, "user.signed_in", user, {}, now)
    return user


def normal_email(email: str) -> str:
    """The e-mail address in the one form that is stored; ``EmailNotValid`` otherwise."""
    address = email.strip().lower()
    if len(address) > 120 or not _EMAIL.fullmatch(address):
        raise EmailNotValid(email=email[:80])
    return address


def name_of(actor: User | str) -> str:
    """How the log names who acted: the e-mail address of a person, or ``system``, ``cli``, ``key:<code>``."""
    return actor if isinstance(actor, str) else actor.email


def _keep_an_administrator(session: Session, user: User) -> None:
    if user.role != Role.ADMIN or not user.is_active:
        return
    others = select(func.count()).where(User.role == Role.ADMIN, User.is_active, User.id != user.id)
    if not session.scalar(others):
        raise LastAdministrator(email=user.email)


def _end_links(session: Session, user: User, now: datetime) -> None:
    unused = update(OneTimeLink).where(OneTimeLink.user_id == user.id, OneTimeLink.used_at.is_(None))
    session.execute(unused.values(used_at=now))


def _is_language(code: str) -> bool:
    try:
        Locale.parse(code)
    except (ValueError, UnknownLocaleError):
        return False
    return True


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()  # 256 random bits need no slow hash


def _record(session: Session, actor: User | str, verb: str, user: User, details: dict[str, Any], now: datetime) -> None:
    record(
        session,
        actor=name_of(actor),
        verb=verb,
        subject_kind="user",
        subject=user.email,
        details=details,
        at=now,
    )
