"""What a person wants by mail, and the signed link in every mail that turns a kind off without signing in."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from pilot.audit.service import record
from pilot.keys import read_or_make_key
from pilot.notices.errors import UnsubscribeLinkNotValid
from pilot.notices.kinds import CHOICES, NoticeKind
from pilot.notices.model import MailPreference
from pilot.notices.service import Reader
from pilot.settings import Settings

KEY_NAME = "unsubscribe"


def muted(session: Session, user_id: int) -> frozenset[NoticeKind]:
    """What the person does not want by mail."""
    found = session.get(MailPreference, user_id)
    return frozenset(NoticeKind(kind) for kind in found.muted) if found else frozenset()


def wants_mail(session: Session, user_id: int, kind: NoticeKind) -> bool:
    """Whether the person takes this kind by mail; a test always goes out."""
    return kind not in muted(session, user_id)


def choose_mail(session: Session, reader: Reader, wanted: Iterable[NoticeKind], *, actor: str, now: datetime) -> None:
    """Send ``reader`` these kinds by mail and no others. What is on the page stays there."""
    chosen = set(wanted)
    off = sorted(kind.value for kind in CHOICES if kind not in chosen)
    found = _locked(session, reader.id)
    if found.muted == off:
        return
    found.muted = off
    session.flush()
    record(
        session,
        actor=actor,
        verb="user.mail_chosen",
        subject_kind="user",
        subject=reader.email,
        details={"muted": off},
        at=now,
    )


def unsubscribe(session: Session, reader: Reader, kind: NoticeKind, *, now: datetime) -> None:
    """Turn one kind off for the reader whose link was used. Twice is harmless."""
    off = {*_locked(session, reader.id).muted, kind}
    wanted = [choice for choice in CHOICES if choice not in off]
    choose_mail(session, reader, wanted, actor=reader.email, now=now)


def unsubscribe_token(settings: Settings, user_id: int, kind: NoticeKind) -> str:
    """What the link of a mail carries: who, which kind, and a seal over both. It does not expire."""
    return f"{user_id}.{kind.value}.{_seal(settings, user_id, kind)}"


def read_unsubscribe_token(settings: Settings, token: str) -> tuple[int, NoticeKind]:
    """Who (user id) and which kind; ``UnsubscribeLinkNotValid`` unless the seal is ours."""
    who, _, rest = token.partition(".")
    name, _, given = rest.partition(".")
    if not (who.isascii() and who.isdigit() and len(who) < 10) or name not in set(CHOICES):
        raise UnsubscribeLinkNotValid()
    user_id, kind = int(who), NoticeKind(name)
    if not hmac.compare_digest(_seal(settings, user_id, kind).encode(), given.encode()):
        raise UnsubscribeLinkNotValid()
    return user_id, kind


def _locked(session: Session, user_id: int) -> MailPreference:
    """The person's row, made where there is none: of two at once the second waits for the first."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(MailPreference).values(user_id=user_id, muted=[]).on_conflict_do_nothing())
    row = select(MailPreference).where(MailPreference.user_id == user_id).with_for_update()
    return session.scalars(row.execution_options(populate_existing=True)).one()


def _seal(settings: Settings, user_id: int, kind: NoticeKind) -> str:
    key = read_or_make_key(settings, KEY_NAME)
    return hmac.new(key, f"{user_id}\n{kind.value}".encode(), hashlib.sha256).hexdigest()
