"""Webhooks: who is called for what, with which signature, and what the log says about it."""

from datetime import datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pilot.access.model import Role, User
from pilot.audit.queries import history_of
from pilot.keys import KeyMissing, key_path
from pilot.notices import outbox, webhooks
from pilot.notices.calling import Caller
from pilot.notices.errors import WebhookNeedsEvent, WebhookNeedsName, WebhookUrlNotTaken
from pilot.notices.kinds import EVENTS, NoticeKind
from pilot.notices.model import Channel, Delivery, Webhook
from pilot.notices.service import announce
from pilot.words import Message
from tests.builders import a_user
from tests.pilot.notices.receivers import HOST, receiver
from tests.rules.house import ROOT

URL = "https://hooks.example.org/T0/secret-path"
FACTS = {"pilot": "points", "stage": 1, "p_value": 0.03}


@pytest.fixture
def admin(session: Session) -> User:
    return a_user(session, Role.ADMIN)


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    """What the guide tells receivers to copy."""
    spec = spec_from_file_location("pilot_webhook", ROOT / "clients" / "python" / "pilot_webhook.py")
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def add(session: Session, admin: User, now: datetime, *events: NoticeKind, url: str = URL) -> tuple[Webhook, str]:
    return webhooks.add_webhook(session, name="Chat", url=url, events=events or EVENTS, actor=admin, now=now)


def test_a_webhook_hears_of_the_events_it_was_added_for_and_of_no_others(
    session: Session, admin: User, now: datetime
) -> None:
    hook, _ = add(session, admin, now, NoticeKind.GATE_REACHED)
    for kind in NoticeKind:
        outbox.call_webhooks(session, kind, FACTS, at=now)
    assert [(one.kind, one.webhook_id) for one in session.scalars(select(Delivery))] == [("gate_reached", hook.id)]


def test_the_receiver_verifies_the_signature_by_the_recipe(
    session: Session, admin: User, now: datetime, recipe: ModuleType, request: pytest.FixtureRequest
) -> None:
    hook, secret = add(session, admin, now)
    (call,) = outbox.call_webhooks(session, NoticeKind.DECISION_TAKEN, {**FACTS, "link": "/pilots/points"}, at=now)
    settings = session.info["settings"]
    body = webhooks.body_of(settings, call)
    headers = {
        "webhook-id": call.code,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhooks.signature(secret, call.code, int(now.timestamp()), body),
    }
    at = now.timestamp()
    assert recipe.is_genuine(secret, headers, body, at)
    assert recipe.is_genuine(secret, headers, body, at + 300)
    assert not recipe.is_genuine(secret, headers, body, at + 301), "an old call played again"
    assert not recipe.is_genuine(secret, headers, body + b" ", at)
    assert not recipe.is_genuine(secret, {**headers, "webhook-id": "msg_other"}, body, at)
    assert not recipe.is_genuine(secret, {**headers, "webhook-timestamp": str(int(at) + 1)}, body, at)
    assert not recipe.is_genuine(webhooks.new_secret(session, hook, actor=admin, now=now), headers, body, at)
    assert body == (
        b'{"data":{"link":"http://127.0.0.1:8000/pilots/points","p_value":0.03,"pilot":"points","stage":1},'
        b'"timestamp":"2026-03-02T09:30:00+00:00","type":"decision_taken"}'
    )


def test_the_signature_is_the_published_example_of_standard_webhooks() -> None:
    """The example of the specification's reference libraries."""
    found = webhooks.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.enable_socket
def test_a_call_arrives_signed_and_the_same_at_every_attempt(
    session: Session, admin: User, now: datetime, recipe: ModuleType
) -> None:
    hook, secret = add(session, admin, now)
    settings = session.info["settings"]
    call = webhooks.try_webhook(session, hook, actor=admin, now=now)
    caller = Caller(allow_private=True, resolve=lambda *_: ["127.0.0.1"])
    with receiver() as found:
        hook.url = f"http://{HOST}:{found.port}/"
        for later in (now, now + timedelta(minutes=1)):
            assert webhooks.send_call(settings, hook, call, caller, now=later) == 204
            _, headers, body = found.calls[-1]
            assert recipe.is_genuine(secret, headers, body, later.timestamp())
    (_, first, one), (_, second, other) = found.calls
    assert (first["webhook-id"], one) == (second["webhook-id"], other)


def test_the_secret_is_not_in_the_database_and_needs_the_key_file(session: Session, admin: User, now: datetime) -> None:
    hook, secret = add(session, admin, now)
    stored = [getattr(hook, column.name) for column in Webhook.__table__.columns]
    assert not any(secret.removeprefix(webhooks.PREFIX) in str(value) for value in stored)
    settings = session.info["settings"]
    assert webhooks.secret_of(settings, hook) == secret
    key_path(settings, webhooks.KEY_NAME).unlink()
    with pytest.raises(KeyMissing):
        webhooks.secret_of(settings, hook)


def test_no_two_webhooks_and_no_two_numbers_share_a_secret(session: Session, admin: User, now: datetime) -> None:
    (one, first), (_, second) = add(session, admin, now), add(session, admin, now)
    third = webhooks.new_secret(session, one, actor=admin, now=now)
    assert len({first, second, third}) == 3


def test_a_paused_webhook_is_not_called_and_what_waits_is_held(session: Session, admin: User, now: datetime) -> None:
    hook, _ = add(session, admin, now)
    outbox.call_webhooks(session, NoticeKind.GATE_REACHED, FACTS, at=now)
    webhooks.pause_webhook(session, hook, actor=admin, now=now)
    outbox.call_webhooks(session, NoticeKind.GATE_REACHED, FACTS, at=now)
    assert not outbox.has_due(session, Channel.WEBHOOK, now=now)
    assert session.scalar(select(func.count()).select_from(Delivery)) == 1
    webhooks.resume_webhook(session, hook, actor=admin, now=now)
    assert outbox.claim(session, Channel.WEBHOOK, now=now) is not None


def test_a_removed_webhook_takes_what_waited_for_it_along(session: Session, admin: User, now: datetime) -> None:
    hook, _ = add(session, admin, now)
    webhooks.try_webhook(session, hook, actor=admin, now=now)
    webhooks.remove_webhook(session, hook, actor=admin, now=now)
    assert session.scalar(select(func.count()).select_from(Delivery)) == 0


def test_every_act_is_in_the_log_and_no_secret_is(session: Session, admin: User, now: datetime) -> None:
    hook, secret = add(session, admin, now)
    webhooks.try_webhook(session, hook, actor=admin, now=now)
    webhooks.pause_webhook(session, hook, actor=admin, now=now)
    webhooks.resume_webhook(session, hook, actor=admin, now=now)
    webhooks.new_secret(session, hook, actor=admin, now=now)
    webhooks.remove_webhook(session, hook, actor=admin, now=now)
    entries = history_of(session, "webhook", hook.code)
    acts = ["added", "tried", "paused", "resumed", "secret_made", "removed"]
    assert sorted(entry.verb for entry in entries) == sorted(f"webhook.{act}" for act in acts)
    said = " ".join(entry.text for entry in entries)
    assert "hooks.example.org" in said
    assert "secret-path" not in said
    assert secret.removeprefix("whsec_") not in said


def test_what_no_webhook_can_be_is_refused_by_name(session: Session, admin: User, now: datetime) -> None:
    with pytest.raises(WebhookNeedsName):
        webhooks.add_webhook(session, name=" ", url=URL, events=EVENTS, actor=admin, now=now)
    with pytest.raises(WebhookNeedsEvent):
        webhooks.add_webhook(session, name="Chat", url=URL, events=[NoticeKind.DIGEST], actor=admin, now=now)
    with pytest.raises(WebhookUrlNotTaken):
        add(session, admin, now, url="http://hooks.example.org/")


def test_an_announcement_reaches_each_person_once_and_every_webhook(
    session: Session, admin: User, now: datetime
) -> None:
    add(session, admin, now)
    owner, boss = a_user(session, Role.MANAGER), a_user(session, Role.EXECUTIVE)
    announce(
        session,
        NoticeKind.GATE_REACHED,
        Message("ready", "“{pilot}” is ready.", {"pilot": "Points"}),
        link="/pilots/points",
        at=now,
        on_page=[owner.id],
        by_mail=[boss.id, owner.id, boss.id],
        facts=FACTS,
    )
    found = session.scalars(select(Delivery).order_by(Delivery.id)).all()
    assert [(one.channel, one.user_id) for one in found] == [("mail", owner.id), ("mail", boss.id), ("webhook", None)]
    assert found[-1].document["facts"] == {**FACTS, "link": "/pilots/points"}


def test_the_recipe_is_one_file_without_dependencies() -> None:
    text = Path(ROOT / "clients" / "python" / "pilot_webhook.py").read_text("utf-8")
    assert "import pilot" not in text
