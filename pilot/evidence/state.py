"""What a stage's windows hold of each customer and store, kept from one report to the next: only new days are read.

Files of rows that ``customer_sums`` and ``daily_sums`` gave at a lake version. They add up, so these rows and those of
the days since give the moments of the full pass, to the digit. Caches and never the truth: any may go at any moment.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.measure.customer_sums import CustomerReach, customer_sums, few_customer_sums
from experiments.measure.kept_sums import KeptSums
from experiments.measure.store_moments import daily_sums, with_news
from experiments.measure.windows import Window
from pilot.canonical import sha256_hex
from pilot.outcomes.days.tables import RULES
from pilot.outcomes.engine import DuckEngine
from pilot.whole_files import whole_file

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from pilot.outcomes.days.service import Days, Held
    from pilot.outcomes.days.tables import Included
    from pilot.outcomes.lake import Lake

_SAID = b"pilot"
_KEPT, _KEPT_FILES = "*.arrow", 24
_REDUCED, _REDUCED_FILES = "*.reduced.parquet", 96  # small: a row per cell
_REWRITE_SHARE = 0.5  # of the kept rows: up to so many new ones are merged at each report, then the file is made anew
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Kept rows, mapped into memory, the days that came since (None: none did), and the file."""

    file: Path
    kept: pa.Table
    news: pa.Table | None = None


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
        found = self._days.latest(version)
        if found is None or not isinstance(self._lake.engine, DuckEngine):
            return None
        held, key = found.customers, _key(reach)
        rows = self._rows(key, held, reach.hull)
        if rows is None:
            whole = customer_sums(held.rows, reach).order_by("customer_key")
            return self._sums(self._keep(key, held.included, whole), reach)
        sums = self._sums(rows, reach)
        if sums.news is None or sums.news.num_rows <= _REWRITE_SHARE * rows.kept.num_rows:
            return sums
        return self._sums(self._keep(key, held.included, sums.everybody().order_by("customer_key")), reach)

    def store_days(self, version: int, reach: Window) -> pa.Table | None:
        """The rows of ``daily_sums`` for ``version``; None where that is not the latest that the days hold."""
        found = self._days.latest(version)
        if found is None or not isinstance(self._lake.engine, DuckEngine):
            return None
        held, key = found.stores, _key(reach)
        rows = self._rows(key, held, reach)
        if rows is None:
            return self._keep(key, held.included, daily_sums(held.rows, reach.first, reach.last)).kept
        return rows.kept if rows.news is None else with_news(rows.kept, rows.news)

    def drop(self) -> None:
        """Every kept file goes."""
        for pattern in (_KEPT, _REDUCED):
            for file in self.folder.glob(pattern):
                file.unlink(missing_ok=True)

    def _sums(self, rows: _Rows, reach: CustomerReach) -> KeptSums:
        engine = self._lake.engine
        name = f"kept_{next(_numbers)}"
        engine.backend.con.register(name, rows.kept)
        news = None if rows.news is None else few_customer_sums(rows.news, reach)
        return KeptSums(engine.backend.table(name), rows.kept, reach, _Beside(rows.file), news)

    def _rows(self, key: str, days: Held, window: Window) -> _Rows | None:
        """What is kept, and the days since; None where nothing is that they can bring up to date."""
        held = days.included
        for file in sorted(self.folder.glob(f"{key}-{_KEPT}"), reverse=True):
            rows = _opened(file)
            if rows is None:
                continue
            version, batch = _said_in(rows)
            if held.through is None or not held.base <= version <= held.through or not self._is_batch(version, batch):
                continue
            if version == held.through:
                return _Rows(file, rows)
            return _Rows(file, rows, days.since(version, window))
        return None

    def _is_batch(self, version: int, batch: str) -> bool:
        """Whether the lake's version still is that batch: a lake that was put back counts its versions again."""
        return version > 0 and [commit.batch_id for commit in self._lake.commits(version - 1, version)] == [batch]

    def _keep(self, key: str, held: Included, rows: ir.Table) -> _Rows:
        file = self.folder / f"{key}-{held.through:012}.arrow"
        with whole_file(file) as partial, rows.to_pyarrow_batches() as batches:
            schema = batches.schema.with_metadata({_SAID: json.dumps([held.through, held.batch])})
            with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
                for batch in batches:
                    writer.write_batch(batch.replace_schema_metadata(schema.metadata))
        for other in {*self.folder.glob(f"{key}-{_KEPT}")} - {file}:  # who has mapped it reads on
            other.unlink(missing_ok=True)
        _leave_newest(list(self.folder.glob(_KEPT)), _KEPT_FILES)
        kept = _opened(file)
        if kept is None:
            raise OSError(f"{file} is not what was just written")
        return _Rows(file, kept)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What was reduced from the rows of a file, in files beside it that carry the same word of lake version and batch:
    rows that were written anew for the same version of another lake have none."""

    file: Path

    def take(self, key: str) -> pa.Table | None:
        rows = _opened(self.file)
        try:
            found: pa.Table = pq.read_table(self._kept(key))
        except (OSError, pa.ArrowInvalid):  # gone or damaged: made anew
            return None
        return found if rows is not None and _said_in(found) == _said_in(rows) else None

    def put(self, key: str, reduced: pa.Table) -> None:
        rows = _opened(self.file)
        if rows is None:
            return
        kept = self._kept(key)
        with whole_file(kept) as partial:
            pq.write_table(reduced.replace_schema_metadata({_SAID: json.dumps(_said_in(rows))}), partial)
        _leave_newest(list(kept.parent.glob(_REDUCED)), _REDUCED_FILES)

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


def _key(reach: CustomerReach | Window) -> str:
    return sha256_hex(f"{RULES} {reach!r}")[:24]


def _opened(file: Path) -> pa.Table | None:
    """The rows of a kept file, not read but mapped into memory; None for a file that cannot be read."""
    try:
        rows = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
        _said_in(rows)
    except (OSError, KeyError, ValueError):  # ArrowInvalid is a ValueError
        return None
    return rows


def _said_in(rows: pa.Table) -> tuple[int, str]:
    """Of which lake version and batch the rows are."""
    version, batch = json.loads((rows.schema.metadata or {})[_SAID])
    return int(version), str(batch)
