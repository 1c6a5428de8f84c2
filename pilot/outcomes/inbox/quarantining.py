"""What a drain leaves in the business database: rows in quarantine and one entry in the log, once by the drain's id."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.audit.model import AuditEntry
from pilot.audit.service import record
from pilot.imports.importer import Context
from pilot.imports.model import ImportKind, QuarantinedRow, QuarantineState
from pilot.network.queries import listed
from pilot.outcomes.inbox.model import InboxBatch
from pilot.words import Message

VERB = "receipts.drained"
_SYSTEM = "system"
_MONEY = ("net", "vat", "discount", "cost", "reward")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A receipt that goes to quarantine: where it came from, its texts by our field names, and why."""

    batch: InboxBatch
    line: int
    field: str
    texts: dict[str, str]
    reason: Message


def write_down(
    session: Session,
    drain_id: str,
    batches: Sequence[InboxBatch],
    rows: Sequence[Waiting],
    counts: dict[str, Any],
    *,
    now: datetime,
) -> None:
    """Park ``rows`` and record the drain; a drain that is recorded already is left as it is."""
    if session.scalar(select(AuditEntry.seq).where(AuditEntry.subject == drain_id, AuditEntry.verb == VERB)):
        return
    waiting = _waiting_already(session, [row.texts.get("receipt", "") for row in rows])
    session.add_all(
        QuarantinedRow.parked(
            ImportKind.RECEIPTS,
            row.batch.batch_id,
            row.line,
            row.field,
            row.texts,
            row.reason,
            row.batch.received_at,
            key_code=row.batch.key_code,
        )
        for row in rows
        if row.texts not in waiting.get(row.texts.get("receipt", ""), [])
    )
    session.flush()
    details = {**counts, "batches": [[b.batch_id, b.key_code, b.body_hash, b.n_accepted] for b in batches]}
    record(session, actor=_SYSTEM, verb=VERB, subject_kind="drain", subject=drain_id, details=details, at=now)


def texts_of(row: dict[str, Any], context: Context) -> dict[str, str]:
    """A staged receipt as a till would have sent it: texts by our field names, empty ones left out."""
    stores = {number: code for code, number in context.known["store"].items()}
    offers = {number: code for code, number in context.known["offer"].items()}
    money = {f: row[f"{f}_minor"] for f in _MONEY}
    texts = {
        "receipt": row["receipt_id"],
        "store": stores.get(row["store_id"], ""),
        "at": row["at"].isoformat(),
        "till": row["till"],
        "number": row["number"],
        "kind": row["kind"],
        "refers_to": row["refers_to"],
        "customer": row["customer"],
        **{f: _decimal(minor, context.currency_exponent) for f, minor in money.items() if minor is not None},
        "n_items": str(row["n_items"]),
        "offer": offers.get(row["offer_id"], ""),
    }
    return {field: text for field, text in texts.items() if text}


def _waiting_already(session: Session, receipts: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The texts that wait in quarantine by receipt id: a till that retries would double them."""
    found = dict[str, list[dict[str, Any]]]()
    _, ids = listed(session, sorted(set(receipts)))
    same = QuarantinedRow.row["receipt"].as_string().in_(select(ids))
    for row in session.scalars(select(QuarantinedRow.row).where(QuarantinedRow.state == QuarantineState.WAITING, same)):
        found.setdefault(row["receipt"], []).append(row)
    return found


def _decimal(minor: int, exponent: int) -> str:
    return format(Decimal(minor).scaleb(-exponent), "f")
