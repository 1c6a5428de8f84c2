"""The worker's post: in a thread a channel it sends what waits in the outbox, and on Mondays puts the digests in."""

import logging
import threading
from collections.abc import Callable, Collection
from datetime import datetime

from pilot.access.model import Role, User
from pilot.access.queries import people_with
from pilot.audit.service import record
from pilot.database import Database
from pilot.errors import PilotError
from pilot.jobs.digests import post_digests
from pilot.notices import outbox
from pilot.notices.calling import Caller
from pilot.notices.errors import NotDelivered
from pilot.notices.mail import Mailer, compose, make_mailer
from pilot.notices.model import Channel, Delivery, Webhook
from pilot.notices.preferences import wants_mail
from pilot.notices.service import notify_once
from pilot.notices.webhooks import send_call
from pilot.words import N_, Message

log = logging.getLogger(__name__)
EVERY_SECONDS = 3.0

_MAIL_GAVE_UP = N_("Mail could not be delivered and was given up. The last reason: {reason}")
_WEBHOOK_GAVE_UP = N_("A call of the webhook “{webhook}” did not arrive and was given up. The last reason: {reason}")
_BROKE = N_("This broke on our side; the worker's log has the reason under {delivery}.")


class Post:
    """Rounds until ``stop``. What cannot be sent waits for its next attempt; nothing here loses a delivery.

    ``clock`` is the wall clock: a demonstration's clock stands still, and so would every second attempt.
    """

    def __init__(
        self,
        database: Database,
        channel: Channel,
        stop: threading.Event,
        *,
        clock: Callable[[], datetime] | None = None,
        mailer: Mailer | None = None,
        caller: Caller | None = None,
    ) -> None:
        settings = database.settings
        self._database, self._channel, self._stop = database, channel, stop
        self._clock = clock or settings.wall_clock
        self._mailer = mailer
        self._caller = caller or Caller(allow_private=settings.webhook_allow_private)
        self._digested: str | None = None

    def run(self) -> None:
        """Until ``stop`` is set; a delivery on its way is finished first."""
        while not self._stop.is_set():
            try:
                self.round()
            except Exception:
                log.exception("a round of the post broke; the next one tries again")
            self._stop.wait(EVERY_SECONDS)

    def round(self) -> int:
        """Send everything that is due. Returns how many attempts were made.

        A webhook that fails is left alone until the next round: whoever is dead or slow keeps the others waiting for
        one attempt, however much has gathered for it.
        """
        if self._channel is Channel.MAIL:
            self._digested = post_digests(self._database, done=self._digested)
        attempts, failed = 0, set[int]()
        while not self._stop.is_set() and (claimed := self._claim(failed)) is not None:
            if not self._attempt(claimed) and claimed.webhook_id is not None:
                failed.add(claimed.webhook_id)
            attempts += 1
        return attempts

    def _claim(self, failed: Collection[int] = ()) -> Delivery | None:
        now = self._clock()
        with self._database.reading() as session:
            if not outbox.has_due(session, self._channel, now=now):
                return None  # the usual case takes no lock
        with self._database.unit_of_work() as session:
            return outbox.claim(session, self._channel, now=now, but_webhooks=failed)

    def _attempt(self, delivery: Delivery) -> bool:
        """Whether it is done with: sent, or not wanted any more."""
        try:
            is_wanted = self._send_mail(delivery) if self._channel is Channel.MAIL else self._call(delivery)
        except PilotError as error:
            is_final = isinstance(error, NotDelivered) and error.is_final
            self._failed(delivery, error.message, is_final=is_final)
            return False
        except Exception:
            log.exception("delivery %s broke", delivery.code)
            self._failed(delivery, Message("delivery_broke", _BROKE, {"delivery": delivery.code}), is_final=False)
            return False
        with self._database.unit_of_work() as session:
            mark = outbox.mark_sent if is_wanted else outbox.mark_dropped
            mark(session, delivery, now=self._clock())
        return True

    def _send_mail(self, delivery: Delivery) -> bool:
        """Send it, unless the person no longer wants it: whether they do."""
        with self._database.reading() as session:
            reader = session.get(User, delivery.user_id)
            if reader is None or not reader.is_active or not wants_mail(session, reader.id, delivery.kind):
                return False
        mail = compose(self._database.settings, delivery, reader, now=self._clock())
        (self._mailer or make_mailer(self._database.settings)).send(mail)
        return True

    def _call(self, delivery: Delivery) -> bool:
        """Call the webhook, unless it is gone: whether it was called."""
        with self._database.reading() as session:
            hook = session.get(Webhook, delivery.webhook_id)
        if hook is None:  # removed a moment ago, and its deliveries with it
            return False
        send_call(self._database.settings, hook, delivery, self._caller, now=self._clock())
        return True

    def _failed(self, delivery: Delivery, error: Message, *, is_final: bool) -> None:
        with self._database.unit_of_work() as session:
            gave_up = outbox.mark_failed(session, delivery, error, is_final=is_final, now=self._clock())
            if not gave_up:
                return
            at = self._database.settings.now()
            hook = session.get(Webhook, delivery.webhook_id) if delivery.webhook_id else None
            message = Message("mail_gave_up", _MAIL_GAVE_UP, {"reason": error})
            if hook is not None:
                values = {"webhook": hook.name, "reason": error}
                message = Message("webhook_gave_up", _WEBHOOK_GAVE_UP, values)
            notify_once(
                session,
                user_ids=[person.id for person in people_with(session, Role.ADMIN)],
                message=message,
                link=f"/webhooks/{hook.code}" if hook else "/webhooks/",
                at=at,
                by_mail=hook is not None,  # where mail fails, mail about it would
            )
            details = {"kind": str(delivery.kind), "attempts": delivery.attempts, "reason": error.code}
            record(session, actor="system", verb="delivery.gave_up", subject_kind="delivery",
                   subject=delivery.code, details=details, at=at)  # fmt: skip
