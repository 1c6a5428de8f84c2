"""Every page at 1280 and at 390 pixels: nothing serious for axe, nothing wider than the screen, a picture of each."""

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from pilot.evidence.chapters.registry import ChapterCode
from tests.journeys.conftest import SCREENSHOTS, WIDTHS, Visitor, on
from tests.web.house import GATE_DAY, House

pytestmark = pytest.mark.browser

REPORT = "/pilots/points/reports/points-1-1"
CHAPTERS = tuple(f"{REPORT}/chapters/{code}" for code in ChapterCode)
PAGES: dict[str, tuple[str, ...]] = {
    "manager": (
        "/", "/account/", "/pilots/", "/pilots/new", "/pilots/draft", "/pilots/points/amend/review",
        "/pilots/draft/edit/brief", "/pilots/draft/edit/stores", "/pilots/draft/edit/design",
        "/pilots/draft/edit/money", "/pilots/draft/edit/stages", "/pilots/draft/edit/wind_down",
        "/pilots/draft/edit/review", "/calendar/?from=2026-03-02", "/calendar/new",
        "/pilots/draft/report", "/pilots/draft/assignment", "/metric-library/", "/methods/", "/methods/permutation",
        "/metric-library/?search=card", "/programs/", "/programs/new", "/programs/card",
        "/programs/card/points/offer", "/programs/card/points/offer/tier_card",
        "/programs/card/points/offer/personal_card",
        "/programs/card/offers/card.points.all/break-even?margin=30",
        "/assignments/?store=S01&customer=S01-C1", "/nowhere",
    ),
    "analyst": (
        "/", "/pilots/submitted", "/imports/", "/quarantine/", "/segments/", "/segments/new", "/segments/young",
        "/network/", *CHAPTERS,
    ),
    "executive": (
        "/", "/pilots/points", "/pilots/points/stages", "/pilots/points/assignment", REPORT, "/pilots/points/decision",
        "/pilots/points/history", "/pilots/running/stages",
    ),
    "admin": ("/", "/people/", "/policy/", "/keys/", "/webhooks/", "/network/", "/demonstration/"),
    "auditor": ("/", "/audit/"),
}  # fmt: skip
SERIOUS = ("serious", "critical")


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_has_a_serious_violation_or_is_wider_than_the_screen(
    finished_house: House, serve: Callable[..., str], visit: Callable[..., Visitor], width: int
) -> None:
    address = serve(on(finished_house.settings, GATE_DAY).model_copy(update={"demo": True}))
    problems = _look(visit(address, None, width), "nobody", "/sign-in", width)
    for role, pages in PAGES.items():
        visitor = visit(address, role, width)
        for page in pages:
            problems += _look(visitor, role, page, width)
    assert problems == []


def test_the_menu_opens_on_a_small_screen_by_keyboard(
    finished_house: House, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    page = visit(serve(finished_house.settings), "manager", 390).open("/pilots/")
    toggle = page.get_by_role("button", name="Menu")
    toggle.focus()
    page.keyboard.press("Enter")
    assert toggle.get_attribute("aria-expanded") == "true"
    page.get_by_role("link", name="Programs").click()
    assert page.url.endswith("/programs/")


def test_the_skip_link_leads_to_the_content(
    finished_house: House, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    page = visit(serve(finished_house.settings), "manager").open("/pilots/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_saying_no_when_asked_changes_nothing(
    finished_house: House, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    executive = visit(serve(finished_house.settings), "executive")
    page = executive.open("/pilots/points/decision")
    page.get_by_label("Advance", exact=False).first.check()
    page.get_by_label("Reason").fill("Not yet.")
    executive.press("Decide")
    page.get_by_role("button", name="Cancel").click()
    assert page.url.endswith("/pilots/points/decision")
    assert page.get_by_text("Said so far").count() == 0


def _look(visitor: Visitor, role: str, path: str, width: int) -> list[str]:
    page = visitor.open(path)
    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-drawn=yes]")).to_have_count(page.locator("[data-chart]").count())
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", path).strip("-") or "home"
    page.screenshot(path=SCREENSHOTS / f"{role}-{name}-{width}.png", full_page=True)
    found = Axe().run(page).response["violations"]
    problems = [f"{role} {path} {width}: {v['id']}: {_where(v)}" for v in found if v["impact"] in SERIOUS]
    wide = page.evaluate("document.documentElement.scrollWidth")
    return problems if wide <= width else [*problems, f"{role} {path} is {wide} wide on {width}"]


def _where(violation: dict[str, object]) -> str:
    return "; ".join(str(node["target"]) for node in violation["nodes"][:3])  # type: ignore[index] # axe's own JSON
