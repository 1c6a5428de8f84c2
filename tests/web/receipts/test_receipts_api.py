"""Receipts over HTTP: what a call may be, who may send it, and what it is answered; on both databases."""

import gzip
import json
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from pilot.access.api_keys import create_api_key, revoke_api_key, rotate_api_key
from pilot.access.model import ApiKey
from pilot.access.permissions import Scope
from pilot.access.queries import key_by_code
from pilot.outcomes.inbox.queries import backlog
from tests.pilot.outcomes.inlet import Inlet, lately
from web.api import bodies
from web.app import create_app

PATH = "/api/v1/receipts"
JSON, NDJSON = "application/json", "application/x-ndjson"


@pytest.fixture
def key(inlet: Inlet) -> Callable[..., str]:
    """``key("31", scopes=[…], days=1)``: the secret of a key for these stores."""

    def make(*stores: str, scopes: tuple[Scope, ...] = (Scope.RECEIPTS_WRITE,), days: int = 1, name: str = "T") -> str:
        now = inlet.settings.wall_clock()
        with inlet.database.unit_of_work() as session:
            _key, secret = create_api_key(
                session, name=name, scopes=scopes, store_codes=stores, actor="system", now=now,
                expires_at=now + timedelta(days=days),
            )  # fmt: skip
        return secret

    return make


def send(client: FlaskClient, secret: str, body: Any, kind: str = JSON, **headers: str) -> Any:
    """One call; what is not bytes is sent as ``{"receipts": body}``."""
    data = body if isinstance(body, bytes) else json.dumps({"receipts": body}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(PATH, data=data, content_type=kind, headers={"Authorization": f"Bearer {secret}", **named})


def waiting(inlet: Inlet) -> int:
    return backlog(inlet.inbox).receipts


def test_a_call_is_answered_with_its_batch_and_what_became_of_each_receipt(
    inlet: Inlet, client: FlaskClient, key: Callable[..., str]
) -> None:
    secret = key()
    first = lately("a")
    assert send(client, secret, [first]).status_code == 202
    answer = send(client, secret, [first, lately("b"), lately("c", net="x"), lately("d", store="nowhere")])
    assert (answer.status_code, answer.content_type) == (202, JSON)
    said = answer.json
    assert {name: said[name] for name in ("accepted", "known", "conflict", "rejected", "quarantined")} == {
        "accepted": 2, "known": 1, "conflict": 0, "rejected": 1, "quarantined": 1,
    }  # fmt: skip
    told = [(r["index"], r["status"], r["quarantined"], r["field"], r["reason_code"]) for r in said["receipts"]]
    assert told == [
        (0, "known", False, None, "known"), (2, "rejected", False, "net", "not_an_amount"),
        (3, "accepted", True, "store", "unknown_store"),
    ]  # fmt: skip
    assert "nowhere" in said["receipts"][2]["reason"]
    assert answer.headers["Location"] == f"/api/v1/batches/{said['batch_id']}"
    assert waiting(inlet) == 3


def test_a_batch_is_shown_from_the_inbox_to_the_lake_with_what_the_drain_found(
    inlet: Inlet, client: FlaskClient, key: Callable[..., str]
) -> None:
    secret = key()
    old = lately("old", at="2025-11-03 12:00")
    send(client, secret, [old])
    inlet.drain()  # forgets the keys of November: the repeat below is found by the next drain only
    place = send(client, secret, [{**old, "net": "11.00"}, lately("b")]).headers["Location"]
    headers = {"Authorization": f"Bearer {secret}"}
    before = client.get(place, headers=headers).json
    assert (before["state"], before["accepted"], before["lake_version"]) == ("waiting", 2, None)
    inlet.drain()
    after = client.get(place, headers=headers).json
    assert (after["state"], after["lake_version"]) == ("drained", inlet.lake.version())
    assert [(f["index"], f["status"], f["quarantined"]) for f in after["drain_findings"]] == [(0, "conflict", False)]


def test_a_batch_is_shown_to_its_own_key_and_to_keys_of_all_its_stores_only(
    client: FlaskClient, key: Callable[..., str]
) -> None:
    place = send(client, key(), [lately("a"), lately("b", store="7")]).headers["Location"]
    asked = {
        stores: client.get(place, headers={"Authorization": f"Bearer {key(*stores)}"}).status_code
        for stores in [(), ("31", "7"), ("31",), ("309",)]
    }
    assert asked == {(): 200, ("31", "7"): 200, ("31",): 404, ("309",): 404}
    headers = {"Authorization": f"Bearer {key()}"}
    for unknown in ("0" * 32, "x", "a%00b", "ä", "x" * 3000):
        assert client.get(f"/api/v1/batches/{unknown}", headers=headers).json["code"] == "no_such_batch"


@pytest.mark.parametrize("kind", [JSON, NDJSON])
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_json_and_lines_plain_or_compressed_say_the_same(
    inlet: Inlet, client: FlaskClient, key: Callable[..., str], kind: str, is_packed: bool
) -> None:
    rows = [lately(f"r{n}", n_items=n, customer="Ä" if n else None) for n in range(3)]
    lines = b"\r\n\n".join(json.dumps(row).encode() for row in rows)
    body = lines if kind == NDJSON else json.dumps({"receipts": rows}).encode()
    packed = gzip.compress(body[:40]) + gzip.compress(body[40:])  # members, as gzip files may have them
    answer = send(
        client, key(), packed if is_packed else body, kind, **({"Content_Encoding": "gzip"} if is_packed else {})
    )
    assert (answer.status_code, answer.json["accepted"]) == (202, 3)
    inlet.drain()
    assert inlet.stored()["r2"]["n_items"] == 2


MANY = b'{"receipts":[' + b",".join([b'{"receipt":"a"}'] * 5001) + b"]}"
HOSTILE: dict[str, tuple[bytes, int, str, str]] = {
    "nothing": (b"", 400, "body_not_json", "line 1"),
    "not JSON": (b"receipts", 400, "body_not_json", "line 1, column 1"),
    "cut off": (b'{"receipts":[\n{"receipt":"a"', 400, "body_not_json", "line 2"),
    "NaN": (b'{"receipts":[{"n_items":NaN}]}', 400, "body_not_json", "column"),
    "infinity": (b'{"receipts":[{"n_items":Infinity}]}', 400, "body_not_json", "column"),
    "a lone surrogate": (b'{"receipts":[{"receipt":"\\ud800"}]}', 400, "body_not_json", "surrogate"),
    "not UTF-8": ('{"receipts":[{"receipt":"ä"}]}'.encode("latin-1"), 400, "body_not_json", "line 1"),
    "a byte order mark": (b'\xef\xbb\xbf{"receipts":[]}', 400, "body_not_json", "line 1"),
    "deep nesting": (b"[" * 100_000, 400, "body_not_json", "depth"),
    "deep nesting inside": (b'{"receipts":' + b"[" * 500 + b"]" * 500 + b"}", 422, "wrong_form", "receipts/0"),
    "a name twice": (b'{"receipts":[{"receipt":"a","net":"1","net":"2"}]}', 400, "doubled_name", "net"),
    "a name twice, escaped": (b'{"receipts":[{"net":"1","n\\u0065t":"2"}]}', 400, "doubled_name", "net"),
    "a list twice": (b'{"receipts":[],"receipts":[{"receipt":"a"}]}', 400, "doubled_name", "receipts"),
    "a bare list": (b"[]", 422, "wrong_form", "receipts"),
    "a bare number": (b"1", 422, "wrong_form", "receipts"),
    "no list": (b'{"receipts":{}}', 422, "wrong_form", "receipts"),
    "an empty list": (b'{"receipts":[]}', 422, "wrong_form", "no receipt"),
    "another name beside": (b'{"receipts":[{}],"extra":1}', 422, "wrong_form", "extra"),
    "a receipt that is a text": (b'{"receipts":[{},"x"]}', 422, "wrong_form", "receipts/1"),
    "a receipt that is a list": (b'{"receipts":[["receipt"]]}', 422, "wrong_form", "receipts/0"),
    "a receipt that is null": (b'{"receipts":[null]}', 422, "wrong_form", "receipts/0"),
    "an unknown name": (b'{"receipts":[{"reciept":"a"}]}', 422, "wrong_form", "reciept"),
    "an amount that is a number": (b'{"receipts":[{"net":12.5}]}', 422, "wrong_form", "receipts/0/net"),
    "an id that is a number": (b'{"receipts":[{},{"receipt":17}]}', 422, "wrong_form", "receipts/1/receipt"),
    "an id that is true": (b'{"receipts":[{"receipt":true}]}', 422, "wrong_form", "receipts/0/receipt"),
    "an id that is an object": (b'{"receipts":[{"receipt":{}}]}', 422, "wrong_form", "receipts/0/receipt"),
    "a count that is a text": (b'{"receipts":[{"n_items":"3"}]}', 422, "wrong_form", "receipts/0/n_items"),
    "a count that is broken": (b'{"receipts":[{"n_items":1.5}]}', 422, "wrong_form", "receipts/0/n_items"),
    "a count that is true": (b'{"receipts":[{"n_items":true}]}', 422, "wrong_form", "receipts/0/n_items"),
    "too many receipts": (MANY, 422, "too_many_receipts", "5,001"),
    "too large": (b'{"receipts":[' + b" " * bodies.MOST_BYTES + b"]}", 413, "http_413", ""),
}  # fmt: skip


def test_a_body_without_the_form_is_refused_by_name_and_place_and_nothing_is_taken(
    inlet: Inlet, client: FlaskClient, key: Callable[..., str]
) -> None:
    secret = key()
    for name, (body, status, code, place) in HOSTILE.items():
        answer = send(client, secret, body)
        assert (answer.status_code, answer.json.get("code")) == (status, code), name
        assert answer.content_type == "application/problem+json"
        assert place in answer.json["title"], name
    assert waiting(inlet) == 0


def test_huge_numbers_are_judged_like_any_other_content(client: FlaskClient, key: Callable[..., str]) -> None:
    rows = [
        lately("a", n_items=10**18), lately("b", n_items=3.0), lately("c", net="9" * 400), lately("d" * 400),
        lately("e", store="x" * 100_000), lately("f", store="a\0b"),
    ]  # fmt: skip
    told = {r["index"]: (r["status"], r["reason_code"]) for r in send(client, key(), rows).json["receipts"]}
    assert told == {
        0: ("rejected", "not_a_count"), 2: ("rejected", "not_an_amount"), 3: ("rejected", "id_too_long"),
        4: ("rejected", "id_too_long"), 5: ("rejected", "id_form"),
    }  # fmt: skip


def test_lines_name_the_line_that_is_wrong(inlet: Inlet, client: FlaskClient, key: Callable[..., str]) -> None:
    secret, good = key(), json.dumps(lately("a")).encode()
    cases = {
        good + b'\n{"receipt":': ("body_not_json", "line 2"),
        b'{"receipt":[1\n2]},{}': ("body_not_json", "line 1"),
        b'{"net":"1","net":"2"}\n' + good: ("doubled_name", "net"),
        b"\n \n": ("wrong_form", "no receipt"),
    }
    for body, (code, place) in cases.items():
        answer = send(client, secret, body, NDJSON)
        assert (answer.json["code"], place in answer.json["title"]) == (code, True), body
    assert waiting(inlet) == 0


def test_what_is_compressed_is_inflated_to_the_limit_and_no_further(
    inlet: Inlet, client: FlaskClient, key: Callable[..., str]
) -> None:
    secret, packed = key(), {"Content_Encoding": "gzip"}
    bomb = zlib.compressobj(wbits=31)
    many = b"".join(bomb.compress(b" " * 10_000_000) for _ in range(30)) + bomb.flush()  # 300 MB in 300 kB
    assert send(client, secret, many, **packed).json["code"] == "body_too_large"
    countless = gzip.compress(b"") * 500_000  # 10 MB that hold nothing
    refused = send(client, secret, countless, **packed)
    assert (refused.status_code, refused.json["code"]) == (400, "too_many_gzip_members")
    whole = gzip.compress(json.dumps({"receipts": [lately("a")]}).encode())
    for broken in (whole[:-9], b"plain", whole + b"rest", b""):
        assert send(client, secret, broken, **packed).json["code"] == "body_not_gzip"
    for name in ("br", "gzip, gzip", "zip"):
        answer = send(client, secret, whole, Content_Encoding=name)
        assert (answer.status_code, answer.json["code"]) == (415, "encoding_not_taken")
    for kind in ("text/plain", "", "application/json; charset=latin-1", "multipart/form-data"):
        answer = send(client, secret, b"{}", kind)
        assert (answer.status_code, answer.json["code"]) == (415, "media_type_not_taken")
    assert waiting(inlet) == 0


def test_a_call_sent_again_under_its_idempotency_key_gets_its_first_answer(
    inlet: Inlet, client: FlaskClient, key: Callable[..., str]
) -> None:
    secret, rows = key(), [lately("a"), lately("b", net="x")]
    first, again = (send(client, secret, rows, Idempotency_Key="k-1") for _ in range(2))
    assert (first.json, first.headers["Location"]) == (again.json, again.headers["Location"])
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    other = send(client, secret, [lately("c")], Idempotency_Key="k-1")
    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")
    assert send(client, key(name="other"), [lately("d")], Idempotency_Key="k-1").status_code == 202
    for bad in ("with space", "ä", "x" * 256):
        assert send(client, secret, rows, Idempotency_Key=bad).json["code"] == "idempotency_key_unreadable"
    assert waiting(inlet) == 2


def test_a_full_inbox_answers_with_the_time_to_wait(inlet: Inlet, key: Callable[..., str]) -> None:
    app = create_app(inlet.settings.model_copy(update={"inbox_limit": 1}))
    client, secret = app.test_client(), key()
    assert send(client, secret, [lately("a")]).status_code == 202
    refused = send(client, secret, [lately("b")])
    assert (refused.status_code, refused.json["code"]) == (429, "inbox_is_full")
    assert int(refused.headers["Retry-After"]) >= 1
    inlet.drain()
    assert send(client, secret, [lately("b")]).status_code == 202
    app.extensions["pilot_database"].dispose()
    app.extensions["pilot_reception"].inbox.dispose()


def test_keys_without_the_right_or_the_time_are_refused_before_anything_is_read(
    inlet: Inlet, client: FlaskClient, key: Callable[..., str]
) -> None:
    good, expired, reader = key(), key(days=-1), key(scopes=(Scope.ASSIGNMENTS_READ, Scope.BUNDLE_READ))
    for secret, status in ((expired, 401), ("", 401), ("t.nonsense", 401), (reader, 403)):
        answer = send(client, secret, b"not even JSON")
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
        assert client.get("/api/v1/batches/x", headers={"Authorization": f"Bearer {secret}"}).status_code == status
    assert client.post(PATH, json={"receipts": []}).headers["WWW-Authenticate"] == "Bearer"
    assert send(client, good, [lately("a")]).status_code == 202
    with inlet.database.unit_of_work() as session:
        old = key_by_code(session, good.rpartition(".")[0])
        _fresh, successor = rotate_api_key(session, old, actor="system", now=inlet.settings.wall_clock())
    assert [send(client, secret, [lately("b")]).status_code for secret in (good, successor)] == [202, 202]
    with inlet.database.unit_of_work() as session:
        revoke_api_key(session, session.get_one(ApiKey, old.id), actor="system", now=inlet.settings.wall_clock())
    assert [send(client, secret, [lately("c")]).status_code for secret in (good, successor)] == [401, 202]


def test_a_key_of_some_stores_has_the_receipts_of_others_rejected_one_by_one(
    inlet: Inlet, client: FlaskClient, key: Callable[..., str]
) -> None:
    said = send(client, key("31"), [lately("a"), lately("b", store="7")]).json
    assert [(r["index"], r["status"], r["reason_code"]) for r in said["receipts"]] == [
        (1, "rejected", "store_not_yours")
    ]
    assert waiting(inlet) == 1


def test_a_key_of_some_stores_does_not_learn_what_another_store_sent(
    inlet: Inlet, client: FlaskClient, key: Callable[..., str]
) -> None:
    """Guessing ids must not tell which there are with what amount; who may see every store is told all."""
    everywhere, limited = key(), key("31", name="L")
    send(client, everywhere, [lately("theirs", store="7", net="55.00"), lately("ours", net="5.00")])
    guesses = [lately("theirs", net="1.00"), lately("ours", net="1.00")]

    def reasons(secret: str) -> list[str]:
        said = send(client, secret, guesses).json
        assert (said["accepted"], said["conflict"]) == (0, 2)
        return [one["reason"] for one in said["receipts"]]

    for _ in ("in the inbox", "in the lake"):
        others, own = reasons(limited)
        assert others == "A receipt with this id arrived before with other content."
        assert "net" in own
        assert "store" in reasons(everywhere)[0]
        inlet.drain()


def test_reasons_speak_to_the_sender_of_a_call_and_not_of_files(client: FlaskClient, key: Callable[..., str]) -> None:
    rows = [
        lately("a", net="5,00"), lately("b", store="nowhere"), lately("c", at="2026-02-30 12:00"),
        lately("d", at="soon"), lately("e", kind="foo"), lately("2026-02-27"), lately("1.5"), lately("=1"),
    ]  # fmt: skip
    said = send(client, key(), rows).json["receipts"]
    assert [one["index"] for one in said] == list(range(8))
    words = " ".join(one["reason"] for one in said)
    assert not any(word in words for word in ("mapping", "Import", "park", "spreadsheet", "file", "column", "продажа"))
    assert said[4]["reason"] == "Possible are: sale, return, correction, identification."


def test_a_key_without_the_scope_is_told_which_it_lacks(client: FlaskClient, key: Callable[..., str]) -> None:
    refused = send(client, key(scopes=(Scope.ASSIGNMENTS_READ,)), [lately("a")])
    assert (refused.status_code, refused.json["code"]) == (403, "key_lacks_scope")
    assert "receipts:write" in refused.json["title"]
    assert "store" not in refused.json["title"]


def test_operators_see_what_waits_and_what_became_of_receipts(
    inlet: Inlet, client: FlaskClient, key: Callable[..., str]
) -> None:
    send(client, key(), [lately("a"), lately("b", net="x")])
    numbers = dict(
        line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line.startswith("pilot_")
    )
    assert float(numbers["pilot_inbox_waiting_receipts"]) == 1
    assert float(numbers["pilot_inbox_lag_seconds"]) == 0
    assert float(numbers['pilot_inbox_receipts_total{status="accepted"}']) >= 1
    assert float(numbers['pilot_inbox_receipts_total{status="rejected"}']) >= 1
    assert client.get("/readyz").json["inbox"] == {"waiting": 1, "lag_seconds": 0.0, "behind": False}
    other_methods = client.get(PATH, headers={"Authorization": f"Bearer {key()}"})
    assert (other_methods.status_code, "POST" in other_methods.headers["Allow"]) == (405, True)


def test_the_examples_of_the_guide_are_answered_as_it_says(client: FlaskClient, key: Callable[..., str]) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "receipts-api.md").read_text("utf-8")
    guide = guide.replace("2026-01-10", "2026-02-27")  # the key window ends five weeks before today
    call, line, answer, problem = (part.split("```", 1)[0] for part in guide.split("```json\n")[1:])
    secret, again = key(), {"receipts": [*json.loads(call)["receipts"][:1], json.loads(line)]}
    assert send(client, secret, call.encode()).json["accepted"] == 2
    told = send(client, secret, json.dumps(again).encode()).json
    assert told == {**json.loads(answer), "batch_id": told["batch_id"]}
    assert send(client, secret, line.encode() * 2, NDJSON).json["known"] == 2
    wrong = send(client, secret, [*({} for _ in range(17)), {"net": 1}])
    assert wrong.json == json.loads(problem)
