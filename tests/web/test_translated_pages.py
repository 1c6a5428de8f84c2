"""Every page in a made-up language: no English word is left that is not a name, a code or a value."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from pilot import words
from pilot.access.model import User
from pilot.settings import Settings
from tests import pseudo
from tests.web.conftest import post
from web import language
from web.app import create_app

SignIn = Callable[[str], FlaskClient]
REPORT = "/pilots/points/reports/points-1-1"
PAGES = {
    "manager": (
        "/", "/account/", "/pilots/", "/pilots/new", "/pilots/draft", "/pilots/draft/edit", "/pilots/points/amend",
        "/pilots/draft/report", "/pilots/draft/assignment", "/pilots/draft/visible/1", "/pilots/draft/specimen/1",
        "/programs/", "/programs/new", "/programs/card", "/programs/card/points/offer",
        "/programs/card/points/offer/tier_card", "/programs/card/points/offer/personal_card",
        "/programs/card/points/offer/gift_or_draw", "/programs/card/points/offer/service_standard",
        "/assignments/?store=S01&customer=S01-C1", "/assignments/?store=S99", "/nowhere", "/pilots/none",
    ),
    "analyst": (
        "/pilots/submitted", "/imports/", "/quarantine/", "/segments/", "/segments/new", "/segments/young", "/network/",
    ),
    "executive": (
        "/", "/pilots/points", "/pilots/points/stages", "/pilots/points/assignment", REPORT, "/pilots/points/decision",
        "/pilots/running/stages",
    ),
    "admin": ("/people/", "/keys/", "/network/", "/demonstration/"),
}  # fmt: skip
# Forms that are refused: who sends what from which page.
REFUSED: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("manager", "/pilots/new", "/pilots/new", {"code": "Ä", "name": "", "program": "card", "objective": "defend"}),
    ("manager", "/programs/new", "/programs/new", {"code": "Not A Code", "name": ""}),
    (
        "manager", "/programs/card/points/offer/personal_card", "/programs/card/points/offer/personal_card",
        {"term-discount_share": "abc"},
    ),
    ("manager", "/pilots/points/stages/2/draw", "/pilots/points/stages", {}),
    ("analyst", "/segments/new", "/segments/new", {"code": "Ä", "name": "N"}),
    ("executive", f"{REPORT}/decide", "/pilots/points/decision", {"choice": "approve", "reason": ""}),
    ("executive", "/pilots/draft/approve", "/pilots/draft", {"reason": "x"}),
    ("admin", "/people/", "/people/", {"email": "nobody", "name": "N", "role": "manager"}),
    ("admin", "/network/customers/forget", "/network/", {"customer": "nobody"}),
    ("admin", "/network/", "/network/", {"name": "N", "currency": "XXQ", "timezone": "UTC", "cutoff_hour": "40"}),
    ("admin", "/keys/", "/keys/", {"name": ""}),
)  # fmt: skip
# Names and values of the small house, as they stand on its pages.
NAMES = (
    "A points card brings shoppers back.", "Control: nothing changes", "The whole network", "A few stores",
    "Points card", "A manager", "A analyst", "A executive", "A admin", "A auditor", "A colleague", "Points", "Card",
    "Small", "English", "Suomi", "Pilot", "EUR", "UTC", "CSV", "control", "points", "young", "old", "age",
    "none", "nobody", "abc", "XXQ", "Not A Code", "IANA",
)  # fmt: skip
PATTERNS = (r"[\w.-]+@example\.org", r"\b[0-9a-f]{12,}\b", r"\b\d\.\d\.\d\+[0-9a-f]+\b", r"\b\w+-\d{14}\.csv")
ALLOWED = re.compile("|".join([*PATTERNS, *(rf"(?<!\w){re.escape(name)}(?!\w)" for name in NAMES)]))
ZONES = available_timezones()


@pytest.fixture(scope="module")
def translations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the catalogue of the made-up language."""
    folder = tmp_path_factory.mktemp("translations")
    pseudo.write_catalogue(folder)
    return folder


@pytest.fixture
def app(house_settings: Settings, translations: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The application over a copy of the small house, everybody in it a speaker of the made-up language."""
    monkeypatch.setattr(words, "TRANSLATIONS", translations)
    monkeypatch.setattr(language, "TRANSLATIONS", translations)
    words._catalogue.cache_clear()
    app = create_app(house_settings.model_copy(update={"language": pseudo.LANGUAGE, "demo": True}))
    with app.extensions["pilot_database"].unit_of_work() as session:
        session.execute(update(User).values(language=pseudo.LANGUAGE))
    yield app
    app.extensions["pilot_database"].dispose()
    words._catalogue.cache_clear()


def left_in(page: str) -> list[str]:
    """The texts of a page with a word that nobody translated."""
    return [text for text in pseudo.shown(page) if text not in ZONES and pseudo.missed(text, ALLOWED)]


@pytest.mark.parametrize("person", PAGES)
def test_no_page_has_an_english_word_left(as_person: SignIn, person: str) -> None:
    client = as_person(person)
    pages = {address: client.get(address, follow_redirects=True).text for address in PAGES[person]}
    assert all(pseudo.is_wide(page) for page in pages.values())
    assert {address: left for address, page in pages.items() if (left := left_in(page))} == {}


def test_the_log_shows_codes_in_its_details_and_words_around_them(as_person: SignIn) -> None:
    client = as_person("auditor")
    for address in ("/audit/", "/pilots/points/history"):
        left = [re.sub(r"[a-z_.]+|\{.*\}", " ", text) for text in left_in(client.get(address).text)]
        assert [text for text in left if pseudo.missed(text, ALLOWED)] == []


@pytest.mark.parametrize("person", sorted({refused[0] for refused in REFUSED}))
def test_no_refusal_has_an_english_word_left(as_person: SignIn, person: str) -> None:
    client = as_person(person)
    for address, page, form in (refused[1:] for refused in REFUSED if refused[0] == person):
        answer = post(client, address, form, page=page)
        assert answer.status_code >= 400, address
        assert left_in(answer.text) == [], address


def test_who_is_not_signed_in_reads_the_language_of_the_house(client: FlaskClient) -> None:
    assert left_in(client.get("/sign-in").text) == []
    refused = post(client, "/sign-in", {"email": "nobody@example.org", "password": "wrong"})
    assert refused.status_code >= 400
    assert left_in(refused.text) == []


def test_no_title_of_a_chart_is_english(as_person: SignIn) -> None:
    page = as_person("executive").get(REPORT).text
    charts = [json.loads(text) for text in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page)]
    titles = [title for chart in charts for title in _titles(chart)]
    assert len(charts) == 3
    assert any(pseudo.is_wide(title) for title in titles)
    assert [title for title in titles if pseudo.missed(title, ALLOWED)] == []


def test_numbers_and_dates_of_the_report_are_written_as_the_language_does(as_person: SignIn) -> None:
    shown = " ".join(pseudo.shown(as_person("executive").get(REPORT).text))
    assert re.search(r"\+\d+,\d\s%", shown)
    assert re.search(r"\d,\d\d\s€", shown)
    assert "29.3.2026" in shown
    assert not re.search(r"\d\.\d+\s?%|€\d", shown)


def test_a_text_that_is_not_marked_is_found() -> None:
    page = f'<p>{pseudo.widened("Store")} S01</p><button title="Save it">{pseudo.widened("Save")}</button>'
    assert left_in(page) == ["Save it"]


def _titles(found: Any) -> list[str]:
    """Every title and text in a chart's specification."""
    if isinstance(found, list):
        return [title for one in found for title in _titles(one)]
    if not isinstance(found, dict):
        return []
    here = [value for key, value in found.items() if key in ("title", "text", "description") and isinstance(value, str)]
    return here + [title for value in found.values() for title in _titles(value)]
