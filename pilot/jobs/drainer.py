"""The worker's drain: in a thread of its own it takes what waits in the inbox to the lake, every few seconds."""

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from pilot.access.model import Role
from pilot.access.queries import people_with
from pilot.audit.service import record
from pilot.database import Database
from pilot.errors import PilotError
from pilot.notices.kinds import NoticeKind
from pilot.notices.service import notify
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.rounds import empty, keep_lake
from pilot.outcomes.lake import Lake
from pilot.words import N_, Message

log = logging.getLogger(__name__)
_LONGEST = 10  # a round lasts at most so many times the pause between rounds


class Drainer:
    """Rounds until ``stop``. An error ends its round only: it is logged, and noticed once until a round goes well."""

    def __init__(self, database: Database, stop: threading.Event) -> None:
        self._database, self._stop = database, stop
        self._inbox, self._lake = InboxDatabase(database.settings), Lake(database.settings)
        self._is_failing = False

    def run(self) -> None:
        """Until ``stop`` is set; a round at work is finished first."""
        while not self._stop.is_set():
            self.round()
            self._stop.wait(self._database.settings.drain_seconds)
        self._inbox.dispose()

    def round(self) -> None:
        """Drain what waits, then keep the lake in order where receipts came.

        What came in meanwhile is for the next round: where tills send without a pause the inbox is never empty, and to
        run after every call would make a commit and a file of each.
        """
        settings = self._database.settings
        n, end = 0, time.monotonic() + _LONGEST * settings.drain_seconds
        try:
            for done in empty(self._database, self._inbox, self._lake, clock=settings.now):
                n += done.n_new
                log.info("drained %s batches: %s new receipts", done.n_batches, done.n_new)
                if self._stop.is_set():
                    return
                if not done.left_some or time.monotonic() > end:
                    break
            self._is_failing = False
        except Exception as error:
            log.exception("a drain broke; the next round tries again")
            self._notice(error)
            return
        if n:
            keep_lake(self._lake)

    def _notice(self, error: Exception) -> None:
        if self._is_failing:
            return
        reason = str(error) if isinstance(error, PilotError) else type(error).__name__
        message = Message(
            "drain_breaks",
            N_("Receipts wait in the inbox and cannot go to the lake: {reason}. Nothing is lost; the worker goes on."),
            {"reason": reason.rstrip(".")[:300]},
        )
        now = self._database.settings.now()
        try:
            with self._database.unit_of_work() as session:
                for person in people_with(session, Role.ADMIN):
                    notify(session, user_id=person.id, message=message, link="", at=now, kind=NoticeKind.UPKEEP)
                details = {"reason": message.values["reason"]}
                record(session, actor="system", verb="receipts.drain_broke", subject_kind="installation",
                       subject="inbox", details=details, at=now)  # fmt: skip
            self._is_failing = True
        except (SQLAlchemyError, PilotError, OSError):
            log.exception("the notice could not be written either")
