"""Every page in a made-up language: no English word is left that is not a name, a code or a value."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pilot import words
from pilot.settings import Settings
from tests import pseudo
from tests.web.all_pages import ALLOWED, PAGES, REFUSED, REPORT, left_in, speakers_of
from tests.web.conftest import post
from web import language

SignIn = Callable[[str], FlaskClient]


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
    yield from speakers_of(pseudo.LANGUAGE, house_settings)
    words._catalogue.cache_clear()


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
