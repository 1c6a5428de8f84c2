"""Notices on a person's page, and the outbox of what leaves the house: mail to people, calls to webhooks."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Base, Instant, code, document, instant, name, pk
from pilot.notices.kinds import NoticeKind


class Channel(StrEnum):
    """How a delivery leaves."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class DeliveryState(StrEnum):
    """``dropped``: nobody wants it any more (the person turned it off or left)."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    GAVE_UP = "gave_up"
    DROPPED = "dropped"


OPEN = frozenset({DeliveryState.WAITING, DeliveryState.SENDING})


class Notice(Base):
    """A message on a person's home page until read. ``message`` is stored; ``link`` is a path inside, or empty."""

    __tablename__ = "notice"

    id: Mapped[pk]
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"), index=True)
    message: Mapped[document]
    link: Mapped[name]
    created_at: Mapped[instant]
    read_at: Mapped[datetime | None] = mapped_column(Instant)


class Webhook(Base):
    """An address of another system that is called for some events.

    Its secret is not stored: it follows from ``code``, ``secret_number`` and a key file (``webhooks.secret_of``).
    """

    __tablename__ = "webhook"

    id: Mapped[pk]
    code: Mapped[code]
    name: Mapped[name]
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]] = mapped_column(JSON)
    is_active: Mapped[bool]
    secret_number: Mapped[int]
    created_at: Mapped[instant]


class Delivery(Base):
    """One thing on its way to one receiver. ``code`` is the same at every attempt: receivers know a repetition by it.

    ``document`` is a letter (mail) or the facts of an event (webhook). ``next_try_at`` None means at once; while a
    worker is sending it is when another may take over.
    """

    __tablename__ = "delivery"
    __table_args__ = (Index(None, "channel", "state", "next_try_at"),)

    id: Mapped[pk]
    code: Mapped[code]
    channel: Mapped[Channel] = mapped_column(String(10))
    kind: Mapped[NoticeKind] = mapped_column(String(40))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("app_user.id"), index=True)
    webhook_id: Mapped[int | None] = mapped_column(ForeignKey("webhook.id", ondelete="CASCADE"), index=True)
    document: Mapped[document]
    state: Mapped[DeliveryState] = mapped_column(String(20))
    attempts: Mapped[int]
    next_try_at: Mapped[datetime | None] = mapped_column(Instant)
    last_error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[instant]
    done_at: Mapped[datetime | None] = mapped_column(Instant)


class MailPreference(Base):
    """What a person does not want by mail; without a row they get everything."""

    __tablename__ = "mail_preference"

    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"), primary_key=True, autoincrement=False)
    muted: Mapped[list[str]] = mapped_column(JSON)
