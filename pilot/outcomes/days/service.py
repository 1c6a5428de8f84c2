"""Customer-days and store-days: kept up as receipts arrive, read by reports, dropped and rebuilt at will.

They are derived: the lake is the truth, and every number from them is the number from the lake. A row is what one
commit of the lake brought to one customer (or store) and day, so nothing that is there is ever read or changed when
receipts arrive, however late, and the tables hold every lake version since their base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from experiments.measure.days import DayFacts, customer_days, store_days
from pilot.outcomes.days.deliveries import Delivery, Slice, base_of, delivery_of
from pilot.outcomes.days.tables import CUSTOMER_DAYS, RULES, STORE_DAYS, VERSION, DayTable, Included, Size, details_of
from pilot.outcomes.engine import DuckEngine
from pilot.outcomes.errors import LakeVersionVacuumed
from pilot.outcomes.file_lock import locked
from pilot.outcomes.phases import phase
from pilot.outcomes.shared_lock import SharedLock
from pilot.outcomes.storage import beside_lake

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from experiments.measure.windows import Window
    from pilot.outcomes.lake import Lake

Progress = Callable[[int, int], None]
_MANY_FILES = 32  # with fewer nobody looks whether joining them pays


@dataclass(frozen=True, slots=True)
class Lag:
    """How many deliveries of the lake are not in the days, and since when the first of them is there."""

    commits: int
    since: datetime | None


@dataclass(frozen=True)
class Held:
    """What one table holds, and in which files."""

    included: Included
    files: Sequence[str]
    _lake: Lake
    _table: DayTable

    @cached_property
    def rows(self) -> ir.Table:
        """All its rows."""
        return self._lake.engine.read_parquet(self.files, self._table.schema, root=self._table.root, hive=False)

    def at(self, version: int) -> ir.Table:
        """The rows of the lake as it was at ``version``."""
        return self.rows if version == self.included.through else self.rows.filter(self.rows[VERSION] <= version)

    def since(self, version: int, window: Window) -> pa.Table:
        """The rows of days in ``window`` that came after ``version`` of the lake; DuckDB has to be the engine."""
        engine = self._lake.engine
        if not isinstance(engine, DuckEngine):
            raise TypeError(f"{engine} does not hand over rows")
        columns = ", ".join(self._table.schema.names)
        asked = engine.connection.execute(
            f"SELECT {columns} FROM read_parquet($files, hive_partitioning = false) "  # noqa: S608 - our own names
            f"WHERE {VERSION} > $version AND business_date BETWEEN $first AND $last",
            {"files": list(self.files), "version": version, "first": window.first, "last": window.last},
        )
        found: pa.Table = asked.fetch_arrow_table()
        return found


@dataclass(frozen=True, slots=True)
class Holding:
    """What each table holds."""

    customers: Held
    stores: Held

    @property
    def included(self) -> tuple[Included, Included]:
        """What they hold."""
        return self.customers.included, self.stores.included


class Days:
    """The derived days of one lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake, self._settings = lake, lake.settings
        self.customers = DayTable(lake.settings, "customer_days", CUSTOMER_DAYS, customer_days)
        self.stores = DayTable(lake.settings, "store_days", STORE_DAYS, store_days)
        self._tables = (self.customers, self.stores)
        self._opened: tuple[int, Holding] | None = None
        self._large, self._connecting = Lock(), Lock()

    def day_facts(self, version: int) -> DayFacts | None:
        """The days as the lake was at ``version``; None where they do not hold it (read the receipts then)."""
        held = self._holding(version)
        if held is None:
            return None
        customers, stores = partial(held.customers.at, version), partial(held.stores.at, version)
        return DayFacts(customers, stores, partial(self._lake.receipts, version))

    def latest(self, version: int) -> Holding | None:
        """What the days hold, and all their rows, where ``version`` is the latest in them; else None.

        Right after ``day_facts`` they are not opened again.
        """
        is_open = self._opened is not None and self._opened[0] == version
        held = self._opened[1] if self._opened is not None and is_open else self._holding(version)
        return None if held is None or any((one.through or 0) > version for one in held.included) else held

    def keep_up(self) -> int | None:
        """Take in what the lake got since; where there is no base yet, one is written. The version they hold wholly.

        Where another process is at it already nothing is waited for: the next call takes in what is left. After
        ``drop`` it does nothing. Killed at any moment, the next call goes on where it was.
        """
        with self._locked(wait=False) as is_ours:
            if is_ours:
                self._opened = None
                latest = self._lake.version()
                with ThreadPoolExecutor(len(self._tables)) as threads:  # engine, disk and log work without Python
                    found = list(threads.map(partial(self._catch_up, latest), self._tables))
                return min((version for version in found if version is not None), default=None)
        return self.through()

    def rebuild(self, progress: Progress | None = None) -> int:
        """Write the tables anew from the receipts as they are now. The version they hold then."""
        with self._locked():
            self._opened = None
            latest = self._lake.version()
            return min(self._take_all(table, self._begin(table), latest, progress) for table in self._tables)

    def drop(self) -> None:
        """Empty the tables: reports read receipts until ``rebuild``."""
        with self._locked():
            self._opened = None
            for table in self._tables:
                table.clear(Included(_next_generation(table.included()), 0, None, "", is_dropped=True, rules=RULES))
                table.vacuum(())

    def through(self) -> int | None:
        """The last lake version that both tables hold; None: they hold none."""
        held = [table.included() for table in self._tables]
        found = [one.through for one in held if one is not None and one.through is not None]
        return min(found) if len(found) == len(held) else None

    def lag(self) -> Lag:
        """What the lake got and the days have not."""
        held = self.customers.included()
        missing = [] if held is not None and held.is_dropped else self._lake.commits(self.through() or 0)
        return Lag(len(missing), missing[0].committed_at if missing else None)

    def is_dropped(self) -> bool:
        """Whether they stay away until somebody rebuilds them."""
        held = self.customers.included()
        return held is not None and held.is_dropped

    def sizes(self) -> list[Size]:
        """Rows, files and bytes of each table."""
        return [table.size() for table in self._tables]

    def _holding(self, version: int) -> Holding | None:
        """What both tables hold, where ``version`` is in it."""
        held, latest = [table.held() for table in self._tables], self._lake.version()
        found = [
            Held(*one, self._lake, table)
            for table, one in zip(self._tables, held, strict=True)
            if one is not None and self._serves(one[0], version, latest)
        ]
        holding = Holding(*found) if len(found) == len(self._tables) else None
        self._opened = (version, holding) if holding else None
        return holding

    def _serves(self, held: Included, version: int, latest: int) -> bool:
        if held.through is None or not held.base <= version <= latest or not self._is_of_lake(held, latest):
            return False
        return version <= held.through or not self._lake.commits(held.through, version)

    def _catch_up(self, latest: int, table: DayTable) -> int | None:
        found = table.held()
        held, files = found or (None, [])
        if held is not None and held.is_dropped:
            return None
        # A base that was not finished is begun again: files joined since would cut it into other slices.
        if held is None or held.through is None or not self._is_of_lake(held, latest):
            held = self._begin(table)
        try:
            return self._take_all(table, held, latest, n_files=len(files))
        except LakeVersionVacuumed:  # so far behind that the lake's files of then are gone
            return self._take_all(table, self._begin(table), latest)

    def _begin(self, table: DayTable) -> Included:
        """Empty the table for a new base: the lake as it is now."""
        last = self._lake.last_commit()
        base, batch = (last.version, last.batch_id) if last else (0, "")
        held = Included(_next_generation(table.included()), base, None if last else 0, batch, rules=RULES)
        table.clear(held)
        return held

    def _take_all(
        self, table: DayTable, held: Included, latest: int, progress: Progress | None = None, n_files: int = 0
    ) -> int:
        is_new = held.through is None
        deliveries = [base_of(self._lake, held)] if is_new else []
        missing = self._lake.commits(held.through or held.base, max(latest, held.base))
        deliveries += [delivery_of(self._lake, commit) for commit in missing]
        total = sum(len(delivery.slices) for delivery in deliveries)
        done = 0
        for delivery in deliveries:
            for part in delivery.slices:
                is_last = part is delivery.slices[-1]
                held = replace(held, through=delivery.version, batch=delivery.batch) if is_last else held
                self._take(table, held, delivery, part)
                done += 1
                if progress:
                    progress(done, total)
        if is_new or (n_files + done >= _MANY_FILES and table.is_worth_compacting()):
            table.tidy()
        return held.through or held.base

    def _take(self, table: DayTable, held: Included, delivery: Delivery, part: Slice) -> None:
        """One commit: the days of one slice, and with the last slice the word that its version is in."""

        def write(year: str, path: Path) -> int:
            with self._connection() as connection:
                return table.write_days(connection, part.files[year], delivery.version, path)

        alone = nullcontext() if part.is_whole else self._large  # one at a time takes all the engine's memory
        with alone, phase(self._settings, "upkeep"), table.writing():
            batch_id = f"{held.generation}-{delivery.version}-{part.name}"
            table.append(batch_id, sorted(part.files), write, details=details_of(held))

    def _is_of_lake(self, held: Included, latest: int) -> bool:
        """Whether the table was made by today's rules from this lake: its version still has that batch."""
        version = held.base if held.through is None else held.through
        if held.rules != RULES or version > latest:
            return False
        found = self._lake.commits(version - 1, version) if version else []
        return (found[0].batch_id if found else "") == held.batch

    def _connection(self) -> DuckDBPyConnection:
        """One of one's own: the other table may be at it beside."""
        with self._connecting:
            return self._engine.connection.cursor()

    @cached_property
    def _engine(self) -> DuckEngine:
        """Upkeep is a few sums over what just came: not worth a cluster."""
        engine = self._lake.engine
        return engine if isinstance(engine, DuckEngine) else DuckEngine(self._settings, self._lake.storage)

    @contextmanager
    def _locked(self, *, wait: bool = True) -> Iterator[bool]:
        """The one lock of whatever changes the days, on every machine; without ``wait``, whether it is ours."""
        with locked(self._settings.locks_dir / "days.lock", wait=wait) as is_ours:
            if not is_ours:
                yield False
                return
            # Of this machine's; where the days lie in an object store, others may have another.
            with SharedLock(self._settings, beside_lake(self._settings, "derived")).held(wait=wait) as is_ours:
                yield is_ours


def _next_generation(held: Included | None) -> int:
    return held.generation + 1 if held else 1
