"""What a stage's windows hold of each customer, kept from one report to the next: only new days are read.

A file of rows that ``customer_sums`` gave at a lake version. They add up, so these rows and those of the days since
give the moments of the full pass, to the digit. A cache and never the truth: any file may go at any moment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.measure.customer_sums import CustomerReach, customer_sums
from experiments.measure.kept_sums import KeptSums
from pilot.canonical import sha256_hex
from pilot.outcomes.days.tables import RULES, VERSION
from pilot.outcomes.engine import DuckEngine

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from pilot.outcomes.days.service import Days
    from pilot.outcomes.days.tables import Included
    from pilot.outcomes.lake import Lake

_SAID = "pilot"
_KEPT_FILES = 24
_REDUCED, _KEPT_REDUCED = "*.reduced.parquet", 96  # small: a row per cell
_REWRITE_SHARE = 0.5  # of the kept rows: up to so many new ones are merged at each report, then the file is made anew


class StageState:
    """The kept rows of one installation, in ``derived/stages`` of its home; only where DuckDB is the engine."""

    def __init__(self, lake: Lake, days: Days) -> None:
        self._lake, self._days = lake, days
        self.folder = lake.settings.home / "derived" / "stages"

    def customer_sums(self, version: int, reach: CustomerReach) -> KeptSums | None:
        """The rows of ``customer_sums`` for ``version``; None where that is not the latest that the days hold.

        Beside what is kept come the rows of the days since; where nothing is kept, or half of it would be new, the rows
        are kept as they are now.
        """
        found = self._days.latest_customers(version)
        if found is None or not isinstance(self._lake.engine, DuckEngine):
            return None
        held, days = found
        kept = self._newest(reach, held)
        if kept is None:
            return self._keep(customer_sums(days, reach), reach, held)
        file, known = kept
        sums = KeptSums(self._read(file), reach, _Beside(file))
        if known == held.through:
            return sums
        news = customer_sums(days.filter(days[VERSION] > known), reach).to_pyarrow()
        sums = replace(sums, news=news)
        if news.num_rows > _REWRITE_SHARE * pq.read_metadata(file).num_rows:
            return self._keep(sums.everybody(), reach, held)
        return sums

    def drop(self) -> None:
        """Every kept file goes."""
        for file in self.folder.glob("*.parquet"):
            file.unlink(missing_ok=True)

    def _newest(self, reach: CustomerReach, held: Included) -> tuple[Path, int] | None:
        """The file nearest to what is held, and its version; only one that the days can bring up to date."""
        for file in sorted(self.folder.glob(f"{_key(reach)}-*.parquet"), reverse=True):
            said = _said(file)
            if said is None:
                continue
            version, batch = said
            if held.through is not None and held.base <= version <= held.through and self._is_batch(version, batch):
                return file, version
        return None

    def _is_batch(self, version: int, batch: str) -> bool:
        """Whether the lake's version still is that batch: a lake that was put back counts its versions again."""
        return version > 0 and [commit.batch_id for commit in self._lake.commits(version - 1, version)] == [batch]

    def _keep(self, rows: ir.Table, reach: CustomerReach, held: Included) -> KeptSums:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{_key(reach)}-{held.through:012}.parquet"
        partial = file.with_suffix(f".{os.getpid()}.partial")
        said = {_SAID: json.dumps([held.through, held.batch])}
        rows.to_parquet(partial, compression="snappy", kv_metadata=said)
        partial.replace(file)
        _leave_newest([one for one in self.folder.iterdir() if not one.match(_REDUCED)], _KEPT_FILES)
        return KeptSums(self._read(file), reach, _Beside(file))

    def _read(self, file: Path) -> ir.Table:
        schema = pa.schema(pq.read_schema(file))
        return self._lake.engine.read_parquet([str(file)], schema, root=str(self.folder), hive=False)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What was reduced from the rows of a file, in files beside it that carry the same word of lake version and batch:
    rows that were written anew for the same version of another lake have none."""

    file: Path

    def take(self, key: str) -> pa.Table | None:
        kept = self._kept(key)
        said = _said(kept)
        if said is None or said != _said(self.file):
            return None
        try:
            return pq.read_table(kept)
        except (OSError, pa.ArrowInvalid):  # gone or damaged: made anew
            return None

    def put(self, key: str, reduced: pa.Table) -> None:
        said = _said(self.file)
        if said is None:
            return
        kept = self._kept(key)
        partial = kept.with_suffix(f".{os.getpid()}.partial")
        pq.write_table(reduced.replace_schema_metadata({_SAID: json.dumps(said)}), partial)
        partial.replace(kept)
        _leave_newest(list(kept.parent.glob(_REDUCED)), _KEPT_REDUCED)

    def _kept(self, key: str) -> Path:
        return self.file.parent / f"{key[:24]}-{self.file.stem}.reduced.parquet"


def _leave_newest(files: Sequence[Path], n: int) -> None:
    """Of ``files`` only the ``n`` newest stay; one that has gone already is one less."""
    for old in sorted(files, key=_written, reverse=True)[n:]:
        old.unlink(missing_ok=True)


def _written(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _key(reach: CustomerReach) -> str:
    return sha256_hex(f"{RULES} {reach!r}")[:24]


def _said(file: Path) -> tuple[int, str] | None:
    """Of which lake version and batch the rows of the file are; None for a file that cannot be read."""
    try:
        stored = pq.read_metadata(file).metadata or {}
        version, batch = json.loads(stored[_SAID.encode()])
    except (OSError, KeyError, ValueError):  # ArrowInvalid is a ValueError
        return None
    return int(version), str(batch)
