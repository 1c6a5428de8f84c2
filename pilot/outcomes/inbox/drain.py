"""From the inbox to the lake, exactly once.

Two databases and the lake share no transaction, so every step can be done again and is known by the drain's id:

1. the oldest waiting batches are given a ``drain_id``, committed in the inbox;
2. customers not seen before get their keys, committed in the business database;
3. their receipts go to the lake as one commit that carries the id: a commit with this id is not made twice, and it is
   on disk and was read again before the next step;
4. what is implausible or clashes goes to quarantine, and the drain into the log, in one business transaction that is
   not made twice either;
5. only then the payloads are deleted and the batches marked, in one transaction of the inbox.

A process may die anywhere: the next drain finds the batches of step 1 and goes through the steps again.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pilot.canonical import canonical_text, sha256_hex
from pilot.database import Database
from pilot.imports.importer import Published
from pilot.network.people import allot_customer_keys
from pilot.network.queries import customer_keys
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.draining import alone
from pilot.outcomes.inbox.key_window import tidy
from pilot.outcomes.inbox.model import BatchState, InboxBatch, InboxParked, InboxPayload
from pilot.outcomes.inbox.originals import KNOWN
from pilot.outcomes.inbox.quarantining import Waiting, texts_of, write_down
from pilot.outcomes.inbox.staging import Doubled, Staged, drop_doubled, stage
from pilot.outcomes.lake import Lake
from pilot.outcomes.phases import phase
from pilot.outcomes.receipt_rules import RECEIPTS
from pilot.outcomes.receipt_store import OnClash, append_new
from pilot.words import N_, Message

RECEIPTS_A_ROUND = 200_000
_BATCHES_A_ROUND = 2_000
_DOUBLED = N_("Receipt “{other}” came in the same drain with other content.")

Findings = dict[str, list[list[Any]]]


@dataclass(frozen=True, slots=True)
class Drained:
    """What one drain did. ``n_known``: receipts the lake had already; ``n_quarantined``: implausible or clashing ones.

    ``lake_version`` is the version to read to see its receipts. ``left_some``: not all that waited when it began is in.
    """

    drain_id: str
    n_batches: int
    n_new: int
    n_known: int
    n_quarantined: int
    lake_version: int
    left_some: bool = False


def drain(
    database: Database, inbox: InboxDatabase, lake: Lake, *, now: datetime, limit: int = RECEIPTS_A_ROUND
) -> Drained | None:
    """Take the oldest waiting batches, about ``limit`` receipts, to the lake; None where nothing waits.

    What an earlier drain left unfinished comes first. Two drains at once wait for each other.
    """
    if not has_work(inbox):
        return None
    with alone(database.settings):
        return drain_alone(database, inbox, lake, now=now, limit=limit)


def drain_alone(
    database: Database,
    inbox: InboxDatabase,
    lake: Lake,
    *,
    now: datetime,
    limit: int = RECEIPTS_A_ROUND,
    only: Sequence[int] | None = None,
) -> Drained | None:
    """``drain`` for who holds the lock. ``only``: of the waiting batches no others than these (by ``id``)."""
    with phase(database.settings, "drain"):
        batches, left_some = _claim(inbox, limit, only)
        if not batches:
            return None
        drain_id = str(batches[0].drain_id)
        with _scratch(database, drain_id, inbox, batches) as staged:
            doubled = drop_doubled(staged)
            published = _publish(database, lake, staged, drain_id, now)
            findings = _findings(staged, published, doubled)
            rows = [*_parked(inbox, batches), *_clashing(database, staged, published, doubled, now)]
        version = published.lake_version if published.lake_version is not None else lake.version()
        n_known = sum(status == "known" for found in findings.values() for _, status, *_ in found)
        done = Drained(drain_id, len(batches), published.n_new, n_known, len(rows), version, left_some)
        counts = {"new": done.n_new, "known": n_known, "quarantined": len(rows), "lake_version": version}
        with database.unit_of_work() as session:
            write_down(session, drain_id, batches, rows, counts, now=now)
        _finish(inbox, drain_id, findings, version, now)
        return done


def has_work(inbox: InboxDatabase) -> bool:
    """Whether a batch waits: one look at an index."""
    with inbox.glancing() as connection:
        open_batch = select(InboxBatch.id).where(InboxBatch.state.in_((BatchState.WAITING, BatchState.DRAINING)))
        return connection.scalar(open_batch.limit(1)) is not None


def _claim(inbox: InboxDatabase, limit: int, only: Sequence[int] | None) -> tuple[list[InboxBatch], bool]:
    """A cut-off drain's batches, or the oldest ones under a new id, committed; whether others may wait."""
    with inbox.unit_of_work() as session:
        left = list(session.scalars(_in_order(BatchState.DRAINING)))
        if left:
            return left, True
        waiting = _in_order(BatchState.WAITING)
        waiting = waiting.limit(_BATCHES_A_ROUND) if only is None else waiting.where(InboxBatch.id.in_(only))
        taken: list[InboxBatch] = []
        n = 0
        for batch in session.scalars(waiting):
            n += batch.n_accepted
            if taken and n > limit:
                break
            taken.append(batch)
        left_some = n > limit or len(taken) == _BATCHES_A_ROUND
        drain_id = "drain-" + sha256_hex(canonical_text([batch.batch_id for batch in taken]))[:32]
        for batch in taken:
            batch.state, batch.drain_id = BatchState.DRAINING, drain_id
        return taken, left_some


def _in_order(state: BatchState) -> Any:
    return select(InboxBatch).where(InboxBatch.state == state).order_by(InboxBatch.id)


@contextmanager
def _scratch(
    database: Database, drain_id: str, inbox: InboxDatabase, batches: Sequence[InboxBatch]
) -> Iterator[Staged]:
    folder = database.settings.spill_dir / drain_id
    try:
        with inbox.reading() as session:
            staged = stage(folder / "rows.parquet", _payloads(session, batches))
        yield staged
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _payloads(session: Session, batches: Sequence[InboxBatch]) -> Iterator[tuple[InboxBatch, bytes]]:
    for batch in batches:
        payload = session.scalar(select(InboxPayload.payload).where(InboxPayload.batch_id == batch.batch_id))
        if payload is not None:  # none where all its receipts are parked
            yield batch, payload


def _publish(database: Database, lake: Lake, staged: Staged, drain_id: str, now: datetime) -> Published:
    """Keys first, so that no crash can give one twice; then the lake."""
    if not staged.n_rows:
        return Published(0)
    with database.reading() as session:
        keys = customer_keys(session, staged.customers)
    if len(keys) < len(staged.customers):
        with database.unit_of_work() as session:
            allot_customer_keys(session, staged.customers)
            keys = customer_keys(session, staged.customers)
    return append_new(lake, staged.path, keys, drain_id, now, on_clash=OnClash.SET_ASIDE)


def _findings(staged: Staged, published: Published, doubled: Sequence[Doubled]) -> Findings:
    """By batch: [index, status, reason, field] of each receipt that is not plainly in the lake now."""
    found: Findings = {}

    def add(line: int, status: str, reason: Message, field: str) -> None:
        batch, index = staged.place(line)
        found.setdefault(batch.batch_id, []).append([index, status, reason.to_dict(), field])

    for line in published.known_lines:
        add(line, "known", KNOWN, "receipt")
    for clash in published.clashes:
        add(clash.line, "conflict", clash.reason, clash.field)
    for double in doubled:
        if double.is_same:
            add(double.line, "known", KNOWN, "receipt")
        else:
            add(double.line, "conflict", _reason(double), "receipt")
    return found


def _parked(inbox: InboxDatabase, batches: Sequence[InboxBatch]) -> list[Waiting]:
    """What the door found implausible."""
    by_id = {batch.batch_id: batch for batch in batches}
    parked = select(InboxParked).where(InboxParked.batch_id.in_(list(by_id))).order_by(InboxParked.id)
    with inbox.reading() as session:
        return [
            Waiting(by_id[row.batch_id], row.line, row.field, dict(row.row), Message.from_dict(row.reason))
            for row in session.scalars(parked)
        ]


def _clashing(
    database: Database, staged: Staged, published: Published, doubled: Sequence[Doubled], now: datetime
) -> list[Waiting]:
    """What clashes with the lake or within the drain, as the till sent it."""
    clashes = {clash.line: (clash.field, clash.reason) for clash in published.clashes}
    rows = staged.rows(list(clashes))
    for double in doubled:
        if not double.is_same:
            clashes[double.line], rows[double.line] = ("receipt", _reason(double)), double.row
    if not clashes:
        return []
    with database.reading() as session:
        context = RECEIPTS.context(session, now)
    found = []
    for line, (field, reason) in sorted(clashes.items()):
        batch, index = staged.place(line)
        found.append(Waiting(batch, index, field, texts_of(rows[line], context), reason))
    return found


def _reason(double: Doubled) -> Message:
    return Message("doubled_in_drain", _DOUBLED, {"other": double.first})


def _finish(inbox: InboxDatabase, drain_id: str, findings: Findings, version: int, now: datetime) -> None:
    """The receipts are safe in the lake and in quarantine: only now the inbox forgets them."""
    with inbox.unit_of_work() as session:
        of_this_drain = select(InboxBatch.batch_id).where(InboxBatch.drain_id == drain_id)
        session.execute(delete(InboxPayload).where(InboxPayload.batch_id.in_(of_this_drain)))
        session.execute(delete(InboxParked).where(InboxParked.batch_id.in_(of_this_drain)))
        for batch in session.scalars(select(InboxBatch).where(InboxBatch.drain_id == drain_id)):
            batch.state, batch.drained_at, batch.lake_version = BatchState.DRAINED, now, version
            batch.drain_findings = sorted(findings.get(batch.batch_id, []), key=lambda found: int(found[0])) or None
        tidy(session.connection(), now.date())
