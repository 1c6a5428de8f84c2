"""What a stage's windows hold of each customer, kept from one report to the next: only new days are read.

A file of rows that ``customer_sums`` gave at a lake version. They add up, so these rows and those of the days since
give the moments of the full pass, to the digit. A cache and never the truth: any file may go at any moment.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.measure.customer_sums import CustomerReach, customer_sums, merge_customer_sums
from pilot.canonical import sha256_hex
from pilot.outcomes.days.tables import VERSION
from pilot.outcomes.engine import DuckEngine

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from pilot.outcomes.days.service import Days
    from pilot.outcomes.days.tables import Included
    from pilot.outcomes.lake import Lake

_SAID = "pilot"
_KEPT_FILES = 24
_REWRITE_SHARE = 0.5  # of the kept rows: up to so many new ones are merged at each report, then the file is made anew


class StageState:
    """The kept rows of one installation, in ``derived/stages`` of its home; only where DuckDB is the engine."""

    def __init__(self, lake: Lake, days: Days) -> None:
        self._lake, self._days = lake, days
        self.folder = lake.settings.home / "derived" / "stages"

    def customer_sums(self, version: int, reach: CustomerReach) -> ir.Table | None:
        """The rows of ``customer_sums`` for ``version``; None where that is not the latest that the days hold.

        What is kept is brought up to date; where nothing is, the days are read once and the rows kept.
        """
        found = self._days.latest_customers(version)
        if found is None or not isinstance(self._lake.engine, DuckEngine):
            return None
        held, days = found
        kept = self._newest(reach, held)
        if kept is None:
            return self._keep(customer_sums(days, reach), reach, held)
        file, known = kept
        rows = self._read(file)
        if known == held.through:
            return rows
        fresh = customer_sums(days.filter(days[VERSION] > known), reach).to_pyarrow()
        merged = _merged(rows, fresh, reach)
        if fresh.num_rows > _REWRITE_SHARE * pq.read_metadata(file).num_rows:
            return self._keep(merged, reach, held)
        return merged

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

    def _keep(self, rows: ir.Table, reach: CustomerReach, held: Included) -> ir.Table:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{_key(reach)}-{held.through:012}.parquet"
        partial = file.with_suffix(f".{os.getpid()}.partial")
        said = {_SAID: json.dumps([held.through, held.batch])}
        rows.to_parquet(partial, compression="snappy", kv_metadata=said)
        partial.replace(file)
        for old in sorted(self.folder.iterdir(), key=lambda one: one.stat().st_mtime_ns)[:-_KEPT_FILES]:
            old.unlink(missing_ok=True)
        return self._read(file)

    def _read(self, file: Path) -> ir.Table:
        schema = pa.schema(pq.read_schema(file))
        return self._lake.engine.read_parquet([str(file)], schema, root=str(self.folder), hive=False)


def _merged(kept: ir.Table, fresh: pa.Table, reach: CustomerReach) -> ir.Table:
    """The kept rows with the fresh ones: only customers of whom there is something new are added up again."""
    import ibis

    columns = ("customer_key", *reach.columns)
    new = ibis.memtable(fresh.select(columns))
    same = kept.anti_join(new, "customer_key").select(columns)
    return ibis.union(same, merge_customer_sums([kept.semi_join(new, "customer_key"), new], reach))


def _key(reach: CustomerReach) -> str:
    return sha256_hex(repr(reach))[:24]


def _said(file: Path) -> tuple[int, str] | None:
    """Of which lake version and batch the rows of the file are; None for a file that cannot be read."""
    try:
        stored = pq.read_metadata(file).metadata or {}
        version, batch = json.loads(stored[_SAID.encode()])
    except (OSError, KeyError, ValueError):  # ArrowInvalid is a ValueError
        return None
    return int(version), str(batch)
