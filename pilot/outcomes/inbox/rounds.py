"""Drain until nothing waits, past a batch that breaks, and keep the lake in order afterwards."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from pilot.access.model import Role
from pilot.access.queries import people_with
from pilot.audit.service import record
from pilot.database import Database
from pilot.errors import Misconfigured
from pilot.notices.kinds import NoticeKind
from pilot.notices.service import notify
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.drain import RECEIPTS_A_ROUND, Drained, drain, drain_alone
from pilot.outcomes.inbox.draining import alone
from pilot.outcomes.inbox.model import BatchState, InboxBatch
from pilot.outcomes.key_index import KeyIndex
from pilot.outcomes.lake import Lake
from pilot.outcomes.phases import phase
from pilot.words import N_, Message

log = logging.getLogger(__name__)
_SYSTEM = "system"
_PROBLEM_CHARACTERS = 300
# What is wrong with the machine (disk, database, object store) is not the fault of a batch; what a database says of
# values is. A server that takes no writes any more raises ``InternalError``, one that forgot our rights another kind.
_OF_THE_MACHINE = (Misconfigured, OSError, DBAPIError)
_OF_A_BATCH = (DataError, IntegrityError)


def empty(
    database: Database,
    inbox: InboxDatabase,
    lake: Lake,
    *,
    clock: Callable[[], datetime],
    limit: int = RECEIPTS_A_ROUND,
) -> Iterator[Drained]:
    """Drain round after round until nothing waits.

    A round that breaks for another reason than the machine's is tried in halves: a batch that breaks alone while others
    go in is set aside, with a notice to the administrators. Where everything breaks, or a round before it took a batch,
    nothing is set aside, and the error is raised: it is not the batch.
    """
    while True:
        try:
            done = drain(database, inbox, lake, now=clock(), limit=limit)
        except Exception as error:
            if _is_of_the_machine(error):
                raise
            yield from _in_halves(database, inbox, lake, clock(), error)
            continue
        if done is None:
            return
        yield done


def try_again(database: Database, inbox: InboxDatabase) -> int:
    """Let batches that were set aside wait again; returns how many there were."""
    with alone(database.settings), inbox.unit_of_work() as session:
        batches = session.scalars(select(InboxBatch).where(InboxBatch.state == BatchState.SET_ASIDE)).all()
        for batch in batches:
            batch.state, batch.drain_id, batch.problem = BatchState.WAITING, None, None
        return len(batches)


def keep_lake(lake: Lake) -> None:
    """Bring the day tables up to date, join small files where it pays, and keep the keys of the large ones.

    Never the reason why receipts wait.
    """
    try:
        with phase(lake.settings, "upkeep"):
            from pilot.outcomes.days.service import Days

            Days(lake).keep_up()
        if lake.is_worth_compacting():
            lake.compact()
        with phase(lake.settings, "upkeep"):
            KeyIndex(lake).keep_up()
    except Exception:
        log.exception("the lake could not be put in order; the next round tries again")


@dataclass(slots=True)
class _Halves:
    """What came of trying batches apart from each other."""

    done: list[Drained] = field(default_factory=list)
    broken: list[tuple[int, Exception]] = field(default_factory=list)


def _is_of_the_machine(error: Exception) -> bool:
    return isinstance(error, _OF_THE_MACHINE) and not isinstance(error, _OF_A_BATCH)


def _in_halves(
    database: Database, inbox: InboxDatabase, lake: Lake, now: datetime, error: Exception
) -> Iterator[Drained]:
    """Drain the batches of the round that ``error`` broke in halves, quarters, …; set aside those that break alone.

    Raises ``error`` where the round had taken none: there is nothing to try apart, and the next round would break too.
    """
    with alone(database.settings):
        taken = _let_wait(inbox)
        if not taken:
            raise error
        log.error("a drain broke; its %s batches are tried in halves", len(taken), exc_info=error)
        found = _Halves()
        _try(database, inbox, lake, now, taken, found)
        if found.broken and not found.done:
            raise found.broken[0][1]
        for batch, its_error in found.broken:
            _set_aside(database, inbox, batch, its_error, now)
    yield from found.done


def _try(
    database: Database, inbox: InboxDatabase, lake: Lake, now: datetime, ids: Sequence[int], found: _Halves
) -> None:
    if not ids:
        return
    try:
        done = drain_alone(database, inbox, lake, now=now, only=ids)
    except Exception as error:
        if _is_of_the_machine(error):
            raise
        _let_wait(inbox)
        if len(ids) == 1:
            found.broken.append((ids[0], error))
            return
        middle = len(ids) // 2
        for half in (ids[:middle], ids[middle:]):
            _try(database, inbox, lake, now, half, found)
        return
    if done is not None:
        found.done.append(done)


def _let_wait(inbox: InboxDatabase) -> list[int]:
    """Take their drain's name from batches that it could not finish. Another drain finds in the lake what got there."""
    with inbox.unit_of_work() as session:
        query = select(InboxBatch).where(InboxBatch.state == BatchState.DRAINING).order_by(InboxBatch.id)
        batches = session.scalars(query).all()
        for batch in batches:
            batch.state, batch.drain_id = BatchState.WAITING, None
        return [batch.id for batch in batches]


def _set_aside(database: Database, inbox: InboxDatabase, number: int, error: Exception, now: datetime) -> None:
    problem = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:_PROBLEM_CHARACTERS]
    with inbox.unit_of_work() as session:
        batch = session.get_one(InboxBatch, number)
        batch.state, batch.problem = BatchState.SET_ASIDE, problem
    log.error("batch %s is set aside: %s", batch.batch_id, problem)
    with database.unit_of_work() as session:
        message = Message(
            "batch_set_aside",
            N_(
                "Batch {batch} cannot go to the lake and is set aside with its {receipts:,} receipts; nothing is lost. "
                "The worker's log has the reason. Next: “pilot drain --retry” once it is mended."
            ),
            {"batch": batch.batch_id, "receipts": batch.n_accepted},
        )
        for person in people_with(session, Role.ADMIN):
            notify(session, user_id=person.id, message=message, link="", at=now, kind=NoticeKind.UPKEEP)
        record(
            session,
            actor=_SYSTEM,
            verb="receipts.set_aside",
            subject_kind="batch",
            subject=batch.batch_id,
            details={"receipts": batch.n_accepted, "body_hash": batch.body_hash},
            at=now,
        )
