"""What the data say today beyond the plan, kept in the home by report code; derived: losing it changes no decision."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilot.evidence.code_version import code_version
from pilot.evidence.document import ReportDocument, read_document
from pilot.whole_files import whole_file

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,149}")


@dataclass(frozen=True, slots=True)
class KeptExplorations:
    """One file for each stage that somebody explored; computed anew, it is replaced. Nothing here is ever frozen."""

    home: Path

    def keep(self, document: ReportDocument) -> None:
        """Remember an exploratory ``document``, whole or not at all."""
        with whole_file(self._file(document.code)) as file:
            file.write_text(json.dumps({"code_version": code_version(), "document": document.text()}), "utf-8")

    def find(self, code: str) -> ReportDocument | None:
        """What this very code of ours computed last under the report code ``code``; None where nothing was."""
        if not _CODE.fullmatch(code):
            return None
        try:
            kept: dict[str, Any] = json.loads(self._file(code).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        if kept["code_version"] != code_version():
            return None
        return read_document(kept["document"])

    def code_of(self, pilot: str, stage: int) -> str | None:
        """Under which report code a stage of ``pilot`` is kept; None where this code of ours computed nothing."""
        prefix = f"{pilot}-{stage}-"
        files = self._file(prefix).parent.glob(f"{prefix}*.json")
        codes = sorted(file.stem for file in files if file.stem.removeprefix(prefix).isdigit())
        return next((code for code in codes if self.find(code) is not None), None)

    def _file(self, code: str) -> Path:
        return self.home / "derived" / "explored" / f"{code}.json"
