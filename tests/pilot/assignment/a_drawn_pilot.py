"""A pilot on its way to a drawn, running, passed stage, for the tests of assignment."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.assignment.model import Draw
from pilot.assignment.service import draw_stage, prepare_draw, seal_seeds
from pilot.outcomes.lake import Lake
from pilot.planning import service as planning
from pilot.planning.model import Pilot
from pilot.planning.proofs import Proof, ProofKind
from tests.pilot.planning.a_network import NOW, a_pilot, signed, submitted

ENTROPY = b"sixteen bytes!!!" * 2


def owner_of(session: Session, pilot: Pilot) -> User:
    return session.get_one(User, pilot.owner_id)


def sealed(session: Session, lake: Lake, *, code: str = "points-1", entropy: bytes = ENTROPY, **changes: Any) -> Pilot:
    """A new pilot, submitted, signed and sealed with its seeds."""
    pilot = a_pilot(session, code=code, **changes)
    submitted(session, pilot, lake)
    seal_again(session, pilot, entropy=entropy)
    return pilot


def seal_again(session: Session, pilot: Pilot, *, entropy: bytes = ENTROPY) -> list[Proof]:
    proofs, _analyst, executive = signed(session, pilot)
    planning.mark_cosigned(session, pilot, proof=proofs[0])
    planning.seal(session, pilot, proofs=proofs, actor=executive, now=NOW)
    seal_seeds(session, pilot, entropy=entropy, actor=executive, now=NOW)
    return proofs


def drawn(session: Session, lake: Lake, pilot: Pilot, number: int = 1, *, days: int = 0) -> Draw:
    actor, now = owner_of(session, pilot), NOW + timedelta(days=days)
    prepared = prepare_draw(session, pilot, number, lake=lake, now=now)
    return draw_stage(session, pilot, prepared=prepared, actor=actor, now=now)


def started(session: Session, pilot: Pilot, number: int = 1, *, days: int = 0) -> None:
    proofs, _, executive = signed(session, pilot)
    now = NOW + timedelta(days=days)
    planning.start_stage(session, pilot, number, approvals=proofs, actor=executive, now=now)


def through_the_gate(session: Session, pilot: Pilot, number: int = 1) -> None:
    proofs, _, executive = signed(session, pilot)
    after = NOW + timedelta(days=(pilot.stage(number).ends_on - NOW.date()).days + 1)
    planning.reach_gate(session, pilot, number, report="report", actor=executive, now=after)
    two = [Proof(ProofKind.DECISION, proof.user_id, proof.plan_hash, after) for proof in proofs]
    planning.pass_stage(session, pilot, number, decisions=two, actor=executive, now=after)
