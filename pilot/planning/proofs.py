"""Proofs: the sign-offs that a move needs, handed over by governance; planning only checks that they fit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pilot.planning.errors import OwnPlan, SignOffMissing, TwoPeopleNeeded
from pilot.words import N_, Message


class ProofKind(StrEnum):
    COSIGN = "cosign"
    APPROVE = "approve"
    DECISION = "decision"


_KIND_NAMES = {
    ProofKind.COSIGN: Message("proof_cosign", N_("an analyst's co-sign")),
    ProofKind.APPROVE: Message("proof_approve", N_("an executive's approval")),
    ProofKind.DECISION: Message("proof_decision", N_("an executive's decision")),
}


@dataclass(frozen=True, slots=True)
class Proof:
    """Somebody (``user_id``) signed off exactly one plan text (by hash) at ``at``."""

    kind: ProofKind
    user_id: int
    plan_hash: str
    at: datetime


def require_proofs(
    pilot: str, owner_id: int, plan_hash: str, proofs: Sequence[Proof], kinds: Iterable[ProofKind]
) -> None:
    """Each of ``kinds`` is proved on ``plan_hash``, by different people, none of them the owner.

    Raises ``OwnPlan`` where the owner signed, ``SignOffMissing`` naming the kind that has no proof of its own.
    """
    fitting = [proof for proof in proofs if proof.plan_hash == plan_hash]
    if any(proof.user_id == owner_id for proof in fitting):
        raise OwnPlan(pilot=pilot)
    signed: set[int] = set()
    for kind in kinds:
        person = next((p.user_id for p in fitting if p.kind is kind and p.user_id not in signed), None)
        if person is None:
            raise SignOffMissing(pilot=pilot, kind=_KIND_NAMES[kind], hash=plan_hash[:12])
        signed.add(person)


def require_two_people(pilot: str, decisions: Sequence[Proof]) -> None:
    """Going network-wide takes the decisions of two different people (``TwoPeopleNeeded``)."""
    if len({proof.user_id for proof in decisions if proof.kind is ProofKind.DECISION}) < 2:
        raise TwoPeopleNeeded(pilot=pilot)
