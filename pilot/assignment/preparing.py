"""The long part of a draw, before its transaction: candidates, covariates and homes from the lake, and the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.design.mechanisms import Mechanism
from experiments.measure.metrics import AssignmentUnit
from pilot.assignment.errors import AlreadyDrawn, DrawMovedOn, DrawnTooLate, SeedMissing
from pilot.assignment.exclusions import exclusions
from pilot.assignment.model import Draw, SealedSeed
from pilot.assignment.queries import draws, mechanism_of, seed_of, stores_by_unit
from pilot.assignment.record import Replayed, make_record, replay
from pilot.network.model import Store
from pilot.planning.candidates import Exclusions, candidate_list
from pilot.planning.designer import Design, design_from, require_reach
from pilot.planning.errors import StageOutOfTurn
from pilot.planning.lifecycle import PilotState, StageState, require_move
from pilot.planning.model import Pilot
from pilot.planning.plan import Plan
from pilot.planning.queries import business_day, sealed_plan

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake


@dataclass(frozen=True, slots=True)
class PreparedDraw:
    """A draw that is made but not yet written: it holds as long as plan, stage and ``excluded`` stay as they are.

    ``homes`` maps customer_key to the home store's id, ascending by key.
    """

    pilot: str
    stage: int
    plan_hash: str
    excluded: Exclusions
    record: str
    replayed: Replayed
    homes: Mapping[int, int]
    lake_version: int


def prepare_draw(session: Session, pilot: Pilot, stage_number: int, *, lake: Lake, now: datetime) -> PreparedDraw:
    """Make the current stage's draw from its binding seed. Reads only: call it in ``database.reading()``.

    Where an amendment voided a draw and left the design as it was, the seed of that draw binds, so that the amended
    plan draws the same again: nobody amends until a draw pleases. A changed design takes the seed made at its seal.
    Candidates, covariates and homes come from the lake's version of this moment, which the record names. Raises
    ``SeedMissing``, ``StageOutOfTurn``, ``AlreadyDrawn``, ``DrawnTooLate``, and what the candidates and the design
    refuse.
    """
    plan, seed = sealed_plan(session, pilot), _binding_seed(session, pilot, stage_number)
    _require_turn(session, pilot, plan, stage_number, now)
    version, excluded = lake.version(), exclusions(session, pilot, stage_number)
    listed = candidate_list(session, lake, plan, stage_number, version=version, excluded=excluded)
    design = design_from(plan, stage_number, listed, salt=seed)
    earlier = seed_of_same_design(session, pilot, stage_number, design)
    if earlier is not None:
        seed, design = earlier, design_from(plan, stage_number, listed, salt=earlier)
    require_reach(plan, stage_number, design)
    homes = homes_of_the_drawn(plan, design)
    plan_hash = pilot.plan_hash or ""
    record = record_of(session, plan, stage_number, design, homes, plan_hash, seed)
    return PreparedDraw(pilot.code, stage_number, plan_hash, excluded, record, replay(record), homes, version)


def seed_of_same_design(session: Session, pilot: Pilot, stage_number: int, design: Design) -> str | None:
    """The seed of the first draw of this stage that dealt the same units in the same blocks; None where none did."""
    members = _members(session, design)
    for draw in draws(session, pilot):
        if draw.stage_number == stage_number and _is_same(draw, design.mechanism, members):
            return f"{seed_of(draw):064x}"
    return None


def require_unmoved(session: Session, pilot: Pilot, prepared: PreparedDraw, now: datetime) -> None:
    """``DrawMovedOn`` when the plan, or who may be drawn, is no longer what ``prepared`` rests on.

    Raises what ``prepare_draw`` raises when the stage can no longer be drawn at all.
    """
    plan = sealed_plan(session, pilot)
    _require_turn(session, pilot, plan, prepared.stage, now)
    same = (pilot.code, pilot.plan_hash) == (prepared.pilot, prepared.plan_hash)
    if not same or exclusions(session, pilot, prepared.stage) != prepared.excluded:
        raise DrawMovedOn(stage=prepared.stage, pilot=pilot.code)


def homes_of_the_drawn(plan: Plan, design: Design) -> dict[int, int]:
    """The listed customers of the units that the mechanism deals, not of those it leaves out.

    Where customers are drawn: the drawn customers (all candidates, where the list is open).
    """
    homes = design.candidates.homes
    if plan.unit is AssignmentUnit.CUSTOMER:
        codes = design.mechanism.codes or tuple(candidate.code for candidate in design.candidates.candidates)
        drawn = {int(code) for code in codes}
        return {key: store_id for key, store_id in homes.items() if key in drawn}
    dealt = set(design.mechanism.codes)
    ids = {i for code, members in design.candidates.stores.items() if code in dealt for i in members}
    return {key: store_id for key, store_id in homes.items() if store_id in ids}


def record_of(
    session: Session,
    plan: Plan,
    stage_number: int,
    design: Design,
    homes: Mapping[int, int],
    plan_hash: str,
    seed: str,
    *,
    is_specimen: bool = False,
) -> str:
    code_of, members = _codes(session), _members(session, design)
    starts_on = plan.stage(stage_number).starts_on
    return make_record(
        pilot=plan.pilot,
        stage=stage_number,
        plan_hash=plan_hash,
        seed=seed,
        is_specimen=is_specimen,
        unit=plan.unit.value,
        mechanism=design.mechanism,
        left_out=design.candidates.left_out,
        stores=members,
        lake_version=design.candidates.version,
        periods={
            "covariates": [str(day) for day in plan.pre_window(starts_on)],
            "homes": [str(day) for day in plan.home_window(starts_on)],
        },
        homes={key: code_of[store_id] for key, store_id in homes.items()},
    )


def _is_same(draw: Draw, mechanism: Mechanism, members: Mapping[str, list[str]]) -> bool:
    """Whether the draw had this mechanism, whatever its covariates and its salt, and its units the same stores."""
    drawn, stores = mechanism_of(draw), stores_by_unit(draw.record)
    told = (drawn.kind, drawn.shares, drawn.blocks, drawn.criterion, drawn.constraints)
    if told != (mechanism.kind, mechanism.shares, mechanism.blocks, mechanism.criterion, mechanism.constraints):
        return False
    return all(list(stores.get(code, ())) == members.get(code, []) for code in mechanism.codes)


def _members(session: Session, design: Design) -> dict[str, list[str]]:
    """Unit code → the codes of its stores, in order."""
    code_of = _codes(session)
    return {code: sorted(code_of[i] for i in ids) for code, ids in design.candidates.stores.items()}


def _codes(session: Session) -> dict[int, str]:
    return {store.id: store.code for store in session.scalars(select(Store))}


def _binding_seed(session: Session, pilot: Pilot, stage_number: int) -> str:
    seed = session.scalar(
        select(SealedSeed.seed).where(
            SealedSeed.pilot_id == pilot.id,
            SealedSeed.stage_number == stage_number,
            SealedSeed.plan_hash == pilot.plan_hash,
        )
    )
    if seed is None:
        raise SeedMissing(stage=stage_number, pilot=pilot.code)
    return seed


def _require_turn(session: Session, pilot: Pilot, plan: Plan, stage_number: int, now: datetime) -> None:
    current = pilot.current_stage
    if current is None or current.number != stage_number:
        raise StageOutOfTurn(stage=stage_number, pilot=pilot.code, current=current.number if current else "–")
    if current.state != StageState.PLANNED:
        raise AlreadyDrawn(stage=stage_number, pilot=pilot.code)
    require_move(pilot.code, PilotState(pilot.state), PilotState.DRAWN)
    starts_on, today = plan.stage(stage_number).starts_on, business_day(session, now)
    if today > starts_on:
        raise DrawnTooLate(stage=stage_number, pilot=pilot.code, starts_on=str(starts_on), today=str(today))
