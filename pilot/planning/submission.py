"""What a draft is submitted as, and the long check that its stages can be drawn, made before the transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pilot.errors import PilotError
from pilot.network.segments import segments
from pilot.planning import rules
from pilot.planning.amendments import require_started_stages_untouched
from pilot.planning.economics import stage_at_risk_minor
from pilot.planning.errors import NotADraft, PlanMovedOn, StartPassed, UnchangedPlan, VariantNotInProgram
from pilot.planning.lifecycle import in_words
from pilot.planning.model import Acceptance, Pilot, PilotState, PlanVersion
from pilot.planning.plan import Plan, PlannedOffer, PlannedSegment
from pilot.planning.queries import sealed_plan
from pilot.programs import queries as programs

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake
    from pilot.planning.candidates import Exclusions
    from pilot.planning.proving import Proving


Excluding = Callable[[int], "Exclusions"]  # stage number → what earlier stages and other pilots hold


@dataclass(frozen=True, slots=True)
class CheckedPlan:
    """The lake says of the plan with this hash: each stage after ``last_started`` can be drawn and reach its level.

    ``unproven`` are the stages that cannot prove their break-even; ``money_at_risk`` is, by stage number, what the
    stage costs if it brings nothing, in minor units.
    """

    plan_hash: str
    last_started: int
    unproven: tuple[Proving, ...] = ()
    money_at_risk: Mapping[int, int] = field(default_factory=dict)


def check_submission(session: Session, pilot: Pilot, *, lake: Lake, excluded: Excluding) -> CheckedPlan:
    """Check the draft as it would be submitted now. Reads only, and may take long: call it in ``database.reading()``.

    ``excluded`` is ``assignment.exclusions`` of this pilot: stores that are taken cannot be drawn. Raises
    ``NotADraft``, what ``rules`` refuse, and what the network or the draw cannot carry out.
    """
    return _checked(session, pilot, draft_to_submit(session, pilot), lake, excluded)


def check_amendment(
    session: Session, pilot: Pilot, *, document: dict[str, Any], lake: Lake, excluded: Excluding
) -> CheckedPlan:
    """The same for an amendment. Raises ``NotSealed`` before the first seal, ``UnchangedPlan``, and what is refused."""
    return _checked(session, pilot, amendment_to_submit(session, pilot, document), lake, excluded)


def draft_to_submit(session: Session, pilot: Pilot) -> Plan:
    """The next version that the draft makes: numbered, with the offers and segment rules of this moment."""
    if pilot.state != PilotState.DRAFT:
        raise NotADraft(pilot=pilot.code, state=in_words(pilot.state))
    return _to_submit(session, pilot, Plan.from_document(pilot.plan))


def amendment_to_submit(session: Session, pilot: Pilot, document: dict[str, Any]) -> Plan:
    """The next version that ``document`` makes of the plan in force."""
    in_force = sealed_plan(session, pilot)
    plan = _to_submit(session, pilot, with_identity(pilot, document))
    if plan.model_copy(update={"revision": in_force.revision}) == in_force:
        raise UnchangedPlan(pilot=pilot.code)
    return plan


def as_submitted(session: Session, pilot: Pilot, draft: Plan) -> Plan:
    """``draft`` as its next version would be, whether it makes sense or not: numbered, with today's offers and rules.

    Raises ``VariantNotInProgram``.
    """
    submitted = select(func.count()).select_from(PlanVersion).where(PlanVersion.pilot_id == pilot.id)
    number = 1 + (session.scalar(submitted) or 0)
    of_today = {"offers": current_offers(session, draft), "segment_rules": _segments(session)}
    return draft.model_copy(update={"revision": number, **of_today})


def problems_of(session: Session, pilot: Pilot, draft: Plan) -> list[PilotError]:
    """What is still wrong with ``draft``, by the rules and by what the network has: what a form shows at once."""
    from pilot.planning.places import place_problems

    plan = as_submitted(session, pilot, draft)
    return [*rules.problems(plan), *(() if pilot.last_started else place_problems(session, plan))]


def require_checked(session: Session, pilot: Pilot, plan: Plan, checked: CheckedPlan) -> None:
    """``PlanMovedOn`` unless ``checked`` is about exactly this plan, and no stage has started since.

    ``CannotProveBreakEven`` where a stage cannot, and nobody has accepted that by name on exactly this plan.
    """
    if (checked.plan_hash, checked.last_started) != (plan.hash(), pilot.last_started):
        raise PlanMovedOn(pilot=pilot.code)
    if checked.unproven and acceptance_of(session, pilot, checked.plan_hash) is None:
        raise checked.unproven[0].error


def require_start_ahead(pilot: Pilot, plan: Plan, today: date) -> None:
    """``StartPassed`` where a stage that has not started would have had to start before ``today``."""
    for stage in plan.stages:
        if stage.number > pilot.last_started and stage.starts_on < today:
            raise StartPassed(stage=stage.number, pilot=pilot.code, starts_on=str(stage.starts_on), today=str(today))


def acceptance_of(session: Session, pilot: Pilot, plan_hash: str) -> Acceptance | None:
    """Who accepted that the plan with this hash cannot prove its break-even; None where nobody did."""
    return session.scalar(select(Acceptance).where(Acceptance.pilot_id == pilot.id, Acceptance.plan_hash == plan_hash))


def acceptances_of(session: Session, pilot: Pilot) -> list[Acceptance]:
    """Every acceptance of the pilot's plans, oldest first."""
    return list(session.scalars(select(Acceptance).where(Acceptance.pilot_id == pilot.id).order_by(Acceptance.id)))


def with_identity(pilot: Pilot, document: dict[str, Any]) -> Plan:
    """A document may leave out whose plan it is; it cannot say that it is another's."""
    return Plan.from_document({**document, "pilot": pilot.code, "program": pilot.plan["program"]})


def current_offers(session: Session, plan: Plan) -> tuple[PlannedOffer, ...]:
    """The offers of the plan's variants as the program holds them now, in the order of their codes."""
    program = programs.program(session, plan.program)
    wanted = {variant.code for variant in plan.variants}
    missing = wanted - {variant.code for variant in program.variants}
    if missing:
        raise VariantNotInProgram(program=program.code, variants=", ".join(sorted(missing)))
    found = [
        PlannedOffer(
            code=offer.code,
            variant=variant.code,
            segment=offer.segment_code,
            name=offer.name,
            mechanic=offer.mechanic,
            terms=offer.terms,
            enrolment=offer.enrolment,
        )
        for variant in program.variants
        if variant.code in wanted
        for offer in variant.offers
    ]
    return tuple(sorted(found, key=lambda offer: offer.code))


def _checked(session: Session, pilot: Pilot, plan: Plan, lake: Lake, excluded: Excluding) -> CheckedPlan:
    from pilot.planning.calendar import require_no_blackout
    from pilot.planning.designer import require_design  # the engine is loaded where it is used
    from pilot.planning.proving import past_of, proof_of

    at_risk, proofs = {}, []
    for stage in plan.stages:
        if stage.number > pilot.last_started:
            require_no_blackout(session, plan, stage.number)
            design = require_design(session, lake, plan, stage.number, excluded=excluded(stage.number))
            past = past_of(lake, plan, design)
            at_risk[stage.number] = stage_at_risk_minor(plan, stage, past)
            proofs.append(proof_of(lake, plan, stage.number, design, past=past))
    found = tuple(proof for proof in proofs if proof.is_unproven)
    return CheckedPlan(plan.hash(), pilot.last_started, found, at_risk)


def _to_submit(session: Session, pilot: Pilot, draft: Plan) -> Plan:
    plan = as_submitted(session, pilot, draft)
    rules.require_sense(plan)
    if not pilot.last_started:  # later on nothing of this may be amended
        from pilot.planning.places import require_places

        require_places(session, plan)
    if pilot.plan_hash:
        require_started_stages_untouched(sealed_plan(session, pilot), plan, last_started=pilot.last_started)
    return plan


def _segments(session: Session) -> tuple[PlannedSegment, ...]:
    """The network's segments as they are now, by position."""
    return tuple(PlannedSegment(code=segment.code, rule=segment.rule) for segment in segments(session))
