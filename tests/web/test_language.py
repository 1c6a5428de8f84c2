"""Whose word decides the language of a page: the person's, the cookie's, the browser's, the installation's."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.web.conftest import post
from web.app import create_app
from web.language import COOKIE, languages

SignIn = Callable[[str], FlaskClient]
WORDS = {"en": "Sign in", "fi": "Kirjaudu", "ru": "Войти"}


def language_of(page: str) -> str:
    return page.split('<html lang="', 1)[1].split('"', 1)[0]


def asked(client: FlaskClient, wanted: str, address: str = "/sign-in") -> str:
    return client.get(address, headers={"Accept-Language": wanted}).text


def test_the_product_speaks_three_languages() -> None:
    assert languages() == ["en", "fi", "ru"]


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [
        ("fi-FI", "fi"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8", "ru"),
        ("de-DE,de;q=0.9,fi;q=0.5,en;q=0.3", "fi"),  # the best of those that we speak
        ("en;q=0.2,ru;q=0.7", "ru"),  # the weights decide, not the order
        ("fi;q=0,ru;q=0.1", "ru"),  # nothing is what a weight of 0 asks for
        ("sv,de", "en"),
        ("*", "en"),
        ("fi_FI;;q=x,,", "en"),
        ("\x00<script>", "en"),
        ("", "en"),
    ],
)
def test_the_browser_decides_where_nobody_has_chosen(client: FlaskClient, wanted: str, spoken: str) -> None:
    page = asked(client, wanted)
    assert language_of(page) == spoken
    assert WORDS[spoken] in page


def test_a_choice_before_sign_in_is_kept_and_leads_back_to_the_page(client: FlaskClient) -> None:
    answer = post(client, "/language", {"language": "ru", "next": "/sign-in?next=/pilots/"}, page="/sign-in")
    assert (answer.status_code, answer.location) == (302, "/sign-in?next=/pilots/")
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    assert (cookie.value, cookie.http_only, cookie.same_site) == ("ru", True, "Lax")
    assert language_of(asked(client, "fi")) == "ru"


def test_the_switch_names_each_language_in_itself(client: FlaskClient) -> None:
    page = asked(client, "fi")
    for code, name in (("en", "English"), ("fi", "Suomi"), ("ru", "Русский")):
        assert f'value="{code}" lang="{code}"' in page
        assert f">{name}</button>" in page
    assert page.count('aria-current="true"') == 1


@pytest.mark.parametrize("wanted", ["xx", "", "../../etc", "de"])
def test_a_language_that_nobody_speaks_is_refused(client: FlaskClient, wanted: str) -> None:
    assert post(client, "/language", {"language": wanted}, page="/sign-in").status_code >= 400
    client.set_cookie(COOKIE, wanted or "?")
    assert language_of(asked(client, "fi")) == "fi"


@pytest.mark.parametrize("goal", ["https://evil.example.org/", "//evil.example.org", "/\\evil.example.org", ""])
def test_the_switch_leads_nowhere_else(client: FlaskClient, goal: str) -> None:
    answer = post(client, "/language", {"language": "fi", "next": goal}, page="/sign-in")
    assert answer.location == "/sign-in"


def test_the_switch_needs_its_token(client: FlaskClient) -> None:
    assert client.post("/language", data={"language": "fi"}).status_code == 400
    assert client.get_cookie(COOKIE) is None


def test_the_persons_setting_is_above_cookie_and_browser(as_person: SignIn) -> None:
    client = as_person("manager")
    client.set_cookie(COOKIE, "ru")
    assert language_of(asked(client, "en", "/")) == "ru"
    post(client, "/account/preferences", {"language": "fi", "timezone": ""}, page="/account/")
    assert language_of(asked(client, "en", "/")) == "fi"
    post(client, "/account/preferences", {"language": "", "timezone": ""}, page="/account/")
    assert language_of(asked(client, "en", "/")) == "ru"


def test_where_the_browser_speaks_nothing_of_ours_the_installation_decides(app: Flask) -> None:
    settings = app.config["PILOT_SETTINGS"].model_copy(update={"language": "fi"})
    other = create_app(settings)
    try:
        client = other.test_client()
        assert [language_of(asked(client, wanted)) for wanted in ("", "sv", "*", "ru")] == ["fi", "fi", "fi", "ru"]
    finally:
        other.extensions["pilot_database"].dispose()


def test_caches_are_told_what_a_page_depends_on(client: FlaskClient, as_person: SignIn) -> None:
    for answer in (client.get("/sign-in"), as_person("manager").get("/pilots/")):
        assert {"Accept-Language", "Cookie"} <= set(answer.vary)
    assert client.get("/sign-in", headers={"Accept-Language": "ru"}).headers["Content-Language"] == "ru"


def test_refusals_of_every_kind_speak_the_readers_language(client: FlaskClient, as_person: SignIn) -> None:
    client = as_person("manager")
    client.set_cookie(COOKIE, "fi")
    missing, forbidden = client.get("/nowhere"), client.get("/audit/")
    assert (missing.status_code, forbidden.status_code) == (404, 403)
    assert "Tällaista sivua ei ole." in missing.text
    assert "ei saa tehdä tätä: lukea tapahtumalokia" in forbidden.text
    stale = client.post("/sign-out", data={})
    assert (stale.status_code, "Lomake on liian vanha" in stale.text) == (400, True)


def test_a_failure_of_ours_is_told_in_the_readers_language(app: Flask, client: FlaskClient) -> None:
    def fail() -> str:
        raise RuntimeError("broken")

    app.view_functions["session.sign_in"] = fail
    answer = client.get("/sign-in", headers={"Accept-Language": "ru"})
    assert (answer.status_code, "На нашей стороне что-то пошло не так" in answer.text) == (500, True)


def test_a_program_reads_the_installations_language_whatever_it_sends(client: FlaskClient, secret: str) -> None:
    headers = {"Authorization": f"Bearer {secret}", "Accept-Language": "ru"}
    plain = client.get("/api/v1/assignments?store=S99", headers=headers)
    assert "Content-Language" not in plain.headers
    assert not any("а" <= letter <= "я" for letter in plain.text)
    refused = client.get("/api/v1/assignments", headers=headers)
    assert refused.status_code >= 400
    assert "Fill it in and send again." in refused.get_json()["title"]
