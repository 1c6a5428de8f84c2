"""The sign-offs on a plan, and the proofs that follow from them: only those on the latest text count."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.governance.model import Approval, ApprovalKind
from pilot.planning.model import Pilot, PlanVersion
from pilot.planning.proofs import Proof, ProofKind

_KINDS = {ApprovalKind.COSIGN: ProofKind.COSIGN, ApprovalKind.APPROVE: ProofKind.APPROVE}


def proofs(session: Session, pilot: Pilot) -> tuple[Proof, ...]:
    """The sign-offs on the plan's latest version. An amendment has another hash: older sign-offs are void."""
    plan_hash = latest_hash(session, pilot)
    return tuple(as_proof(approval) for approval in approvals(session, pilot) if approval.plan_hash == plan_hash)


def as_proof(approval: Approval) -> Proof:
    """The sign-off as planning reads it."""
    return Proof(_KINDS[ApprovalKind(approval.kind)], approval.user_id, approval.plan_hash, approval.at)


def approvals(session: Session, pilot: Pilot) -> Sequence[Approval]:
    """Every sign-off the pilot ever had, void ones too, oldest first."""
    return session.scalars(select(Approval).where(Approval.pilot_id == pilot.id).order_by(Approval.id)).all()


def latest_hash(session: Session, pilot: Pilot) -> str | None:
    """The hash of the version that was submitted last; None before the first."""
    wanted = select(PlanVersion.hash).where(PlanVersion.pilot_id == pilot.id).order_by(PlanVersion.number.desc())
    return session.scalar(wanted.limit(1))
