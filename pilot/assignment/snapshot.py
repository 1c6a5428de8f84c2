"""What decides who gets what, read once: stores, draws in force, sealed plans. Frozen; a change makes a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.design.mechanisms import Mechanism, MechanismKind
from experiments.measure.metrics import AssignmentUnit
from pilot.assignment.model import Draw
from pilot.assignment.queries import assignment_of, draws_in_force, left_out, mechanism_of, stores_by_unit
from pilot.errors import NotFound
from pilot.network.model import Network, Region, Store
from pilot.planning.lifecycle import PilotState, StageState
from pilot.planning.model import Pilot
from pilot.planning.plan import AppliesBy, Plan
from pilot.planning.queries import business_date, plan_of, sealed_plan
from pilot.words import N_


@dataclass(frozen=True, slots=True)
class Place:
    """A store as a look-up knows it, with the zone in which its business day runs."""

    id: int
    code: str
    region: str
    zone: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a draw says, which never changes. ``variants``: unit → variant, empty where customers were drawn.

    ``stores`` are those whose customers or units were drawn; ``mechanism`` is given for an open list alone.
    """

    id: int
    variants: Mapping[str, str]
    stores: frozenset[str]
    left_out: Mapping[str, str]
    mechanism: Mechanism | None


@dataclass(frozen=True, slots=True)
class Case:
    """A drawn stage that a question may fall under, with the plan that it was drawn under."""

    pilot: str
    is_rolled_out: bool
    stage: int
    state: StageState
    starts_on: date
    ends_on: date
    plan: Plan
    drawn: Drawn

    @property
    def goes_by_home(self) -> bool:
        """Stores or regions were drawn, and each customer carries what their home store got."""
        return self.plan.unit is not AssignmentUnit.CUSTOMER and self.plan.applies_by is AppliesBy.HOME

    @property
    def is_listed(self) -> bool:
        """Customers were drawn from a closed list."""
        return self.plan.unit is AssignmentUnit.CUSTOMER and self.drawn.mechanism is None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the network that answers look-ups. ``rolled_out``: codes and plans, in the order of codes."""

    places: Mapping[str, Place]
    cutoff_hour: int
    cases: tuple[Case, ...]
    rolled_out: tuple[tuple[str, Plan], ...]
    place_of_id: Mapping[int, Place] = field(init=False)
    draws_by_home: tuple[int, ...] = field(init=False)
    draws_of_listed: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place_of_id", {place.id: place for place in self.places.values()})
        object.__setattr__(self, "draws_by_home", tuple(c.drawn.id for c in self.cases if c.goes_by_home))
        object.__setattr__(self, "draws_of_listed", tuple(c.drawn.id for c in self.cases if c.is_listed))

    def place(self, code: str) -> Place:
        """The store with this code; raises ``NotFound``."""
        found = self.places.get(code)
        if found is None:
            raise NotFound(kind=N_("store"), name=code)
        return found

    def day(self, place: Place, at: datetime) -> date:
        """The business day of a store at an instant."""
        return business_date(at, place.zone, self.cutoff_hour)


def read_snapshot(session: Session, before: Snapshot | None = None) -> Snapshot:
    """The snapshot of what ``session`` sees. Draws that ``before`` knows are not read again."""
    network = session.execute(select(Network.timezone, Network.cutoff_hour)).first()
    zone, cutoff_hour = network or ("UTC", 0)
    rows = session.execute(select(Store.id, Store.code, Region.code, Store.timezone).join(Region))
    places = {code: Place(id_, code, region, own or zone) for id_, code, region, own in rows}
    known = {case.drawn.id: case.drawn for case in before.cases} if before else {}
    cases = tuple(
        Case(
            pilot.code,
            pilot.state == PilotState.ROLLED_OUT,
            stage.number,
            StageState(stage.state),
            stage.starts_on,
            stage.ends_on,
            plan := plan_of(session, pilot, draw.plan_hash),
            known.get(draw.id) or _drawn(session, plan, draw),
        )
        for pilot, stage, draw in draws_in_force(session)
    )
    over = session.scalars(select(Pilot).where(Pilot.state == PilotState.ROLLED_OUT).order_by(Pilot.code))
    return Snapshot(places, cutoff_hour, cases, tuple((pilot.code, sealed_plan(session, pilot)) for pilot in over))


def _drawn(session: Session, plan: Plan, draw: Draw) -> Drawn:
    stores = frozenset(store for members in stores_by_unit(draw.record).values() for store in members)
    if plan.unit is not AssignmentUnit.CUSTOMER:
        return Drawn(draw.id, assignment_of(session, draw), stores, left_out(draw), None)
    is_open = plan.mechanism.kind is MechanismKind.BERNOULLI_HASH
    return Drawn(draw.id, {}, stores, {}, mechanism_of(draw) if is_open else None)
