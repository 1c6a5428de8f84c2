"""Whether the network has what a plan names: stores, regions, and the regions of groups that are looked at."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.measure.metrics import AssignmentUnit
from pilot.errors import PilotError
from pilot.network.model import Region, Store
from pilot.planning.candidates import units_of
from pilot.planning.errors import RivalStoresDoNotFit, SubgroupDoesNotFit, UnknownPlaces
from pilot.planning.plan import REGION_PREFIX, Plan
from pilot.words import N_, Message


def place_problems(session: Session, plan: Plan) -> tuple[PilotError, ...]:
    """Everything that the plan names and the network does not have: ``UnknownUnits``, ``UnknownPlaces``,
    ``RivalStoresDoNotFit`` and ``SubgroupDoesNotFit``."""
    return tuple(_problems(session, plan))


def require_places(session: Session, plan: Plan) -> None:
    """Raise the first of them: a store that stays out by a name with a slip in it would be drawn."""
    for problem in _problems(session, plan):
        raise problem


_HOLDOUT = Message("places_holdout", N_("the holdout"))
_INCLUDED = Message("places_included", N_("stores that must take part"))
_EXCLUDED = Message("places_excluded", N_("stores that stay out"))
_NO_RIVALS = N_("the network has no {names}")


def _problems(session: Session, plan: Plan) -> Iterator[PilotError]:
    stores, regions = set(session.scalars(select(Store.code))), set(session.scalars(select(Region.code)))
    for stage in plan.stages:
        try:
            units_of(session, plan, stage)
        except PilotError as error:
            yield error
    units = stores | regions if plan.unit is AssignmentUnit.REGION else stores
    for where, names in (
        (_HOLDOUT, plan.holdout),
        (_INCLUDED, plan.eligibility.must_include),
        (_EXCLUDED, plan.eligibility.must_exclude),
    ):
        if unknown := sorted(set(names) - units):
            yield UnknownPlaces(where=where, names=", ".join(unknown))
    if unknown := sorted(set(plan.rival_stores) - stores):
        yield RivalStoresDoNotFit(problem=Message("because", _NO_RIVALS, {"names": ", ".join(unknown)}))
    for group in plan.subgroups:
        if group.startswith(REGION_PREFIX) and group.removeprefix(REGION_PREFIX) not in regions:
            known = ", ".join(REGION_PREFIX + region for region in sorted(regions))
            yield SubgroupDoesNotFit(group=group, known=known or "–")
