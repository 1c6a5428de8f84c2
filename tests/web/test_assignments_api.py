"""The API of tills: many questions at once, phones and cards, greetings that go nowhere, the short cut, the bundle."""

import gzip
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from pilot.access.api_keys import create_api_key, revoke_api_key
from pilot.access.model import ApiKey
from pilot.access.permissions import Scope
from pilot.assignment.asking import LONGEST, MOST_QUESTIONS
from pilot.assignment.lookup import who_gets_what
from pilot.assignment.signing import public_key
from pilot.cli.entry import run
from pilot.database import Database
from pilot.keys import read_or_make_key
from pilot.network.model import Customer
from pilot.network.people import contact_hash
from pilot.settings import Settings
from web.logs import configure_logs

BATCH, ONE = "/api/v1/assignments:batch", "/api/v1/assignments"
PHONE = "+1 (500) 555-0006"
NORMAL = "+15005550006"
GREETING = "Terveisiä <b>Liisa</b> & co"


@pytest.fixture
def database(app: Flask) -> Database:
    found: Database = app.extensions["pilot_database"]
    return found


@pytest.fixture
def make_key(database: Database, house_settings: Settings) -> Callable[..., str]:
    def make(*stores: str, scopes: tuple[Scope, ...] = tuple(Scope), days: float = 1) -> str:
        now = house_settings.wall_clock()
        with database.unit_of_work() as session:
            _key, secret = create_api_key(
                session, name="Tills", scopes=scopes, store_codes=stores, actor="x", now=now,
                expires_at=now + timedelta(days=days),
            )  # fmt: skip
        return secret

    return make


def asked(client: FlaskClient, secret: str, questions: Any, **more: Any) -> Any:
    return client.post(BATCH, json={"questions": questions}, headers={"Authorization": f"Bearer {secret}"}, **more)


def one(client: FlaskClient, secret: str, **question: str) -> Any:
    return client.get(ONE, query_string=question, headers={"Authorization": f"Bearer {secret}"})


def with_phone(database: Database, customer: str, stored: str) -> None:
    """The customer's contact as an import stores it: a keyed hash of its text in normal form."""
    digest = contact_hash(stored, read_or_make_key(database.settings, "phone"))
    with database.unit_of_work() as session:
        session.execute(update(Customer).where(Customer.external_id == customer).values(contact_hash=digest))


def test_many_questions_get_the_answers_that_they_get_one_by_one(
    client: FlaskClient, make_key: Callable[..., str], database: Database, house_settings: Settings
) -> None:
    secret = make_key()
    questions = [{"store": f"S{n:02}", "customer": f"S{n:02}-C1"} for n in range(1, 33)]
    questions += [{"store": "S01"}, {"store": "S01", "customer": "NOBODY"}, {"store": "S02", "card": "S02-C1"}]
    rows = asked(client, secret, questions).json["answers"]
    assert [row["index"] for row in rows] == list(range(len(questions)))
    for row, question in zip(rows, questions, strict=True):
        alone = one(client, secret, **question).json
        assert row["answer"] == {name: value for name, value in alone.items() if name != "asked_at"}
    with database.reading() as session:
        found = who_gets_what(session, customer="S03-C1", store="S03", at=house_settings.now())
    assert rows[2]["answer"]["reason_code"] == found.reason.code
    assert rows[2]["answer"]["variant"] == found.variant


def test_each_row_is_refused_by_itself_and_the_others_are_answered(
    client: FlaskClient, make_key: Callable[..., str]
) -> None:
    secret = make_key("S01")
    questions = [
        {"store": "S01"}, {"store": "S02"}, {"store": "NOPE"}, {}, None, [], "S01", {"store": 1}, {"store": ""},
        {"store": "S01", "shop": "x"}, {"store": "S01", "customer": "a", "phone": PHONE},
        {"store": "S01", "customer": "x" * (LONGEST + 1)}, {"store": "S01", "customer": "a\0b"},
        {"store": "S01", "customer": "\ud800"}, {"store": "S01", "customer": {"$ne": 1}},
        {"store": "S01", "phone": "not one"},
    ]  # fmt: skip
    answer = asked(client, secret, questions)
    assert answer.status_code == 200
    codes = [row["refusal"] and row["refusal"]["code"] for row in answer.json["answers"]]
    assert codes == [None, "key_may_not", "key_may_not", *["question_unreadable"] * 13]
    assert all((row["answer"] is None) is (row["refusal"] is not None) for row in answer.json["answers"])
    unknown = asked(client, make_key(), [{"store": "NOPE"}]).json["answers"][0]["refusal"]
    assert unknown == {"code": "not_found", "title": "There is no store “NOPE”."}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"questions": []}, 422), ({}, 422), ([], 422), ({"questions": "S01"}, 422), ({"questions": None}, 422),
        ({"questions": [{"store": "S01"}], "more": 1}, 422),
        ({"questions": [{"store": "S01"}] * (MOST_QUESTIONS + 1)}, 422),
        ({"questions": [{"store": "S01"}] * MOST_QUESTIONS}, 200),
    ],
)  # fmt: skip
def test_a_body_that_is_no_list_of_up_to_a_thousand_questions_is_refused_as_a_whole(
    client: FlaskClient, make_key: Callable[..., str], body: Any, status: int
) -> None:
    answer = client.post(BATCH, json=body, headers={"Authorization": f"Bearer {make_key()}"})
    assert answer.status_code == status
    if status != 200:
        assert (answer.content_type, answer.json["code"]) == ("application/problem+json", "question_unreadable")


def test_only_json_is_taken(client: FlaskClient, make_key: Callable[..., str]) -> None:
    headers = {"Authorization": f"Bearer {make_key()}"}
    answer = client.post(BATCH, data=b'{"questions": [{"store": "S01"}]}', headers=headers, content_type="text/plain")
    assert (answer.status_code, answer.content_type) == (415, "application/problem+json")


def test_a_key_needs_the_scope_and_a_life(
    client: FlaskClient, make_key: Callable[..., str], database: Database, house_settings: Settings
) -> None:
    other = make_key(scopes=(Scope.RECEIPTS_WRITE,))
    assert [asked(client, other, [{"store": "S01"}]).status_code, one(client, other, store="S01").status_code] == [
        403
    ] * 2
    assert client.get("/api/v1/bundle?store=S01", headers={"Authorization": f"Bearer {other}"}).status_code == 403
    assert client.post(BATCH, json={"questions": [{"store": "S01"}]}).status_code == 401
    secret = make_key()
    for _ in range(2):  # the second answer comes from memory
        assert [
            asked(client, secret, [{"store": "S01"}]).status_code,
            one(client, secret, store="S01").status_code,
        ] == [200] * 2
    with database.unit_of_work() as session:
        key = session.query(ApiKey).filter_by(code=secret.rpartition(".")[0]).one()
        revoke_api_key(session, key, actor="x", now=house_settings.wall_clock())
    assert [asked(client, secret, [{"store": "S01"}]).status_code, one(client, secret, store="S01").status_code] == [
        401
    ] * 2


def test_a_remembered_key_ends_at_its_time(
    app: Flask, client: FlaskClient, make_key: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = make_key(days=1)
    assert [one(client, secret, store="S01").status_code for _ in range(2)] == [200, 200]
    later = app.config["PILOT_SETTINGS"].wall_clock() + timedelta(days=1, seconds=1)
    monkeypatch.setattr(Settings, "wall_clock", lambda _self: later)
    assert one(client, secret, store="S01").status_code == 401


@pytest.mark.parametrize("stored", [NORMAL, NORMAL.removeprefix("+"), "5005550006"])
def test_a_phone_is_found_in_any_spelling_also_where_it_was_stored_in_an_older_form(
    client: FlaskClient, make_key: Callable[..., str], database: Database, stored: str
) -> None:
    with_phone(database, "S03-C1", stored)
    secret = make_key()
    by_id = asked(client, secret, [{"store": "S03", "customer": "S03-C1"}]).json["answers"][0]["answer"]
    for spelling in (PHONE, NORMAL, "+1-500-555-0006", "+1\u00a0500 5550006"):
        assert asked(client, secret, [{"store": "S03", "phone": spelling}]).json["answers"][0]["answer"] == by_id


def test_a_phone_that_two_customers_share_or_nobody_has_recognises_nobody(
    client: FlaskClient, make_key: Callable[..., str], database: Database
) -> None:
    for customer in ("S03-C1", "S04-C1"):
        with_phone(database, customer, NORMAL)
    secret = make_key()
    nobody = asked(client, secret, [{"store": "S03"}]).json["answers"][0]["answer"]
    for phone in (PHONE, "+1 500 555 0007"):
        assert asked(client, secret, [{"store": "S03", "phone": phone}]).json["answers"][0]["answer"] == nobody


def test_what_is_no_phone_number_is_refused_in_its_row(client: FlaskClient, make_key: Callable[..., str]) -> None:
    phones = ("abc", "1" * 40, "12345", "call +15005550006", PHONE)
    rows = asked(client, make_key(), [{"store": "S03", "phone": phone} for phone in phones]).json["answers"]
    assert [row["refusal"] and row["refusal"]["code"] for row in rows] == ["question_unreadable"] * 4 + [None]
    assert rows[0]["refusal"]["title"].startswith("“phone” is no phone number")
    assert not any(phone in str(row["refusal"]) for phone, row in zip(phones, rows, strict=True))


def test_phones_and_greetings_are_not_taken_in_an_address(client: FlaskClient, make_key: Callable[..., str]) -> None:
    secret = make_key()
    for field, value in (("phone", PHONE), ("greeting", GREETING)):
        answer = one(client, secret, store="S01", **{field: value})
        assert (answer.status_code, answer.json["code"]) == (422, "question_unreadable")
        assert answer.json["title"].startswith(f"“{field}” does not belong into an address")
        assert value not in answer.text


def test_a_greeting_comes_back_escaped_and_stays_nowhere(
    client: FlaskClient, make_key: Callable[..., str], database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logs(database.settings)  # to the standard error of this test
    with_phone(database, "S03-C1", NORMAL)
    rows = [
        {"store": "S03", "phone": PHONE, "greeting": GREETING},
        {"store": "NOPE", "phone": PHONE, "greeting": GREETING},
    ]
    answers = asked(client, make_key(), rows).json["answers"]
    assert {row["greeting"] for row in answers} == {"Terveisiä &lt;b&gt;Liisa&lt;/b&gt; &amp; co"}
    refused = asked(client, make_key(), [{"store": "S03", "greeting": "x" * 121}, {"store": "S03", "greeting": "a\nb"}])
    assert {row["refusal"]["code"] for row in refused.json["answers"]} == {"question_unreadable"}
    metrics = client.get("/metrics").text
    written = "".join(capfd.readouterr())
    assert "assignments:batch" in written, "the log was looked at"
    for secret in ("Liisa", "5550006", "500 555"):
        assert secret not in written
        assert secret not in metrics
        held = [str(path) for path in files(database.settings.home) if secret.encode() in path.read_bytes()]
        assert held == []
        with closing(sqlite3.connect(database.settings.home / "pilot.db")) as raw:
            assert not [line for line in raw.iterdump() if secret in line]


def files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def slow_and_fast(app: Flask, monkeypatch: pytest.MonkeyPatch, query: str, headers: dict[str, str]) -> list[Any]:
    """The same request to Flask alone, and twice to what stands in front of it (the second knows the key)."""
    answers = [app.test_client().get(ONE, query_string=query, headers=headers) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(app, "wsgi_app", partial(Flask.wsgi_app, app))
        return [app.test_client().get(ONE, query_string=query, headers=headers), *answers]


@pytest.mark.parametrize(
    "query",
    [
        "store=S01", "store=S03&customer=S03-C1", "customer=S03-C1&store=S05",
        "store=S03&card=S03-C1", "store=S03&card=S03+C1",
        "store=S03&customer=%D0%BA", "store=S03&customer=", "store=", "", "store=S99", "store=S01&store=S02",
        "store=S01&store=S01", "store=S03&customer=%00", "store=S03&customer=%ff", "store=S03&customer=%ED%A0%80",
        "store=S03&customer=a&card=b", "store=S03&shop=1", "store=S03&phone=1", "store=S03&customer=" + "x" * 121,
        "store=S03&customer=a%0Ab", "store=S03;customer=S03-C1", "store=S03&&customer=S03-C1&",
    ],
)  # fmt: skip
def test_the_short_cut_answers_what_the_view_behind_it_answers(
    app: Flask, make_key: Callable[..., str], monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    headers = {"Authorization": f"Bearer {make_key('S01', 'S03', 'S05', 'S99')}", "X-Request-ID": "till-0001"}
    slow, first, again = slow_and_fast(app, monkeypatch, query, headers)
    for fast in (first, again):
        assert fast.status_code == slow.status_code
        assert fast.json == slow.json
        assert dict(fast.headers) == dict(slow.headers)


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": "Bearer"}, {"Authorization": "Basic x"}, {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer tills.x"},
    ],
)  # fmt: skip
def test_without_a_key_there_is_no_short_cut(
    app: Flask, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    answers = slow_and_fast(app, monkeypatch, "store=S01", headers)
    assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(401, "key_refused")}


def test_the_short_cut_writes_the_same_line_and_counts_the_same(
    app: Flask, make_key: Callable[..., str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    headers = {"Authorization": f"Bearer {make_key()}", "X-Request-ID": "till-0002"}
    configure_logs(app.config["PILOT_SETTINGS"])  # to the standard error of this test
    before = counted(app)
    slow_and_fast(app, monkeypatch, "store=S03&customer=S03-C1", headers)
    lines = [line for line in capfd.readouterr().err.splitlines() if "till-0002" in line]
    assert len(lines) == 3
    assert all("S03" not in line and "route=/api/v1/assignments" in plain(line) for line in lines)
    assert counted(app) == before + 3


def plain(line: str) -> str:
    """A line of the console's log without its colours."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def counted(app: Flask) -> float:
    wanted = 'pilot_http_requests_total{method="GET",route="/api/v1/assignments",status="200"} '
    text = app.test_client().get("/metrics").text
    return float(next((line.removeprefix(wanted) for line in text.splitlines() if line.startswith(wanted)), "0"))


def test_the_page_the_command_line_and_the_api_say_the_same(
    client: FlaskClient, as_person: Callable[[str], FlaskClient], make_key: Callable[..., str],
    house_settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("PILOT_FIXED_NOW", house_settings.now().isoformat())
    person, secret = as_person("auditor"), make_key()
    for store in ("S01", "S03", "S20"):
        api = one(client, secret, store=store, customer=f"{store}-C1").json
        page = person.get(f"/assignments/?store={store}&customer={store}-C1").text
        assert api["reason"].replace("'", "&#39;") in page
        capsys.readouterr()
        arguments = [
            "assignment",
            "look-up",
            "--store",
            store,
            "--customer",
            f"{store}-C1",
            "--home",
            str(house_settings.home),
        ]
        assert run(arguments) == 0
        assert api["reason"] in capsys.readouterr().out


def test_a_till_fetches_its_bundle_once_and_then_hears_that_nothing_changed(
    client: FlaskClient, make_key: Callable[..., str], house_settings: Settings
) -> None:
    headers = {"Authorization": f"Bearer {make_key('S03')}"}
    plain_text = client.get("/api/v1/bundle?store=S03", headers=headers)
    packed = client.get("/api/v1/bundle?store=S03", headers={**headers, "Accept-Encoding": "gzip"})
    assert plain_text.status_code == 200
    assert gzip.decompress(packed.data) == plain_text.data
    assert packed.headers["Content-Encoding"] == "gzip"
    again = client.get("/api/v1/bundle?store=S03", headers={**headers, "If-None-Match": packed.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    key = client.get("/api/v1/bundle/key", headers=headers).json
    assert key == {"algorithm": "Ed25519", "id": key["id"], "key": public_key(house_settings).hex()}
    assert key["id"].encode() == plain_text.data.split(b" ")[1]
    assert client.get("/api/v1/bundle?store=S04", headers=headers).status_code == 403
    assert client.get("/api/v1/bundle", headers=headers).status_code == 422
    assert client.get("/api/v1/bundle?store=NOPE", headers={"Authorization": f"Bearer {make_key()}"}).status_code == 404


def test_a_session_is_no_way_to_many_answers(as_person: Callable[[str], FlaskClient]) -> None:
    admin = as_person("admin")
    assert admin.post(BATCH, json={"questions": [{"store": "S01"}]}).status_code == 401
    assert admin.get("/api/v1/bundle?store=S01").status_code == 401


def test_the_description_names_what_tills_ask(client: FlaskClient) -> None:
    paths = client.get("/api/openapi.json").json["paths"]
    assert paths[BATCH]["post"]["operationId"] == "assignment_batch"
    assert {"200", "400", "401", "403", "413", "422"} <= set(paths[BATCH]["post"]["responses"])
    assert paths[BATCH]["post"]["requestBody"]["required"] is True
    assert "304" in paths["/api/v1/bundle"]["get"]["responses"]
    for path, verb in ((BATCH, "post"), ("/api/v1/bundle", "get"), (ONE, "get")):
        assert [set(way) for way in paths[path][verb]["security"]] == [{"key"}]
