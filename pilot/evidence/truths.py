"""The known truth of a demonstration, carried beside each estimate; a real network has none."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilot.settings import Settings

TRUTHS_FILE = "truths.json"


@dataclass(frozen=True, slots=True)
class Truth:
    """The true effect of a variant on a metric in one stage up to ``last`` (ISO date), in the metric's own unit."""

    pilot: str
    stage: int
    metric: str
    variant: str
    last: str
    effect: float


@dataclass(frozen=True, slots=True)
class Truths:
    """All truths that somebody who made the effect knows."""

    known: tuple[Truth, ...]

    def effect(self, *, pilot: str, stage: int, metric: str, variant: str, last: str) -> float | None:
        """The true effect; None where nobody knows it."""
        wanted = (pilot, stage, metric, variant, last)
        for truth in self.known:
            if (truth.pilot, truth.stage, truth.metric, truth.variant, truth.last) == wanted:
                return truth.effect
        return None

    def to_document(self) -> list[dict[str, Any]]:
        """JSON-able rows, one per truth."""
        return [{name: getattr(truth, name) for name in Truth.__slots__} for truth in self.known]

    @classmethod
    def from_document(cls, rows: list[Mapping[str, Any]]) -> "Truths":
        return cls(tuple(Truth(**row) for row in rows))


def save_truths(home: Path, truths: Truths) -> None:
    """Keep the truths in the demonstration's home."""
    text = json.dumps(truths.to_document(), indent=2, sort_keys=True) + "\n"
    (home / TRUTHS_FILE).write_text(text, "utf-8")


def load_truths(settings: Settings) -> Truths | None:
    """The truths of a demonstration's home; None anywhere else."""
    file = settings.home / TRUTHS_FILE
    if not settings.demo or not file.is_file():
        return None
    return Truths.from_document(json.loads(file.read_text("utf-8")))
