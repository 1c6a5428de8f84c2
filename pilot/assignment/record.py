"""The record of a draw: enough to make the same ledger again, by itself, in any process, at any later time.

Nothing here reads a database, a file or a clock. ``ledger_hash`` covers the record and the rows that follow from it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.design.mechanisms import Mechanism, MechanismKind, from_record
from experiments.design.mechanisms import draw as draw_units
from experiments.errors import ExperimentError
from pilot.assignment.errors import RecordUnreadable
from pilot.canonical import canonical_text, sha256_hex
from pilot.words import N_, Message

RECORD_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One unit of the ledger; ``block`` names its stratum or pair, None where the whole list is one block."""

    unit: str
    variant: str
    block: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a record says when it is drawn again. Rows in the order of codes; none for an open list."""

    pilot: str
    stage: int
    is_specimen: bool
    rows: tuple[Row, ...]
    left_out: tuple[tuple[str, str], ...]
    ledger_hash: str

    def to_document(self) -> dict[str, Any]:
        """The JSON form that the command line prints."""
        return {
            "pilot": self.pilot,
            "stage": self.stage,
            "is_specimen": self.is_specimen,
            "ledger_hash": self.ledger_hash,
            "rows": [{"unit": row.unit, "variant": row.variant, "block": row.block} for row in self.rows],
            "left_out": [{"unit": unit, "reason": reason} for unit, reason in self.left_out],
        }


def make_record(
    *,
    pilot: str,
    stage: int,
    plan_hash: str,
    seed: str,
    is_specimen: bool,
    unit: str,
    mechanism: Mechanism,
    left_out: Sequence[tuple[str, str]],
    stores: Mapping[str, Sequence[str]],
    lake_version: int,
    periods: Mapping[str, Sequence[str]],
    homes: Mapping[int, str],
) -> str:
    """The record as canonical JSON. ``seed`` is 64 hexadecimal digits; ``homes`` maps customer_key to a store code.

    The home list itself is too long for a record: its length and hash are in it, its rows beside it in the ledger.
    """
    return canonical_text(
        {
            "format": RECORD_FORMAT,
            "pilot": pilot,
            "stage": stage,
            "plan_hash": plan_hash,
            "seed": seed,
            "is_specimen": is_specimen,
            "unit": unit,
            "mechanism": mechanism.to_record(),
            "left_out": [list(pair) for pair in sorted((*left_out, *mechanism.left_out))],
            "stores": {code: list(members) for code, members in stores.items()},
            "lake_version": lake_version,
            "periods": {name: list(days) for name, days in periods.items()},
            "homes": {"count": len(homes), "hash": homes_hash(homes)},
        }
    )


def homes_hash(homes: Mapping[int, str]) -> str:
    """SHA-256 over one line per listed customer, in ascending order of keys: ``customer_key,store code``."""
    return sha256_hex("".join(f"{key},{homes[key]}\n" for key in sorted(homes)))


def replay(record: str) -> Replayed:
    """Draw a record again. ``RecordUnreadable`` for text that is no record of this format."""
    document = read_record(record)
    try:
        rows = _rows(from_record(document["mechanism"]), int(document["seed"], 16))
        return Replayed(
            document["pilot"],
            document["stage"],
            document["is_specimen"],
            rows,
            tuple((unit, reason) for unit, reason in document["left_out"]),
            _ledger_hash(document, rows),
        )
    except ExperimentError as error:
        raise RecordUnreadable(problem=str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordUnreadable(problem=f"{type(error).__name__}: {error}") from error


def read_record(record: str) -> dict[str, Any]:
    """The record as data; ``RecordUnreadable`` unless it is JSON of this format."""
    try:
        document = json.loads(record)
    except ValueError as error:
        problem = Message("not_json", N_("not JSON ({detail})"), {"detail": str(error)})
        raise RecordUnreadable(problem=problem) from error
    if not isinstance(document, dict) or document.get("format") != RECORD_FORMAT:
        raise RecordUnreadable(problem=Message("format", N_("its format must be {wanted}"), {"wanted": RECORD_FORMAT}))
    return document


def _ledger_hash(document: Mapping[str, Any], rows: Sequence[Row]) -> str:
    listed = [[row.unit, row.variant, row.block] for row in rows]
    return sha256_hex(canonical_text({"record": dict(document), "rows": listed}))


def _rows(mechanism: Mechanism, seed: int) -> tuple[Row, ...]:
    if mechanism.kind is MechanismKind.BERNOULLI_HASH:
        return ()
    block_of = {code: _block_name(mechanism, number) for number, block in enumerate(mechanism.blocks) for code in block}
    assignment = draw_units(mechanism, seed).assignment
    return tuple(Row(code, assignment[code], block_of[code]) for code in sorted(assignment))


def _block_name(mechanism: Mechanism, number: int) -> str | None:
    """A stratum has its own name, a pair the two codes that make it."""
    if mechanism.kind is MechanismKind.STRATIFIED:
        first = mechanism.blocks[number][0]
        return next(candidate.stratum for candidate in mechanism.candidates if candidate.code == first)
    if mechanism.kind is MechanismKind.MATCHED_PAIRS:
        return " + ".join(mechanism.blocks[number])
    return None
