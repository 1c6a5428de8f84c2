"""Every route asks for a permission or a key, or is public; the table of who reaches what is the one that was read."""

from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from tests.web.access_table import TABLE, table
from web.auth import PUBLIC, rule_of


def test_every_route_names_its_rule_or_is_public(app: Flask) -> None:
    for route in app.url_map.iter_rules():
        named = rule_of(app.view_functions[route.endpoint]) is not None
        assert named or route.endpoint in PUBLIC, route.endpoint


def test_the_public_list_has_no_route_that_is_gone(app: Flask) -> None:
    assert {route.endpoint for route in app.url_map.iter_rules()} >= PUBLIC


def test_each_role_reaches_exactly_what_the_table_says(app: Flask) -> None:
    assert [str(line) for line in table(app)] == TABLE.read_text("utf-8").splitlines()


def test_a_route_without_a_rule_is_refused_for_everybody(app: Flask, client: FlaskClient) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "should not be seen")
    assert client.get("/forgotten").status_code == 500


def test_somebody_who_is_not_signed_in_is_sent_to_the_sign_in_page_and_back(client: FlaskClient) -> None:
    answer = client.get("/pilots/points?x=1")
    assert answer.status_code == 302
    assert answer.location == "/sign-in?next=/pilots/points?x%3D1"


def test_a_form_of_somebody_who_is_not_signed_in_is_refused(app: Flask, client: FlaskClient) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    assert client.post("/pilots/points/submit").status_code == 401


def test_the_menu_shows_only_what_may_be_opened(as_person: Callable[[str], FlaskClient]) -> None:
    manager, admin = as_person("manager").get("/").text, as_person("admin").get("/").text
    assert 'href="/people/"' in admin
    assert 'href="/people/"' not in manager
    assert 'href="/pilots/"' in manager


def test_a_pilot_that_is_not_there_is_not_found_rather_than_refused(as_person: Callable[[str], FlaskClient]) -> None:
    assert as_person("manager").get("/pilots/nowhere").status_code == 404
