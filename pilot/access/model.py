"""People, their deputies, their one-time links, API keys and the throttle on sign-in attempts."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Base, Instant, code, digest, instant, name, pk


class Role(StrEnum):
    """What a person is in the organisation; permissions follow from it (``permissions.py``)."""

    MANAGER = "manager"
    ANALYST = "analyst"
    EXECUTIVE = "executive"
    ADMIN = "admin"
    AUDITOR = "auditor"


class User(Base):
    """A person who signs in. ``session_version`` grows on a change of role or password and ends open sessions.

    ``language`` is empty until the person chooses one: pages follow the browser, mail the installation.
    """

    __tablename__ = "app_user"

    id: Mapped[pk]
    email: Mapped[code]
    name: Mapped[name]
    role: Mapped[Role] = mapped_column(String(20))
    password_hash: Mapped[str | None] = mapped_column(String(300))
    is_active: Mapped[bool]
    session_version: Mapped[int]
    language: Mapped[str] = mapped_column(String(10), default="")
    timezone: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[instant]


class Deputy(Base):
    """From ``first_day`` to ``last_day`` the deputy may sign and decide in the place of ``user_id``."""

    __tablename__ = "deputy"

    id: Mapped[pk]
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"), index=True)
    deputy_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"), index=True)
    first_day: Mapped[date]
    last_day: Mapped[date]
    created_by_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[instant]


class OneTimeLink(Base):
    """A link that sets a password once: the first administrator, an invitation, a reset. Only the hash is kept."""

    __tablename__ = "one_time_link"

    id: Mapped[pk]
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[instant]
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class ApiKey(Base):
    """A key of a till or system: scopes and stores it may ask for (an empty list of stores: all)."""

    __tablename__ = "api_key"

    id: Mapped[pk]
    code: Mapped[code]
    name: Mapped[name]
    key_hash: Mapped[digest]
    scopes: Mapped[list[str]] = mapped_column(JSON)
    store_codes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[instant]
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)


class SignInAttempt(Base):
    """A failed sign-in, kept as a keyed hash of who and where; shared by all workers."""

    __tablename__ = "sign_in_attempt"

    id: Mapped[pk]
    key: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[instant]
