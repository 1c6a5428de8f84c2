"""The short cut of receipts: it answers, stores, counts and writes down what the view behind it would."""

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from structlog.testing import capture_logs

from pilot.access.api_keys import create_api_key, revoke_api_key
from pilot.access.permissions import Scope
from pilot.access.queries import key_by_code
from pilot.outcomes.inbox.queries import backlog
from tests.pilot.outcomes.inlet import Inlet, lately
from web.metrics import RECEIPTS

PATH, JSON, NDJSON = "/api/v1/receipts", "application/json", "application/x-ndjson"
OWN = {"Location", "X-Request-ID", "Content-Length"}


@pytest.fixture
def secret(app: Flask, inlet: Inlet) -> str:
    """A key for store 31 that the process has met."""
    now = inlet.settings.wall_clock()
    scopes, until = [Scope.RECEIPTS_WRITE], now + timedelta(days=1)
    with inlet.database.unit_of_work() as session:
        _, secret = create_api_key(
            session, name="T", scopes=scopes, store_codes=["31"], expires_at=until, actor="system", now=now
        )
    assert post(app, secret, listed(lately("met"))).status_code == 202
    return secret


def post(app: Flask, secret: str, body: bytes, kind: str = JSON, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().post(
        PATH, data=body, content_type=kind, headers={"Authorization": f"Bearer {secret}", **named}
    )


def to_flask_alone(app: Flask, monkeypatch: pytest.MonkeyPatch, *call: Any, **headers: str) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(app, "wsgi_app", partial(Flask.wsgi_app, app))
        return post(app, *call, **headers)


def by_the_short_cut_alone(app: Flask, monkeypatch: pytest.MonkeyPatch, *call: Any, **headers: str) -> Any:
    def ask_nobody(*_: Any) -> Any:
        raise AssertionError("the short cut did not answer")

    with monkeypatch.context() as patch:
        patch.setattr(app.wsgi_app, "_slow", ask_nobody)
        return post(app, *call, **headers)


def listed(*receipts: Any) -> bytes:
    return json.dumps({"receipts": receipts}).encode()


def told(answer: Any, mark: str) -> Any:
    """Status, headers and body without what differs from call to call."""
    headers = {name: value for name, value in answer.headers.items() if name not in OWN}
    body = {name: value for name, value in answer.json.items() if name != "batch_id"}
    return answer.status_code, headers, json.dumps(body, sort_keys=True).replace(mark, "?")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda mark: listed(lately(mark)), JSON),
        (lambda mark: listed(lately(mark), lately(mark)), JSON),
        (lambda mark: listed(lately(mark, net="x"), lately(mark + "b", store="7")), JSON),
        (lambda mark: listed(lately(mark, at="2027-01-01")), JSON),
        (lambda mark: listed(lately(mark, number=f"{mark}1"), lately(mark + "b", number=f"{mark}1")), JSON),
        (lambda mark: json.dumps(lately(mark)).encode() + b"\n" + json.dumps(lately(mark + "b")).encode(), NDJSON),
    ],
)  # fmt: skip
def test_it_answers_what_the_view_behind_it_answers(
    app: Flask, secret: str, monkeypatch: pytest.MonkeyPatch, make: Callable[[str], bytes], kind: str
) -> None:
    slow = to_flask_alone(app, monkeypatch, secret, make("slow"), kind)
    fast = by_the_short_cut_alone(app, monkeypatch, secret, make("fast"), kind)
    assert slow.status_code == 202
    assert told(fast, "fast") == told(slow, "slow")
    assert fast.headers["Location"] == f"/api/v1/batches/{fast.json['batch_id']}"
    assert int(fast.headers["Content-Length"]) == len(fast.data)


@pytest.mark.parametrize(
    ("body", "kind", "headers"),
    [
        (b"{", JSON, {}),
        (listed(), JSON, {}),
        (listed({"shop": "31"}), JSON, {}),
        (b'{"receipts": [{"receipt": "a", "receipt": "b"}]}', JSON, {}),
        (listed(lately("a")), "text/plain", {}),
        (listed(lately("a")), JSON, {"Idempotency_Key": "with a space"}),
        (listed(lately("a")), JSON, {"Content_Encoding": "br"}),
    ],
)
def test_what_is_refused_is_refused_by_the_view(
    app: Flask,
    inlet: Inlet,
    secret: str,
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
    kind: str,
    headers: dict[str, str],
) -> None:
    slow = to_flask_alone(app, monkeypatch, secret, body, kind, **headers)
    fast = post(app, secret, body, kind, **headers)
    assert 400 <= slow.status_code < 500
    assert told(fast, "") == told(slow, "")
    assert backlog(inlet.inbox).receipts == 1


def test_gzip_goes_to_the_view(app: Flask, inlet: Inlet, secret: str) -> None:
    assert post(app, secret, gzip.compress(listed(lately("z"))), Content_Encoding="gzip").json["accepted"] == 1
    assert backlog(inlet.inbox).receipts == 2


@pytest.mark.parametrize("part", ["count", "answer_body", "answer_headers"])
def test_what_fails_once_the_call_is_taken_in_is_written_down_and_the_call_is_not_taken_in_again(
    app: Flask, inlet: Inlet, secret: str, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(f"web.api.fast_receipts.{part}", fail)
    with capture_logs() as lines:
        answer = post(app, secret, listed(lately("a"), lately("b")))
    assert (answer.status_code, answer.json["accepted"], answer.json["known"]) == (202, 2, 0)
    assert answer.headers["Location"] == f"/api/v1/batches/{answer.json['batch_id']}"
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("short cut failed", "warning"), ("request", "info")
    ]  # fmt: skip
    assert backlog(inlet.inbox).receipts == 3


def test_a_line_that_cannot_be_written_does_not_cost_the_answer(
    app: Flask, inlet: Inlet, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.wsgi_app, "_note", fail)
    with capture_logs() as lines:
        answer = by_the_short_cut_alone(app, monkeypatch, secret, listed(lately("a")))
    assert (answer.status_code, answer.json["accepted"]) == (202, 1)
    assert [line["event"] for line in lines] == ["request not counted or written down"]


def test_trouble_before_the_inbox_is_written_down_once_and_refusals_are_not_trouble(
    app: Flask, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as lines:
        assert post(app, secret, b"{").status_code == 400
    assert [line["log_level"] for line in lines] == ["info"]
    monkeypatch.setattr("web.api.fast_receipts.receipts_in", fail)
    with capture_logs() as lines:
        assert post(app, secret, listed(lately("a"))).json["accepted"] == 1
    assert [line["event"] for line in lines] == ["short cut failed", "request"]


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("not now")


def test_a_repeated_call_gets_its_first_answer_and_counts_once(
    app: Flask, inlet: Inlet, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = (secret, listed(lately("a"), lately("b")))
    counted = RECEIPTS.labels("accepted")._value.get()
    first = by_the_short_cut_alone(app, monkeypatch, *call, Idempotency_Key="one")
    again = by_the_short_cut_alone(app, monkeypatch, *call, Idempotency_Key="one")
    assert again.json == first.json
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert RECEIPTS.labels("accepted")._value.get() == counted + 2
    other = post(app, secret, listed(lately("c")), Idempotency_Key="one")
    assert other.status_code == 409
    assert backlog(inlet.inbox).receipts == 3


def test_a_revoked_key_is_refused_at_the_next_call(app: Flask, inlet: Inlet, secret: str) -> None:
    with inlet.database.unit_of_work() as session:
        revoke_api_key(session, key_by_code(session, secret.split(".")[0]), actor="system", now=inlet.now)
    assert post(app, secret, listed(lately("a"))).status_code == 401
    assert backlog(inlet.inbox).receipts == 1
