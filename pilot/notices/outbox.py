"""The outbox: what leaves is written in the transaction that causes it, and a worker sends it afterwards.

A delivery is claimed before it is sent and marked after. A worker killed in between leaves it claimed; when the claim
runs out another attempt is made: something may arrive twice, with the same code, but is never lost.
"""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, and_, delete, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from pilot.audit.service import record
from pilot.notices.errors import NothingToRetry
from pilot.notices.kinds import EVENTS, TITLES, NoticeKind
from pilot.notices.letters import Letter, Line, Part
from pilot.notices.model import OPEN, Channel, Delivery, DeliveryState, Webhook
from pilot.words import N_, Message

MOST_ATTEMPTS = 9  # over about a day
FIRST_WAIT, WAIT_GROWS, LONGEST_WAIT = timedelta(minutes=1), 4, timedelta(hours=6)
CLAIM = timedelta(minutes=5)  # longer than any attempt may take
KEEP = timedelta(days=30)

STATES: dict[DeliveryState, str] = {
    DeliveryState.WAITING: N_("waiting"),
    DeliveryState.SENDING: N_("on its way"),
    DeliveryState.SENT: N_("delivered"),
    DeliveryState.GAVE_UP: N_("given up"),
    DeliveryState.DROPPED: N_("not wanted"),
}


def wait_after(attempts: int) -> timedelta | None:
    """How long to wait after that many failed attempts; None: give up. One minute, then four times as long each time,
    at most six hours."""
    if attempts >= MOST_ATTEMPTS:
        return None
    grown: timedelta = FIRST_WAIT * WAIT_GROWS ** (attempts - 1)
    return min(grown, LONGEST_WAIT)


def post_letter(
    session: Session, *, user_id: int, kind: NoticeKind, letter: Letter, at: datetime, code: str | None = None
) -> Delivery:
    """Put a letter to a person into the outbox; whether they want it by mail is asked when it is sent."""
    delivery = _new(Channel.MAIL, kind, letter.to_document(), at, code)
    delivery.user_id = user_id
    session.add(delivery)
    session.flush()
    return delivery


def letter_of(kind: NoticeKind, message: Message, link: str) -> Letter:
    """A letter that says one thing; the subject names the kind, and the pilot where there is one."""
    subject = TITLES[kind]
    if "pilot" in message.values:
        values = {"kind": subject, "pilot": message.values["pilot"]}
        subject = Message("mail_subject", N_("{kind}: {pilot}"), values)
    return Letter(subject, (Part((Line(message, link),)),))


def call_webhooks(session: Session, kind: NoticeKind, facts: dict[str, Any], *, at: datetime) -> list[Delivery]:
    """Put a call of every active webhook that listens to ``kind`` into the outbox.

    ``facts`` are codes and numbers (JSON): no names, no sentences.
    """
    if kind not in EVENTS:
        return []
    active = select(Webhook).where(Webhook.is_active).order_by(Webhook.id)
    return [call(session, hook, kind, facts, at=at) for hook in session.scalars(active) if kind in hook.events]


def call(session: Session, hook: Webhook, kind: NoticeKind, facts: dict[str, Any], *, at: datetime) -> Delivery:
    """Put a call of this webhook into the outbox."""
    delivery = _new(Channel.WEBHOOK, kind, {"at": at.isoformat(), "facts": facts}, at, None)
    delivery.webhook_id = hook.id
    session.add(delivery)
    session.flush()
    return delivery


def has_due(session: Session, channel: Channel, *, now: datetime) -> bool:
    """Whether something is to be sent (``now`` is the wall clock)."""
    return session.scalar(select(Delivery.id).where(_is_due(channel, now)).limit(1)) is not None


def claim(session: Session, channel: Channel, *, now: datetime, but_webhooks: Collection[int] = ()) -> Delivery | None:
    """Take the next delivery that is due, for ``CLAIM``; None where there is none. Of two workers, one gets it.

    What is for one of ``but_webhooks`` (their ids) is left for later.
    """
    wanted = or_(Delivery.webhook_id.is_(None), Delivery.webhook_id.not_in(but_webhooks))
    due = select(Delivery.id, Delivery.attempts).where(_is_due(channel, now), wanted).order_by(Delivery.id).limit(1)
    while (found := session.execute(due).first()) is not None:
        mine = Delivery.id == found.id, Delivery.attempts == found.attempts, Delivery.state.in_(OPEN)
        values = {"state": DeliveryState.SENDING, "attempts": found.attempts + 1, "next_try_at": now + CLAIM}
        if _updated(session, update(Delivery).where(*mine).values(values)):
            return session.get(Delivery, found.id, populate_existing=True)
    return None


def mark_sent(session: Session, delivery: Delivery, *, now: datetime) -> None:
    """It has arrived."""
    _end(session, delivery, DeliveryState.SENT, None, now)


def mark_dropped(session: Session, delivery: Delivery, *, now: datetime) -> None:
    """Nobody wants it any more."""
    _end(session, delivery, DeliveryState.DROPPED, None, now)


def mark_failed(session: Session, delivery: Delivery, error: Message, *, is_final: bool, now: datetime) -> bool:
    """An attempt failed: try again later, or give up. Whether it was given up."""
    wait = None if is_final else wait_after(delivery.attempts)
    if wait is None:
        return _end(session, delivery, DeliveryState.GAVE_UP, error, now)
    values = {"state": DeliveryState.WAITING, "next_try_at": now + wait, "last_error": error.to_dict()}
    _updated(session, update(Delivery).where(*_claimed(delivery)).values(values))
    return False


def retry_now(session: Session, delivery: Delivery, *, actor: str, now: datetime) -> Delivery:
    """Try a delivery that waits or was given up at once, with the whole schedule before it."""
    if delivery.state not in (DeliveryState.WAITING, DeliveryState.GAVE_UP):
        raise NothingToRetry(state=STATES[DeliveryState(delivery.state)])
    delivery.state, delivery.attempts, delivery.next_try_at, delivery.done_at = DeliveryState.WAITING, 0, None, None
    session.flush()
    record(
        session,
        actor=actor,
        verb="delivery.retry",
        subject_kind="delivery",
        subject=delivery.code,
        details={"kind": str(delivery.kind), "channel": str(delivery.channel)},
        at=now,
    )
    return delivery


def sweep_outbox(session: Session, *, now: datetime) -> int:
    """Forget deliveries that ended longer ago than ``KEEP`` (the wall clock). Returns how many."""
    old = delete(Delivery).where(Delivery.state.not_in(OPEN), Delivery.done_at < now - KEEP)
    return _updated(session, old)


def _new(channel: Channel, kind: NoticeKind, document: dict[str, Any], at: datetime, code: str | None) -> Delivery:
    return Delivery(
        code=code or f"msg_{secrets.token_hex(12)}",
        channel=channel,
        kind=kind,
        document=document,
        state=DeliveryState.WAITING,
        attempts=0,
        next_try_at=None,
        last_error=None,
        created_at=at,
        done_at=None,
    )


def _is_due(channel: Channel, now: datetime) -> ColumnElement[bool]:
    """What waits for a paused webhook is held until it is called again."""
    paused = select(Webhook.id).where(Webhook.is_active.is_(False))
    return and_(
        Delivery.channel == channel,
        Delivery.state.in_(OPEN),
        or_(Delivery.next_try_at.is_(None), Delivery.next_try_at <= now),
        or_(Delivery.webhook_id.is_(None), Delivery.webhook_id.not_in(paused)),
    )


def _claimed(delivery: Delivery) -> tuple[ColumnElement[bool], ...]:
    """Whoever claimed it later has counted on: what we found out about our attempt no longer counts."""
    return Delivery.id == delivery.id, Delivery.attempts == delivery.attempts, Delivery.state == DeliveryState.SENDING


def _end(session: Session, delivery: Delivery, state: DeliveryState, error: Message | None, now: datetime) -> bool:
    values: dict[str, Any] = {"state": state, "next_try_at": None, "done_at": now}
    if error is not None:
        values["last_error"] = error.to_dict()
    return _updated(session, update(Delivery).where(*_claimed(delivery)).values(values)) > 0


def _updated(session: Session, statement: Any) -> int:
    result: CursorResult[Any] = session.execute(statement.execution_options(synchronize_session=False))  # type: ignore[assignment] # what an UPDATE gives
    return result.rowcount
