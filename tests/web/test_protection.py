"""The policy on every response, tokens on every form, limits on what is sent, and what errors look like."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

import web
from experiments.errors import ExperimentError
from pilot.errors import PilotError
from web.errors import status_of
from web.security import CONTENT_SECURITY_POLICY

TEMPLATES = Path(web.__file__).parent / "templates"


@pytest.mark.parametrize("address", ["/sign-in", "/nowhere", "/healthz", "/api/", "/static/app.css"])
def test_every_response_carries_the_policy(client: FlaskClient, address: str) -> None:
    with client.get(address) as answer:
        headers = answer.headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


def test_the_policy_allows_nothing_unsafe() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY


def test_no_template_has_an_inline_style_handler_or_script() -> None:
    for template in TEMPLATES.rglob("*.html"):
        text = template.read_text("utf-8")
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style", text), template
        for script in re.findall(r"<script[^>]*>", text):
            assert "src=" in script or 'type="application/json"' in script, (template, script)


def test_every_form_that_changes_something_carries_a_token() -> None:
    for template in TEMPLATES.rglob("*.html"):
        for form in re.findall(r'<form[^>]*method="post".*?</form>', template.read_text("utf-8"), re.DOTALL):
            assert "csrf" in form, template


def test_a_form_without_its_token_changes_nothing(as_person: Callable[[str], FlaskClient]) -> None:
    answer = as_person("manager").post("/pilots/draft/submit")
    assert answer.status_code == 400
    assert "too old or came from elsewhere" in answer.text


def test_pages_are_not_kept_by_caches_in_between(as_person: Callable[[str], FlaskClient]) -> None:
    assert as_person("manager").get("/").headers["Cache-Control"] == "no-store"


def test_the_session_cookie_is_out_of_reach_of_scripts(as_person: Callable[[str], FlaskClient]) -> None:
    cookie = as_person("manager").get("/").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_a_file_above_the_limit_is_refused(app: Flask, as_person: Callable[[str], FlaskClient]) -> None:
    app.config.update(MAX_CONTENT_LENGTH=1000, WTF_CSRF_ENABLED=False)
    from io import BytesIO

    form = {"kind": "receipts", "file": (BytesIO(b"x" * 2000), "receipts.csv")}
    answer = as_person("admin").post("/imports/", data=form)
    assert answer.status_code == 413
    assert "larger than this installation accepts" in answer.text


def test_a_request_id_is_given_and_a_strange_one_is_replaced(client: FlaskClient) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "till-0001-abc"}).headers["X-Request-ID"] == "till-0001-abc"
    strange = client.get("/healthz", headers={"X-Request-ID": 'x"} {"'}).headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", strange)


def test_a_failure_of_ours_says_its_request_id_and_nothing_else(
    app: Flask, as_person: Callable[[str], FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_arguments: object) -> str:
        raise RuntimeError("a secret detail")

    client = as_person("manager")
    monkeypatch.setitem(app.view_functions, "account.show", _like(app.view_functions["account.show"], broken))
    answer = client.get("/account/")
    assert answer.status_code == 500
    assert "a secret detail" not in answer.text
    assert answer.headers["X-Request-ID"] in answer.text


def _like(view: object, other: Callable[..., str]) -> Callable[..., str]:
    other.rule = view.rule  # type: ignore[attr-defined] # the label that the guard reads
    return other


def test_every_error_of_ours_has_a_status() -> None:
    for root in (PilotError, ExperimentError):
        for kind in [root, *_below(root)]:
            assert 400 <= status_of(kind) < 600


def _below(kind: type[Exception]) -> list[type[Exception]]:
    return [one for child in kind.__subclasses__() for one in (child, *_below(child))]


def test_a_part_that_only_reads_sends_no_session_cookie(as_person: Callable[[str], FlaskClient]) -> None:
    """Else a part that is answered late would overwrite the cookie of the button pressed meanwhile."""
    client = as_person("manager")
    part = "/pilots/draft/visible/1"
    assert "Set-Cookie" in client.get("/pilots/").headers
    client.get("/pilots/draft")
    assert "Set-Cookie" not in client.get(part, headers={"HX-Request": "true"}).headers
    assert "Set-Cookie" in client.get(part).headers
