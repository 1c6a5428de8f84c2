"""Who cannot be drawn: what an earlier stage treated, what other pilots use or have just used, and blackouts."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.design.mechanisms import CONTROL
from experiments.measure.metrics import AssignmentUnit
from pilot.assignment.model import Draw, HomeEntry, LedgerEntry
from pilot.assignment.queries import draws_in_force, unit_of
from pilot.network.model import Region, Store
from pilot.planning.calendar import stores_in_blackout
from pilot.planning.candidate_words import StaysOut
from pilot.planning.candidates import Exclusions
from pilot.planning.lifecycle import ENDED, PilotState, StageState
from pilot.planning.model import Pilot, StageRestriction
from pilot.planning.plan import Plan


def excluding(session: Session, pilot: Pilot, plan: Plan | None = None) -> Callable[[int], Exclusions]:
    """``exclusions`` of every stage of ``pilot`` by its number, for whoever checks a whole plan."""
    return lambda stage_number: exclusions(session, pilot, stage_number, plan)


def exclusions(session: Session, pilot: Pilot, stage_number: int, plan: Plan | None = None) -> Exclusions:
    """What the calendar and the draws in force rule out for a stage of ``pilot``, by ``plan`` (its own as it stands).

    Of its own earlier stages: treated stores, and the customers at home there (or treated themselves). Of other
    pilots that have not ended: every store of a stage that may still run, and the treated stores of passed stages.
    Of pilots that have ended: treated stores, until the plan's cooling weeks are over. Of the calendar: blackouts.
    Of the executives: stores outside the regions in which they let the stage go on.
    """
    plan = plan or Plan.from_document(pilot.plan)
    stage_plan = plan.stage(stage_number)
    cooling = timedelta(weeks=plan.eligibility.cooling_weeks)
    stores: dict[str, StaysOut] = dict.fromkeys(stores_in_blackout(session, stage_plan), StaysOut.BLACKOUT)
    stores |= dict.fromkeys(_outside_the_approved(session, pilot, stage_number), StaysOut.REGION_NOT_APPROVED)
    customers: set[int] = set()
    for owner, stage, draw in draws_in_force(session):
        if owner.id == pilot.id:
            if stage.number < stage_number:
                stores.update((code, StaysOut.TREATED_EARLIER) for code in _stores(session, draw, treated_only=True))
                customers |= _treated_customers(session, draw)
        elif PilotState(owner.state) not in ENDED:
            passed = stage.state == StageState.PASSED
            used = _stores(session, draw, treated_only=passed, customers_count=True)
            stores.update((code, StaysOut.OTHER_PILOT) for code in used if code not in stores)
        elif cooling and stage_plan.starts_on <= stage.ends_on + cooling:
            used = _stores(session, draw, treated_only=True, customers_count=True)
            stores.update((code, StaysOut.COOLING_DOWN) for code in used if code not in stores)
    return Exclusions(stores, frozenset(customers))


def _outside_the_approved(session: Session, pilot: Pilot, stage_number: int) -> list[str]:
    """Codes of the stores in which the executives have not let the stage go on; none where they set no limit."""
    restricted = select(StageRestriction.regions).where(
        StageRestriction.pilot_id == pilot.id, StageRestriction.stage_number == stage_number
    )
    regions = session.scalar(restricted)
    if regions is None:
        return []
    return list(
        session.scalars(select(Store.code).join(Region).where(Region.code.not_in(regions)).order_by(Store.code))
    )


def _stores(session: Session, draw: Draw, *, treated_only: bool, customers_count: bool = False) -> set[str]:
    """Codes of the stores that a draw uses; where customers were drawn, those they are at home in (if that counts)."""
    unit = unit_of(draw)
    if unit is AssignmentUnit.CUSTOMER:
        if not customers_count:
            return set()
        at_home = select(HomeEntry.store_id).where(HomeEntry.draw_id == draw.id).distinct()
        return set(session.scalars(select(Store.code).where(Store.id.in_(at_home))))
    units = select(LedgerEntry.unit_code).where(LedgerEntry.draw_id == draw.id)
    if treated_only:
        units = units.where(LedgerEntry.variant != CONTROL)
    if unit is AssignmentUnit.REGION:
        return set(session.scalars(select(Store.code).join(Region).where(Region.code.in_(units))))
    return set(session.scalars(units))


def _treated_customers(session: Session, draw: Draw) -> set[int]:
    if unit_of(draw) is AssignmentUnit.CUSTOMER:
        treated = select(LedgerEntry.unit_code).where(LedgerEntry.draw_id == draw.id, LedgerEntry.variant != CONTROL)
        return {int(code) for code in session.scalars(treated)}
    ids = select(Store.id).where(Store.code.in_(_stores(session, draw, treated_only=True)))
    at_home = select(HomeEntry.customer_key).where(HomeEntry.draw_id == draw.id, HomeEntry.store_id.in_(ids))
    return set(session.scalars(at_home))
