"""English, Finnish and Russian: the browser's language without a choice, another by choice, charts and refusals too."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.web.house import GATE_DAY, PASSWORD, House

pytestmark = pytest.mark.browser

REPORT = "/pilots/points/reports/points-1-1"
DECISION = "/pilots/points/decision"


@pytest.fixture
def abroad(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """``abroad(address, "fi-FI")``: somebody whose browser asks for that language."""
    visitors: list[Visitor] = []

    def travel(address: str, locale: str, width: int = 1280) -> Visitor:
        visitors.append(Visitor(browser, address, width, locale))
        return visitors[-1]

    yield travel
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    for visitor in visitors:
        visitor.context.close()
    assert complaints == []


def sign_in(visitor: Visitor, name: str) -> None:
    visitor.page.locator("input[name=email]").fill(f"{name}@example.org")
    visitor.page.locator("input[name=password]").fill(PASSWORD)
    visitor.page.locator("main button[type=submit]").click()
    expect(visitor.page.locator("aside nav")).to_be_attached()


def spoken(visitor: Visitor) -> str:
    return str(visitor.page.evaluate("document.documentElement.lang"))


def drawn(visitor: Visitor) -> str:
    """Every word and number of the page's charts, once all are drawn."""
    page = visitor.page
    expect(page.locator("[data-drawn=yes]")).to_have_count(page.locator("[data-chart]").count())
    return " ".join(page.locator("figure.chart svg text").all_text_contents())


@pytest.mark.parametrize(
    ("locale", "greeting", "day", "chart_day", "refusal", "chart"),
    [
        ("ru-RU", "Добрый день", "29 мар. 2026", r"\b\d{1,2} мар\.", "не имеет права", "По неделям"),
        ("fi-FI", "Hyvää päivää", "29.3.2026", r"\b\d{1,2}\.3\.", "ei saa tehdä tätä", "Viikko viikolta"),
    ],
)
def test_the_browsers_language_is_spoken_without_a_choice(
    abroad: Callable[..., Visitor], finished_house: House, serve: Callable[[Settings], str],
    locale: str, greeting: str, day: str, chart_day: str, refusal: str, chart: str,
) -> None:  # fmt: skip
    visitor = abroad(serve(finished_house.settings_on(GATE_DAY)), locale)
    visitor.open(REPORT)  # sent to sign in, and back
    assert spoken(visitor) == locale[:2]
    sign_in(visitor, "executive")
    assert visitor.page.url.endswith(REPORT)
    assert spoken(visitor) == locale[:2]
    text = visitor.page.locator("main").inner_text()
    assert day in text
    assert re.search(r"\+\d+,\d\s%", text)
    assert not re.search(r"\d\.\d+\s?%|€\d", text)
    pictures = drawn(visitor)
    assert chart in pictures
    assert re.search(chart_day, pictures)
    assert re.search(r"\d,\d", pictures)
    assert not re.search(r"\b(Jan|Feb|Mar|Apr|Week|Start|Control)\b", pictures)
    visitor.open("/")
    expect(visitor.page.get_by_role("heading", name=greeting)).to_be_visible()
    visitor.open("/people/")
    expect(visitor.page.get_by_role("alert")).to_contain_text(refusal)
    visitor.open(REPORT)
    drawn(visitor)
    visitor.keep(f"languages-{locale[:2]}")


def test_a_person_switches_before_sign_in_and_for_good_in_the_account(
    abroad: Callable[..., Visitor], house: Settings, serve: Callable[[Settings], str]
) -> None:
    address = serve(house)
    visitor = abroad(address, "fi-FI")
    visitor.open("/sign-in?next=/pilots/")
    expect(visitor.page.get_by_role("heading", name="Kirjaudu")).to_be_visible()
    visitor.press("Русский")
    expect(visitor.page.get_by_role("heading", name="Войти")).to_be_visible()
    sign_in(visitor, "manager")
    assert visitor.page.url.endswith("/pilots/")  # the switch did not forget the way
    assert spoken(visitor) == "ru"
    visitor.open("/account/").locator("select[name=language]").select_option("fi")
    visitor.press("Сохранить")
    expect(visitor.page.get_by_text("Tallennettu.")).to_be_visible()
    another = abroad(address, "en-US", 390)
    another.open("/sign-in")
    assert spoken(another) == "en"
    sign_in(another, "manager")
    assert spoken(another) == "fi"  # the person's own choice goes along to another browser
    assert another.page.evaluate("document.documentElement.scrollWidth") <= 390


# Where words are longest: forms, buttons, tables and the memo.
LONG_WORDED = {
    "manager": (
        "/", "/pilots/draft", "/pilots/draft/edit/brief", "/pilots/draft/edit/design", "/pilots/draft/edit/money",
        "/programs/card", "/calendar/",
    ),
    "executive": (f"{REPORT}/memo", f"{REPORT}/chapters/money", f"{REPORT}/chapters/swiped", DECISION, "/policy/"),
}  # fmt: skip


@pytest.mark.parametrize("locale", ["fi-FI", "ru-RU"])
def test_longer_words_still_fit_a_phone(
    abroad: Callable[..., Visitor], finished_house: House, serve: Callable[[Settings], str], locale: str
) -> None:
    address, wide = serve(finished_house.settings_on(GATE_DAY)), {}
    for name, paths in LONG_WORDED.items():
        visitor = abroad(address, locale, 390)
        visitor.open("/sign-in")
        sign_in(visitor, name)
        widths = {path: visitor.open(path).evaluate("document.documentElement.scrollWidth") for path in paths}
        wide |= {path: width for path, width in widths.items() if width > 390}
    assert wide == {}
