"""What was measured, one JSON file a cell under ``var/error_rates`` (never committed), so that a cut run continues."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.error_rates.cell import Cell, Tally

FOLDER = Path(__file__).parents[2] / "var" / "error_rates"


@dataclass(frozen=True, slots=True)
class Measured:
    """A cell's tally, how many replications made it, and how many seconds of processor time they took."""

    tally: Tally
    replications: int
    seconds: float


def load(cell: Cell) -> Measured | None:
    """What was measured of ``cell``, if anything."""
    path = _path(cell)
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    return Measured(Tally.from_dict(data["tally"]), data["replications"], data["seconds"])


def save(cell: Cell, measured: Measured) -> None:
    """Keep what was measured of ``cell``."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    data = {
        "cell": cell.key,
        "replications": measured.replications,
        "seconds": measured.seconds,
        "tally": measured.tally.to_dict(),
    }
    _path(cell).write_text(json.dumps(data, indent=1, sort_keys=False), encoding="utf-8")


def _path(cell: Cell) -> Path:
    return FOLDER / (hashlib.sha256(cell.key.encode()).hexdigest()[:24] + ".json")
