"""Tell people and systems: a message on a person's page, by mail, and a call of those webhooks that listen."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.audit.service import record
from pilot.errors import NotFound
from pilot.notices.errors import NotYourNotice as NotYourNotice
from pilot.notices.kinds import NoticeKind
from pilot.notices.model import Notice
from pilot.notices.outbox import call_webhooks, letter_of, post_letter
from pilot.words import N_, Message

_TRIAL = Message("mail_trial", N_("If you can read this, mail from this installation arrives."))


class Reader(Protocol):
    """The person who reads; ``access`` stands above this room and its users satisfy this."""

    @property
    def id(self) -> int: ...
    @property
    def email(self) -> str: ...


def notify(
    session: Session,
    *,
    user_id: int,
    message: Message,
    link: str,
    at: datetime,
    kind: NoticeKind = NoticeKind.PILOT_NEWS,
    by_mail: bool = True,
) -> Notice:
    """Leave ``message`` on a person's page, and send it by mail. ``link`` is a path inside the product, or empty.

    The verb that causes the notice records itself in the audit; the notice is part of that act.
    """
    notice = Notice(user_id=user_id, message=message.to_dict(), link=link, created_at=at, read_at=None)
    session.add(notice)
    if by_mail:
        post_letter(session, user_id=user_id, kind=kind, letter=letter_of(kind, message, link), at=at)
    session.flush()
    return notice


def announce(
    session: Session,
    kind: NoticeKind,
    message: Message,
    *,
    link: str,
    at: datetime,
    on_page: Iterable[int] = (),
    by_mail: Iterable[int] = (),
    facts: dict[str, Any],
) -> None:
    """An event: ``on_page`` (user ids) read it on their page and by mail, ``by_mail`` by mail only, systems by webhook.

    By mail only is right where the person's inbox shows the same thing as waiting. Each person is told once; nothing
    here sends: a worker does, after the transaction. ``facts`` are the codes and numbers that systems get.
    """
    shown = list(dict.fromkeys(on_page))
    for user_id in shown:
        notify(session, user_id=user_id, message=message, link=link, at=at, kind=kind)
    for user_id in dict.fromkeys(by_mail):
        if user_id not in shown:
            post_letter(session, user_id=user_id, kind=kind, letter=letter_of(kind, message, link), at=at)
    call_webhooks(session, kind, {**facts, "link": link}, at=at)


def notify_once(
    session: Session, *, user_ids: Iterable[int], message: Message, link: str, at: datetime, by_mail: bool
) -> None:
    """About the installation's upkeep, to each person who has no unread notice of the same code and link."""
    for user_id in user_ids:
        told = select(Notice.id).where(
            Notice.user_id == user_id,
            Notice.read_at.is_(None),
            Notice.link == link,
            Notice.message["code"].as_string() == message.code,
        )
        if session.scalar(told.limit(1)) is None:
            notify(session, user_id=user_id, message=message, link=link, at=at, kind=NoticeKind.UPKEEP, by_mail=by_mail)


def try_mail(session: Session, reader: Reader, *, now: datetime) -> None:
    """Send the reader a mail that says nothing, to see whether it arrives."""
    letter = letter_of(NoticeKind.TEST, _TRIAL, "")
    delivery = post_letter(session, user_id=reader.id, kind=NoticeKind.TEST, letter=letter, at=now)
    record(
        session,
        actor=reader.email,
        verb="mail.tried",
        subject_kind="delivery",
        subject=delivery.code,
        details={},
        at=now,
    )


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
