"""What the inbox holds: batches with their answers, the accepted receipts until the drain took them, the key window."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Instant, digest, document, instant, pk
from pilot.outcomes.inbox.database import InboxBase


class BatchState(StrEnum):
    """``waiting`` in the inbox; ``draining``: a drain named it its own; ``drained``: what it held is in the lake.

    ``set_aside``: a batch that breaks alone while others go in; it is kept whole until a person has it tried again.
    """

    WAITING = "waiting"
    DRAINING = "draining"
    DRAINED = "drained"
    SET_ASIDE = "set_aside"


class InboxBatch(InboxBase):
    """One call and its answer. ``id`` is the order of arrival; SQLite never gives one twice.

    ``verdicts`` and ``drain_findings`` (index, status, reason as a stored message) hold what is not plainly accepted
    and what the drain found later. ``n_accepted`` counts the quarantined ones too. ``store_codes`` are the stores of
    its receipts: who may see them may see the batch. ``problem``: why it is set aside.
    """

    __tablename__ = "inbox_batch"
    __table_args__ = (
        UniqueConstraint("key_code", "idempotency_key"),
        Index("ix_inbox_batch_state_received_at", "state", "received_at", "n_accepted"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[pk]
    batch_id: Mapped[str] = mapped_column(String(64), unique=True)
    key_code: Mapped[str] = mapped_column(String(120))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    body_hash: Mapped[digest]
    received_at: Mapped[instant]
    state: Mapped[BatchState] = mapped_column(String(20))
    drain_id: Mapped[str | None] = mapped_column(String(64), index=True)
    drained_at: Mapped[datetime | None] = mapped_column(Instant)
    lake_version: Mapped[int | None] = mapped_column(BigInteger)
    n_accepted: Mapped[int]
    n_known: Mapped[int]
    n_conflict: Mapped[int]
    n_rejected: Mapped[int]
    n_quarantined: Mapped[int]
    store_codes: Mapped[list[str]] = mapped_column(JSON)
    verdicts: Mapped[list[Any]] = mapped_column(JSON)
    drain_findings: Mapped[list[Any] | None] = mapped_column(JSON)
    problem: Mapped[str | None] = mapped_column(Text)


class InboxPayload(InboxBase):
    """The plainly accepted receipts of a batch: an Arrow stream (zstd) of the staged columns, ``line`` is their index.

    The drain deletes it when the lake's commit is on disk and was read again.
    """

    __tablename__ = "inbox_payload"

    batch_id: Mapped[str] = mapped_column(String(64), ForeignKey("inbox_batch.batch_id"), primary_key=True)
    payload: Mapped[bytes] = mapped_column(LargeBinary)


class InboxParked(InboxBase):
    """An implausible receipt: its texts by our field names and the reason, until the drain moved it to quarantine."""

    __tablename__ = "inbox_parked"

    id: Mapped[pk]
    batch_id: Mapped[str] = mapped_column(String(64), ForeignKey("inbox_batch.batch_id"), index=True)
    line: Mapped[int]
    receipt_id: Mapped[str] = mapped_column(String(64))
    field: Mapped[str] = mapped_column(String(200))
    row: Mapped[document]
    reason: Mapped[document]


class InboxKeys(InboxBase):
    """A segment of the key window: sorted 64-bit hashes of receipts of one business day, eight bytes each.

    ``arrival`` is the newest batch in it. Level 0 is one batch (``batch_id``); higher levels are what the drain joined.
    """

    __tablename__ = "inbox_keys"
    __table_args__ = (
        Index("ix_inbox_keys_business_day_level", "business_day", "level"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[pk]
    arrival: Mapped[int] = mapped_column(index=True)
    business_day: Mapped[int]
    level: Mapped[int]
    batch_id: Mapped[str | None] = mapped_column(String(64))
    n: Mapped[int]
    hashes: Mapped[bytes] = mapped_column(LargeBinary)
