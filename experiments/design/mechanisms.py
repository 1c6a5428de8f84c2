"""Mechanisms: how units are drawn, as a record from which the same draw can be made again.

A closed list of candidates is drawn at once: inside each block (the whole list, a stratum, a pair) the units are put
in the order of SHA-256 of (seed, block, code) and the seats of each variant are dealt along that order. Nothing but
SHA-256 is used, so a record replays on any machine and in any later version. ``bernoulli_hash`` alone admits later
arrivals: each code is hashed with a salt and falls into a share.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from experiments.errors import (
    DuplicateUnit,
    InvalidCandidate,
    InvalidMechanism,
    InvalidShares,
    OpenList,
    TooFewCandidates,
)

CONTROL = "control"
RECORD_VERSION = 1


class MechanismKind(StrEnum):
    """The mechanisms that can be drawn."""

    COMPLETE = "complete"
    STRATIFIED = "stratified"
    MATCHED_PAIRS = "matched_pairs"
    BERNOULLI_HASH = "bernoulli_hash"


class LeftOut(StrEnum):
    """Why a candidate was left out before the draw."""

    NO_PARTNER = "no_partner"
    STRATUM_TOO_SMALL = "stratum_too_small"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that may be drawn. Covariates are whole numbers (minor units, counts, parts per million)."""

    code: str
    stratum: str | None
    covariates: Mapping[str, int]

    def __post_init__(self) -> None:
        if not self.code:
            raise InvalidCandidate(unit=self.code, must_be="its code must not be empty")
        for name, value in self.covariates.items():
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidCandidate(
                    unit=self.code, must_be=f"covariate {name} must be a whole number, not {value!r}"
                )


@dataclass(frozen=True, slots=True)
class Share:
    """The weight of one variant in the draw: weights 1 and 1 are halves, 3 and 1 are three quarters and a quarter."""

    variant: str
    weight: int

    def __post_init__(self) -> None:
        if isinstance(self.weight, bool) or not isinstance(self.weight, int) or self.weight < 1:
            raise InvalidShares(
                shares=f"{self.variant}: {self.weight}", must_be="a weight is a whole number, at least 1"
            )


@dataclass(frozen=True, slots=True)
class Mechanism:
    """How units are drawn. ``blocks`` hold the codes inside which seats are dealt; ``left_out`` are (code, reason
    code)."""

    kind: MechanismKind
    candidates: tuple[Candidate, ...]
    shares: tuple[Share, ...]
    blocks: tuple[tuple[str, ...], ...]
    left_out: tuple[tuple[str, str], ...] = ()
    salt: str = ""

    def __post_init__(self) -> None:
        _check_shares(self.shares)
        _check_unique([candidate.code for candidate in self.candidates])
        if self.kind is MechanismKind.BERNOULLI_HASH:
            _check_open(self)
        else:
            _check_blocks(self)

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

    def to_record(self) -> dict[str, Any]:
        """The mechanism as JSON-able data without floats; ``from_record`` reads it back."""
        return {
            "version": RECORD_VERSION,
            "kind": self.kind.value,
            "candidates": [
                {"code": c.code, "stratum": c.stratum, "covariates": dict(sorted(c.covariates.items()))}
                for c in self.candidates
            ],
            "shares": [[share.variant, share.weight] for share in self.shares],
            "blocks": [list(block) for block in self.blocks],
            "left_out": [list(pair) for pair in self.left_out],
            "salt": self.salt,
        }


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw: ``assignment`` maps each drawn code to its variant, in the order of the mechanism's blocks."""

    assignment: Mapping[str, str]
    left_out: tuple[tuple[str, str], ...]


def complete(candidates: Sequence[Candidate], shares: Sequence[Share]) -> Mechanism:
    """A draw of fixed numbers per variant from the whole list."""
    _check_shares(shares)
    if len(candidates) < len(shares):
        raise TooFewCandidates(n=len(candidates), needed=len(shares))
    block = tuple(candidate.code for candidate in candidates)
    return Mechanism(MechanismKind.COMPLETE, tuple(candidates), tuple(shares), (block,))


def stratified(candidates: Sequence[Candidate], shares: Sequence[Share]) -> Mechanism:
    """A draw of fixed numbers per variant inside each stratum; strata smaller than the number of variants are left out.

    Raises ``InvalidCandidate`` for a candidate without a stratum and ``TooFewCandidates`` when no stratum can be drawn.
    """
    _check_shares(shares)
    strata: dict[str, list[str]] = {}
    for candidate in candidates:
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
        raise TooFewCandidates(n=len(candidates), needed=len(shares))
    return Mechanism(MechanismKind.STRATIFIED, tuple(candidates), tuple(shares), blocks, left_out)


def matched_pairs(candidates: Sequence[Candidate], shares: Sequence[Share], on: Sequence[str]) -> Mechanism:
    """Pairs of the most alike units (``on`` names the covariates), one of each pair drawn for each of two variants.

    With an odd number of candidates one is left without a partner and named in ``left_out``.
    """
    from experiments.design.matching import optimal_pairs

    _check_shares(shares)
    if len(shares) != 2 or shares[0].weight != shares[1].weight:
        raise InvalidShares(
            shares=_shares_text(shares), must_be="matched pairs need exactly two variants of equal weight"
        )
    if len(candidates) < 2:
        raise TooFewCandidates(n=len(candidates), needed=2)
    _check_unique([candidate.code for candidate in candidates])
    pairs = optimal_pairs(candidates, on)
    paired = {code for pair in pairs for code in pair}
    left_out = tuple((c.code, LeftOut.NO_PARTNER.value) for c in candidates if c.code not in paired)
    return Mechanism(MechanismKind.MATCHED_PAIRS, tuple(candidates), tuple(shares), pairs, left_out)


def bernoulli_hash(shares: Sequence[Share], salt: str) -> Mechanism:
    """Each code falls into a share by its salted hash: open lists, later arrivals welcome, numbers not fixed."""
    return Mechanism(MechanismKind.BERNOULLI_HASH, (), tuple(shares), (), salt=salt)


def from_record(record: Mapping[str, Any]) -> Mechanism:
    """The mechanism that ``Mechanism.to_record`` wrote."""
    if record.get("version") != RECORD_VERSION:
        raise InvalidMechanism(kind=str(record.get("kind")), must_be=f"its record must have version {RECORD_VERSION}")
    return Mechanism(
        MechanismKind(record["kind"]),
        tuple(Candidate(c["code"], c["stratum"], dict(c["covariates"])) for c in record["candidates"]),
        tuple(Share(variant, weight) for variant, weight in record["shares"]),
        tuple(tuple(block) for block in record["blocks"]),
        tuple((code, reason) for code, reason in record["left_out"]),
        record["salt"],
    )


def draw(mechanism: Mechanism, seed: int) -> Draw:
    """The draw of a closed list under ``seed``: the same mechanism and seed give the same draw, always."""
    if mechanism.kind is MechanismKind.BERNOULLI_HASH:
        raise OpenList(operation="a draw", kind=mechanism.kind.value, instead="assign_one")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidMechanism(kind=mechanism.kind.value, must_be="its seed must be a whole number, not negative")
    assignment: dict[str, str] = {}
    for number, block in enumerate(mechanism.blocks):
        seats = _seats(mechanism.shares, len(block), seed, number)
        drawn = dict(zip(sorted(block, key=lambda code: _rank("unit", seed, number, code)), seats, strict=True))
        assignment.update((code, drawn[code]) for code in block)
    return Draw(assignment, mechanism.left_out)


def assign_one(mechanism: Mechanism, unit_code: str) -> str:
    """The variant of one code under ``bernoulli_hash``: no list, no state, the same answer every time."""
    if mechanism.kind is not MechanismKind.BERNOULLI_HASH:
        raise OpenList(operation="assigning one unit", kind=mechanism.kind.value, instead="draw")
    digest = hashlib.sha256(_canonical(["pilot-hash-1", mechanism.salt, unit_code])).digest()
    total = sum(share.weight for share in mechanism.shares)
    place = int.from_bytes(digest[:8], "big") * total >> 64
    for share in mechanism.shares:
        place -= share.weight
        if place < 0:
            return share.variant
    raise AssertionError("a place lies below the sum of the weights")


def seat_counts(shares: Sequence[Share], n: int) -> tuple[list[int], list[int], int]:
    """Seats per variant by whole quotas, the variants tied for what remains, and how many of those get one more seat.

    Largest remainder: whole quotas first, then one seat each to the largest fractions. Fractions that tie for the last
    seats are left to the seed: the second value lists their positions, the third how many of them win.
    """
    total = sum(share.weight for share in shares)
    counts = [n * share.weight // total for share in shares]
    remainders = [n * share.weight % total for share in shares]
    open_seats = n - sum(counts)
    if open_seats == 0:
        return counts, [], 0
    last = sorted(remainders, reverse=True)[open_seats - 1]
    sure = [position for position, remainder in enumerate(remainders) if remainder > last]
    tied = [position for position, remainder in enumerate(remainders) if remainder == last]
    if len(sure) + len(tied) == open_seats:
        sure, tied = sure + tied, []
    for position in sure:
        counts[position] += 1
    return counts, tied, open_seats - len(sure)


def _seats(shares: Sequence[Share], n: int, seed: int, block: int) -> list[str]:
    counts, tied, winners = seat_counts(shares, n)
    for position in sorted(tied, key=lambda p: _rank("remainder", seed, block, shares[p].variant))[:winners]:
        counts[position] += 1
    return [share.variant for share, count in zip(shares, counts, strict=True) for _ in range(count)]


def _rank(purpose: str, seed: int, block: int, name: str) -> bytes:
    return hashlib.sha256(_canonical(["pilot-draw-1", purpose, str(seed), block, name])).digest()


def _canonical(parts: list[str | int]) -> bytes:
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _shares_text(shares: Sequence[Share]) -> str:
    return ", ".join(f"{share.variant}: {share.weight}" for share in shares)


def _check_shares(shares: Sequence[Share]) -> None:
    variants = [share.variant for share in shares]
    if len(variants) < 2:
        raise InvalidShares(shares=_shares_text(shares), must_be="a draw needs control and at least one variant")
    if variants[0] != CONTROL:
        raise InvalidShares(shares=_shares_text(shares), must_be=f"the first variant must be {CONTROL!r}")
    if len(set(variants)) != len(variants) or not all(variants):
        raise InvalidShares(shares=_shares_text(shares), must_be="each variant needs a name of its own")


def _check_unique(codes: Sequence[str]) -> None:
    seen: set[str] = set()
    for code in codes:
        if code in seen:
            raise DuplicateUnit(unit=code)
        seen.add(code)


def _check_open(mechanism: Mechanism) -> None:
    if mechanism.candidates or mechanism.blocks or mechanism.left_out:
        raise InvalidMechanism(kind=mechanism.kind.value, must_be="an open list has no candidates and no blocks")
    if not mechanism.salt:
        raise InvalidMechanism(kind=mechanism.kind.value, must_be="it needs a salt")


def _check_blocks(mechanism: Mechanism) -> None:
    drawn = mechanism.codes
    _check_unique(drawn)
    out = [code for code, _ in mechanism.left_out]
    if sorted([*drawn, *out]) != sorted(candidate.code for candidate in mechanism.candidates):
        raise InvalidMechanism(
            kind=mechanism.kind.value, must_be="each candidate must be in exactly one block or be named as left out"
        )
    if any(not block for block in mechanism.blocks):
        raise InvalidMechanism(kind=mechanism.kind.value, must_be="a block must not be empty")
    if mechanism.kind is MechanismKind.COMPLETE and len(mechanism.blocks) != 1:
        raise InvalidMechanism(kind=mechanism.kind.value, must_be="it has one block")
    if mechanism.kind is MechanismKind.MATCHED_PAIRS:
        if any(len(block) != 2 for block in mechanism.blocks):
            raise InvalidMechanism(kind=mechanism.kind.value, must_be="each pair has two units")
        if len(mechanism.shares) != 2 or mechanism.shares[0].weight != mechanism.shares[1].weight:
            raise InvalidMechanism(kind=mechanism.kind.value, must_be="it has two variants of equal weight")
