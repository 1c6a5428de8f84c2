"""Forget a customer in the inbox: what waits there becomes receipts of nobody."""

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import String, cast, or_, select
from sqlalchemy.orm import Session

from pilot.access.model import Role, User
from pilot.access.queries import people_with
from pilot.audit.service import record
from pilot.imports.arrow import column, pc
from pilot.network.erasing import truncate_wal
from pilot.notices.kinds import NoticeKind
from pilot.notices.service import notify
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.draining import alone
from pilot.outcomes.inbox.model import InboxBatch, InboxParked, InboxPayload
from pilot.outcomes.inbox.payload import pack, unpack
from pilot.settings import Settings
from pilot.words import N_, Message

log = logging.getLogger(__name__)
_FORGOTTEN = Message("forgotten", N_("What was said of this receipt is forgotten with its customer."))
_NOT_SEARCHED = N_(
    "Batch {batch} could not be looked through when customer number {key} was forgotten: its receipts cannot be read, "
    "and may still name this customer. Next: once it is mended and “pilot drain --retry” took it in, forget the "
    "customer again."
)


def erase_in_inbox(settings: Settings, external_id: str) -> Sequence[str]:
    """Take the customer off every receipt that waits, and late identifications of theirs out altogether.

    In a transaction of its own, before the one that forgets the customer; while it lasts nothing is drained. What a
    drain takes to quarantine before it is erased there. Returns the batches whose receipts cannot be read, so that they
    may still name the customer: ``tell_unread`` says so.
    """
    inbox = InboxDatabase(settings)
    try:
        with alone(settings), inbox.unit_of_work() as session:
            unread = _in_payloads(session, external_id)
            _in_parked(session, external_id)
            _in_answers(session, external_id)
        truncate_wal(inbox.engine)
        return unread
    finally:
        inbox.dispose()


def tell_unread(
    session: Session, unread: Sequence[str], customer_key: int, *, actor: User, now: datetime
) -> Sequence[Message]:
    """Record, and tell every administrator, which batches could not be looked through for the forgotten customer.

    In the transaction that forgets them. Returns what was told, for whoever asked.
    """
    told = []
    for batch_id in unread:
        told.append(Message("batch_not_searched", _NOT_SEARCHED, {"batch": batch_id, "key": customer_key}))
        for person in people_with(session, Role.ADMIN):
            notify(session, user_id=person.id, message=told[-1], link="", at=now, kind=NoticeKind.UPKEEP)
        record(
            session,
            actor=actor.email,
            verb="receipts.not_searched",
            subject_kind="batch",
            subject=batch_id,
            details={"customer_key": customer_key},
            at=now,
        )
    return told


def _in_payloads(session: Session, external_id: str) -> list[str]:
    """Returns the batches that cannot be read: one of them must not keep the customer in all others."""
    unread = []
    for batch_id in session.scalars(select(InboxPayload.batch_id).order_by(InboxPayload.batch_id)).all():
        payload = session.get_one(InboxPayload, batch_id)
        try:
            rest = _without(unpack(payload.payload), external_id)
        except (pa.ArrowException, OSError, KeyError):
            log.exception("batch %s cannot be read, so nobody is erased in it", batch_id)
            unread.append(batch_id)
        else:
            if rest is not None:
                payload.payload = pack(rest)
                session.flush()
        session.expunge(payload)  # one at a time in memory
    return unread


def _without(receipts: pa.Table, external_id: str) -> pa.Table | None:
    """The receipts without this customer; None where they are not named."""
    theirs = pc.fill_null(pc.equal(column(receipts, "customer"), external_id), False)
    if not pc.any(theirs).as_py():
        return None
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
