"""Taking a look: compute the report of a stage (long, only reads), then freeze it (short, one transaction)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Permission, require
from pilot.assignment import queries as assignment
from pilot.audit.service import head, record
from pilot.evidence.computing import RUNNING, Progress
from pilot.evidence.computing import compute_report as compute_report
from pilot.evidence.document import ReportDocument
from pilot.evidence.errors import LookBeyondPlan, StageMovedOn
from pilot.evidence.model import FrozenReport
from pilot.evidence.telling import report_frozen
from pilot.evidence.truths import Truths
from pilot.planning import service as planning
from pilot.planning.model import Pilot, Stage

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake


def record_exploration(session: Session, pilot: Pilot, stage_number: int, *, actor: User, now: datetime) -> None:
    """Somebody asks what a stage's data say beyond the plan: the log keeps who and when, before they see it.

    Raises ``NoSuchStage``.
    """
    details = {"stage": pilot.stage(stage_number).number}
    record(session, actor=actor.email, verb="report.explore", subject_kind="pilot", subject=pilot.code,
           details=details, at=now)  # fmt: skip


def freeze(session: Session, document: ReportDocument, *, actor: User, now: datetime) -> FrozenReport:
    """Freeze a computed report as evidence, and bring its stage to the gate: one look is taken.

    The document gets the audit's head as it stands; from then on nothing in it changes. Raises ``LookBeyondPlan`` for
    an exploratory document and ``StageMovedOn`` when the stage is not where it was when the report was computed.
    """
    pilot = session.scalars(select(Pilot).where(Pilot.code == document.pilot)).one()
    planning.lock(session, pilot)
    require(actor, Permission.REPORT_MAKE, pilot)
    stage = pilot.stage(document.stage)
    if document.exploratory:
        raise LookBeyondPlan(stage=stage.number, pilot=pilot.code, looks=document.looks_planned)
    _require_unmoved(session, pilot, stage, document)
    frozen = replace(document, audit_head=str(head(session)))
    report = FrozenReport(
        code=frozen.code,
        pilot_id=pilot.id,
        stage_number=frozen.stage,
        look=frozen.look,
        recommendation=frozen.recommendation.choice.value,
        plan_hash=frozen.plan_hash,
        ledger_hash=frozen.ledger_hash,
        lake_version=frozen.lake_version,
        code_version=frozen.code_version,
        audit_head=frozen.audit_head,
        document=frozen.text(),
        hash=frozen.hash(),
        created_by=actor.email,
        created_at=now,
    )
    session.add(report)
    session.flush()
    report_frozen(session, pilot, report, frozen, now)
    planning.reach_gate(session, pilot, stage.number, report=report.code, actor=actor, now=now)
    details = {
        "report": report.code,
        "report_hash": report.hash,
        "stage": stage.number,
        "look": report.look,
        "plan_hash": report.plan_hash,
        "ledger_hash": report.ledger_hash,
        "lake_version": report.lake_version,
        "recommendation": report.recommendation,
    }
    record(
        session,
        actor=actor.email,
        verb="report.freeze",
        subject_kind="pilot",
        subject=pilot.code,
        details=details,
        at=now,
    )
    return report


def take_look(
    session: Session,
    pilot: Pilot,
    stage_number: int,
    *,
    lake: Lake,
    actor: User,
    now: datetime,
    truths: Truths | None = None,
    progress: Progress | None = None,
) -> FrozenReport:
    """Compute and freeze in one session; for a large network call the two apart, so that no lock is held meanwhile."""
    require(actor, Permission.REPORT_MAKE, pilot)
    document = compute_report(session, pilot, stage_number, lake=lake, now=now, truths=truths, progress=progress)
    return freeze(session, document, actor=actor, now=now)


def _require_unmoved(session: Session, pilot: Pilot, stage: Stage, document: ReportDocument) -> None:
    draw = assignment.draw_of(session, pilot, stage.number)
    same = (
        stage.state in RUNNING
        and stage.looks_taken + 1 == document.look
        and (stage.starts_on, stage.ends_on) == (document.window.first, document.window.last)
        and draw is not None
        and draw.ledger_hash == document.ledger_hash
    )
    if not same:
        raise StageMovedOn(stage=stage.number, pilot=pilot.code)
