"""Asking the executives to accept that a draft cannot prove its break-even, and what was asked of them last."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Permission
from pilot.audit.model import AuditEntry
from pilot.audit.service import record
from pilot.governance import messages
from pilot.governance.errors import NothingToAccept
from pilot.governance.signing import draft_hash, is_written
from pilot.notices.kinds import NoticeKind
from pilot.notices.service import announce
from pilot.planning import service as planning
from pilot.planning.errors import PlanMovedOn
from pilot.planning.model import Pilot
from pilot.planning.submission import acceptance_of
from pilot.planning.telling import could_sign
from pilot.words import N_

if TYPE_CHECKING:
    from pilot.planning.submission import CheckedPlan

VERB = "plan.ask_acceptance"


@dataclass(frozen=True, slots=True)
class Asked:
    """An executive was asked about the draft with ``plan_hash``: the least that its stage sees and what it must bring.

    Both are shares of the store total; None where no lift pays, or nothing is known of one. ``at_risk_minor`` is what
    the stage costs if it brings nothing.
    """

    plan_hash: str
    stage: int
    smallest: float | None
    break_even: float | None
    at_risk_minor: int | None
    at: datetime


def ask_acceptance(session: Session, pilot: Pilot, *, checked: "CheckedPlan", actor: User, now: datetime) -> None:
    """Tell who may accept it that the draft, or the amendment in writing, cannot prove its break-even; once a draft.

    ``checked`` is what the check of the submission found before this transaction. Raises ``NothingToAccept`` and
    ``PlanMovedOn``.
    """
    planning.lock(session, pilot)
    if not is_written(session, pilot):
        raise NothingToAccept(pilot=pilot.name, reason=N_("it is no draft"))
    if draft_hash(session, pilot) != checked.plan_hash:
        raise PlanMovedOn(pilot=pilot.code)
    if not checked.unproven:
        raise NothingToAccept(pilot=pilot.name, reason=N_("it can prove its break-even"))
    if acceptance_of(session, pilot, checked.plan_hash) is not None:
        raise NothingToAccept(pilot=pilot.name, reason=N_("somebody has accepted it already"))
    if asked_to_accept(session, pilot) is not None:
        raise NothingToAccept(pilot=pilot.name, reason=N_("the executives have been asked already"))
    first = checked.unproven[0]
    announce(
        session,
        NoticeKind.APPROVAL_WANTED,
        messages.acceptance_wanted(pilot.name, first.smallest, first.break_even),
        link=f"/pilots/{pilot.code}",
        at=now,
        by_mail=could_sign(session, Permission.PLAN_APPROVE, pilot, now),
        facts={"pilot": pilot.code, "step": Permission.PLAN_APPROVE.value, "plan_hash": checked.plan_hash},
    )
    details = {
        "plan_hash": checked.plan_hash,
        "stage": first.stage,
        "smallest": _written(first.smallest),
        "break_even": _written(first.break_even),
        "at_risk_minor": checked.money_at_risk.get(first.stage),
    }
    record(session, actor=actor.email, verb=VERB, subject_kind="pilot", subject=pilot.code, details=details, at=now)


def asked_to_accept(session: Session, pilot: Pilot) -> Asked | None:
    """What waits for an executive's acceptance: asked about exactly the present draft, and not accepted yet."""
    last = session.scalar(
        select(AuditEntry)
        .where(AuditEntry.subject_kind == "pilot", AuditEntry.subject == pilot.code, AuditEntry.verb == VERB)
        .order_by(AuditEntry.seq.desc())
        .limit(1)
    )
    if last is None or not is_written(session, pilot):
        return None
    told: dict[str, Any] = json.loads(last.text)
    plan_hash = told["plan_hash"]
    if draft_hash(session, pilot) != plan_hash or acceptance_of(session, pilot, plan_hash) is not None:
        return None
    smallest, break_even = (None if told[key] is None else float(told[key]) for key in ("smallest", "break_even"))
    return Asked(plan_hash, told["stage"], smallest, break_even, told["at_risk_minor"], last.at)


def _written(share: float | None) -> str | None:
    """A share as the log keeps it, which holds no floats."""
    return None if share is None else f"{share:.6f}"
