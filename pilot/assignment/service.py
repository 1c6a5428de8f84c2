"""The verbs of assignment: binding seeds at the seal, specimens before it, and the draw of a stage into the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from experiments.design.balance import BalanceRow, balance
from experiments.measure.metrics import AssignmentUnit
from pilot.access.model import User
from pilot.assignment.errors import (
    AlreadyDrawn,
    DrawnTooLate,
    SeedMissing,
    SeedsAlreadyMade,
    SpecimenAfterSeal,
    TooLittleEntropy,
)
from pilot.assignment.exclusions import exclusions
from pilot.assignment.model import Draw, HomeEntry, LedgerEntry, SealedSeed
from pilot.assignment.queries import assignment_of, has_seeds, mechanism_of
from pilot.assignment.record import Replayed, make_record, replay
from pilot.audit import service as audit
from pilot.canonical import canonical_text, sha256_hex
from pilot.network.model import Store
from pilot.planning import service as planning
from pilot.planning.candidates import candidate_list
from pilot.planning.designer import Design, design_from, design_of, require_reach
from pilot.planning.errors import StageOutOfTurn
from pilot.planning.lifecycle import PilotState, StageState, require_move
from pilot.planning.model import Pilot
from pilot.planning.plan import Plan
from pilot.planning.queries import draft_plan, local_date, sealed_plan

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake

LEAST_ENTROPY_BYTES = 16
_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Specimen:
    """A draw that binds nobody: made before the seal from a seed that is shown, to see what a draw looks like."""

    seed_text: str
    replayed: Replayed
    balance: tuple[BalanceRow, ...]


def seal_seeds(session: Session, pilot: Pilot, *, entropy: bytes, actor: User, now: datetime) -> None:
    """Make the binding seed of every stage that is still to be drawn: by the system, at the seal, once per plan.

    ``entropy`` is the operating system's randomness (the demonstration passes its own). The log keeps a hash of each
    seed, so that nobody can exchange one before the draw. Raises ``SeedsAlreadyMade`` and ``TooLittleEntropy``.
    """
    planning.lock(session, pilot)
    plan, plan_hash = sealed_plan(session, pilot), pilot.plan_hash or ""
    if len(entropy) < LEAST_ENTROPY_BYTES:
        raise TooLittleEntropy(needed=LEAST_ENTROPY_BYTES, given=len(entropy))
    if has_seeds(session, pilot, plan_hash):
        raise SeedsAlreadyMade(pilot=pilot.code)
    commitments = {}
    for stage in plan.stages:
        if stage.number > pilot.last_started:
            parts = {"entropy": entropy.hex(), "pilot": pilot.code, "plan_hash": plan_hash, "stage": stage.number}
            seed = sha256_hex(canonical_text(parts))
            session.add(
                SealedSeed(pilot_id=pilot.id, stage_number=stage.number, plan_hash=plan_hash, seed=seed, sealed_at=now)
            )
            commitments[str(stage.number)] = sha256_hex(seed)
    session.flush()
    details = {"plan_hash": plan_hash, "seed_hashes": commitments}
    _record(session, pilot, "assignment.seal_seeds", details, actor, now)


def draw_stage(session: Session, pilot: Pilot, stage_number: int, *, lake: Lake, actor: User, now: datetime) -> Draw:
    """Draw the current stage with its binding seed and write the ledger: the record, the units, the home list.

    Candidates, covariates and homes come from the lake's version of this moment, which the record names. Raises
    ``SeedMissing``, ``AlreadyDrawn``, ``DrawnTooLate``, and what the candidates and the design refuse.
    """
    planning.lock(session, pilot)
    plan, seed = sealed_plan(session, pilot), _binding_seed(session, pilot, stage_number)
    _require_turn(session, pilot, plan, stage_number, now)
    version = lake.version()
    listed = candidate_list(
        session, lake, plan, stage_number, version=version, excluded=exclusions(session, pilot, stage_number)
    )
    design = design_from(plan, stage_number, listed, salt=seed)
    require_reach(plan, stage_number, design)
    homes = _homes_of_the_drawn(plan, design)
    record = _record_of(session, plan, stage_number, design, homes, pilot.plan_hash or "", seed)
    replayed = replay(record)
    draw = Draw(
        pilot_id=pilot.id,
        stage_number=stage_number,
        plan_hash=pilot.plan_hash,
        record=record,
        ledger_hash=replayed.ledger_hash,
        lake_version=version,
        drawn_by=actor.email,
        drawn_at=now,
    )
    session.add(draw)
    session.flush()
    _write(session, draw, replayed, homes)
    planning.mark_drawn(session, pilot, stage_number, ledger_hash=draw.ledger_hash, actor=actor, now=now)
    return draw


def specimen(session: Session, pilot: Pilot, stage_number: int, *, lake: Lake, seed_text: str) -> Specimen:
    """A draw of a plan that is not sealed, from the words in ``seed_text``. Nothing is stored and nothing follows."""
    if PilotState(pilot.state) not in (PilotState.DRAFT, PilotState.SUBMITTED, PilotState.COSIGNED):
        raise SpecimenAfterSeal(pilot=pilot.code)
    plan = draft_plan(pilot)
    design = design_of(session, lake, plan, stage_number)
    seed = sha256_hex(f"specimen/{plan.pilot}/{stage_number}/{seed_text}")
    design = design_from(plan, stage_number, design.candidates, salt=seed)
    homes = _homes_of_the_drawn(plan, design)
    replayed = replay(_record_of(session, plan, stage_number, design, homes, plan.hash(), seed, is_specimen=True))
    rows = {row.unit: row.variant for row in replayed.rows}
    return Specimen(seed_text, replayed, balance(design.mechanism, rows))


def balance_of(session: Session, draw: Draw) -> tuple[BalanceRow, ...]:
    """How alike the drawn arms were before the start, by the recorded covariates."""
    return balance(mechanism_of(draw), assignment_of(session, draw))


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
    starts_on, today = plan.stage(stage_number).starts_on, local_date(session, now)
    if today > starts_on:
        raise DrawnTooLate(stage=stage_number, pilot=pilot.code, starts_on=str(starts_on), today=str(today))


def _homes_of_the_drawn(plan: Plan, design: Design) -> dict[int, int]:
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


def _record_of(
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
    code_of = {store.id: store.code for store in session.scalars(select(Store))}
    members = {code: sorted(code_of[i] for i in ids) for code, ids in design.candidates.stores.items()}
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


def _write(session: Session, draw: Draw, replayed: Replayed, homes: Mapping[int, int]) -> None:
    entries = [
        {"draw_id": draw.id, "unit_code": row.unit, "variant": row.variant, "block": row.block} for row in replayed.rows
    ]
    listed = [{"draw_id": draw.id, "customer_key": key, "store_id": store_id} for key, store_id in homes.items()]
    for start in range(0, len(entries), _CHUNK):
        session.execute(insert(LedgerEntry), entries[start : start + _CHUNK])
    for start in range(0, len(listed), _CHUNK):
        session.execute(insert(HomeEntry), listed[start : start + _CHUNK])


def _record(session: Session, pilot: Pilot, verb: str, details: dict[str, Any], actor: User, now: datetime) -> None:
    audit.record(
        session, actor=actor.email, verb=verb, subject_kind="pilot", subject=pilot.code, details=details, at=now
    )
