"""Dealing: seats by the shares, units in the order of SHA-256 of (seed, block, code); the same on every machine."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from experiments.design.candidates import Share


def deal(shares: Sequence[Share], blocks: Sequence[Sequence[str]], seed: str) -> Mapping[str, str]:
    """One assignment of every code in ``blocks``, in their order. ``seed`` is any text."""
    assignment: dict[str, str] = {}
    for number, block in enumerate(blocks):
        seats = _seats(shares, len(block), seed, number)
        drawn = dict(zip(sorted(block, key=lambda code: _rank("unit", seed, number, code)), seats, strict=True))
        assignment.update((code, drawn[code]) for code in block)
    return assignment


def fall(shares: Sequence[Share], salt: str, code: str) -> str:
    """The variant of one code by its salted hash: no list, no state, the same answer every time."""
    digest = hashlib.sha256(_canonical(["pilot-hash-1", salt, code])).digest()
    place = int.from_bytes(digest[:8], "big") * sum(share.weight for share in shares) >> 64
    for share in shares:
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


def _seats(shares: Sequence[Share], n: int, seed: str, block: int) -> list[str]:
    counts, tied, winners = seat_counts(shares, n)
    for position in sorted(tied, key=lambda p: _rank("remainder", seed, block, shares[p].variant))[:winners]:
        counts[position] += 1
    return [share.variant for share, count in zip(shares, counts, strict=True) for _ in range(count)]


def _rank(purpose: str, seed: str, block: int, name: str) -> bytes:
    return hashlib.sha256(_canonical(["pilot-draw-1", purpose, seed, block, name])).digest()


def _canonical(parts: list[str | int]) -> bytes:
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode("ascii")
