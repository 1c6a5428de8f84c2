"""Customer-days and store-days: kept up as receipts arrive, read by reports, dropped and rebuilt at will.

They are derived: the lake is the truth, and every number from them is the number from the lake. A row is what one
commit of the lake brought to one customer (or store) and day, so nothing that is there is ever read or changed when
receipts arrive, however late, and the tables hold every lake version since their base.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.measure.days import DayFacts, customer_days, store_days
from pilot.outcomes.days.deliveries import Delivery, Slice, base_of, delivery_of
from pilot.outcomes.days.tables import CUSTOMER_DAYS, RULES, STORE_DAYS, VERSION, DayTable, Included, Size, details_of
from pilot.outcomes.engine import DuckEngine
from pilot.outcomes.errors import LakeVersionVacuumed
from pilot.outcomes.phases import phase

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from pilot.outcomes.lake import Lake

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Lag:
    """How many deliveries of the lake are not in the days, and since when the first of them is there."""

    commits: int
    since: datetime | None


class Days:
    """The derived days of one lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake, self._settings = lake, lake.settings
        self.customers = DayTable(lake.settings, "customer_days", CUSTOMER_DAYS, customer_days)
        self.stores = DayTable(lake.settings, "store_days", STORE_DAYS, store_days)
        self._tables = (self.customers, self.stores)

    def day_facts(self, version: int) -> DayFacts | None:
        """The days as the lake was at ``version``; None where they do not hold it (read the receipts then)."""
        held = [table.held() for table in self._tables]
        if not all(one is not None and self._serves(one[0], version) for one in held):
            return None
        rows = [self._rows(table, one[1]) for table, one in zip(self._tables, held, strict=True) if one is not None]
        return DayFacts(*(one.filter(one[VERSION] <= version) for one in rows))

    def latest_customers(self, version: int) -> tuple[Included, ir.Table] | None:
        """What the customers' days hold, and all their rows, where ``version`` is the latest in them; else None."""
        held = self.customers.held()
        if held is None or not self._serves(held[0], version) or (held[0].through or 0) > version:
            return None
        return held[0], self._rows(self.customers, held[1])

    def keep_up(self, progress: Progress | None = None) -> int | None:
        """Take in what the lake got since; where there is no base yet, one is written. The version they hold wholly.

        Where another process is at it already nothing is waited for: the next call takes in what is left. After
        ``drop`` it does nothing. Killed at any moment, the next call goes on where it was.
        """
        with self._locked(wait=False) as is_ours:
            if is_ours:
                for table in self._tables:
                    self._catch_up(table, progress)
        return self.through()

    def rebuild(self, progress: Progress | None = None) -> int | None:
        """Write the tables anew from the receipts as they are now. The version they hold then."""
        with self._locked():
            for table in self._tables:
                self._take_all(table, self._begin(table), progress)
        return self.through()

    def drop(self) -> None:
        """Empty the tables: reports read receipts until ``rebuild``."""
        with self._locked():
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

    def _serves(self, held: Included, version: int) -> bool:
        if held.through is None or not held.base <= version <= self._lake.version() or not self._is_of_lake(held):
            return False
        return version <= held.through or not self._lake.commits(held.through, version)

    def _rows(self, table: DayTable, files: list[str]) -> ir.Table:
        return self._lake.engine.read_parquet(files, table.schema, root=table.root, hive=False)

    def _catch_up(self, table: DayTable, progress: Progress | None) -> None:
        held = table.included()
        if held is not None and held.is_dropped:
            return
        # A base that was not finished is begun again: files joined since would cut it into other slices.
        if held is None or held.through is None or not self._is_of_lake(held):
            held = self._begin(table)
        try:
            self._take_all(table, held, progress)
        except LakeVersionVacuumed:  # so far behind that the lake's files of then are gone
            self._take_all(table, self._begin(table), progress)

    def _begin(self, table: DayTable) -> Included:
        """Empty the table for a new base: the lake as it is now."""
        last = self._lake.commits(0)[-1:]
        base, batch = (last[0].version, last[0].batch_id) if last else (0, "")
        held = Included(_next_generation(table.included()), base, None if last else 0, batch, rules=RULES)
        table.clear(held)
        return held

    def _take_all(self, table: DayTable, held: Included, progress: Progress | None) -> None:
        is_new = held.through is None
        deliveries = [base_of(self._lake, held)] if is_new else []
        deliveries += [delivery_of(self._lake, commit) for commit in self._lake.commits(held.through or held.base)]
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
        if is_new or table.is_worth_compacting():
            table.tidy()

    def _take(self, table: DayTable, held: Included, delivery: Delivery, part: Slice) -> None:
        """One commit: the days of one slice, and with the last slice the word that its version is in."""

        def write(year: str, path: Path) -> int:
            receipts = self._engine.read_parquet(part.files[year], self._lake.table_schema, root=self._lake.root)
            return table.write_days(receipts, delivery.version, path)

        with phase(self._settings, "upkeep"), table.writing():
            batch_id = f"{held.generation}-{delivery.version}-{part.name}"
            table.append(batch_id, sorted(part.files), write, details=details_of(held))

    def _is_of_lake(self, held: Included) -> bool:
        """Whether the table was made by today's rules from this lake: its version still has that batch."""
        if held.rules != RULES:
            return False
        version = held.base if held.through is None else held.through
        if version > self._lake.version():
            return False
        found = self._lake.commits(version - 1, version) if version else []
        return (found[0].batch_id if found else "") == held.batch

    @cached_property
    def _engine(self) -> DuckEngine:
        """Upkeep is a few sums over what just came: not worth a cluster."""
        engine = self._lake.engine
        return engine if isinstance(engine, DuckEngine) else DuckEngine(self._settings, self._lake.storage)

    @contextmanager
    def _locked(self, *, wait: bool = True) -> Iterator[bool]:
        path = self._settings.locks_dir / "days.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


def _next_generation(held: Included | None) -> int:
    return held.generation + 1 if held else 1
