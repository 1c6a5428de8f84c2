"""Comparisons of what was known, kept in the home once they are computed; derived: losing them changes no number."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.measure.facts import FactKind
from pilot.evidence.code_version import code_version
from pilot.evidence.document import read_document
from pilot.evidence.known import Again, Arrived, Compared, paired
from pilot.whole_files import whole_file


@dataclass(frozen=True, slots=True)
class KeptComparisons:
    """One file for each report and version of which somebody asked what was known; computed anew, it is replaced."""

    home: Path

    def keep(self, report: str, version: int, found: Compared) -> None:
        """Remember ``found``, whole or not at all."""
        document = {
            "code_version": code_version(),
            "then": found.then.text(),
            "now": found.now.text(),
            "arrived": [[str(one.kind), one.n, one.net_minor] for one in found.arrived],
            "again": str(found.again),
        }
        with whole_file(self._file(report, version)) as file:
            file.write_text(json.dumps(document), "utf-8")

    def find(self, report: str, version: int) -> Compared | None:
        """What was computed last by this very code; None where nothing was."""
        try:
            kept: dict[str, Any] = json.loads(self._file(report, version).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        if kept["code_version"] != code_version():
            return None
        then, now = read_document(kept["then"]), read_document(kept["now"])
        arrived = tuple(Arrived(FactKind(kind), n, net) for kind, n, net in kept["arrived"])
        return Compared(then, now, paired(then, now), arrived, Again(kept["again"]))

    def _file(self, report: str, version: int) -> Path:
        return self.home / "derived" / "known" / f"{report}-{version}.json"
