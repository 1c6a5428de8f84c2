"""The wizard's steps: which part of a plan each is about, and saving a draft or an amendment between them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.audit import service as audit
from pilot.errors import PilotError
from pilot.planning import errors, service
from pilot.planning.lifecycle import in_words
from pilot.planning.model import Pilot, PilotState, PlanVersion
from pilot.planning.plan import Plan
from pilot.planning.queries import draft_plan, sealed_plan
from pilot.planning.submission import CheckedPlan, with_identity
from pilot.planning.wizard_model import AmendmentDraft


class Step(StrEnum):
    """One page of the wizard; in this order: a design is held against what money and stages say."""

    BRIEF = "brief"
    STORES = "stores"
    MONEY = "money"
    STAGES = "stages"
    DESIGN = "design"
    WIND_DOWN = "wind_down"
    REVIEW = "review"

    @property
    def following(self) -> "Step":
        """The next step; the last one is followed by itself."""
        steps = list(Step)
        return steps[min(steps.index(self) + 1, len(steps) - 1)]

    @property
    def preceding(self) -> "Step":
        """The step before; the first one is preceded by itself."""
        steps = list(Step)
        return steps[max(steps.index(self) - 1, 0)]


# Where a problem is mended; what is not named here is mended in the brief.
STEP_OF: dict[type[PilotError], Step] = {
    errors.MechanismDoesNotFit: Step.DESIGN,
    errors.DesignRefused: Step.DESIGN,
    errors.CannotProveBreakEven: Step.DESIGN,
    errors.StagesDoNotFit: Step.STAGES,
    errors.UnknownUnits: Step.STAGES,
    errors.UnknownPlaces: Step.STORES,
    errors.SubgroupDoesNotFit: Step.DESIGN,
    errors.StageInBlackout: Step.STAGES,
    errors.EconomicsMissing: Step.MONEY,
    errors.WindDownDoesNotFit: Step.WIND_DOWN,
    errors.MustIncludeStaysOut: Step.STORES,
    errors.TooLittleHistory: Step.STORES,
}


# In these states the document of the pilot itself is what its author wrote last.
_WRITTEN = (PilotState.DRAFT, PilotState.SUBMITTED, PilotState.COSIGNED)


def step_of(problem: PilotError) -> Step:
    """The step in which a problem is mended."""
    return next((step for kind, step in STEP_OF.items() if isinstance(problem, kind)), Step.BRIEF)


def is_amendment(pilot: Pilot) -> bool:
    """Whether what the wizard writes is an amendment of a sealed plan rather than a draft."""
    return pilot.state != PilotState.DRAFT


def require_draft(pilot: Pilot) -> None:
    """``NotADraft`` unless the plan is one."""
    if is_amendment(pilot):
        raise errors.NotADraft(pilot=pilot.code, state=in_words(pilot.state))


def amendment_of(session: Session, pilot: Pilot) -> AmendmentDraft | None:
    """The amendment that is being written; None where there is none."""
    return session.get(AmendmentDraft, pilot.id, populate_existing=True)


def working_plan(session: Session, pilot: Pilot) -> Plan:
    """What the wizard shows: the draft; of a sealed plan the amendment in writing, or else the plan in force."""
    if pilot.plan_hash is None or PilotState(pilot.state) in _WRITTEN:
        return draft_plan(pilot)
    found = amendment_of(session, pilot)
    return Plan.from_document(found.plan) if found else sealed_plan(session, pilot)


def save(session: Session, pilot: Pilot, document: dict[str, Any], *, actor: User, now: datetime) -> Plan:
    """Keep what a step says. Unchanged content is not written, so that looking through the steps leaves no trace."""
    service.lock(session, pilot)
    plan = with_identity(pilot, document)
    if plan == working_plan(session, pilot):
        return plan
    if not is_amendment(pilot):
        return service.edit_draft(session, pilot, document=document, actor=actor, now=now)
    found = amendment_of(session, pilot) or AmendmentDraft(pilot_id=pilot.id)
    found.plan, found.edited_by_id, found.edited_at = plan.to_document(), actor.id, now
    session.add(found)
    session.flush()
    _record(session, pilot, "plan.write_amendment", {"draft_hash": plan.hash()}, actor, now)
    return plan


def amendment_to_check(session: Session, pilot: Pilot) -> dict[str, Any]:
    """The document of the amendment in writing; ``NothingToAmend`` where there is none."""
    found = amendment_of(session, pilot)
    if found is None:
        raise errors.NothingToAmend(pilot=pilot.code)
    return found.plan


def submit_amendment(
    session: Session, pilot: Pilot, *, reason: str, checked: CheckedPlan, actor: User, now: datetime
) -> PlanVersion:
    """Submit what was written; ``PlanMovedOn`` where it is no longer what was checked."""
    service.lock(session, pilot)
    document = amendment_to_check(session, pilot)
    session.delete(session.get_one(AmendmentDraft, pilot.id))
    return service.amend(session, pilot, document=document, reason=reason, checked=checked, actor=actor, now=now)


def give_up_amendment(session: Session, pilot: Pilot, *, actor: User, now: datetime) -> None:
    """Forget what was written; the plan in force stays."""
    service.lock(session, pilot)
    amendment_to_check(session, pilot)
    session.delete(session.get_one(AmendmentDraft, pilot.id))
    session.flush()
    _record(session, pilot, "plan.give_up_amendment", {}, actor, now)


def _record(session: Session, pilot: Pilot, verb: str, details: dict[str, Any], actor: User, now: datetime) -> None:
    audit.record(
        session, actor=actor.email, verb=verb, subject_kind="pilot", subject=pilot.code, details=details, at=now
    )
