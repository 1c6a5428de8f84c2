"""Who is told that a plan waits for a signature: everybody who may give it, by mail; their inbox shows it anyway."""

from datetime import datetime

from sqlalchemy.orm import Session

from pilot.access.permissions import Permission
from pilot.access.standing import who_could
from pilot.notices.kinds import NoticeKind
from pilot.notices.service import announce
from pilot.planning.model import Pilot
from pilot.planning.queries import business_day
from pilot.words import N_, Message

_WANTED: dict[Permission, str] = {
    Permission.PLAN_COSIGN: N_("The plan of “{pilot}” waits for the signature of an analyst."),
    Permission.PLAN_APPROVE: N_("The plan of “{pilot}” is co-signed and waits for the approval of an executive."),
}


def could_sign(
    session: Session, permission: Permission, pilot: Pilot, at: datetime, *, but: frozenset[int] = frozenset()
) -> list[int]:
    """Who could give this signature on the day of ``at`` (user ids), deputies in force too; without ``but``."""
    found = who_could(session, permission, pilot, today=business_day(session, at), but=but)
    return [one.person.id for one in found]


def approval_wanted(
    session: Session,
    pilot: Pilot,
    permission: Permission,
    *,
    plan_hash: str,
    at: datetime,
    signed: frozenset[int] = frozenset(),
) -> None:
    """The plan waits for a signature that takes ``permission``, of somebody who is not among ``signed``."""
    announce(
        session,
        NoticeKind.APPROVAL_WANTED,
        Message(f"approval_wanted_{permission.name.lower()}", _WANTED[permission], {"pilot": pilot.name}),
        link=f"/pilots/{pilot.code}",
        at=at,
        by_mail=could_sign(session, permission, pilot, at, but=signed),
        facts={"pilot": pilot.code, "step": permission.value, "plan_hash": plan_hash},
    )
