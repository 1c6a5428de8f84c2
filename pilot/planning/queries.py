"""What people and other rooms read of pilots and their plans."""

import json
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from pilot.errors import NotFound
from pilot.network.model import Network, Store
from pilot.planning.errors import NothingSubmitted, NotSealed
from pilot.planning.model import Pilot, PlanVersion, StageRestriction
from pilot.planning.plan import Plan
from pilot.words import N_


def pilot(session: Session, code: str) -> Pilot:
    """The pilot with its stages; ``NotFound`` where there is none."""
    found = session.scalar(select(Pilot).where(Pilot.code == code).options(selectinload(Pilot.stages)))
    if found is None:
        raise NotFound(kind=N_("pilot"), name=code)
    return found


def pilots(session: Session) -> list[Pilot]:
    """All pilots with their stages, the newest first."""
    newest = select(Pilot).order_by(Pilot.created_at.desc(), Pilot.code).options(selectinload(Pilot.stages))
    return list(session.scalars(newest))


def draft_plan(pilot: Pilot) -> Plan:
    """The plan as its author left it; ``PlanUnreadable`` names what is wrong in form."""
    return Plan.from_document(pilot.plan)


def versions(session: Session, pilot: Pilot) -> list[PlanVersion]:
    """Every submitted version, the first one first."""
    return list(
        session.scalars(select(PlanVersion).where(PlanVersion.pilot_id == pilot.id).order_by(PlanVersion.number))
    )


def submitted_version(session: Session, pilot: Pilot) -> PlanVersion:
    """The last submitted version: what sign-offs are about. ``NothingSubmitted`` before the first."""
    last = select(PlanVersion).where(PlanVersion.pilot_id == pilot.id).order_by(PlanVersion.number.desc()).limit(1)
    found = session.scalar(last)
    if found is None:
        raise NothingSubmitted(pilot=pilot.code)
    return found


def sealed_plan(session: Session, pilot: Pilot) -> Plan:
    """The plan in force; ``NotSealed`` before the first seal."""
    if pilot.plan_hash is None:
        raise NotSealed(pilot=pilot.code)
    return plan_of(session, pilot, pilot.plan_hash)


def plan_of(session: Session, pilot: Pilot, plan_hash: str) -> Plan:
    """The submitted plan with this hash: the plan under which a stage was drawn."""
    text = session.scalar(
        select(PlanVersion.text)
        .where(PlanVersion.pilot_id == pilot.id, PlanVersion.hash == plan_hash)
        .order_by(PlanVersion.number)
        .limit(1)
    )
    if text is None:
        raise NotFound(kind=N_("plan"), name=plan_hash)
    return read_text(text)


def restrictions(session: Session, pilot: Pilot) -> dict[int, list[str]]:
    """By stage number: the regions in which the executives let the stage go on; a stage without limit is not there."""
    found = session.scalars(select(StageRestriction).where(StageRestriction.pilot_id == pilot.id))
    return {one.stage_number: list(one.regions) for one in found}


@lru_cache(maxsize=64)
def read_text(text: str) -> Plan:
    """The plan that a canonical text holds (a text never changes, so reading it once is enough)."""
    return Plan.from_document(json.loads(text))


def business_day(session: Session, now: datetime) -> date:
    """The business day that some store of the network still has: a window is over when it is over everywhere.

    Until the cut-off hour it is yesterday (UTC and midnight where no network is set up).
    """
    network = session.execute(select(Network.timezone, Network.cutoff_hour)).first()
    zone, cutoff_hour = network or ("UTC", 0)
    zones = {zone, *session.scalars(select(Store.timezone).where(Store.timezone.is_not(None)).distinct())}
    return min(business_date(now, place, cutoff_hour) for place in zones if place)


def business_date(at: datetime, zone: str, cutoff_hour: int) -> date:
    """The business date of an instant in the time zone ``zone``: until the cut-off hour it is still yesterday."""
    local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return (local - timedelta(hours=cutoff_hour)).date()
