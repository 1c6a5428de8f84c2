"""Notices: a decision reaches a mail server and a signed webhook; mail is turned off; a private address is refused."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import pytest

from pilot.database import Database
from pilot.jobs.post import Post
from pilot.notices.model import Channel
from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.journeys.test_every_page import _look as look
from tests.pilot.notices.receivers import mail_sink, receiver
from tests.rules.house import ROOT

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]


def test_a_decision_leaves_by_mail_and_webhook_and_mail_is_turned_off(
    house: Settings, serve: Serve, visit: Visit
) -> None:
    with mail_sink() as sink, receiver() as chat:
        mail_url = f"smtp://127.0.0.1:{sink.port}?starttls=no"
        settings = house.model_copy(update={"mail_url": mail_url, "webhook_allow_private": True})
        address = serve(settings)
        with the_post(settings):
            admin = visit(address, "admin")
            secret = _adds_a_webhook(admin, f"http://127.0.0.1:{chat.port}/pilots")
            admin.press("Send a test")
            admin.sees("Delivered")

            executive = visit(address, "executive")
            page = executive.open("/pilots/points/decision")
            page.locator("input[name=choice][value=send_back]").check()
            page.get_by_label("Reason").fill("What did the guardrail cost?")
            executive.press("Decide", sure=True)
            executive.sees("recorded")
            _until(lambda: any(mail["Subject"].startswith("Decision taken") for mail in sink.mails))
            _until(lambda: len(chat.calls) == 2)
            admin.page.reload()
            admin.sees("Decision taken")
            admin.keep("notices")

        (_, headers, body) = chat.calls[-1]
        assert _recipe().is_genuine(secret, headers, body)
        told = json.loads(body)
        assert told["type"] == "decision_taken"
        wanted = {"pilot": "points", "stage": 1, "choice": "send_back", "takes_effect": True}
        assert wanted.items() <= told["data"].items()

        mail = next(mail for mail in sink.mails if mail["Subject"].startswith("Decision taken"))
        assert mail["To"] == "manager@example.org"
        said = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr] # every mail has one
        assert "What did the guardrail cost?" in said
        (off,) = re.findall(r"http://\S+?(/unsubscribe/\S+)", said)
        stranger = visit(address)
        stranger.open(off)
        stranger.sees("Get no more of this by mail?")
        assert look(stranger, "nobody", off, 1280) == []
        stranger.press("Get no more mail of this kind")
        stranger.sees("no longer comes to manager@example.org by mail")
        manager = visit(address, "manager")
        manager.open("/account/")
        boxes = manager.page.locator("input[name=mail]")
        on = [boxes.nth(at).get_attribute("value") for at in range(boxes.count()) if boxes.nth(at).is_checked()]
        assert boxes.count() - len(on) == 1
        assert "decision_taken" not in on


def test_a_webhook_into_the_own_network_is_refused_and_the_page_says_so(
    house: Settings, serve: Serve, visit: Visit
) -> None:
    address = serve(house)
    with receiver() as inside, the_post(house):
        admin = visit(address, "admin")
        _adds_a_webhook(admin, f"https://localhost:{inside.port}/")
        admin.press("Send a test")
        admin.sees("Given up")
        admin.sees("which is not a public address, so it was not called")
        admin.sees("1 of 9")
        page = admin.page.url.removeprefix(address)
        assert look(admin, "admin", page, 1280) == []
        assert look(visit(address, "admin", 390), "admin", page, 390) == []
    assert inside.calls == []


def _adds_a_webhook(admin: Visitor, url: str) -> str:
    page = admin.open("/webhooks/")
    page.get_by_label("Name").fill("Chat of the pilots team")
    page.get_by_label("Address").fill(url)
    admin.press("Add the webhook")
    admin.sees("This is the secret.")
    secret = page.locator("#secret").inner_text()
    page.get_by_role("link", name="Go on to the webhook").click()
    assert secret not in page.content()
    return secret


@contextmanager
def the_post(settings: Settings) -> Iterator[None]:
    """The two threads of a worker that send what waits."""
    database, stop = Database(settings), threading.Event()
    threads = [threading.Thread(target=Post(database, channel, stop).run, daemon=True) for channel in Channel]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
    database.dispose()


def _until(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(300):
        if holds():
            return
        waiting.wait(0.1)
    raise AssertionError("it did not happen within thirty seconds")


def _recipe() -> ModuleType:
    """What receivers copy."""
    spec = spec_from_file_location("pilot_webhook", ROOT / "clients" / "python" / "pilot_webhook.py")
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
