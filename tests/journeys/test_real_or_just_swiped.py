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
from tests.journeys import by_hand
from tests.journeys.conftest import Visitor
from tests.pilot.evidence.shopping_network import ShoppingNetwork
from tests.pilot.evidence.small_network import START, day_at
from tests.web.house import add_people

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]


def a_shopping_network(tmp_path: Path, *, lift: int, **world: int) -> ShoppingNetwork:
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
    return network


def a_report(tmp_path: Path, *, lift: int, **world: int) -> Settings:
    """The same, as settings to serve."""
    return a_shopping_network(tmp_path, lift=lift, **world).database.settings


def reckoned(network: ShoppingNetwork, lift: int) -> list[int]:
    """The account in cents per store and week, from the receipts: in total, of listed customers, outside the list.

    Whoever has shown a card before the start is on the list."""
    lifted = dict.fromkeys(network.read(lambda s, p: network.treated_stores(s, p, 1)), lift)
    before, window = (
        list(network.receipts(*days, there)) for days, there in ((by_hand.BEFORE, {}), (by_hand.WINDOW, lifted))
    )
    listed = {row[-1] for row in before if row[-1]}
    parts: tuple[Callable[[by_hand.Row], bool], ...] = (
        lambda row: True,
        lambda row: row[-1] in listed,
        lambda row: row[-1] not in listed,
    )
    past = by_hand.sums(before, by_hand.net)
    return [
        round(by_hand.effect(network, by_hand.sums(filter(part, window), by_hand.net), past) * 100 / by_hand.WEEKS)
        for part in parts
    ]


def cents(page: Page, part: str, column: int) -> int:
    """A shown amount of the account in cents."""
    text = page.locator(f"tbody[data-part={part}] tr >> nth=0").locator("td").nth(column).inner_text()
    sign = -1 if text.startswith("\N{MINUS SIGN}") else 1
    return sign * int(re.sub(r"[^0-9]", "", text))


def opens_the_account(visitor: Visitor) -> Page:
    visitor.open("/pilots/points/reports/points-1-1")
    visitor.page.get_by_role("link", name="Real or just swiped?").click()
    expect(visitor.page.locator("[data-drawn=yes]")).to_have_count(1)
    return visitor.page


def adds_up(page: Page) -> tuple[int, int, int]:
    """The three effects as shown: the total is the sum of the parts, to the last cent, in both columns of money."""
    for column in (0, 3):
        total, listed, outside = (cents(page, part, column) for part in ("total", "listed", "outside"))
        assert total == listed + outside
    return cents(page, "total", 0), cents(page, "listed", 0), cents(page, "outside", 0)


def test_a_card_that_is_merely_shown_more_is_told_by_a_red_banner(tmp_path: Path, serve: Serve, visit: Visit) -> None:
    network = a_shopping_network(tmp_path, lift=0, shown=500, shown_more=950)
    analyst = visit(serve(network.database.settings), "analyst")
    page = opens_the_account(analyst)
    expect(page.get_by_role("alert").get_by_role("heading", name="Only identification rose")).to_be_visible()
    analyst.sees("there is no evidence that the stores sold more")
    expect(page.locator("tbody[data-part=outside]").get_by_text("Signature of card-showing")).to_be_visible()
    total, listed, outside = adds_up(page)
    assert listed > 0 > outside
    assert abs(total) < abs(outside) / 4
    for shown, real in zip((total, listed, outside), reckoned(network, 0), strict=True):
        assert abs(shown - real) <= 1  # the parts are rounded so that they still add up
    expect(page.get_by_text("new spend")).to_have_count(1)  # the total alone is called so
    analyst.keep("real_or_just_swiped")


def test_stores_that_sold_more_while_cards_are_shown_more_have_no_banner_and_the_report_s_own_number(
    tmp_path: Path, serve: Serve, visit: Visit
) -> None:
    network = a_shopping_network(tmp_path, lift=40, shown=500, shown_more=950)
    analyst = visit(serve(network.database.settings), "analyst")
    page = opens_the_account(analyst)
    expect(page.get_by_text("Only identification rose")).to_have_count(0)
    analyst.sees("Real: the stores sold")
    shown = adds_up(page)
    for amount, real in zip(shown, reckoned(network, 40), strict=True):
        assert abs(amount - real) <= 1
    total = shown[0]
    assert total > 0
    page.get_by_role("link", name="Effects", exact=True).click()
    row = page.locator("tbody", has=page.get_by_role("link", name="Store total")).first
    assert total == int(re.sub(r"[^0-9]", "", row.locator("td").first.inner_text().split("\n")[0]))
