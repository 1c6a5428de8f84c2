"""The weekly digest: when it is due, and putting each person's into the outbox exactly once."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from pilot.notices.kinds import NoticeKind
from pilot.notices.letters import Letter
from pilot.notices.model import Channel, Delivery, DeliveryState

HOUR = 7  # local, on Monday
LATEST = timedelta(hours=41)  # until the end of Tuesday: a worker that was away longer lets the week pass


def due_week(now: datetime, timezone: str) -> tuple[str, datetime] | None:
    """The week whose digest is due at ``now`` (such as ``2026-W10``, in the network's time zone) and since when.

    None from Wednesday until Monday at seven.
    """
    local = now.astimezone(ZoneInfo(timezone))
    monday = (local - timedelta(days=local.weekday())).replace(hour=HOUR, minute=0, second=0, microsecond=0)
    if not monday <= local < monday + LATEST:
        return None
    year, week, _ = local.isocalendar()
    return f"{year}-W{week:02}", monday


def has_digest(session: Session, user_id: int, week: str) -> bool:
    """Whether the person's digest of the week was put into the outbox."""
    return session.scalar(select(Delivery.id).where(Delivery.code == _code(week, user_id))) is not None


def post_digest(session: Session, user_id: int, week: str, letter: Letter, *, at: datetime) -> bool:
    """Put the digest of the week into the outbox unless it is there: two workers at once put in one between them."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {
        "code": _code(week, user_id),
        "channel": Channel.MAIL,
        "kind": NoticeKind.DIGEST,
        "user_id": user_id,
        "document": letter.to_document(),
        "state": DeliveryState.WAITING,
        "attempts": 0,
        "created_at": at,
    }
    put = insert(Delivery).values(values).on_conflict_do_nothing(index_elements=[Delivery.code])
    return session.scalar(put.returning(Delivery.id)) is not None


def _code(week: str, user_id: int) -> str:
    return f"digest_{week}_{user_id}"
