"""Who is told that a plan waits for a signature: everybody who may give it, by mail; their inbox shows it anyway."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Permission, may
from pilot.access.queries import users
from pilot.notices.kinds import NoticeKind
from pilot.notices.service import announce
from pilot.planning.model import Pilot
from pilot.words import N_, Message

_WANTED: dict[Permission, str] = {
    Permission.PLAN_COSIGN: N_("The plan of “{pilot}” waits for the signature of an analyst."),
    Permission.PLAN_APPROVE: N_("The plan of “{pilot}” is co-signed and waits for the approval of an executive."),
}


def who_may(session: Session, permission: Permission, pilot: Pilot) -> list[User]:
    """The active people who hold ``permission`` on the pilot."""
    return [user for user in users(session) if may(user, permission, pilot)]


def approval_wanted(
    session: Session,
    pilot: Pilot,
    permission: Permission,
    *,
    plan_hash: str,
    at: datetime,
    asked: Iterable[int] | None = None,
) -> None:
    """The plan waits for a signature that takes ``permission``: of ``asked`` (user ids), or of all who hold it."""
    if asked is None:
        asked = [user.id for user in who_may(session, permission, pilot)]
    announce(
        session,
        NoticeKind.APPROVAL_WANTED,
        Message(f"approval_wanted_{permission.name.lower()}", _WANTED[permission], {"pilot": pilot.name}),
        link=f"/pilots/{pilot.code}",
        at=at,
        by_mail=asked,
        facts={"pilot": pilot.code, "step": permission.value, "plan_hash": plan_hash},
    )
