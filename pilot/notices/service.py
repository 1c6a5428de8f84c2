"""Put a message into a person's box, and mark it as read."""

from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from pilot.audit.service import record
from pilot.errors import NotFound, NotPermitted
from pilot.notices.model import Notice
from pilot.words import N_, Message


class Reader(Protocol):
    """The person who reads; ``access`` stands above this room and its users satisfy this."""

    @property
    def id(self) -> int: ...
    @property
    def email(self) -> str: ...


class NotYourNotice(NotPermitted):
    """A notice is read by the person it was written to."""

    code = "not_your_notice"
    template = N_("This notice was written to another person.")


def notify(session: Session, *, user_id: int, message: Message, link: str, at: datetime) -> Notice:
    """Leave ``message`` for a person. ``link`` is a path inside the product, or empty.

    The verb that causes the notice records itself in the audit; the notice is part of that act.
    """
    notice = Notice(user_id=user_id, message=message.to_dict(), link=link, created_at=at, read_at=None)
    session.add(notice)
    session.flush()
    return notice


def mark_read(session: Session, notice_id: int, *, actor: Reader, now: datetime) -> Notice:
    """Record that ``actor`` has read the notice; reading it again changes nothing.

    Raises ``NotFound`` and ``NotYourNotice``.
    """
    notice = session.get(Notice, notice_id)
    if notice is None:
        raise NotFound(kind="notice", name=str(notice_id))
    if notice.user_id != actor.id:
        raise NotYourNotice()
    if notice.read_at is None:
        notice.read_at = now
        record(
            session,
            actor=actor.email,
            verb="notice.read",
            subject_kind="notice",
            subject=str(notice.id),
            details={"code": notice.message["code"]},
            at=now,
        )
    return notice
