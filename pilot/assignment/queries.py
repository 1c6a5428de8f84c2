"""What other rooms read of the ledger."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import pyarrow as pa
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from experiments.design.mechanisms import Mechanism, from_record
from experiments.measure.metrics import AssignmentUnit
from pilot.assignment.model import Draw, HomeEntry, LedgerEntry, SealedSeed
from pilot.assignment.record import read_record
from pilot.network.model import Store
from pilot.planning.model import Pilot, Stage, StageState


def draw_of(session: Session, pilot: Pilot, stage_number: int) -> Draw | None:
    """The draw in force of a stage: the last one. None before the draw, and after an amendment has voided it."""
    stage = next((s for s in pilot.stages if s.number == stage_number), None)
    if stage is None or stage.state == StageState.PLANNED:
        return None
    mine = select(Draw).where(Draw.pilot_id == pilot.id, Draw.stage_number == stage_number)
    return session.scalar(mine.order_by(Draw.id.desc()).limit(1))


def draws(session: Session, pilot: Pilot) -> list[Draw]:
    """Every draw of the pilot, those that an amendment voided too, the first one first."""
    return list(session.scalars(select(Draw).where(Draw.pilot_id == pilot.id).order_by(Draw.id)))


def drawn_before(session: Session, pilot: Pilot, stage_number: int) -> int:
    """How many draws of the stage there are: before it is drawn again, those that amendments voided."""
    mine = select(func.count()).select_from(Draw)
    return session.scalar(mine.where(Draw.pilot_id == pilot.id, Draw.stage_number == stage_number)) or 0


def draws_in_force(session: Session, states: Iterable[StageState] | None = None) -> list[tuple[Pilot, Stage, Draw]]:
    """The draw in force of every drawn stage (in one of ``states``), pilots by code, their last stage first."""
    last = select(func.max(Draw.id)).group_by(Draw.pilot_id, Draw.stage_number)
    found = (
        select(Pilot, Stage, Draw)
        .join(Stage, Stage.pilot_id == Pilot.id)
        .join(Draw, (Draw.pilot_id == Pilot.id) & (Draw.stage_number == Stage.number))
        .where(Draw.id.in_(last), Stage.state != StageState.PLANNED)
        .order_by(Pilot.code, Stage.number.desc())
    )
    if states is not None:
        found = found.where(Stage.state.in_(list(states)))
    return [(pilot, stage, draw) for pilot, stage, draw in session.execute(found)]


def assignment_of(session: Session, draw: Draw) -> dict[str, str]:
    """Unit code → variant, in the order of codes; empty for an open list."""
    entries = select(LedgerEntry.unit_code, LedgerEntry.variant).where(LedgerEntry.draw_id == draw.id)
    return dict(sorted((code, variant) for code, variant in session.execute(entries)))


def homes(session: Session, draw: Draw) -> pa.Table:
    """The frozen home list: customer_key, store_id (both int64), in ascending order of keys."""
    rows = session.execute(
        select(HomeEntry.customer_key, HomeEntry.store_id)
        .where(HomeEntry.draw_id == draw.id)
        .order_by(HomeEntry.customer_key)
    ).all()
    return pa.table(
        {
            "customer_key": pa.array([key for key, _ in rows], pa.int64()),
            "store_id": pa.array([store for _, store in rows], pa.int64()),
        }
    )


def unit_stores(session: Session, draw: Draw) -> pa.Table:
    """The stores of each drawn unit: store_id (int64), unit (text), by id. Empty where customers were drawn."""
    drawn = assignment_of(session, draw)
    members = stores_by_unit(draw.record)
    unit_by_store = {store: unit for unit, stores in members.items() if unit in drawn for store in stores}
    known = session.execute(select(Store.id, Store.code).order_by(Store.id))
    rows = [(store_id, unit_by_store[code]) for store_id, code in known if code in unit_by_store]
    return pa.table(
        {
            "store_id": pa.array([store_id for store_id, _ in rows], pa.int64()),
            "unit": pa.array([unit for _, unit in rows], pa.string()),
        }
    )


def has_seeds(session: Session, pilot: Pilot, plan_hash: str) -> bool:
    """Whether the binding seeds of this plan have been made."""
    found = select(SealedSeed.id).where(SealedSeed.pilot_id == pilot.id, SealedSeed.plan_hash == plan_hash).limit(1)
    return session.scalar(found) is not None


def unit_of(draw: Draw) -> AssignmentUnit:
    """The unit of assignment of a draw."""
    return AssignmentUnit(_parsed(draw.record)["unit"])


def mechanism_of(draw: Draw) -> Mechanism:
    """The recorded mechanism, with its candidates and blocks."""
    return from_record(_parsed(draw.record)["mechanism"])


def seed_of(draw: Draw) -> int:
    """The seed of a draw as the number that the mechanism takes."""
    return int(_parsed(draw.record)["seed"], 16)


def left_out(draw: Draw) -> dict[str, str]:
    """Unit code → why it was left out (``candidates.STAYS_OUT_WORDS`` has the words)."""
    return {str(unit): str(reason) for unit, reason in _parsed(draw.record)["left_out"]}


def stores_by_unit(record: str) -> dict[str, tuple[str, ...]]:
    """Unit code → codes of its stores when it was drawn."""
    return {unit: tuple(stores) for unit, stores in _parsed(record)["stores"].items()}


@lru_cache(maxsize=32)
def _parsed(record: str) -> dict[str, Any]:
    return read_record(record)
