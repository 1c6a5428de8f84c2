"""The verbs of sign-off: co-sign, approve and seal, draw, start, decide, answer. Nobody signs or decides their own."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Permission, require
from pilot.assignment import service as assignment
from pilot.assignment.model import Draw
from pilot.assignment.preparing import PreparedDraw
from pilot.audit.service import record
from pilot.evidence.model import FrozenReport
from pilot.evidence.recommendation import Recommended
from pilot.governance import messages, rules, telling
from pilot.governance.approvals import as_proof, latest_hash, proofs
from pilot.governance.decisions import standing
from pilot.governance.errors import (
    AlreadyDecided,
    NotAtGate,
    NothingToAnswer,
    NothingToSign,
    OwnPilot,
    ReportOvertaken,
    SamePerson,
    WaitsForAnswer,
)
from pilot.governance.model import Answer, Approval, ApprovalKind, Choice, Decision
from pilot.outcomes.lake import Lake
from pilot.planning import service as planning
from pilot.planning.errors import NoLookLeft, OwnPlan, ReasonMissing
from pilot.planning.lifecycle import in_words
from pilot.planning.model import Pilot, PilotState, Stage, StageState
from pilot.planning.plan import Plan
from pilot.planning.proofs import Proof, ProofKind
from pilot.planning.queries import sealed_plan
from pilot.planning.telling import approval_wanted


def cosign(session: Session, pilot: Pilot, *, reason: str = "", actor: User, now: datetime) -> Approval:
    """Put the analyst's signature on exactly the submitted text.

    Raises ``OwnPlan``, ``MayNot`` (not an analyst), ``NothingToSign``.
    """
    approval = _sign(session, pilot, ApprovalKind.COSIGN, reason=reason, actor=actor, now=now)
    telling.owner(session, pilot, messages.cosigned(pilot.name, actor.name), now)
    approval_wanted(session, pilot, Permission.PLAN_APPROVE, plan_hash=approval.plan_hash, at=now)
    planning.mark_cosigned(session, pilot, proof=as_proof(approval), actor=actor, now=now)
    return approval


def approve_and_seal(
    session: Session, pilot: Pilot, *, reason: str = "", actor: User, now: datetime, entropy: bytes
) -> Approval:
    """Approve the co-signed text and seal it: from here on the plan changes by amendment only.

    The binding seeds are made from ``entropy`` (production passes the operating system's randomness), once.
    Raises ``OwnPlan``, ``MayNot`` (not an executive), ``SamePerson``, ``NothingToSign``, ``SignOffMissing``.
    """
    approval = _sign(session, pilot, ApprovalKind.APPROVE, reason=reason, actor=actor, now=now)
    telling.owner(session, pilot, messages.sealed(pilot.name, actor.name), now)
    planning.seal(session, pilot, proofs=proofs(session, pilot), actor=actor, now=now)
    assignment.seal_seeds(session, pilot, entropy=entropy, actor=actor, now=now)
    return approval


def send_back_plan(session: Session, pilot: Pilot, *, reason: str, actor: User, now: datetime) -> None:
    """Return a submitted or co-signed plan to its author, with the reason.

    Raises ``OwnPlan``, ``MayNot``, ``NothingToSign``, ``ReasonMissing``.
    """
    _not_own_plan(pilot, actor)
    require(actor, Permission.PLAN_SEND_BACK, pilot)
    planning.lock(session, pilot)
    if pilot.state not in (PilotState.SUBMITTED, PilotState.COSIGNED):
        raise NothingToSign(pilot=pilot.name, state=in_words(pilot.state))
    why = _reason(reason)
    telling.owner(session, pilot, messages.plan_sent_back(pilot.name, actor.name, why), now)
    planning.send_back(session, pilot, reason=why, actor=actor, now=now)


def prepare_draw(
    session: Session, pilot: Pilot, stage_number: int, *, lake: Lake, actor: User, now: datetime
) -> PreparedDraw:
    """Make the binding draw of a stage from its sealed seed, before the transaction that writes it; may take long."""
    require(actor, Permission.STAGE_DRAW, pilot)
    return assignment.prepare_draw(session, pilot, stage_number, lake=lake, now=now)


def draw(session: Session, pilot: Pilot, prepared: PreparedDraw, *, actor: User, now: datetime) -> Draw:
    """Write the binding draw of a stage; nobody can choose or repeat it."""
    require(actor, Permission.STAGE_DRAW, pilot)
    return assignment.draw_stage(session, pilot, prepared=prepared, actor=actor, now=now)


def start_stage(session: Session, pilot: Pilot, stage_number: int, *, actor: User, now: datetime) -> Stage:
    """Start a drawn stage; its sign-offs go along as proofs."""
    require(actor, Permission.STAGE_START, pilot)
    planning.start_stage(session, pilot, stage_number, approvals=proofs(session, pilot), actor=actor, now=now)
    return pilot.stage(stage_number)


def decide(
    session: Session, report: FrozenReport, choice: Choice, *, reason: str, actor: User, now: datetime
) -> Decision:
    """Record an executive's choice on a frozen report; it takes effect when as many agree as the rule demands.

    Going against the recommendation, or to the whole network, takes two different executives. Until it takes effect an
    executive may choose again; the last word counts. The reason reaches the author. Raises ``OwnPilot``, ``MayNot``,
    ``ReasonMissing``, ``NotAtGate``, ``ReportOvertaken``, ``WaitsForAnswer``, ``AlreadyDecided``, ``NoLookLeft``.
    """
    choice = Choice(choice)
    pilot = _locked(session, report)
    _not_own_pilot(pilot, actor)
    require(actor, Permission.DECISION_MAKE, pilot)
    why = _reason(reason)
    stage, plan = _stage_at_gate(session, pilot, report)
    if choice is Choice.EXTEND and stage.looks_taken >= plan.stage(stage.number).looks:
        raise NoLookLeft(pilot=pilot.name, stage=stage.number, looks=plan.stage(stage.number).looks)
    now_standing = standing(session, report)
    if now_standing.outcome is not None:
        raise WaitsForAnswer(report=report.code)
    if actor.id in now_standing.supporters(choice):
        raise AlreadyDecided(who=actor.name, report=report.code)
    override = rules.is_override(choice, Recommended(report.recommendation))
    network_wide = _goes_network_wide(plan, stage, choice)
    needed = rules.signatures_needed(override=override, network_wide=network_wide)
    supporters = {*now_standing.supporters(choice), actor.id}
    decision = Decision(
        report_id=report.id,
        round=now_standing.round,
        user_id=actor.id,
        choice=choice,
        reason=why,
        is_override=override,
        takes_effect=len(supporters) >= needed,
        at=now,
    )
    session.add(decision)
    session.flush()
    message = messages.decided(
        choice, takes_effect=decision.takes_effect, pilot=pilot.name, stage=stage.number, who=actor.name, reason=why
    )
    telling.decided(session, pilot, report, decision, message, actor=actor, at=now)
    details = {
        "report": report.code,
        "report_hash": report.hash,
        "round": decision.round,
        "choice": str(choice),
        "recommendation": report.recommendation,
        "override": override,
        "network_wide": network_wide,
        "signatures": len(supporters),
        "signatures_needed": needed,
        "takes_effect": decision.takes_effect,
        "reason": why,
    }
    _record(session, pilot, "report.decide", details, actor, now)
    if decision.takes_effect:
        _carry_out(session, pilot, stage, decision, report, actor=actor, now=now)
    return decision


def answer(session: Session, report: FrozenReport, text: str, *, actor: User, now: datetime) -> Answer:
    """Answer a report that was sent back: it comes before the executives again, in a new round.

    Raises ``MayNot`` (not the author), ``ReasonMissing`` (an empty answer), ``NothingToAnswer``, ``NotAtGate``.
    """
    pilot = _locked(session, report)
    require(actor, Permission.PILOT_AMEND, pilot)
    stage, _ = _stage_at_gate(session, pilot, report)
    said = _reason(text)
    now_standing = standing(session, report)
    if now_standing.outcome is None:
        raise NothingToAnswer(report=report.code)
    given = Answer(report_id=report.id, round=now_standing.round, user_id=actor.id, text=said, at=now)
    session.add(given)
    session.flush()
    message = messages.answered(pilot.name, stage.number, actor.name, said)
    telling.answered(session, pilot, report, now_standing.outcome, message, now)
    _record(session, pilot, "report.answer", {"report": report.code, "round": given.round, "text": said}, actor, now)
    return given


def _sign(session: Session, pilot: Pilot, kind: ApprovalKind, *, reason: str, actor: User, now: datetime) -> Approval:
    _not_own_plan(pilot, actor)
    is_cosign = kind is ApprovalKind.COSIGN
    require(actor, Permission.PLAN_COSIGN if is_cosign else Permission.PLAN_APPROVE, pilot)
    planning.lock(session, pilot)
    plan_hash = latest_hash(session, pilot)
    if pilot.state != (PilotState.SUBMITTED if is_cosign else PilotState.COSIGNED) or plan_hash is None:
        raise NothingToSign(pilot=pilot.name, state=in_words(pilot.state))
    if not is_cosign and any(p.kind is ProofKind.COSIGN and p.user_id == actor.id for p in proofs(session, pilot)):
        raise SamePerson(who=actor.name)
    approval = Approval(
        pilot_id=pilot.id, plan_hash=plan_hash, kind=kind, user_id=actor.id, reason=reason.strip(), at=now
    )
    session.add(approval)
    session.flush()
    return approval


def _stage_at_gate(session: Session, pilot: Pilot, report: FrozenReport) -> tuple[Stage, Plan]:
    """The report's stage and the plan in force, if the report is the one that waits at the gate.

    The plan in force holds the stage as it was drawn, and says what comes after it: later stages may have been amended.
    """
    stage = pilot.stage(report.stage_number)
    if stage.state != StageState.AT_GATE or pilot.state != PilotState.AT_GATE:
        raise NotAtGate(stage=stage.number, pilot=pilot.name, state=in_words(stage.state))
    wanted = select(FrozenReport).where(
        FrozenReport.pilot_id == pilot.id, FrozenReport.stage_number == report.stage_number
    )
    latest = session.scalars(wanted.order_by(FrozenReport.look.desc()).limit(1)).one()
    if latest.id != report.id:
        raise ReportOvertaken(report=report.code, latest=latest.code)
    return stage, sealed_plan(session, pilot)


def _goes_network_wide(plan: Plan, stage: Stage, choice: Choice) -> bool:
    later = [planned for planned in plan.stages if planned.number == stage.number + 1]
    return rules.goes_network_wide(
        choice, is_last_stage=not later, next_is_network=any(planned.is_network for planned in later)
    )


def _carry_out(
    session: Session,
    pilot: Pilot,
    stage: Stage,
    decision: Decision,
    report: FrozenReport,
    *,
    actor: User,
    now: datetime,
) -> None:
    """Move the pilot as the executives chose, with their decisions as proofs. Sending back moves nothing."""
    choice = Choice(decision.choice)
    proved = tuple(
        Proof(ProofKind.DECISION, one.user_id, report.plan_hash, one.at)
        for one in standing(session, report).latest
        if one.choice == choice
    )
    if choice is Choice.APPROVE:
        planning.pass_stage(session, pilot, stage.number, decisions=proved, actor=actor, now=now)
    elif choice is Choice.EXTEND:
        planning.extend_stage(session, pilot, stage.number, decisions=proved, actor=actor, now=now)
    elif choice is Choice.STOP:
        planning.stop_pilot(session, pilot, reason=decision.reason, actor=actor, now=now)


def _locked(session: Session, report: FrozenReport) -> Pilot:
    """The report's pilot, locked: two executives who decide at once are counted one after the other."""
    pilot = session.get_one(Pilot, report.pilot_id)
    planning.lock(session, pilot)
    return pilot


def _not_own_plan(pilot: Pilot, actor: User) -> None:
    if pilot.owner_id == actor.id:
        raise OwnPlan(pilot=pilot.name)


def _not_own_pilot(pilot: Pilot, actor: User) -> None:
    if pilot.owner_id == actor.id:
        raise OwnPilot(who=actor.name, pilot=pilot.name)


def _reason(text: str) -> str:
    if not text.strip():
        raise ReasonMissing()
    return text.strip()


def _record(session: Session, pilot: Pilot, verb: str, details: dict[str, object], actor: User, now: datetime) -> None:
    record(session, actor=actor.email, verb=verb, subject_kind="pilot", subject=pilot.code, details=details, at=now)
