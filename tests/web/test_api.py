"""The look-up of tills: keys with scope and stores, problem+json, and a description that is true."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from pilot.access.api_keys import create_api_key, revoke_api_key
from pilot.access.model import ApiKey, User
from pilot.access.permissions import Scope
from pilot.database import Database
from pilot.settings import Settings
from tests.web.conftest import post
from tests.web.house import PASSWORD
from web.app import create_app

MakeKey = Callable[..., str]


@pytest.fixture
def make_key(app: Flask, house_settings: Settings) -> MakeKey:
    def make(*stores: str, days: int = 1) -> str:
        database: Database = app.extensions["pilot_database"]
        with database.unit_of_work() as session:
            admin = session.scalars(select(User).where(User.email == "admin@example.org")).one()
            now = house_settings.wall_clock()
            _key, secret = create_api_key(
                session, name="Tills", scopes=[Scope.ASSIGNMENTS_READ], store_codes=stores, actor=admin, now=now,
                expires_at=now + timedelta(days=days),
            )  # fmt: skip
        return secret

    return make


def ask(client: FlaskClient, secret: str | None, **question: str):  # type: ignore[no-untyped-def] # werkzeug's response
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return client.get("/api/v1/assignments", query_string=question, headers=headers)


def test_a_till_hears_variant_offer_and_reason(client: FlaskClient, make_key: MakeKey) -> None:
    secret = make_key()
    answers = [ask(client, secret, store=f"S{n:02}", customer=f"S{n:02}-C1").json for n in range(1, 17)]
    treated = next(answer for answer in answers if answer["variant"] == "points")
    control = next(answer for answer in answers if answer["variant"] == "control")
    assert treated["offer"]["mechanic"] == "personal_card"
    assert treated["offer"]["terms"] == {"discount_share": "0.05", "valid_days": None}
    assert treated["reason_code"] == "visited_store"
    assert "was drawn for" in treated["reason"]
    assert control["offer"] is None


@pytest.mark.parametrize("secret", [None, "", "nonsense", "tills.nonsense"])
def test_without_a_live_key_nothing_is_answered(client: FlaskClient, secret: str | None) -> None:
    answer = ask(client, secret, store="S01")
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "key_refused"


def test_a_key_answers_for_its_own_stores_only(client: FlaskClient, make_key: MakeKey) -> None:
    secret = make_key("S01")
    assert ask(client, secret, store="S01").status_code == 200
    assert ask(client, secret, store="S02").status_code == 403
    nameless = ask(client, secret)
    assert (nameless.status_code, nameless.json["code"]) == (422, "field_missing")
    assert "store" in nameless.json["title"]


def test_an_expired_or_revoked_key_is_refused(app: Flask, client: FlaskClient, make_key: MakeKey) -> None:
    assert ask(client, make_key(days=-1), store="S01").status_code == 401
    secret = make_key()
    with app.extensions["pilot_database"].unit_of_work() as session:
        key = session.scalars(select(ApiKey).where(ApiKey.code == secret.rpartition(".")[0])).one()
        revoke_api_key(session, key, actor="system", now=key.created_at)
    assert ask(client, secret, store="S01").status_code == 401


def test_an_unknown_store_is_a_problem_with_a_code(client: FlaskClient, make_key: MakeKey) -> None:
    answer = ask(client, make_key(), store="S99")
    assert answer.status_code == 404
    assert answer.json["status"] == 404
    assert "S99" in answer.json["title"]


def test_a_question_that_is_not_one_is_named(client: FlaskClient, make_key: MakeKey) -> None:
    answer = ask(client, make_key(), store="S01", shop="S02")
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"


def test_the_description_names_the_look_up_its_key_and_its_refusals(client: FlaskClient) -> None:
    described = client.get("/api/openapi.json").json
    assert described["openapi"].startswith("3.1")
    operation = described["paths"]["/api/v1/assignments"]["get"]
    assert {"200", "401", "403", "404", "422"} <= set(operation["responses"])
    assert operation["security"] == [{"key": ["assignments:read"]}]
    assert "application/problem+json" in operation["responses"]["401"]["content"]


def test_a_session_is_no_way_into_the_api(as_person: Callable[[str], FlaskClient]) -> None:
    assert as_person("admin").get("/api/v1/assignments?store=S01").status_code == 401


def test_keys_live_by_the_wall_clock_where_the_installation_s_clock_stands_still(house_settings: Settings) -> None:
    stands_still = house_settings.wall_clock() - timedelta(days=400)
    app = create_app(house_settings.model_copy(update={"fixed_now": stands_still}))
    admin, till = app.test_client(), app.test_client()
    post(admin, "/sign-in", {"email": "admin@example.org", "password": PASSWORD})
    tomorrow = (house_settings.wall_clock() + timedelta(days=1)).date().isoformat()
    wanted = {"name": "Tills", "scopes": "assignments:read", "expires_on": tomorrow}
    first = secret_in(post(admin, "/keys/", wanted).text)
    second = secret_in(post(admin, "/keys/tills/rotate", page="/keys/").text)
    assert [ask(till, secret, store="S01").status_code for secret in (first, second)] == [200, 200]
    assert "works for another 24 hours; revoke it to end it at once" in admin.get("/keys/").text
    post(admin, "/keys/tills/revoke", page="/keys/")
    assert [ask(till, secret, store="S01").status_code for secret in (first, second)] == [401, 200]
    app.extensions["pilot_database"].dispose()


def secret_in(page: str) -> str:
    return page.split('id="secret">', 1)[1].split("<", 1)[0]
