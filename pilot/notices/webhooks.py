"""Webhooks: add, pause, give a new secret, remove; and how a call is signed (https://www.standardwebhooks.com).

The secret is not in the database. It is HMAC-SHA256 of the webhook's code and a number, keyed by a file that lives with
the other keys: a copy of the database signs nothing. It is shown when it is made, and never again.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from pilot.audit.service import record
from pilot.database import settings_of
from pilot.keys import read_key, read_or_make_key
from pilot.notices.addresses import checked_url
from pilot.notices.calling import Caller
from pilot.notices.errors import WebhookNeedsEvent, WebhookNeedsName
from pilot.notices.kinds import EVENTS, NoticeKind
from pilot.notices.model import Delivery, Webhook
from pilot.notices.outbox import call
from pilot.notices.service import Reader
from pilot.settings import Settings

KEY_NAME = "webhook"
PREFIX = "whsec_"


def add_webhook(
    session: Session, *, name: str, url: str, events: Sequence[NoticeKind], actor: Reader, now: datetime
) -> tuple[Webhook, str]:
    """A webhook and its secret, which is shown this once.

    Raises ``WebhookNeedsName``, ``WebhookNeedsEvent``, ``WebhookUrlNotTaken``. Where its name leads is asked when it is
    called, every time.
    """
    if not 1 <= len(name.strip()) <= 300:
        raise WebhookNeedsName()
    wanted = [kind.value for kind in EVENTS if kind in set(events)]
    if not wanted:
        raise WebhookNeedsEvent()
    settings = settings_of(session)
    parts = checked_url(url.strip(), allow_private=settings.webhook_allow_private)
    read_or_make_key(settings, KEY_NAME)
    hook = Webhook(
        code=f"hook-{secrets.token_hex(6)}",
        name=name.strip(),
        url=parts.geturl(),
        events=wanted,
        is_active=True,
        secret_number=1,
        created_at=now,
    )
    session.add(hook)
    session.flush()
    # The path of such an address is often a secret of the receiver's: the log names the host.
    _record(session, actor, "webhook.added", hook, {"host": parts.hostname, "events": wanted}, now)
    return hook, secret_of(settings, hook)


def pause_webhook(session: Session, hook: Webhook, *, actor: Reader, now: datetime) -> None:
    """Call it no more until it is resumed: what waits is held, what happens meanwhile is not kept for it."""
    if hook.is_active:
        hook.is_active = False
        session.flush()
        _record(session, actor, "webhook.paused", hook, {}, now)


def resume_webhook(session: Session, hook: Webhook, *, actor: Reader, now: datetime) -> None:
    if not hook.is_active:
        hook.is_active = True
        session.flush()
        _record(session, actor, "webhook.resumed", hook, {}, now)


def new_secret(session: Session, hook: Webhook, *, actor: Reader, now: datetime) -> str:
    """Another secret; the old one signs nothing from now on."""
    hook.secret_number += 1
    session.flush()
    _record(session, actor, "webhook.secret_made", hook, {"number": hook.secret_number}, now)
    return secret_of(settings_of(session), hook)


def remove_webhook(session: Session, hook: Webhook, *, actor: Reader, now: datetime) -> None:
    """The webhook, and what waited for it."""
    details = {"name": hook.name, "events": hook.events}
    session.delete(hook)
    session.flush()
    _record(session, actor, "webhook.removed", hook, details, now)


def try_webhook(session: Session, hook: Webhook, *, actor: Reader, now: datetime) -> Delivery:
    """Put a call without facts into the outbox, to see whether it arrives."""
    delivery = call(session, hook, NoticeKind.TEST, {}, at=now)
    _record(session, actor, "webhook.tried", hook, {"delivery": delivery.code}, now)
    return delivery


def secret_of(settings: Settings, hook: Webhook) -> str:
    """The secret as the receiver keeps it: ``whsec_`` and 32 bytes in base64."""
    text = f"{hook.code}\n{hook.secret_number}".encode()
    return PREFIX + base64.b64encode(hmac.new(read_key(settings, KEY_NAME), text, hashlib.sha256).digest()).decode()


def signature(secret: str, code: str, timestamp: int, body: bytes) -> str:
    """``v1,`` and base64 of HMAC-SHA256 over ``code.timestamp.body``."""
    key, said = base64.b64decode(secret.removeprefix(PREFIX)), b"%b.%d.%b" % (code.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()


def body_of(settings: Settings, delivery: Delivery) -> bytes:
    """What is sent: the same bytes at every attempt. Codes and numbers; the link is whole."""
    facts: dict[str, Any] = dict(delivery.document["facts"])
    if "link" in facts:
        facts["link"] = settings.public_url.rstrip("/") + facts["link"]
    content = {"type": str(delivery.kind), "timestamp": delivery.document["at"], "data": facts}
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def send_call(settings: Settings, hook: Webhook, delivery: Delivery, caller: Caller, *, now: datetime) -> int:
    """Call the webhook, signed as of ``now`` (the wall clock), and give the receiver's status."""
    body, timestamp = body_of(settings, delivery), int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Pilot",
        "webhook-id": delivery.code,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret_of(settings, hook), delivery.code, timestamp, body),
    }
    return caller.post(hook.url, body, headers)


def _record(session: Session, actor: Reader, verb: str, hook: Webhook, details: dict[str, Any], now: datetime) -> None:
    record(
        session,
        actor=actor.email,
        verb=verb,
        subject_kind="webhook",
        subject=hook.code,
        details=details,
        at=now,
    )
