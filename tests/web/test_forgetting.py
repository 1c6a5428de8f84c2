"""The page that forgets a customer says so where a damaged batch of the inbox could not be looked through."""

from collections.abc import Callable
from hashlib import sha256

from flask.testing import FlaskClient

from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.model import BatchState, InboxBatch, InboxPayload
from pilot.settings import Settings
from tests.web.conftest import post

SignIn = Callable[[str], FlaskClient]


def test_a_batch_that_cannot_be_read_stops_nothing_and_is_named(house_settings: Settings, as_person: SignIn) -> None:
    set_damaged_batch_aside(house_settings, "b47")
    admin = as_person("admin")
    assert post(admin, "/network/customers/forget", {"customer": "S01-C1"}, page="/network/").status_code == 302
    text = admin.get("/network/").get_data(as_text=True)
    assert "The customer is forgotten." in text
    assert "Batch b47 could not be looked through when customer number" in text
    assert "its receipts cannot be read, and may still name this customer. Next: once it is mended" in text


def set_damaged_batch_aside(settings: Settings, batch_id: str) -> None:
    inbox = InboxDatabase(settings)
    with inbox.unit_of_work() as session:
        batch = InboxBatch(
            batch_id=batch_id, key_code="tills", body_hash=sha256(b"").hexdigest(), received_at=settings.now(),
            state=BatchState.SET_ASIDE, n_accepted=1, n_known=0, n_conflict=0, n_rejected=0, n_quarantined=0,
            store_codes=[], verdicts=[], problem="UnreadablePayload",
        )  # fmt: skip
        session.add(batch)
        session.flush()
        session.add(InboxPayload(batch_id=batch_id, payload=b"not a stream"))
    inbox.dispose()
