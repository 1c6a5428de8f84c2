"""The desk of a process: answers single questions from a kept snapshot with two or three indexed reads and no ORM.

Reads go through the driver with statements that are rendered once. Each is consistent by itself: the head of the log
names the snapshot, and what belongs to a draw never changes after it was drawn.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Dialect, Executable, bindparam, null, select, union_all

from pilot.assignment.answers import Verdict
from pilot.assignment.keeping import Head, Keeper, Kept
from pilot.assignment.model import HomeEntry, LedgerEntry
from pilot.assignment.people import Person, is_storable
from pilot.assignment.snapshot import Snapshot
from pilot.audit.model import AuditHead
from pilot.database import Database
from pilot.network.model import Customer


class Desk:
    """Answers for one installation in one process; any number of threads may ask."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keeper = Keeper()
        dialect = database.engine.dialect
        self.head_statement = Prepared(select(AuditHead.count, AuditHead.hash), dialect)
        by_id = select(Customer.customer_key, Customer.attributes).where(Customer.external_id == bindparam("id", ""))
        self.customer_statement = Prepared(by_id, dialect)
        self._drawn: tuple[Snapshot | None, Prepared | None] = (None, None)

    @contextmanager
    def reading(self) -> Iterator["Reader"]:
        """Read several things through one connection."""
        with closing(self._database.engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            yield Reader(self, cursor)

    def head(self) -> Head:
        """How many entries the audit log has and the last one's hash; equal heads: nothing has changed."""
        with self.reading() as reader:
            return reader.head()

    def kept(self, head: Head) -> Kept:
        """The snapshot under ``head``, or a later one where something has changed since it was read."""
        held = self._keeper.held(head)
        if held is not None:
            return held
        with self._database.reading() as session:
            row = session.execute(select(AuditHead.count, AuditHead.hash)).first()
            return self._keeper.at(session, (row[0], row[1]) if row else (0, ""))

    def ask(self, kept: Kept, store: str, external_id: str | None, at: datetime) -> Verdict:
        """What the customer gets who stands in ``store``; raises ``NotFound`` for an unknown store."""
        till = kept.till(kept.snapshot.place(store), at)
        if external_id is None:
            return till.verdict(None)
        with self.reading() as reader:
            return till.verdict(reader.person(kept.snapshot, external_id))

    def of_customer(self, snapshot: Snapshot) -> "Prepared | None":
        """The statement of what the draws in force say of one customer: frozen homes, variants of closed lists."""
        of, statement = self._drawn
        if of is not snapshot:
            homes = select(HomeEntry.draw_id, HomeEntry.store_id, null()).where(
                HomeEntry.customer_key == bindparam("key", 0), HomeEntry.draw_id.in_(snapshot.draws_by_home)
            )
            variants = select(LedgerEntry.draw_id, null(), LedgerEntry.variant).where(
                LedgerEntry.unit_code == bindparam("unit", ""), LedgerEntry.draw_id.in_(snapshot.draws_of_listed)
            )
            needed = [homes] * bool(snapshot.draws_by_home) + [variants] * bool(snapshot.draws_of_listed)
            statement = Prepared(union_all(*needed), self._database.engine.dialect) if needed else None
            self._drawn = (snapshot, statement)
        return statement


class Reader:
    """The reads of one question."""

    __slots__ = ("_cursor", "_desk")

    def __init__(self, desk: Desk, cursor: Any) -> None:
        self._desk, self._cursor = desk, cursor

    def head(self) -> Head:
        """The head of the audit log."""
        rows = self._rows(self._desk.head_statement)
        return (rows[0][0], rows[0][1]) if rows else (0, "")

    def person(self, snapshot: Snapshot, external_id: str) -> Person | None:
        """The customer with this id and what the draws of ``snapshot`` say of them; None for an unknown one."""
        rows = self._rows(self._desk.customer_statement, id=external_id) if is_storable(external_id) else []
        if not rows:
            return None
        key, attributes = rows[0]
        homes: dict[int, str] = {}
        variants: dict[int, str] = {}
        drawn = self._desk.of_customer(snapshot)
        for draw_id, store_id, variant in self._rows(drawn, key=key, unit=str(key)) if drawn else ():
            if store_id is not None:
                homes[draw_id] = snapshot.place_of_id[store_id].code
            else:
                variants[draw_id] = variant
        return Person(key, json.loads(attributes) if isinstance(attributes, str) else attributes, homes, variants)

    def _rows(self, statement: "Prepared", **values: Any) -> list[Any]:
        self._cursor.execute(statement.sql, statement.parameters(values))
        return list(self._cursor.fetchall())


class Prepared:
    """A statement as its driver takes it."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined] # of every statement
        self.sql, self._fixed, self._order = str(compiled), dict(compiled.params), compiled.positiontup

    def parameters(self, values: dict[str, Any]) -> Any:
        if self._order is None:
            return {name: values.get(name, fixed) for name, fixed in self._fixed.items()}
        return tuple([values[name] if name in values else self._fixed[name] for name in self._order])
