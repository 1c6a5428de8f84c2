"""Mechanisms: how units are drawn, as a record from which the same draw can be made again.

A closed list of candidates is drawn at once: inside each block (the whole list, a stratum, a pair) the units are put
in the order of SHA-256 of (seed, block, code) and the seats of each variant are dealt along that order. Nothing but
SHA-256 is used, so a record replays on any machine and in any later version. A draw with a criterion or with
neighbours that must not meet takes the first acceptable of the draws numbered 0, 1, 2, … under its seed.
``bernoulli_hash`` alone admits later arrivals: each code is hashed with a salt and falls into a share.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from math import ceil
from typing import Any

from experiments.design.candidates import CONTROL as CONTROL
from experiments.design.candidates import Candidate as Candidate
from experiments.design.candidates import Share as Share
from experiments.design.candidates import check_shares, check_unique, shares_text
from experiments.design.constraints import NO_CONSTRAINTS, Constraints
from experiments.design.criterion import DEFAULT_TRIES, Criterion, Distance
from experiments.design.dealing import deal, fall
from experiments.design.dealing import seat_counts as seat_counts
from experiments.errors import (
    ExperimentError,
    InvalidCandidate,
    InvalidMechanism,
    InvalidShares,
    OpenList,
    TooFewCandidates,
)
from experiments.messages import N_

RECORD_VERSION = 1
RULES_VERSION = 2  # a record with a criterion or constraints: a reader of version 1 alone must refuse it
_REFERENCE_DRAWS = 1_000


class NoAcceptableDraw(ExperimentError):
    """A criterion or constraints so tight that no draw of this seed met them within the cap."""

    code = "no_acceptable_draw"
    template = N_("none of {tries} draws met the criterion and the constraints; widen them or raise the cap")


class MechanismKind(StrEnum):
    """The mechanisms that can be drawn."""

    COMPLETE = "complete"
    STRATIFIED = "stratified"
    MATCHED_PAIRS = "matched_pairs"
    RERANDOMIZED = "rerandomized"
    BERNOULLI_HASH = "bernoulli_hash"


class LeftOut(StrEnum):
    """Why a candidate was left out before the draw."""

    NO_PARTNER = "no_partner"
    STRATUM_TOO_SMALL = "stratum_too_small"
    MUST_EXCLUDE = "must_exclude"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """How units are drawn. ``blocks`` hold the codes inside which seats are dealt; ``left_out`` are (code, reason
    code). ``criterion`` belongs to ``rerandomized`` alone; ``constraints`` may bind every closed list."""

    kind: MechanismKind
    candidates: tuple[Candidate, ...]
    shares: tuple[Share, ...]
    blocks: tuple[tuple[str, ...], ...]
    left_out: tuple[tuple[str, str], ...] = ()
    salt: str = ""
    criterion: Criterion | None = None
    constraints: Constraints = NO_CONSTRAINTS

    def __post_init__(self) -> None:
        check_shares(self.shares)
        check_unique([candidate.code for candidate in self.candidates])
        if (self.criterion is None) is (self.kind is MechanismKind.RERANDOMIZED):
            raise InvalidMechanism(kind=self.kind.value, must_be="a criterion is what makes a draw rerandomized")
        if self.kind is MechanismKind.BERNOULLI_HASH:
            _check_open(self)
        else:
            _check_blocks(self)
            self.constraints.check([candidate.code for candidate in self.candidates], self.codes)

    @property
    def variants(self) -> tuple[str, ...]:
        """All variants, ``control`` first."""
        return tuple(share.variant for share in self.shares)

    @property
    def treated_variants(self) -> tuple[str, ...]:
        """All variants but ``control``."""
        return self.variants[1:]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes that the draw deals, block by block."""
        return tuple(code for block in self.blocks for code in block)

    @property
    def rejects(self) -> bool:
        """Whether some assignments that the shares allow are not accepted."""
        return self.criterion is not None or bool(self.constraints.never_together)

    def to_record(self) -> dict[str, Any]:
        """The mechanism as JSON-able data without floats; ``from_record`` reads it back."""
        rules = {} if self.criterion is None else {"criterion": self.criterion.to_record()}
        if self.constraints:
            rules["constraints"] = self.constraints.to_record()
        return {
            "version": RULES_VERSION if rules else RECORD_VERSION,
            "kind": self.kind.value,
            "candidates": [
                {"code": c.code, "stratum": c.stratum, "covariates": dict(sorted(c.covariates.items()))}
                for c in self.candidates
            ],
            "shares": [[share.variant, share.weight] for share in self.shares],
            "blocks": [list(block) for block in self.blocks],
            "left_out": [list(pair) for pair in self.left_out],
            "salt": self.salt,
            **rules,
        }


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw: ``assignment`` maps each drawn code to its variant, in the order of the mechanism's blocks. ``tries``
    counts the draws that were looked at until one was accepted."""

    assignment: Mapping[str, str]
    left_out: tuple[tuple[str, str], ...]
    tries: int = 1


def complete(
    candidates: Sequence[Candidate], shares: Sequence[Share], *, constraints: Constraints = NO_CONSTRAINTS
) -> Mechanism:
    """A draw of fixed numbers per variant from the whole list."""
    check_shares(shares)
    staying, left_out = _staying(candidates, constraints)
    if len(staying) < len(shares):
        raise TooFewCandidates(n=len(staying), needed=len(shares))
    block = tuple(candidate.code for candidate in staying)
    return Mechanism(
        MechanismKind.COMPLETE, tuple(candidates), tuple(shares), (block,), left_out, constraints=constraints
    )


def rerandomized(
    candidates: Sequence[Candidate],
    shares: Sequence[Share],
    on: Sequence[str],
    *,
    max_distance: str | None = None,
    best_share: str | None = None,
    tries: int = DEFAULT_TRIES,
    constraints: Constraints = NO_CONSTRAINTS,
) -> Mechanism:
    """A complete draw that is repeated until the arms are alike in the covariates ``on`` (``Criterion``).

    Declare either ``max_distance`` or ``best_share``, as decimal text: "0.05" accepts what is at least as balanced as
    the best 5 % of 1,000 reference draws, whose distance the record then states. Raises ``NoAcceptableDraw`` at the
    draw when ``tries`` are used up.
    """
    free = complete(candidates, shares, constraints=constraints)
    if (max_distance is None) is (best_share is None):
        raise InvalidMechanism(kind="rerandomized", must_be="it declares either a largest distance or a best share")
    share = None if best_share is None else _decimal(best_share)
    limit = _decimal(max_distance) if max_distance is not None else Fraction(0)
    criterion = Criterion(tuple(on), limit, share, tries)
    if share is not None:
        distance = Distance(_dealt(free), criterion.covariates)
        seen = sorted(
            distance(deal(free.shares, free.blocks, f"reference#{number}")) for number in range(_REFERENCE_DRAWS)
        )
        criterion = replace(criterion, max_distance=seen[ceil(share * _REFERENCE_DRAWS) - 1])
    return replace(free, kind=MechanismKind.RERANDOMIZED, criterion=criterion)


def stratified(
    candidates: Sequence[Candidate], shares: Sequence[Share], *, constraints: Constraints = NO_CONSTRAINTS
) -> Mechanism:
    """A draw of fixed numbers per variant inside each stratum; strata smaller than the number of variants are left out.

    Raises ``InvalidCandidate`` for a candidate without a stratum and ``TooFewCandidates`` when no stratum can be drawn.
    """
    check_shares(shares)
    staying, excluded = _staying(candidates, constraints)
    strata: dict[str, list[str]] = {}
    for candidate in staying:
        if candidate.stratum is None:
            raise InvalidCandidate(unit=candidate.code, must_be="a stratified draw needs its stratum")
        strata.setdefault(candidate.stratum, []).append(candidate.code)
    blocks = tuple(tuple(strata[name]) for name in sorted(strata) if len(strata[name]) >= len(shares))
    left_out = tuple(
        (code, LeftOut.STRATUM_TOO_SMALL.value)
        for name in sorted(strata)
        if len(strata[name]) < len(shares)
        for code in strata[name]
    )
    if not blocks:
        raise TooFewCandidates(n=len(staying), needed=len(shares))
    out = (*left_out, *excluded)
    return Mechanism(MechanismKind.STRATIFIED, tuple(candidates), tuple(shares), blocks, out, constraints=constraints)


def matched_pairs(
    candidates: Sequence[Candidate],
    shares: Sequence[Share],
    on: Sequence[str],
    *,
    constraints: Constraints = NO_CONSTRAINTS,
) -> Mechanism:
    """Pairs of the most alike units (``on`` names the covariates), one of each pair drawn for each of two variants.

    With an odd number of candidates one is left without a partner and named in ``left_out``; never one that must be
    included.
    """
    from experiments.design.matching import optimal_pairs

    check_shares(shares)
    if len(shares) != 2 or shares[0].weight != shares[1].weight:
        raise InvalidShares(
            shares=shares_text(shares), must_be="matched pairs need exactly two variants of equal weight"
        )
    staying, excluded = _staying(candidates, constraints)
    if len(staying) < 2:
        raise TooFewCandidates(n=len(staying), needed=2)
    check_unique([candidate.code for candidate in candidates])
    pairs = optimal_pairs(staying, on, keep=constraints.must_include)
    paired = {code for pair in pairs for code in pair}
    left_out = tuple((c.code, LeftOut.NO_PARTNER.value) for c in staying if c.code not in paired)
    out = (*left_out, *excluded)
    return Mechanism(MechanismKind.MATCHED_PAIRS, tuple(candidates), tuple(shares), pairs, out, constraints=constraints)


def bernoulli_hash(shares: Sequence[Share], salt: str) -> Mechanism:
    """Each code falls into a share by its salted hash: open lists, later arrivals welcome, numbers not fixed."""
    return Mechanism(MechanismKind.BERNOULLI_HASH, (), tuple(shares), (), salt=salt)


def from_record(record: Mapping[str, Any]) -> Mechanism:
    """The mechanism that ``Mechanism.to_record`` wrote."""
    version, criterion, constraints = record.get("version"), record.get("criterion"), record.get("constraints")
    expected = RULES_VERSION if criterion is not None or constraints is not None else RECORD_VERSION
    if version != expected:
        raise InvalidMechanism(kind=str(record.get("kind")), must_be=f"its record must have version {expected}")
    return Mechanism(
        MechanismKind(record["kind"]),
        tuple(Candidate(c["code"], c["stratum"], dict(c["covariates"])) for c in record["candidates"]),
        tuple(Share(variant, weight) for variant, weight in record["shares"]),
        tuple(tuple(block) for block in record["blocks"]),
        tuple((code, reason) for code, reason in record["left_out"]),
        record["salt"],
        None if criterion is None else Criterion.from_record(criterion),
        NO_CONSTRAINTS if constraints is None else Constraints.from_record(constraints),
    )


def draw(mechanism: Mechanism, seed: int) -> Draw:
    """The draw of a closed list under ``seed``: the same mechanism and seed give the same draw, always.

    Under a criterion or constraints it is the first acceptable of the draws of "seed#0", "seed#1", …; raises
    ``NoAcceptableDraw`` when the cap is reached.
    """
    if mechanism.kind is MechanismKind.BERNOULLI_HASH:
        raise OpenList(operation="a draw", kind=mechanism.kind.value, instead="assign_one")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidMechanism(kind=mechanism.kind.value, must_be="its seed must be a whole number, not negative")
    if not mechanism.rejects:
        return Draw(deal(mechanism.shares, mechanism.blocks, str(seed)), mechanism.left_out)
    accepts = acceptance(mechanism)
    cap = mechanism.criterion.tries if mechanism.criterion else DEFAULT_TRIES
    for number in range(cap):
        assignment = deal(mechanism.shares, mechanism.blocks, f"{seed}#{number}")
        if accepts(assignment):
            return Draw(assignment, mechanism.left_out, number + 1)
    raise NoAcceptableDraw(tries=cap)


def acceptance(mechanism: Mechanism) -> Callable[[Mapping[str, str]], bool]:
    """The rule by which an assignment (code → variant, of every dealt code) is accepted, exactly."""
    criterion, constraints = mechanism.criterion, mechanism.constraints
    if criterion is None:
        return constraints.keeps_apart
    distance = Distance(_dealt(mechanism), criterion.covariates)
    limit = criterion.max_distance
    return lambda assignment: constraints.keeps_apart(assignment) and distance(assignment) <= limit


def assign_one(mechanism: Mechanism, unit_code: str) -> str:
    """The variant of one code under ``bernoulli_hash``: no list, no state, the same answer every time."""
    if mechanism.kind is not MechanismKind.BERNOULLI_HASH:
        raise OpenList(operation="assigning one unit", kind=mechanism.kind.value, instead="draw")
    return fall(mechanism.shares, mechanism.salt, unit_code)


def _staying(
    candidates: Sequence[Candidate], constraints: Constraints
) -> tuple[list[Candidate], tuple[tuple[str, str], ...]]:
    out = set(constraints.must_exclude)
    staying = [candidate for candidate in candidates if candidate.code not in out]
    return staying, tuple((c.code, LeftOut.MUST_EXCLUDE.value) for c in candidates if c.code in out)


def _dealt(mechanism: Mechanism) -> tuple[Candidate, ...]:
    by_code = {candidate.code: candidate for candidate in mechanism.candidates}
    return tuple(by_code[code] for code in mechanism.codes)


def _decimal(text: str) -> Fraction:
    try:
        if not isinstance(text, str):
            raise ValueError
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise InvalidMechanism(kind="rerandomized", must_be=f"{text!r} is not a decimal number as text") from None


def _check_open(mechanism: Mechanism) -> None:
    if mechanism.candidates or mechanism.blocks or mechanism.left_out or mechanism.constraints:
        raise InvalidMechanism(
            kind=mechanism.kind.value, must_be="an open list has no candidates, no blocks and no constraints"
        )
    if not mechanism.salt:
        raise InvalidMechanism(kind=mechanism.kind.value, must_be="it needs a salt")


def _check_blocks(mechanism: Mechanism) -> None:
    drawn = mechanism.codes
    check_unique(drawn)
    out = [code for code, _ in mechanism.left_out]
    if sorted([*drawn, *out]) != sorted(candidate.code for candidate in mechanism.candidates):
        raise InvalidMechanism(
            kind=mechanism.kind.value, must_be="each candidate must be in exactly one block or be named as left out"
        )
    if any(not block for block in mechanism.blocks):
        raise InvalidMechanism(kind=mechanism.kind.value, must_be="a block must not be empty")
    if mechanism.kind in (MechanismKind.COMPLETE, MechanismKind.RERANDOMIZED) and len(mechanism.blocks) != 1:
        raise InvalidMechanism(kind=mechanism.kind.value, must_be="it has one block")
    if mechanism.kind is MechanismKind.MATCHED_PAIRS:
        if any(len(block) != 2 for block in mechanism.blocks):
            raise InvalidMechanism(kind=mechanism.kind.value, must_be="each pair has two units")
        if len(mechanism.shares) != 2 or mechanism.shares[0].weight != mechanism.shares[1].weight:
            raise InvalidMechanism(kind=mechanism.kind.value, must_be="it has two variants of equal weight")
