"""A cell: one situation, how it is simulated, which method the module chooses there, and what was counted."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.errors import NotEstimable

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LEVEL = 0.05


@dataclass(slots=True)
class Counts:
    """What one method did in the replications of a cell: alarms under no effect, intervals that held the truth, and
    effects that were found."""

    null: int = 0
    alarms: int = 0
    tried: int = 0
    covered: int = 0
    lifted: int = 0
    found: int = 0

    @property
    def alarm_rate(self) -> float:
        return self.alarms / self.null if self.null else float("nan")

    @property
    def coverage(self) -> float:
        return self.covered / self.tried if self.tried else float("nan")

    @property
    def power(self) -> float:
        return self.found / self.lifted if self.lifted else float("nan")


@dataclass(slots=True)
class Tally:
    """The counts of each method, by name, in the order in which they were first met, and what else a cell says."""

    counts: dict[str, Counts] = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        method: str,
        *,
        alarm: bool | np.bool_ | Flags | None = None,
        covers: bool | np.bool_ | Flags | None = None,
        finds: bool | np.bool_ | Flags | None = None,
    ) -> None:
        """Count one replication (a bool) or many (an array)."""
        counts = self.counts.setdefault(method, Counts())
        if alarm is not None:
            counts.null, counts.alarms = counts.null + np.size(alarm), counts.alarms + int(np.sum(alarm))
        if covers is not None:
            counts.tried, counts.covered = counts.tried + np.size(covers), counts.covered + int(np.sum(covers))
        if finds is not None:
            counts.lifted, counts.found = counts.lifted + np.size(finds), counts.found + int(np.sum(finds))

    def refuse(self, refusal: NotEstimable) -> None:
        """Count one replication that the module refused to answer, by the code of its reason."""
        code = refusal.message.code
        self.refusals[code] = self.refusals.get(code, 0) + 1

    def to_dict(self) -> dict[str, Any]:
        return {
            "counts": {
                name: [c.null, c.alarms, c.tried, c.covered, c.lifted, c.found] for name, c in self.counts.items()
            },
            "notes": self.notes,
            "refusals": self.refusals,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Tally":
        return cls(
            {name: Counts(*values) for name, values in data["counts"].items()},
            dict(data["notes"]),
            dict(data["refusals"]),
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """``chosen`` is the method that ``experiments.rows.choice`` takes here. ``attainable`` is the largest level not
    above 5 % that the design can reach. ``refused`` is the module's reason where it gives no number. ``breaks`` names
    the assumption, printed in the row, that this cell breaks on purpose. ``exact``: no unit has an effect, so that a
    permutation test has its attainable level and not less.
    """

    section: str
    name: str
    chosen: str
    run: Callable[[np.random.Generator, int, Tally], None]
    attainable: float = LEVEL
    refused: str = ""
    breaks: str = ""
    exact: bool = True
    replications: int = 5_000

    @property
    def key(self) -> str:
        return f"{self.section}: {self.name}"

    def measure(self, replications: int | None = None) -> Tally:
        """Run the cell with the seed that belongs to its name."""
        digest = hashlib.sha256(self.key.encode()).digest()
        rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "big")))
        tally = Tally()
        self.run(rng, replications or self.replications, tally)
        return tally
