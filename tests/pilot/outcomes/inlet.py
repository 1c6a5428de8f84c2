"""A network whose tills send receipts: builders for tests of the drain and of facts that refer to receipts."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Any

import orjson
from sqlalchemy import select

from pilot.audit.model import AuditEntry
from pilot.database import Database
from pilot.imports.model import QuarantinedRow, QuarantineState
from pilot.outcomes.inbox.accept import Reception
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.drain import Drained, drain
from pilot.outcomes.inbox.model import BatchState, InboxBatch
from pilot.outcomes.inbox.work import Accepted, Call
from pilot.outcomes.lake import Lake
from pilot.outcomes.receipt_model import receipt_texts
from tests.pilot.imports.builders import Chain

_numbers = count(1)


def receipt(name: str, **values: Any) -> dict[str, Any]:
    """A receipt as a till sends it: 10.00 in store 31 on 10 January; fields that are given replace these."""
    plain = {"receipt": name, "store": "31", "at": "2026-01-10 12:00", "net": "10.00", "number": f"n{next(_numbers)}"}
    return {field: value for field, value in {**plain, "till": "1", **values}.items() if value is not None}


def lately(name: str, **values: Any) -> dict[str, Any]:
    """A receipt of a day in the key window (the tests' clock says 2 March 2026)."""
    return receipt(name, **{"at": "2026-02-27 12:00", **values})


def correction(name: str, of: str, net: str, **values: Any) -> dict[str, Any]:
    """A difference to ``of``, sent in February."""
    at = "2026-02-20 09:00"
    return receipt(name, kind="correction", refers_to=of, net=net, number=None, **{"at": at, **values})


def identification(name: str, of: str, customer: str, **values: Any) -> dict[str, Any]:
    """Who ``of`` was, said in February."""
    given = {"at": "2026-02-21 09:00", "customer": customer, "net": None, "number": None, **values}
    return receipt(name, kind="identification", refers_to=of, **given)


class Inlet:
    """An installation with stores 31, 309 and 7, its inbox and its lake."""

    def __init__(self, database: Database, now: datetime) -> None:
        self.chain = Chain(database, now).with_stores()
        self.database, self.now, self.settings = database, now, database.settings
        self.inbox, self.lake = InboxDatabase(database.settings), Lake(database.settings)
        self.reception = Reception(database.settings, self.inbox)

    def send(self, *receipts: Mapping[str, Any], idempotency_key: str | None = None) -> Accepted:
        """One call."""
        digest = sha256(orjson.dumps(receipts)).hexdigest()
        call = Call(receipt_texts(receipts), "tills", digest, self.now, idempotency_key=idempotency_key)
        with self.database.reading() as session:
            return self.reception.accept(session, call, head=None)

    def drain(self, **options: Any) -> Drained | None:
        return drain(self.database, self.inbox, self.lake, now=self.now, **options)

    def stored(self) -> dict[str, dict[str, Any]]:
        """The lake by receipt id; a receipt that is there twice fails the test that asks."""
        rows = self.lake.receipts().to_pyarrow().to_pylist()
        found = {row["receipt_id"]: row for row in rows}
        assert len(found) == len(rows)
        return found

    def batches(self, state: BatchState) -> list[InboxBatch]:
        with self.inbox.reading() as session:
            query = select(InboxBatch).where(InboxBatch.state == state).order_by(InboxBatch.id)
            return list(session.scalars(query))

    def quarantine(self) -> list[QuarantinedRow]:
        """What waits for a person."""
        with self.database.reading() as session:
            query = select(QuarantinedRow).where(QuarantinedRow.state == QuarantineState.WAITING)
            return list(session.scalars(query.order_by(QuarantinedRow.id)))

    def entries(self, verb: str) -> list[AuditEntry]:
        with self.database.reading() as session:
            return list(session.scalars(select(AuditEntry).where(AuditEntry.verb == verb).order_by(AuditEntry.seq)))
