"""Forget a customer in the inbox: what waits there becomes receipts of nobody."""

import json
from typing import Any

import pyarrow as pa
from sqlalchemy import String, cast, or_, select
from sqlalchemy.orm import Session

from pilot.imports.arrow import column, pc
from pilot.network.erasing import truncate_wal
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.draining import alone
from pilot.outcomes.inbox.model import InboxBatch, InboxParked, InboxPayload
from pilot.outcomes.inbox.payload import pack, unpack
from pilot.settings import Settings
from pilot.words import N_, Message

_FORGOTTEN = Message("forgotten", N_("What was said of this receipt is forgotten with its customer."))


def erase_in_inbox(settings: Settings, external_id: str) -> None:
    """Take the customer off every receipt that waits, and late identifications of theirs out altogether.

    In a transaction of its own, before the one that forgets the customer; while it lasts nothing is drained. What a
    drain takes to quarantine before it is erased there.
    """
    inbox = InboxDatabase(settings)
    try:
        with alone(settings), inbox.unit_of_work() as session:
            _in_payloads(session, external_id)
            _in_parked(session, external_id)
            _in_answers(session, external_id)
        truncate_wal(inbox.engine)
    finally:
        inbox.dispose()


def _in_payloads(session: Session, external_id: str) -> None:
    for batch_id in session.scalars(select(InboxPayload.batch_id)).all():
        payload = session.get_one(InboxPayload, batch_id)
        receipts = unpack(payload.payload)
        theirs = pc.fill_null(pc.equal(column(receipts, "customer"), external_id), False)
        if pc.any(theirs).as_py():
            payload.payload = pack(_without(receipts, theirs))
            session.flush()
        session.expunge(payload)  # one at a time in memory


def _without(receipts: pa.Table, theirs: Any) -> pa.Table:
    said = pc.and_(theirs, pc.equal(column(receipts, "kind"), "identification"))
    nobody = pc.if_else(theirs, pa.scalar(None, pa.string()), column(receipts, "customer"))
    rest = receipts.set_column(receipts.column_names.index("customer"), "customer", nobody)
    return rest.filter(pc.invert(said))


def _in_parked(session: Session, external_id: str) -> None:
    for row in session.scalars(select(InboxParked).where(_names(InboxParked.row, external_id))):
        if external_id in (text.strip() for text in row.row.values()):
            session.delete(row)


def _in_answers(session: Session, external_id: str) -> None:
    """Reasons quote what was sent."""
    named = or_(_names(InboxBatch.verdicts, external_id), _names(InboxBatch.drain_findings, external_id))
    for batch in session.scalars(select(InboxBatch).where(named)):
        batch.verdicts = _forgotten(batch.verdicts, external_id)
        batch.drain_findings = batch.drain_findings and _forgotten(batch.drain_findings, external_id)


def _forgotten(verdicts: list[Any], external_id: str) -> list[Any]:
    quoted = json.dumps(external_id)
    return [
        [index, status, _FORGOTTEN.to_dict() if quoted in json.dumps(reason) else reason, *rest]
        for index, status, reason, *rest in verdicts
    ]


def _names(document: Any, external_id: str) -> Any:
    """Whether the stored JSON holds the id as a text of its own."""
    return cast(document, String).contains(json.dumps(external_id), autoescape=True)
