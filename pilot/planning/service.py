"""The verbs of planning: from a draft to a sealed plan, from stage to stage, to the end. Never commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Permission
from pilot.audit import service as audit
from pilot.planning.amendments import difference
from pilot.planning.errors import NotADraft, ReasonMissing
from pilot.planning.lifecycle import in_words
from pilot.planning.model import Pilot, PilotState, PlanVersion, Stage, StageRestriction
from pilot.planning.plan import Plan
from pilot.planning.proofs import ONE_OF_EACH, Proof, SignOffs
from pilot.planning.queries import business_day, plan_of, sealed_plan, submitted_version
from pilot.planning.submission import (
    CheckedPlan,
    amendment_to_submit,
    draft_to_submit,
    require_checked,
    require_start_ahead,
    with_identity,
)
from pilot.planning.submission import check_amendment as check_amendment
from pilot.planning.submission import check_submission as check_submission
from pilot.planning.telling import approval_wanted
from pilot.programs.errors import CodeTaken
from pilot.programs.model import Program
from pilot.programs.service import check_code, flush_new


def create_pilot(
    session: Session,
    *,
    code: str,
    name: str,
    program: Program,
    document: dict[str, Any] | None = None,
    actor: User,
    now: datetime,
) -> Pilot:
    """A new draft of ``actor``. ``document`` holds what is known of the plan already; the rest has its defaults."""
    check_code(code, name)
    if session.scalar(select(Pilot.id).where(Pilot.code == code)) is not None:
        raise CodeTaken(name=code)
    variants = [{"code": variant.code, "weight": 1} for variant in program.variants]
    given = {"variants": variants, **(document or {}), "pilot": code, "program": program.code}
    pilot = Pilot(
        code=code,
        name=name,
        owner_id=actor.id,
        program_id=program.id,
        state=PilotState.DRAFT,
        plan=Plan.from_document(given).to_document(),
        created_at=now,
    )
    session.add(pilot)
    flush_new(session, code)
    _record(session, pilot, "pilot.create", {"name": name, "program": program.code}, actor, now)
    return pilot


def edit_draft(
    session: Session, pilot: Pilot, *, document: dict[str, Any], name: str | None = None, actor: User, now: datetime
) -> Plan:
    """Replace the draft by ``document`` (right in form; ``rules.problems`` says what is still missing in sense)."""
    lock(session, pilot)
    if pilot.state != PilotState.DRAFT:
        raise NotADraft(pilot=pilot.code, state=in_words(pilot.state))
    plan = with_identity(pilot, document)
    pilot.plan = plan.to_document()
    pilot.name = name or pilot.name
    session.flush()
    _record(session, pilot, "plan.edit", {"draft_hash": plan.hash()}, actor, now)
    return plan


def submit(
    session: Session, pilot: Pilot, *, checked: CheckedPlan, reason: str = "", actor: User, now: datetime
) -> PlanVersion:
    """Freeze the draft with the program's offers of today as the next version, and wait for sign-offs.

    ``checked`` is what ``check_submission`` found before this transaction. Raises ``NotADraft``, what ``rules`` refuse,
    and ``PlanMovedOn`` when the plan is no longer the one that was checked.
    """
    lock(session, pilot)
    plan = draft_to_submit(session, pilot)
    require_checked(session, pilot, plan, checked)
    return _submit(session, pilot, plan, "plan.submit", reason, checked, actor, now)


def amend(
    session: Session,
    pilot: Pilot,
    *,
    document: dict[str, Any],
    reason: str,
    checked: CheckedPlan,
    actor: User,
    now: datetime,
) -> PlanVersion:
    """Change a sealed plan visibly: a new version with its reason, which has no sign-offs yet.

    ``checked`` is what ``check_amendment`` found before this transaction. A stage that has started keeps its part of
    the plan (``AmendmentTouchesStartedStage``); one that was drawn but has not started waits for a new draw.
    """
    lock(session, pilot)
    _require_reason(reason)
    plan = amendment_to_submit(session, pilot, document)
    require_checked(session, pilot, plan, checked)
    return _submit(session, pilot, plan, "plan.amend", reason, checked, actor, now)


def mark_cosigned(session: Session, pilot: Pilot, *, proof: Proof) -> None:
    """The last analyst that is needed signed the submitted version; who records the signature records this."""
    lock(session, pilot)
    pilot.cosign(submitted_version(session, pilot).hash, proof)
    session.flush()


def seal(
    session: Session,
    pilot: Pilot,
    *,
    proofs: Sequence[Proof],
    needed: SignOffs = ONE_OF_EACH,
    actor: User,
    now: datetime,
) -> Plan:
    """As many have signed as are ``needed``: the submitted version is the plan in force."""
    lock(session, pilot)
    version = submitted_version(session, pilot)
    plan = plan_of(session, pilot, version.hash)
    pilot.seal(version.hash, plan.stages, proofs, needed=needed, at=now)
    session.flush()
    _record(session, pilot, "plan.seal", {"plan_hash": version.hash, "version": version.number}, actor, now)
    return plan


def mark_drawn(
    session: Session,
    pilot: Pilot,
    stage_number: int,
    *,
    ledger_hash: str,
    drawn_before: int = 0,
    actor: User,
    now: datetime,
) -> None:
    """The current stage has been drawn (``assignment.draw_stage`` calls this), after ``drawn_before`` voided draws."""
    lock(session, pilot)
    pilot.draw(stage_number)
    session.flush()
    details: dict[str, Any] = {"stage": stage_number, "ledger_hash": ledger_hash}
    if drawn_before:
        details["drawn_before"] = drawn_before
    _record(session, pilot, "stage.draw", details, actor, now)


def start_stage(
    session: Session,
    pilot: Pilot,
    stage_number: int,
    *,
    approvals: Sequence[Proof],
    needed: SignOffs = ONE_OF_EACH,
    actor: User,
    now: datetime,
) -> None:
    """Give the drawn stage its go-ahead, at the latest on the day it starts; not into a blackout of all its stores."""
    from pilot.planning.calendar import require_no_blackout  # it knows candidates, and those the engine

    lock(session, pilot)
    require_no_blackout(session, sealed_plan(session, pilot), stage_number)
    pilot.start_stage(stage_number, approvals, needed=needed, today=business_day(session, now))
    session.flush()
    _record(session, pilot, "stage.start", {"stage": stage_number}, actor, now)


def reach_gate(session: Session, pilot: Pilot, stage_number: int, *, report: str, actor: User, now: datetime) -> None:
    """The window is over and ``report`` (its code) is frozen: the executives decide."""
    lock(session, pilot)
    pilot.reach_gate(stage_number, today=business_day(session, now))
    session.flush()
    look = pilot.stage(stage_number).looks_taken
    _record(session, pilot, "stage.reach_gate", {"stage": stage_number, "report": report, "look": look}, actor, now)


def extend_stage(
    session: Session, pilot: Pilot, stage_number: int, *, decisions: Sequence[Proof], actor: User, now: datetime
) -> None:
    """Extend by the planned weeks, to the next planned look."""
    lock(session, pilot)
    planned = sealed_plan(session, pilot).stage(stage_number)
    pilot.extend_stage(stage_number, planned, decisions)
    session.flush()
    ends_on = pilot.stage(stage_number).ends_on
    _record(session, pilot, "stage.extend", {"stage": stage_number, "ends_on": ends_on}, actor, now)


def pass_stage(
    session: Session,
    pilot: Pilot,
    stage_number: int,
    *,
    decisions: Sequence[Proof],
    regions: Sequence[str] = (),
    actor: User,
    now: datetime,
) -> None:
    """Through the gate: to the next stage's draw, or to the rollout after the last.

    With ``regions`` the next stage goes on there only: its stores elsewhere are not drawn.
    """
    lock(session, pilot)
    following = [stage for stage in sealed_plan(session, pilot).stages if stage.number > stage_number]
    pilot.pass_stage(stage_number, decisions, is_next_network=bool(following) and following[0].is_network)
    if regions:
        restricted = StageRestriction(
            pilot_id=pilot.id, stage_number=following[0].number, regions=sorted(regions), at=now
        )
        session.add(restricted)
    session.flush()
    details = {"stage": stage_number, "pilot_state": str(pilot.state), "regions": sorted(regions)}
    _record(session, pilot, "stage.pass", details, actor, now)


def stop_pilot(session: Session, pilot: Pilot, *, reason: str, actor: User, now: datetime) -> None:
    """End the pilot without a rollout, with the reason."""
    lock(session, pilot)
    _require_reason(reason)
    pilot.stop()
    session.flush()
    _record(session, pilot, "pilot.stop", {"reason": reason}, actor, now)


def send_back(session: Session, pilot: Pilot, *, reason: str, actor: User, now: datetime) -> None:
    """Back to the author, with the reason."""
    lock(session, pilot)
    _require_reason(reason)
    pilot.send_back()
    session.flush()
    _record(session, pilot, "plan.send_back", {"reason": reason}, actor, now)


def lock(session: Session, pilot: Pilot) -> None:
    """Hold the pilot until the transaction ends and see it as it is now: of two who act at once, the second waits.

    On PostgreSQL this locks its row; on SQLite the unit of work holds the write lock already.
    """
    session.flush()
    session.refresh(pilot, with_for_update=True)
    mine = select(Stage).where(Stage.pilot_id == pilot.id).execution_options(populate_existing=True)
    session.scalars(mine).all()


def _submit(
    session: Session,
    pilot: Pilot,
    plan: Plan,
    verb: str,
    reason: str,
    checked: CheckedPlan,
    actor: User,
    now: datetime,
) -> PlanVersion:
    require_start_ahead(pilot, plan, business_day(session, now))
    in_force = sealed_plan(session, pilot) if pilot.plan_hash else None
    pilot.submit()
    pilot.plan = plan.to_document()
    version = PlanVersion(
        pilot_id=pilot.id,
        number=plan.revision,
        text=plan.text(),
        hash=plan.hash(),
        reason=reason,
        created_by_id=actor.id,
        created_at=now,
        money_at_risk={str(stage): minor for stage, minor in checked.money_at_risk.items()},
    )
    session.add(version)
    session.flush()
    approval_wanted(session, pilot, Permission.PLAN_COSIGN, plan_hash=version.hash, at=now)
    changed = [row.path for row in difference(in_force.text(), version.text)] if in_force else []
    details = {
        "version": version.number,
        "plan_hash": version.hash,
        "reason": reason,
        "changed": changed,
        "money_at_risk": version.money_at_risk,
    }
    _record(session, pilot, verb, details, actor, now)
    return version


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing()


def _record(session: Session, pilot: Pilot, verb: str, details: dict[str, Any], actor: User, now: datetime) -> None:
    audit.record(
        session, actor=actor.email, verb=verb, subject_kind="pilot", subject=pilot.code, details=details, at=now
    )
