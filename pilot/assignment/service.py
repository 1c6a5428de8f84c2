"""The verbs of assignment: binding seeds at the seal, specimens before it, and the draw of a stage into the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from experiments.design.balance import BalanceRow, balance
from pilot.access.model import User
from pilot.assignment.errors import SeedsAlreadyMade, SpecimenAfterSeal, TooLittleEntropy
from pilot.assignment.exclusions import exclusions
from pilot.assignment.model import Draw, HomeEntry, LedgerEntry, SealedSeed
from pilot.assignment.preparing import PreparedDraw, homes_of_the_drawn, record_of, require_unmoved
from pilot.assignment.preparing import prepare_draw as prepare_draw
from pilot.assignment.queries import assignment_of, drawn_before, has_seeds, mechanism_of
from pilot.assignment.record import Replayed, replay
from pilot.audit import service as audit
from pilot.canonical import canonical_text, sha256_hex
from pilot.network.model import Network
from pilot.planning import service as planning
from pilot.planning.designer import design_from, design_of
from pilot.planning.lifecycle import PilotState
from pilot.planning.model import Pilot
from pilot.planning.queries import draft_plan, sealed_plan

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


def draw_stage(session: Session, pilot: Pilot, *, prepared: PreparedDraw, actor: User, now: datetime) -> Draw:
    """Write a prepared draw into the ledger: the record, the units, the home list.

    Raises ``AlreadyDrawn``, ``DrawnTooLate``, and ``DrawMovedOn`` when something that it rests on has changed since it
    was prepared.
    """
    planning.lock(session, pilot)
    _lock_ledger(session)
    require_unmoved(session, pilot, prepared, now)
    before = drawn_before(session, pilot, prepared.stage)
    draw = Draw(
        pilot_id=pilot.id,
        stage_number=prepared.stage,
        plan_hash=prepared.plan_hash,
        record=prepared.record,
        ledger_hash=prepared.replayed.ledger_hash,
        lake_version=prepared.lake_version,
        drawn_by=actor.email,
        drawn_at=now,
    )
    session.add(draw)
    session.flush()
    _write(session, draw, prepared.replayed, prepared.homes)
    planning.mark_drawn(
        session, pilot, prepared.stage, ledger_hash=draw.ledger_hash, drawn_before=before, actor=actor, now=now
    )
    return draw


def specimen(session: Session, pilot: Pilot, stage_number: int, *, lake: Lake, seed_text: str) -> Specimen:
    """A draw of a plan that is not sealed, from the words in ``seed_text``. Nothing is stored and nothing follows."""
    if PilotState(pilot.state) not in (PilotState.DRAFT, PilotState.SUBMITTED, PilotState.COSIGNED):
        raise SpecimenAfterSeal(pilot=pilot.code)
    plan = draft_plan(pilot)
    design = design_of(session, lake, plan, stage_number, excluded=exclusions(session, pilot, stage_number))
    seed = sha256_hex(f"specimen/{plan.pilot}/{stage_number}/{seed_text}")
    design = design_from(plan, stage_number, design.candidates, salt=seed)
    homes = homes_of_the_drawn(plan, design)
    replayed = replay(record_of(session, plan, stage_number, design, homes, plan.hash(), seed, is_specimen=True))
    rows = {row.unit: row.variant for row in replayed.rows}
    return Specimen(seed_text, replayed, balance(design.mechanism, rows))


def balance_of(session: Session, draw: Draw) -> tuple[BalanceRow, ...]:
    """How alike the drawn arms were before the start, by the recorded covariates."""
    return balance(mechanism_of(draw), assignment_of(session, draw))


def _lock_ledger(session: Session) -> None:
    """Of two pilots that are drawn at once, the second waits and sees which stores the first has taken."""
    session.execute(select(Network.id).with_for_update())


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
