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
    """Somebody (``user_id``) signed off exactly one plan text (by hash) at ``at``; a deputy did it for another."""

    kind: ProofKind
    user_id: int
    plan_hash: str
    at: datetime
    for_user_id: int | None = None

    @property
    def people(self) -> frozenset[int]:
        """The human who signed and the one in whose place: neither counts in a second signature."""
        return frozenset({self.user_id, self.for_user_id or self.user_id})


@dataclass(frozen=True, slots=True)
class SignOffs:
    """How many different analysts co-sign and executives approve; whatever a policy says, one of each at least."""

    cosigns: int = 1
    approvals: int = 1

    @property
    def kinds(self) -> tuple[ProofKind, ...]:
        """Each needed signature by its kind."""
        return (ProofKind.COSIGN,) * max(1, self.cosigns) + (ProofKind.APPROVE,) * max(1, self.approvals)


ONE_OF_EACH = SignOffs()


def missing(proofs: Sequence[Proof], kinds: Iterable[ProofKind]) -> tuple[ProofKind, ...]:
    """Which of ``kinds`` the proofs leave open, each given by a person of its own."""
    found: list[ProofKind] = []
    open_: list[ProofKind] = []
    for kind in kinds:
        (found if _fit(proofs, [*found, kind], frozenset()) else open_).append(kind)
    return tuple(open_)


def require_proofs(
    pilot: str, owner_id: int, plan_hash: str, proofs: Sequence[Proof], kinds: Iterable[ProofKind]
) -> None:
    """Each of ``kinds`` is proved on ``plan_hash``, by different people, none of them the owner or in their place.

    Raises ``OwnPlan`` where the owner signed, ``SignOffMissing`` naming the kind that has no proof of its own.
    """
    fitting = [proof for proof in proofs if proof.plan_hash == plan_hash]
    if any(owner_id in proof.people for proof in fitting):
        raise OwnPlan(pilot=pilot)
    open_ = missing(fitting, kinds)
    if open_:
        raise SignOffMissing(pilot=pilot, kind=_KIND_NAMES[open_[0]], hash=plan_hash[:12])


def require_two_people(pilot: str, decisions: Sequence[Proof]) -> None:
    """Going network-wide takes the decisions of two different people (``TwoPeopleNeeded``)."""
    if missing(decisions, [ProofKind.DECISION] * 2):
        raise TwoPeopleNeeded(pilot=pilot)


def _fit(proofs: Sequence[Proof], kinds: Sequence[ProofKind], used: frozenset[int]) -> bool:
    """Whether the kinds can be given to proofs of people that nobody else uses. There are few of either."""
    if not kinds:
        return True
    first, *rest = kinds
    return any(_fit(proofs, rest, used | p.people) for p in proofs if p.kind is first and not p.people & used)
