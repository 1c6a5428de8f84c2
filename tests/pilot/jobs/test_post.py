"""The worker's post: what waits is sent, what fails is tried again, and administrators hear of what was given up."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage

import pytest
from sqlalchemy import select

from pilot.access.model import Role, User
from pilot.audit.model import AuditEntry
from pilot.database import Database
from pilot.jobs.post import Post
from pilot.notices import outbox, webhooks
from pilot.notices.calling import Caller
from pilot.notices.errors import MailboxRefused, MailServerFailed
from pilot.notices.kinds import EVENTS, NoticeKind
from pilot.notices.model import Channel, Delivery, DeliveryState, Notice
from pilot.notices.preferences import choose_mail
from pilot.notices.service import notify
from pilot.words import Message
from tests.builders import a_user
from tests.pilot.notices.receivers import HOST, Clock, Receiver, receiver

pytestmark = pytest.mark.enable_socket  # a receiver on the loopback
HELLO = Message("hello", "Hello.")


class Mailer:
    """Keeps mails, or fails with ``error``."""

    def __init__(self, error: Exception | None = None) -> None:
        self.mails: list[EmailMessage] = []
        self.error = error

    def send(self, mail: EmailMessage) -> None:
        if self.error is not None:
            raise self.error
        self.mails.append(mail)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(database: Database) -> dict[str, User]:
    with database.unit_of_work() as session:
        return {role.value: a_user(session, role, email=f"{role}@example.org") for role in Role}


@pytest.fixture
def found() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def mail_post(database: Database, clock: Clock, mailer: Mailer) -> Post:
    return Post(database, Channel.MAIL, threading.Event(), clock=clock, mailer=mailer)


def hook_post(database: Database, clock: Clock) -> Post:
    caller = Caller(allow_private=True, resolve=lambda *_: ["127.0.0.1"])
    return Post(database, Channel.WEBHOOK, threading.Event(), clock=clock, caller=caller)


def write_to(database: Database, person: User, now: datetime) -> None:
    with database.unit_of_work() as session:
        notify(session, user_id=person.id, message=HELLO, link="/", at=now)


def a_hook(database: Database, admin: User, found: Receiver, now: datetime) -> None:
    with database.unit_of_work() as session:
        hook, _ = webhooks.add_webhook(
            session, name="Chat", url=f"https://{HOST}/", events=EVENTS, actor=admin, now=now
        )
        hook.url = f"http://{HOST}:{found.port}/"
        outbox.call_webhooks(session, NoticeKind.GATE_REACHED, {"pilot": "points"}, at=now)


def deliveries(database: Database) -> list[Delivery]:
    with database.reading() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def notices(database: Database, person: User) -> list[str]:
    with database.reading() as session:
        return [n.message["code"] for n in session.scalars(select(Notice).where(Notice.user_id == person.id))]


def test_a_notice_leaves_as_a_mail_to_its_reader(database: Database, people: dict[str, User], clock: Clock) -> None:
    mailer = Mailer()
    write_to(database, people["manager"], clock.at)
    assert mail_post(database, clock, mailer).round() == 1
    assert [mail["To"] for mail in mailer.mails] == ["manager@example.org"]
    assert [one.state for one in deliveries(database)] == [DeliveryState.SENT]
    assert mail_post(database, clock, mailer).round() == 0


def test_who_does_not_want_it_or_has_left_gets_no_mail(
    database: Database, people: dict[str, User], clock: Clock
) -> None:
    mailer = Mailer()
    for name in ("manager", "analyst"):
        write_to(database, people[name], clock.at)
    with database.unit_of_work() as session:
        session.get_one(User, people["analyst"].id).is_active = False
        choose_mail(session, people["manager"], [], actor="manager@example.org", now=clock.at)
    mail_post(database, clock, mailer).round()
    assert mailer.mails == []
    assert [one.state for one in deliveries(database)] == [DeliveryState.DROPPED, DeliveryState.DROPPED]
    assert notices(database, people["manager"]) == ["hello"], "the page shows it all the same"


def test_mail_waits_for_the_server_to_come_back(database: Database, people: dict[str, User], clock: Clock) -> None:
    mailer = Mailer(MailServerFailed(host="mail.example.org", problem="421 busy"))
    write_to(database, people["manager"], clock.at)
    post = mail_post(database, clock, mailer)
    assert (post.round(), post.round()) == (1, 0)
    (waiting,) = deliveries(database)
    assert (waiting.state, waiting.next_try_at) == (DeliveryState.WAITING, clock.at + timedelta(minutes=1))
    assert waiting.last_error is not None
    assert waiting.last_error["code"] == "mail_server_failed"
    mailer.error = None
    clock.passes(timedelta(minutes=1))
    assert post.round() == 1
    assert len(mailer.mails) == 1


def test_mail_that_is_given_up_is_told_on_the_page_and_not_by_mail(
    database: Database, people: dict[str, User], clock: Clock
) -> None:
    mailer = Mailer(MailboxRefused(host="mail.example.org", problem="550 unknown"))
    for _ in range(3):
        write_to(database, people["manager"], clock.at)
    mail_post(database, clock, mailer).round()
    assert [one.state for one in deliveries(database)] == [DeliveryState.GAVE_UP] * 3
    assert notices(database, people["admin"]) == ["mail_gave_up"], "once, until it is read"


def test_an_error_that_nobody_foresaw_is_tried_again_and_ends(
    database: Database, people: dict[str, User], clock: Clock
) -> None:
    post = mail_post(database, clock, Mailer(RuntimeError("ours")))
    write_to(database, people["manager"], clock.at)
    for _ in range(outbox.MOST_ATTEMPTS):
        assert post.round() == 1
        clock.passes(outbox.LONGEST_WAIT)
    (given_up,) = deliveries(database)
    assert given_up.state == DeliveryState.GAVE_UP
    assert given_up.last_error is not None
    assert given_up.last_error["code"] == "delivery_broke"


def test_a_webhook_is_called_until_it_answers(
    database: Database, people: dict[str, User], clock: Clock, found: Receiver
) -> None:
    a_hook(database, people["admin"], found, clock.at)
    found.answers = [(503, {}), (500, {})]
    post = hook_post(database, clock)
    for minutes in (1, 4, 16):
        assert post.round() == 1
        clock.passes(timedelta(minutes=minutes))
    assert post.round() == 0
    assert len({headers["webhook-id"] for _, headers, _ in found.calls}) == 1
    (sent,) = deliveries(database)
    assert (sent.state, sent.attempts) == (DeliveryState.SENT, 3)


def test_a_dead_webhook_keeps_the_others_waiting_for_one_attempt_only(
    database: Database, people: dict[str, User], clock: Clock, found: Receiver
) -> None:
    with receiver() as dead:
        dead.answers = [(500, {})] * 20
        a_hook(database, people["admin"], dead, clock.at)
        with database.unit_of_work() as session:
            for _ in range(3):
                outbox.call_webhooks(session, NoticeKind.GATE_REACHED, {"pilot": "points"}, at=clock.at)
        a_hook(database, people["admin"], found, clock.at)
        assert hook_post(database, clock).round() == 2
        assert (len(dead.calls), len(found.calls)) == (1, 1)
        assert hook_post(database, clock).round() == 1, "the next call of the dead one has its turn a round later"


def test_a_webhook_that_never_answers_is_given_up_in_sight_of_the_administrators(
    database: Database, people: dict[str, User], clock: Clock, found: Receiver
) -> None:
    a_hook(database, people["admin"], found, clock.at)
    found.answers = [(500, {})] * 20
    post = hook_post(database, clock)
    for _ in range(20):
        post.round()
        clock.passes(outbox.LONGEST_WAIT)
    assert len(found.calls) == outbox.MOST_ATTEMPTS
    assert notices(database, people["admin"]) == ["webhook_gave_up"]
    kept = deliveries(database)
    assert [(one.channel, one.kind) for one in kept] == [("webhook", "gate_reached"), ("mail", "upkeep")]
    with database.reading() as session:
        verbs = session.scalars(select(AuditEntry.verb)).all()
    assert verbs[-1] == "delivery.gave_up"


def test_a_webhook_that_leads_inside_is_refused_at_once(
    database: Database, people: dict[str, User], clock: Clock, found: Receiver
) -> None:
    a_hook(database, people["admin"], found, clock.at)
    with database.unit_of_work() as session:
        hook = session.scalars(select(webhooks.Webhook)).one()
        hook.url = f"https://{HOST}/"
    caller = Caller(allow_private=False, resolve=lambda *_: ["192.168.0.9"])
    Post(database, Channel.WEBHOOK, threading.Event(), clock=clock, caller=caller).round()
    refused = deliveries(database)[0]
    assert (refused.state, refused.attempts) == (DeliveryState.GAVE_UP, 1)
    assert refused.last_error is not None
    assert refused.last_error["code"] == "address_not_public"
    assert found.calls == []


def test_a_worker_killed_between_sending_and_marking_sends_again_with_the_same_id(
    database: Database, people: dict[str, User], clock: Clock, found: Receiver
) -> None:
    a_hook(database, people["admin"], found, clock.at)
    killed = hook_post(database, clock)
    delivery = killed._claim()
    assert delivery is not None
    assert killed._call(delivery)  # and here the power goes
    clock.passes(outbox.CLAIM)
    assert hook_post(database, clock).round() == 1
    first, second = (headers["webhook-id"] for _, headers, _ in found.calls)
    assert first == second == delivery.code
    assert deliveries(database)[0].state == DeliveryState.SENT


def test_two_workers_between_them_call_each_webhook_once(
    database: Database, people: dict[str, User], clock: Clock, found: Receiver
) -> None:
    a_hook(database, people["admin"], found, clock.at)
    with database.unit_of_work() as session:
        for number in range(11):
            outbox.call_webhooks(session, NoticeKind.GATE_REACHED, {"pilot": str(number)}, at=clock.at)
    posts = [threading.Thread(target=hook_post(database, clock).round) for _ in range(2)]
    for post in posts:
        post.start()
    for post in posts:
        post.join(timeout=60)
    codes = [headers["webhook-id"] for _, headers, _ in found.calls]
    assert (len(codes), len(set(codes))) == (12, 12)
