"""The verbs of governance: sign (``signing``), draw, start, decide, answer. Nobody signs or decides their own."""

from collections.abc import Sequence
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
from pilot.governance.approvals import holding, require_holding, required
from pilot.governance.decisions import next_regions, standing
from pilot.governance.deputies import require_acting
from pilot.governance.errors import (
    AlreadyDecided,
    AnotherRoundWasRead,
    NotAtGate,
    NothingToAnswer,
    OwnPilot,
    RegionsDoNotFit,
    ReportOvertaken,
    WaitsForAnswer,
)
from pilot.governance.model import Answer, Choice, Decision
from pilot.governance.needed import needed_for
from pilot.governance.signing import accept_unproven as accept_unproven
from pilot.governance.signing import approve_and_seal as approve_and_seal
from pilot.governance.signing import cosign as cosign
from pilot.governance.signing import send_back_plan as send_back_plan
from pilot.outcomes.lake import Lake
from pilot.planning import service as planning
from pilot.planning.errors import NoLookLeft, ReasonMissing
from pilot.planning.lifecycle import in_words
from pilot.planning.model import Pilot, PilotState, Stage, StageState
from pilot.planning.plan import Plan
from pilot.planning.proofs import Proof, ProofKind, SignOffs, require_proofs
from pilot.planning.queries import sealed_plan


def prepare_draw(
    session: Session, pilot: Pilot, stage_number: int, *, lake: Lake, actor: User, now: datetime
) -> PreparedDraw:
    """Make the binding draw of a stage from its sealed seed, before the transaction that writes it; may take long."""
    require(actor, Permission.STAGE_DRAW, pilot)
    return assignment.prepare_draw(session, pilot, stage_number, lake=lake, now=now)


def draw(session: Session, pilot: Pilot, prepared: PreparedDraw, *, actor: User, now: datetime) -> Draw:
    """Write the binding draw of a stage; nobody can choose or repeat it. Its signatures must still hold.

    Raises ``MayNot``, ``SignOffsExpired``, ``SignOffMissing`` and what ``assignment.draw_stage`` refuses.
    """
    require(actor, Permission.STAGE_DRAW, pilot)
    planning.lock(session, pilot)
    _require_sign_offs(session, pilot, prepared.stage, now)
    return assignment.draw_stage(session, pilot, prepared=prepared, actor=actor, now=now)


def start_stage(session: Session, pilot: Pilot, stage_number: int, *, actor: User, now: datetime) -> Stage:
    """Start a drawn stage; its sign-offs go along as proofs, as many as the policy asks for and not too old."""
    require(actor, Permission.STAGE_START, pilot)
    planning.lock(session, pilot)
    require_holding(session, pilot, stage_number, now=now)
    given, needed = holding(session, pilot, now=now), _needed(session, pilot)
    planning.start_stage(session, pilot, stage_number, approvals=given, needed=needed, actor=actor, now=now)
    return pilot.stage(stage_number)


def decide(
    session: Session,
    report: FrozenReport,
    choice: Choice,
    *,
    reason: str,
    regions: Sequence[str] = (),
    read: int | None = None,
    actor: User,
    now: datetime,
) -> Decision:
    """Record an executive's choice on a frozen report; it takes effect when as many agree as the rule demands.

    Going against the recommendation, or to the whole network, takes two different executives, and the policy may ask
    for more. Until it takes effect an executive may choose again; the last word counts. ``APPROVE_SOME`` names the
    ``regions`` of the next stage, and only those who name the same agree. ``read`` is the round that the person had
    before them. The reason reaches the author. Raises ``OwnPilot``, ``MayNot``, ``ReasonMissing``, ``NotAtGate``,
    ``ReportOvertaken``, ``WaitsForAnswer``, ``AnotherRoundWasRead``, ``AlreadyDecided``, ``NoLookLeft``,
    ``RegionsDoNotFit``.
    """
    choice = Choice(choice)
    pilot = _locked(session, report)
    _not_own_pilot(pilot, actor)
    standing_in = require_acting(session, actor, Permission.DECISION_MAKE, pilot, now=now)
    why = _reason(reason)
    stage, plan = _stage_at_gate(session, pilot, report)
    if choice is Choice.EXTEND and stage.looks_taken >= plan.stage(stage.number).looks:
        raise NoLookLeft(pilot=pilot.name, stage=stage.number, looks=plan.stage(stage.number).looks)
    named = _regions(session, plan, stage, choice, regions)
    before = standing(session, report)
    if before.outcome is not None:
        raise WaitsForAnswer(report=report.code)
    if read not in (None, before.round):
        raise AnotherRoundWasRead(report=report.code)
    if any(actor.id in (one.user_id, one.seat) for one in before.supporters(choice, named)):
        raise AlreadyDecided(who=actor.name, report=report.code)
    override = rules.is_override(choice, Recommended(report.recommendation))
    network_wide = _goes_network_wide(plan, stage, choice)
    by_policy = needed_for(session, pilot, plan, plan.stage(stage.number)).row.decisions
    needed = rules.signatures_needed(choice, override=override, network_wide=network_wide, by_policy=by_policy)
    decision = Decision(
        report_id=report.id,
        round=before.round,
        user_id=actor.id,
        for_user_id=standing_in.for_user_id,
        choice=choice,
        regions=list(named) or None,
        reason=why,
        is_override=override,
        takes_effect=before.with_word(actor.id, standing_in.for_user_id, choice, named) >= needed,
        at=now,
    )
    session.add(decision)
    session.flush()
    message = messages.decided(
        choice, takes_effect=decision.takes_effect, pilot=pilot.name, stage=stage.number, who=actor.name, reason=why,
        regions=named,
    )  # fmt: skip
    telling.decided(session, pilot, report, decision, message, actor=actor, at=now)
    details = {
        "report": report.code,
        "report_hash": report.hash,
        "round": decision.round,
        "choice": str(choice),
        "regions": list(named),
        "for": standing_in.principal.email if standing_in.principal else None,
        "recommendation": report.recommendation,
        "override": override,
        "network_wide": network_wide,
        "signatures": len(standing(session, report).supporters(choice, named)),
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


def _regions(session: Session, plan: Plan, stage: Stage, choice: Choice, regions: Sequence[str]) -> tuple[str, ...]:
    """The named regions in order; ``RegionsDoNotFit`` where they are not some of the next stage's."""
    if choice is not Choice.APPROVE_SOME:
        return ()
    known = next_regions(session, plan, stage.number)
    named = tuple(sorted(set(regions)))
    if not named or not set(named) < set(known):
        raise RegionsDoNotFit(known=", ".join(known) or "–")
    return named


def _require_sign_offs(session: Session, pilot: Pilot, stage_number: int, now: datetime) -> None:
    require_holding(session, pilot, stage_number, now=now)
    given, kinds = holding(session, pilot, now=now), _needed(session, pilot).kinds
    require_proofs(pilot.code, pilot.owner_id, pilot.plan_hash or "", given, kinds)


def _needed(session: Session, pilot: Pilot) -> SignOffs:
    return required(session, pilot, sealed_plan(session, pilot)).row.sign_offs


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
    choice, regions = Choice(decision.choice), tuple(decision.regions or ())
    proved = tuple(
        Proof(ProofKind.DECISION, one.user_id, report.plan_hash, one.at, one.for_user_id)
        for one in standing(session, report).supporters(choice, regions)
    )
    if choice in (Choice.APPROVE, Choice.APPROVE_SOME):
        planning.pass_stage(session, pilot, stage.number, decisions=proved, regions=regions, actor=actor, now=now)
    elif choice is Choice.EXTEND:
        planning.extend_stage(session, pilot, stage.number, decisions=proved, actor=actor, now=now)
    elif choice is Choice.STOP:
        planning.stop_pilot(session, pilot, reason=decision.reason, actor=actor, now=now)


def _locked(session: Session, report: FrozenReport) -> Pilot:
    """The report's pilot, locked: two executives who decide at once are counted one after the other."""
    pilot = session.get_one(Pilot, report.pilot_id)
    planning.lock(session, pilot)
    return pilot


def _not_own_pilot(pilot: Pilot, actor: User) -> None:
    if pilot.owner_id == actor.id:
        raise OwnPilot(who=actor.name, pilot=pilot.name)


def _reason(text: str) -> str:
    if not text.strip():
        raise ReasonMissing()
    return text.strip()


def _record(session: Session, pilot: Pilot, verb: str, details: dict[str, object], actor: User, now: datetime) -> None:
    record(session, actor=actor.email, verb=verb, subject_kind="pilot", subject=pilot.code, details=details, at=now)
