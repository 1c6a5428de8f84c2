"""Administrators add, try, pause and remove webhooks; everybody chooses their mail; the link of a mail needs nobody."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from pilot.access.model import User
from pilot.audit.model import AuditEntry
from pilot.database import Database
from pilot.notices import outbox
from pilot.notices.errors import BadAnswer, MailboxRefused
from pilot.notices.kinds import NoticeKind
from pilot.notices.model import Channel, Delivery, DeliveryState, Webhook
from pilot.notices.preferences import muted, unsubscribe_token
from tests.web.conftest import post

AsPerson = Callable[[str], FlaskClient]
CHAT = {"name": "Chat", "url": "https://hooks.example.org/T0", "events": ["gate_reached", "decision_taken"]}


@pytest.fixture
def database(app: Flask) -> Database:
    found: Database = app.extensions["pilot_database"]
    return found


@pytest.fixture
def admin(as_person: AsPerson) -> FlaskClient:
    return as_person("admin")


def hook_of(database: Database) -> Webhook:
    with database.reading() as session:
        return session.scalars(select(Webhook)).one()


def fail_once(database: Database, channel: Channel, now: datetime) -> Delivery:
    with database.unit_of_work() as session:
        claimed = outbox.claim(session, channel, now=now)
        assert claimed is not None
        error = (
            BadAnswer(host="hooks.example.org", status=503)
            if channel is Channel.WEBHOOK
            else MailboxRefused(host="mail.example.org", problem="550 unknown")
        )
        outbox.mark_failed(session, claimed, error.message, is_final=error.is_final, now=now)
        return claimed


def test_a_webhook_is_added_with_a_secret_that_is_shown_once(admin: FlaskClient, database: Database) -> None:
    made = post(admin, "/webhooks/", CHAT)
    (secret,) = re.findall(r"whsec_[\w+/=]+", made.text)
    hook = hook_of(database)
    assert (hook.name, hook.events) == ("Chat", ["gate_reached", "decision_taken"])
    for page in ("/webhooks/", f"/webhooks/{hook.code}"):
        text = admin.get(page).text
        assert "Chat" in text
        assert secret not in text


def test_a_wrong_address_is_refused_and_what_was_typed_stays(admin: FlaskClient) -> None:
    refused = post(admin, "/webhooks/", {**CHAT, "url": "http://10.0.0.1/"})
    assert refused.status_code == 409
    assert "begins with https://" in refused.text
    assert 'value="Chat"' in refused.text
    assert 'value="gate_reached" checked' in refused.text
    assert 'value="approval_wanted" checked' not in refused.text


def test_a_test_goes_into_the_outbox_and_the_page_asks_again_until_it_left(
    admin: FlaskClient, database: Database
) -> None:
    post(admin, "/webhooks/", CHAT)
    address = f"/webhooks/{hook_of(database).code}"
    post(admin, f"{address}/test", page=address)
    shown = admin.get(address).text
    assert "Waiting" in shown
    assert f'hx-get="{address}/deliveries"' in shown
    fail_once(database, Channel.WEBHOOK, datetime.fromisoformat("2026-03-02T09:00:00+00:00"))
    part = admin.get(f"{address}/deliveries", headers={"HX-Request": "true"}).text
    assert "hx-get" not in part
    assert "hooks.example.org answered 503" in part
    assert "1 of 9" in part
    assert admin.get(f"{address}/deliveries").status_code == 302


def test_what_failed_is_tried_again_at_once(admin: FlaskClient, database: Database) -> None:
    post(admin, "/webhooks/", CHAT)
    address = f"/webhooks/{hook_of(database).code}"
    post(admin, f"{address}/test", page=address)
    now = datetime.fromisoformat("2026-03-02T09:00:00+00:00")
    failed = fail_once(database, Channel.WEBHOOK, now)
    assert post(admin, f"/webhooks/retry/{failed.code}", page=address).status_code == 302
    with database.reading() as session:
        again = session.get_one(Delivery, failed.id)
    assert (again.state, again.attempts, again.next_try_at) == (DeliveryState.WAITING, 0, None)
    assert post(admin, f"/webhooks/retry/{failed.code}", page=address).status_code == 302, "waiting may be hurried"


def test_a_webhook_is_paused_resumed_gets_a_new_secret_and_goes(admin: FlaskClient, database: Database) -> None:
    first = re.findall(r"whsec_[\w+/=]+", post(admin, "/webhooks/", CHAT).text)
    address = f"/webhooks/{hook_of(database).code}"
    post(admin, f"{address}/active", page=address)
    assert "Paused" in admin.get(address).text
    post(admin, f"{address}/active", page=address)
    assert hook_of(database).is_active
    assert re.findall(r"whsec_[\w+/=]+", post(admin, f"{address}/secret", page=address).text) != first
    post(admin, f"{address}/remove", page=address)
    assert admin.get(address).status_code == 404
    with database.reading() as session:
        verbs = session.scalars(select(AuditEntry.verb).where(AuditEntry.subject_kind == "webhook")).all()
    assert verbs == [f"webhook.{act}" for act in ("added", "paused", "resumed", "secret_made", "removed")]


def test_the_page_says_that_mail_reaches_nobody_until_a_server_is_set(admin: FlaskClient, app: Flask) -> None:
    assert "reaches nobody" in admin.get("/webhooks/").text
    settings = app.config["PILOT_SETTINGS"]
    for url, said in (
        ("smtp://anna:hush@mail.example.org:2525", "Mail leaves through mail.example.org:2525"),
        ("smtp://anna:hush@mail.example.org?starttls=no", "PILOT_MAIL_URL cannot be read"),
    ):
        app.config["PILOT_SETTINGS"] = settings.model_copy(update={"mail_url": url})
        text = admin.get("/webhooks/").text
        assert said in text
        assert "hush" not in text


def test_mail_that_was_given_up_shows_to_whom_and_why(admin: FlaskClient, database: Database) -> None:
    now = datetime.fromisoformat("2026-03-02T09:00:00+00:00")
    failed = fail_once(database, Channel.MAIL, now)
    with database.reading() as session:
        reader = session.get_one(User, failed.user_id)
    text = admin.get("/webhooks/").text
    assert reader.email in text
    assert "550 unknown" in text
    assert post(admin, f"/webhooks/retry/{failed.code}", page="/webhooks/").status_code == 302
    with database.unit_of_work() as session:
        assert outbox.claim(session, Channel.MAIL, now=now + timedelta(minutes=1)) is not None


def test_an_administrator_sends_themselves_a_test_mail(admin: FlaskClient, database: Database) -> None:
    post(admin, "/webhooks/mail", page="/webhooks/")
    with database.reading() as session:
        kinds = session.scalars(select(Delivery.kind).order_by(Delivery.id.desc()).limit(1)).all()
    assert kinds == [NoticeKind.TEST]


def test_a_person_chooses_what_comes_by_mail(as_person: AsPerson, database: Database) -> None:
    manager = as_person("manager")
    post(manager, "/account/mail", {"mail": ["digest", "gate_reached", "nonsense"]}, page="/account/")
    shown = manager.get("/account/").text
    assert re.findall(r'name="mail" value="(\w+)" checked', shown) == ["gate_reached", "digest"]


def test_the_link_of_a_mail_asks_first_and_then_turns_its_kind_off(client: FlaskClient, database: Database) -> None:
    with database.reading() as session:
        manager = session.scalars(select(User).where(User.email == "manager@example.org")).one()
    address = f"/unsubscribe/{unsubscribe_token(database.settings, manager.id, NoticeKind.DIGEST)}"
    asked = client.get(address)
    assert "Get no more of this by mail?" in asked.text
    with database.reading() as session:
        assert muted(session, manager.id) == frozenset(), "programs that look at every link change nothing"
    done = client.post(address, data={"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    assert "no longer comes to manager@example.org" in done.text
    with database.reading() as session:
        assert muted(session, manager.id) == {NoticeKind.DIGEST}


def test_a_forged_link_turns_nothing_off(client: FlaskClient, database: Database) -> None:
    with database.reading() as session:
        manager = session.scalars(select(User).where(User.email == "manager@example.org")).one()
    token = unsubscribe_token(database.settings, manager.id, NoticeKind.DIGEST)
    for forged in (token[:-1] + ("0" if token[-1] != "0" else "1"), f"{manager.id}.digest.", "x"):
        assert client.post(f"/unsubscribe/{forged}").status_code == 409
    with database.reading() as session:
        assert muted(session, manager.id) == frozenset()
