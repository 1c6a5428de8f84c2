"""What lies in a person's box."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pilot.notices.model import Notice
from pilot.words import Message


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice as it is shown; ``link`` may be empty."""

    id: int
    message: Message
    link: str
    created_at: datetime
    read_at: datetime | None


def unread(session: Session, user_id: int) -> list[NoticeRow]:
    """What the person has not read yet, newest first."""
    wanted = select(Notice).where(Notice.user_id == user_id, Notice.read_at.is_(None))
    return _rows(session.scalars(wanted.order_by(Notice.id.desc())).all())


def recent(session: Session, user_id: int, *, limit: int = 50) -> list[NoticeRow]:
    """The person's latest notices, read or not, newest first."""
    wanted = select(Notice).where(Notice.user_id == user_id).order_by(Notice.id.desc()).limit(limit)
    return _rows(session.scalars(wanted).all())


def unread_count(session: Session, user_id: int) -> int:
    """How many notices the person has not read yet."""
    wanted = select(func.count()).select_from(Notice).where(Notice.user_id == user_id, Notice.read_at.is_(None))
    return session.scalar(wanted) or 0


def _rows(notices: Sequence[Notice]) -> list[NoticeRow]:
    return [NoticeRow(n.id, Message.from_dict(n.message), n.link, n.created_at, n.read_at) for n in notices]
