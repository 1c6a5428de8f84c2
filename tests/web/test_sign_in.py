"""Signing in, one-time links, sessions that end, and the throttle."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from pilot.access import service as access
from pilot.access.model import Role, User
from pilot.database import Database
from tests.web.conftest import post
from tests.web.house import PASSWORD


def database_of(app: Flask) -> Database:
    found: Database = app.extensions["pilot_database"]
    return found


def test_a_wrong_password_is_refused_without_saying_which_part_was_wrong(client: FlaskClient) -> None:
    known = post(client, "/sign-in", {"email": "manager@example.org", "password": "wrong"})
    unknown = post(client, "/sign-in", {"email": "nobody@example.org", "password": "wrong"})
    assert known.status_code == unknown.status_code == 401
    assert "do not belong together" in known.text
    assert "do not belong together" in unknown.text


def test_failed_attempts_are_counted_in_the_database_although_the_sign_in_is_refused(client: FlaskClient) -> None:
    for _attempt in range(5):
        post(client, "/sign-in", {"email": "manager@example.org", "password": "wrong"})
    answer = post(client, "/sign-in", {"email": "manager@example.org", "password": PASSWORD})
    assert answer.status_code == 429
    assert "Too many failed attempts" in answer.text


@pytest.mark.parametrize("goal", ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example"])
def test_the_way_on_after_signing_in_never_leads_elsewhere(client: FlaskClient, goal: str) -> None:
    form = {"email": "manager@example.org", "password": PASSWORD, "next": goal}
    assert post(client, "/sign-in", form).location == "/"


def test_the_way_on_leads_to_the_page_that_was_asked_for(client: FlaskClient) -> None:
    form = {"email": "manager@example.org", "password": PASSWORD, "next": "/pilots/points?x=1"}
    assert post(client, "/sign-in", form).location == "/pilots/points?x=1"


def test_a_session_ends_when_the_role_changes(app: Flask, as_person: Callable[[str], FlaskClient]) -> None:
    manager = as_person("manager")
    assert manager.get("/").status_code == 200
    with database_of(app).unit_of_work() as session:
        user = session.scalars(select(User).where(User.email == "manager@example.org")).one()
        access.change_role(session, user, Role.ANALYST, actor="system", now=user.created_at)
    assert manager.get("/").location == "/sign-in?next=/"


def test_a_session_ends_when_the_person_is_stopped(app: Flask, as_person: Callable[[str], FlaskClient]) -> None:
    manager, admin = as_person("manager"), as_person("admin")
    with database_of(app).reading() as session:
        user_id = session.scalars(select(User.id).where(User.email == "manager@example.org")).one()
    assert post(admin, f"/people/{user_id}/active", page="/people/").status_code == 302
    assert manager.get("/").status_code == 302


def test_signing_out_needs_the_form_and_ends_the_session(as_person: Callable[[str], FlaskClient]) -> None:
    manager = as_person("manager")
    assert manager.get("/sign-out").status_code == 405
    assert post(manager, "/sign-out", page="/").location == "/sign-in"
    assert manager.get("/").status_code == 302


def test_an_invitation_gives_a_link_that_sets_a_password_once(
    app: Flask, client: FlaskClient, as_person: Callable[[str], FlaskClient]
) -> None:
    form = {"name": "New Analyst", "email": "new@example.org", "role": "analyst"}
    page = post(as_person("admin"), "/people/", form).text
    address = "/link/" + page.split("/link/", 1)[1].split("<", 1)[0].strip()
    assert post(client, address, {"password": PASSWORD, "again": "something else"}).status_code == 422
    assert post(client, address, {"password": PASSWORD, "again": PASSWORD}).location == "/sign-in"
    assert post(client, address, {"password": PASSWORD, "again": PASSWORD}).status_code == 409
    assert post(client, "/sign-in", {"email": "new@example.org", "password": PASSWORD}).location == "/"


def test_a_weak_password_is_refused_by_name(as_person: Callable[[str], FlaskClient]) -> None:
    answer = post(as_person("manager"), "/account/password", {"old": PASSWORD, "new": "short"}, page="/account/")
    assert answer.status_code == 409
    assert "A password has" in answer.text


def test_a_new_password_keeps_this_session_and_ends_the_others(as_person: Callable[[str], FlaskClient]) -> None:
    here, there = as_person("manager"), as_person("manager")
    form = {"old": PASSWORD, "new": "another long sentence"}
    assert post(here, "/account/password", form, page="/account/").status_code == 302
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 302


def test_the_account_page_saves_language_and_time_zone(as_person: Callable[[str], FlaskClient]) -> None:
    manager = as_person("manager")
    form = {"language": "en", "timezone": "Europe/Helsinki"}
    assert post(manager, "/account/preferences", form, page="/account/").status_code == 302
    assert "Europe/Helsinki" in manager.get("/account/").text
