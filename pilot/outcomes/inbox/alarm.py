"""Tell the administrators, once an episode, that receipts wait too long for the drain, and again when they do not."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.access.queries import people_with
from pilot.database import settings_of
from pilot.notices.kinds import NoticeKind
from pilot.notices.model import Notice
from pilot.notices.service import notify
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.queries import Backlog, backlog
from pilot.words import N_, Message

BEHIND, CAUGHT_UP = "inbox_behind", "inbox_caught_up"
_BEHIND = N_(
    "Receipts wait in the inbox for more than {minutes} minutes ({receipts:,} of them). Is a worker running? "
    "“pilot drain” takes them to the lake by hand and says what is wrong."
)
_CAUGHT_UP = N_("The inbox has caught up: no receipt waits for more than {minutes} minutes.")


def is_behind(found: Backlog, minutes: int, now: datetime) -> bool:
    """Whether the oldest receipt has waited for longer than ``minutes``."""
    return found.lag_seconds(now) > timedelta(minutes=minutes).total_seconds()


def inbox_alarm(session: Session, inbox: InboxDatabase, now: datetime) -> bool:
    """Leave a notice for every administrator when an episode begins and when it ends; whether one is on.

    The latest of these notices is the memory: while it says "behind", the episode has been told.
    """
    minutes = settings_of(session).inbox_alarm_minutes
    found = backlog(inbox)
    behind, told = is_behind(found, minutes, now), _told(session)
    if behind != told:
        values = {"minutes": minutes, "receipts": found.receipts}
        message = Message(BEHIND, _BEHIND, values) if behind else Message(CAUGHT_UP, _CAUGHT_UP, {"minutes": minutes})
        for person in people_with(session, Role.ADMIN):
            notify(session, user_id=person.id, message=message, link="", at=now, kind=NoticeKind.UPKEEP)
    return behind


def _told(session: Session) -> bool:
    code = Notice.message["code"].as_string()
    latest = select(code).where(code.in_((BEHIND, CAUGHT_UP))).order_by(Notice.id.desc()).limit(1)
    return session.scalar(latest) == BEHIND
