"""Who is told about signatures and decisions: the author, who signed, whose word is wanted, and their deputies."""

from datetime import datetime

from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Permission
from pilot.access.standing import with_deputies
from pilot.evidence.model import FrozenReport
from pilot.governance.approvals import proofs
from pilot.governance.decisions import standing
from pilot.governance.model import Decision
from pilot.notices.kinds import NoticeKind
from pilot.notices.service import announce, notify
from pilot.planning.model import Pilot
from pilot.planning.queries import business_day
from pilot.planning.telling import could_sign
from pilot.words import Message


def owner(session: Session, pilot: Pilot, message: Message, at: datetime, *, page: str = "") -> None:
    """The author reads what became of the pilot."""
    notify(session, user_id=pilot.owner_id, message=message, link=f"/pilots/{pilot.code}{page}", at=at)


def decided(
    session: Session,
    pilot: Pilot,
    report: FrozenReport,
    decision: Decision,
    message: Message,
    *,
    actor: User,
    at: datetime,
) -> None:
    """A decision that took effect: the author, and who signed the plan or decided beside. One that waits for a second
    executive: the author, and by mail the executives who have not said the same."""
    link = f"/pilots/{pilot.code}/decision"
    latest = standing(session, report).latest
    facts = {
        "pilot": pilot.code,
        "stage": report.stage_number,
        "report": report.code,
        "round": decision.round,
        "choice": str(decision.choice),
        "regions": list(decision.regions or ()),
        "recommendation": report.recommendation,
        "override": decision.is_override,
        "takes_effect": decision.takes_effect,
    }
    if decision.takes_effect:
        signers = [proof.user_id for proof in proofs(session, pilot)] + [one.user_id for one in latest]
        heard = with_deputies(session, signers, today=business_day(session, at))
        told = [pilot.owner_id, *(user_id for user_id in heard if user_id != actor.id)]
        announce(session, NoticeKind.DECISION_TAKEN, message, link=link, at=at, on_page=told, facts=facts)
        return
    owner(session, pilot, message, at, page="/decision")
    agreed = frozenset(person for one in latest if one.said == decision.said for person in (one.user_id, one.seat))
    wanted = could_sign(session, Permission.DECISION_MAKE, pilot, at, but=agreed)
    facts["step"] = Permission.DECISION_MAKE.value
    announce(session, NoticeKind.APPROVAL_WANTED, message, link=link, at=at, by_mail=wanted, facts=facts)


def answered(
    session: Session, pilot: Pilot, report: FrozenReport, sent_back: Decision, message: Message, at: datetime
) -> None:
    """The report comes before the executives again: who sent it back reads the answer, the others get it by mail."""
    announce(
        session,
        NoticeKind.APPROVAL_WANTED,
        message,
        link=f"/pilots/{pilot.code}/decision",
        at=at,
        on_page=[sent_back.user_id],
        by_mail=could_sign(session, Permission.DECISION_MAKE, pilot, at),
        facts={
            "pilot": pilot.code,
            "stage": report.stage_number,
            "report": report.code,
            "round": sent_back.round + 1,
            "step": Permission.DECISION_MAKE.value,
            "recommendation": report.recommendation,
        },
    )
