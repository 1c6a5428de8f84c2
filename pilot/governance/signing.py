"""The verbs of sign-off on a plan: co-sign, approve and seal, send back, and accept that it proves nothing.

As many sign as the policy asks for; nobody signs their own plan, and nobody counts twice, be it as a deputy. A
signature that has grown too old is given again.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Permission
from pilot.assignment import service as assignment
from pilot.audit.service import record
from pilot.governance import messages, telling
from pilot.governance.approvals import as_proof, holding, latest_hash, required, wanted
from pilot.governance.deputies import Standing, acting, require_acting
from pilot.governance.errors import AlreadySigned, AnotherWasRead, NothingToAccept, NothingToSign, SamePerson
from pilot.governance.model import Approval, ApprovalKind
from pilot.planning import service as planning
from pilot.planning.errors import OwnPlan, PlanMovedOn, ReasonMissing
from pilot.planning.lifecycle import in_words
from pilot.planning.model import Acceptance, Pilot, PilotState
from pilot.planning.proofs import ProofKind
from pilot.planning.queries import plan_of
from pilot.planning.submission import acceptance_of, as_submitted
from pilot.planning.telling import approval_wanted
from pilot.planning.wizard import amendment_of, working_plan
from pilot.words import N_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pilot.planning.proofs import Proof

_ASKS = {
    ApprovalKind.COSIGN: (ProofKind.COSIGN, Permission.PLAN_COSIGN, "plan.cosign"),
    ApprovalKind.APPROVE: (ProofKind.APPROVE, Permission.PLAN_APPROVE, "plan.approve"),
}


def cosign(
    session: Session, pilot: Pilot, *, reason: str = "", read: str | None = None, actor: User, now: datetime
) -> Approval:
    """Put an analyst's signature on exactly the submitted text; when enough have signed, executives come next.

    ``read`` is the hash of the text that the person had before them. Raises ``OwnPlan``, ``MayNot`` (neither an analyst
    nor the deputy of one), ``AnotherWasRead``, ``NothingToSign``, ``SamePerson``, ``AlreadySigned``.
    """
    approval = _sign(session, pilot, ApprovalKind.COSIGN, reason=reason, read=read, actor=actor, now=now)
    telling.owner(session, pilot, messages.cosigned(pilot.name, actor.name), now)
    if pilot.state == PilotState.SUBMITTED and not wanted(session, pilot, now=now):
        signed = frozenset(person for proof in holding(session, pilot, now=now) for person in proof.people)
        approval_wanted(session, pilot, Permission.PLAN_APPROVE, plan_hash=approval.plan_hash, at=now, signed=signed)
        planning.mark_cosigned(session, pilot, proof=as_proof(approval))
    _record_signature(session, pilot, approval, actor=actor, now=now)
    return approval


def approve_and_seal(
    session: Session,
    pilot: Pilot,
    *,
    reason: str = "",
    read: str | None = None,
    actor: User,
    now: datetime,
    entropy: bytes,
) -> Approval:
    """Approve the co-signed text; when as many have as the policy asks for, it is sealed and changes by amendment only.

    The binding seeds are made from ``entropy`` (production passes the operating system's randomness), once. A sealed
    plan whose signatures have expired takes new ones the same way. ``read`` is the hash of the text that the person had
    before them. Raises ``OwnPlan``, ``MayNot`` (neither an executive nor the deputy of one), ``AnotherWasRead``,
    ``SamePerson``, ``AlreadySigned``, ``NothingToSign``.
    """
    approval = _sign(session, pilot, ApprovalKind.APPROVE, reason=reason, read=read, actor=actor, now=now)
    seals = pilot.state == PilotState.COSIGNED and not wanted(session, pilot, now=now)
    said = messages.sealed if seals else messages.approved
    telling.owner(session, pilot, said(pilot.name, actor.name), now)
    _record_signature(session, pilot, approval, actor=actor, now=now)
    if seals:
        needed = required(session, pilot, plan_of(session, pilot, approval.plan_hash)).row.sign_offs
        given = holding(session, pilot, now=now)
        planning.seal(session, pilot, proofs=given, needed=needed, actor=actor, now=now)
        assignment.seal_seeds(session, pilot, entropy=entropy, actor=actor, now=now)
    return approval


def send_back_plan(
    session: Session, pilot: Pilot, *, reason: str, read: str | None = None, actor: User, now: datetime
) -> None:
    """Return a submitted or co-signed plan to its author, with the reason. ``read`` is the hash of the text read.

    Raises ``OwnPlan``, ``MayNot``, ``AnotherWasRead``, ``NothingToSign``, ``ReasonMissing``.
    """
    _not_own_plan(pilot, actor)
    require_acting(session, actor, Permission.PLAN_SEND_BACK, pilot, now=now)
    planning.lock(session, pilot)
    if pilot.state not in (PilotState.SUBMITTED, PilotState.COSIGNED):
        raise NothingToSign(pilot=pilot.name, state=in_words(pilot.state))
    _require_the_one_that_was_read(session, pilot, read)
    why = _reason(reason)
    telling.owner(session, pilot, messages.plan_sent_back(pilot.name, actor.name, why), now)
    planning.send_back(session, pilot, reason=why, actor=actor, now=now)


def accept_unproven(
    session: Session, pilot: Pilot, *, plan_hash: str, reason: str, actor: User, now: datetime
) -> Acceptance:
    """Accept by name that the draft, or the amendment in writing, with this hash cannot prove its break-even.

    Raises ``OwnPlan``, ``MayNot`` (not an executive), ``ReasonMissing``, ``NothingToAccept``, and ``PlanMovedOn`` where
    the draft is no longer the one that was read.
    """
    _not_own_plan(pilot, actor)
    standing = require_acting(session, actor, Permission.PLAN_APPROVE, pilot, now=now)
    why = _reason(reason)
    planning.lock(session, pilot)
    if not is_written(session, pilot):
        raise NothingToAccept(pilot=pilot.name, reason=N_("it is no draft"))
    if acceptance_of(session, pilot, plan_hash) is not None:
        raise NothingToAccept(pilot=pilot.name, reason=N_("somebody has accepted it already"))
    if draft_hash(session, pilot) != plan_hash:
        raise PlanMovedOn(pilot=pilot.code)
    accepted = Acceptance(
        pilot_id=pilot.id, plan_hash=plan_hash, user_id=actor.id, for_user_id=standing.for_user_id, reason=why, at=now
    )
    session.add(accepted)
    session.flush()
    telling.owner(session, pilot, messages.unproven_accepted(pilot.name, actor.name, why), now)
    details = {"plan_hash": plan_hash, "reason": why, "for": _for_whom(standing)}
    _record(session, pilot, "plan.accept_unproven", details, actor, now)
    return accepted


def is_written(session: Session, pilot: Pilot) -> bool:
    """Whether somebody writes at the plan: a draft, or an amendment of a sealed plan."""
    return pilot.state == PilotState.DRAFT or amendment_of(session, pilot) is not None


def draft_hash(session: Session, pilot: Pilot) -> str:
    """The hash that the draft, or the amendment in writing, would be submitted with now."""
    return as_submitted(session, pilot, working_plan(session, pilot)).hash()


def _sign(
    session: Session,
    pilot: Pilot,
    kind: ApprovalKind,
    *,
    reason: str,
    read: str | None,
    actor: User,
    now: datetime,
) -> Approval:
    proof_kind, permission, _ = _ASKS[kind]
    _not_own_plan(pilot, actor)
    require_acting(session, actor, permission, pilot, now=now)
    planning.lock(session, pilot)
    _require_the_one_that_was_read(session, pilot, read)
    plan_hash, given = latest_hash(session, pilot), holding(session, pilot, now=now)
    if plan_hash is None or proof_kind not in wanted(session, pilot, now=now):
        raise NothingToSign(pilot=pilot.name, state=in_words(pilot.state))
    standing = _free(session, pilot, given, proof_kind, permission, actor=actor, now=now)
    before = select(func.count()).where(
        Approval.pilot_id == pilot.id, Approval.plan_hash == plan_hash, Approval.kind == kind,
        Approval.user_id == actor.id,
    )  # fmt: skip
    approval = Approval(
        pilot_id=pilot.id,
        plan_hash=plan_hash,
        kind=kind,
        user_id=actor.id,
        reason=reason.strip(),
        at=now,
        for_user_id=standing.for_user_id,
        renewal=session.scalar(before) or 0,
    )
    session.add(approval)
    session.flush()
    return approval


def _require_the_one_that_was_read(session: Session, pilot: Pilot, read: str | None) -> None:
    """A page that stood open while the plan was replaced signs nothing: its reader never saw the present text."""
    if read is not None and read != latest_hash(session, pilot):
        raise AnotherWasRead(pilot=pilot.name)


def _free(
    session: Session,
    pilot: Pilot,
    given: "Sequence[Proof]",
    kind: ProofKind,
    permission: Permission,
    *,
    actor: User,
    now: datetime,
) -> Standing:
    """As whom the person can still sign: no human and nobody in whose place somebody signed counts twice."""
    same = frozenset(person for proof in given if proof.kind is kind for person in proof.people)
    other = frozenset(person for proof in given if proof.kind is not kind for person in proof.people)
    if actor.id in other:
        raise SamePerson(who=actor.name)
    standing = None if actor.id in same else acting(session, actor, permission, pilot, now=now, but=same | other)
    if standing is None:
        raise AlreadySigned(who=actor.name)
    return standing


def _record_signature(session: Session, pilot: Pilot, approval: Approval, *, actor: User, now: datetime) -> None:
    principal = session.get(User, approval.for_user_id) if approval.for_user_id else None
    details = {
        "plan_hash": approval.plan_hash,
        "for": principal.email if principal else None,
        "renewal": approval.renewal,
        "still_wanted": [str(kind) for kind in wanted(session, pilot, now=now)],
    }
    _record(session, pilot, _ASKS[ApprovalKind(approval.kind)][2], details, actor, now)


def _for_whom(standing: Standing) -> str | None:
    return standing.principal.email if standing.principal else None


def _not_own_plan(pilot: Pilot, actor: User) -> None:
    if pilot.owner_id == actor.id:
        raise OwnPlan(pilot=pilot.name)


def _reason(text: str) -> str:
    if not text.strip():
        raise ReasonMissing()
    return text.strip()


def _record(session: Session, pilot: Pilot, verb: str, details: dict[str, Any], actor: User, now: datetime) -> None:
    record(session, actor=actor.email, verb=verb, subject_kind="pilot", subject=pilot.code, details=details, at=now)
