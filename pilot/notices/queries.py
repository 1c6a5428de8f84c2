"""What lies in a person's box, and what is in the outbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from pilot.notices.model import OPEN, Channel, Delivery, DeliveryState, Notice, Webhook
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


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """A webhook with how many of its deliveries wait, and how many were given up."""

    hook: Webhook
    n_waiting: int
    n_given_up: int


def webhooks(session: Session) -> list[WebhookRow]:
    """All webhooks, the newest first."""
    waiting = func.count(case((Delivery.state.in_(OPEN), 1)))
    given_up = func.count(case((Delivery.state == DeliveryState.GAVE_UP, 1)))
    wanted = select(Webhook, waiting, given_up).outerjoin(Delivery, Delivery.webhook_id == Webhook.id)
    found = session.execute(wanted.group_by(Webhook.id).order_by(Webhook.id.desc()))
    return [WebhookRow(*row) for row in found]


def deliveries_of(session: Session, hook: Webhook, *, limit: int = 50) -> Sequence[Delivery]:
    """The webhook's latest deliveries, the newest first."""
    wanted = select(Delivery).where(Delivery.webhook_id == hook.id).order_by(Delivery.id.desc()).limit(limit)
    return session.scalars(wanted).all()


def troubled_mail(session: Session, *, limit: int = 50) -> Sequence[Delivery]:
    """Mail that has failed so far or was given up, the newest first."""
    failed = Delivery.last_error.is_not(None) & (Delivery.state != DeliveryState.SENT)
    wanted = select(Delivery).where(Delivery.channel == Channel.MAIL, failed)
    return session.scalars(wanted.order_by(Delivery.id.desc()).limit(limit)).all()


def n_mails(session: Session) -> dict[DeliveryState, int]:
    """How many mails are in each state, of those that are kept."""
    wanted = select(Delivery.state, func.count()).where(Delivery.channel == Channel.MAIL).group_by(Delivery.state)
    return {DeliveryState(state): n for state, n in session.execute(wanted)}


def _rows(notices: Sequence[Notice]) -> list[NoticeRow]:
    return [NoticeRow(n.id, Message.from_dict(n.message), n.link, n.created_at, n.read_at) for n in notices]
