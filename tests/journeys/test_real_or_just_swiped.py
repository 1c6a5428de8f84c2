"""Real or just swiped: an analyst opens the report of a card that was merely shown more, and of one that sold more."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pilot.database import Database
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.journeys.conftest import Visitor
from tests.pilot.evidence.shopping_network import ShoppingNetwork
from tests.pilot.evidence.small_network import START, day_at
from tests.web.house import add_people

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]


def a_report(tmp_path: Path, *, lift: int, **world: int) -> Settings:
    """A stage of sixteen stores that is over, with its report frozen."""
    settings = Settings(home=tmp_path / "home", fixed_now=day_at(START + timedelta(days=29)), json_logs=False)
    database = Database(settings)
    migrating.upgrade(database)
    files = settings.home / "files"
    files.mkdir()
    network = ShoppingNetwork(database, files, **world)
    network.running()
    network.run_to(START + timedelta(days=27), lift=lift)
    network.look()
    add_people(network)
    return settings


def cents(page: Page, part: str, column: int) -> int:
    """A shown amount of the account in cents."""
    text = page.locator(f"tbody[data-part={part}] tr >> nth=0").locator("td").nth(column).inner_text()
    sign = -1 if text.startswith("\N{MINUS SIGN}") else 1
    return sign * int(re.sub(r"[^0-9]", "", text))


def opens_the_account(visitor: Visitor) -> Page:
    visitor.open("/pilots/points/reports/points-1-1")
    visitor.page.get_by_role("link", name="Real or just swiped?").click()
    expect(visitor.page.locator("[data-drawn=yes]")).to_have_count(1, timeout=30_000)
    return visitor.page


def adds_up(page: Page) -> tuple[int, int, int]:
    """The three effects as shown: the total is the sum of the parts, to the last cent, in both columns of money."""
    for column in (0, 3):
        total, listed, outside = (cents(page, part, column) for part in ("total", "listed", "outside"))
        assert total == listed + outside
    return cents(page, "total", 0), cents(page, "listed", 0), cents(page, "outside", 0)


def test_a_card_that_is_merely_shown_more_is_told_by_a_red_banner(tmp_path: Path, serve: Serve, visit: Visit) -> None:
    analyst = visit(serve(a_report(tmp_path, lift=0, shown=500, shown_more=950)), "analyst")
    page = opens_the_account(analyst)
    expect(page.get_by_role("alert").get_by_role("heading", name="Only identification rose")).to_be_visible()
    analyst.sees("there is no evidence that the stores sold more")
    expect(page.locator("tbody[data-part=outside]").get_by_text("Signature of card-showing")).to_be_visible()
    total, listed, outside = adds_up(page)
    assert listed > 0 > outside
    assert abs(total) < abs(outside) / 4
    expect(page.get_by_text("new spend")).to_have_count(1)  # the total alone is called so
    analyst.keep("real_or_just_swiped")


def test_stores_that_really_sold_more_have_no_banner_and_the_report_s_own_number(
    tmp_path: Path, serve: Serve, visit: Visit
) -> None:
    analyst = visit(serve(a_report(tmp_path, lift=40)), "analyst")
    page = opens_the_account(analyst)
    expect(page.get_by_text("Only identification rose")).to_have_count(0)
    analyst.sees("Real: the stores sold")
    total, *_ = adds_up(page)
    assert total > 0
    page.get_by_role("link", name="Effects", exact=True).click()
    row = page.locator("tbody", has=page.get_by_role("link", name="Store total")).first
    assert total == int(re.sub(r"[^0-9]", "", row.locator("td").first.inner_text().split("\n")[0]))
