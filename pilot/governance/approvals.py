"""The sign-offs on a plan, and the proofs that follow: only those on the latest text count, while they hold."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.evidence.model import FrozenReport
from pilot.governance.decisions import standing
from pilot.governance.errors import SignOffsExpired
from pilot.governance.model import Approval, ApprovalKind, Choice
from pilot.governance.needed import Requirement, coming_stage, needed_for
from pilot.planning.model import Pilot, PilotState, PlanVersion
from pilot.planning.plan import Plan
from pilot.planning.proofs import Proof, ProofKind, missing
from pilot.planning.queries import plan_of

_KINDS = {ApprovalKind.COSIGN: ProofKind.COSIGN, ApprovalKind.APPROVE: ProofKind.APPROVE}
_WAITS_FOR_ITS_STAGE = (PilotState.SEALED, PilotState.DRAWN)


def proofs(session: Session, pilot: Pilot) -> tuple[Proof, ...]:
    """The sign-offs on the plan's latest version. An amendment has another hash: older sign-offs are void."""
    plan_hash = latest_hash(session, pilot)
    return tuple(as_proof(approval) for approval in approvals(session, pilot) if approval.plan_hash == plan_hash)


def as_proof(approval: Approval) -> Proof:
    """The sign-off as planning reads it."""
    kind = _KINDS[ApprovalKind(approval.kind)]
    return Proof(kind, approval.user_id, approval.plan_hash, approval.at, approval.for_user_id)


def holding(session: Session, pilot: Pilot, *, now: datetime) -> tuple[Proof, ...]:
    """The proofs on the latest text that are not older than the policy's days.

    Executives who decided to go on to the coming stage under this very plan have approved it by that.
    """
    plan_hash = latest_hash(session, pilot)
    if plan_hash is None:
        return ()
    plan = plan_of(session, pilot, plan_hash)
    since = now - timedelta(days=required(session, pilot, plan).valid_days)
    found = (*proofs(session, pilot), *_by_decision(session, pilot, plan_hash))
    return tuple(proof for proof in found if proof.at >= since)


def required(session: Session, pilot: Pilot, plan: Plan) -> Requirement:
    """What the stage needs that the signatures on ``plan`` are for."""
    return needed_for(session, pilot, plan, coming_stage(pilot, plan))


def wanted(session: Session, pilot: Pilot, *, now: datetime) -> tuple[ProofKind, ...]:
    """The signatures that the pilot waits for now: before the seal, and again before its stage starts.

    First the analysts, then the executives. After the seal: those that have expired, or that a changed policy or a
    larger coming stage asks for.
    """
    plan_hash = latest_hash(session, pilot)
    if plan_hash is None or pilot.state not in (PilotState.SUBMITTED, PilotState.COSIGNED, *_WAITS_FOR_ITS_STAGE):
        return ()
    kinds = required(session, pilot, plan_of(session, pilot, plan_hash)).row.sign_offs.kinds
    open_ = missing(holding(session, pilot, now=now), kinds)
    if pilot.state == PilotState.SUBMITTED:
        return tuple(kind for kind in open_ if kind is ProofKind.COSIGN)
    return open_


def require_holding(session: Session, pilot: Pilot, stage_number: int, *, now: datetime) -> None:
    """``SignOffsExpired`` where signatures were enough once and have grown too old; planning refuses the rest."""
    plan_hash = latest_hash(session, pilot)
    if plan_hash is None:
        return
    found = required(session, pilot, plan_of(session, pilot, plan_hash))
    kinds, all_ = found.row.sign_offs.kinds, (*proofs(session, pilot), *_by_decision(session, pilot, plan_hash))
    if missing(holding(session, pilot, now=now), kinds) and not missing(all_, kinds):
        raise SignOffsExpired(pilot=pilot.name, days=found.valid_days, stage=stage_number)


def approvals(session: Session, pilot: Pilot) -> Sequence[Approval]:
    """Every sign-off the pilot ever had, void ones too, oldest first."""
    return session.scalars(select(Approval).where(Approval.pilot_id == pilot.id).order_by(Approval.id)).all()


def latest_hash(session: Session, pilot: Pilot) -> str | None:
    """The hash of the version that was submitted last; None before the first."""
    newest = select(PlanVersion.hash).where(PlanVersion.pilot_id == pilot.id).order_by(PlanVersion.number.desc())
    return session.scalar(newest.limit(1))


def _by_decision(session: Session, pilot: Pilot, plan_hash: str) -> list[Proof]:
    current = pilot.current_stage if pilot.stages else None
    if current is None or current.number == 1 or plan_hash != pilot.plan_hash or pilot.sealed_at is None:
        return []
    newest = (
        select(FrozenReport)
        .where(FrozenReport.pilot_id == pilot.id, FrozenReport.stage_number < current.number)
        .order_by(FrozenReport.stage_number.desc(), FrozenReport.look.desc())
        .limit(1)
    )
    report = session.scalar(newest)
    if report is None:
        return []
    said = standing(session, report)
    outcome = said.outcome
    if outcome is None or outcome.choice not in (Choice.APPROVE, Choice.APPROVE_SOME):
        return []
    return [
        Proof(ProofKind.APPROVE, one.user_id, plan_hash, one.at, one.for_user_id)
        for one in said.latest
        if one.said == outcome.said and one.at >= pilot.sealed_at
    ]
