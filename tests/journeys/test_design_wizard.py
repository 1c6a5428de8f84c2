"""Design wizard: designs ranked by what they see in money, refusals with what would do, and a design that is taken."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.pilot.evidence.small_network import HISTORY_FROM, START
from tests.web.house import House

pytestmark = pytest.mark.browser


def test_designs_are_ranked_in_money_and_one_is_taken_into_the_draft(
    house: Settings, finished_house: House, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    _reckons(manager)
    page = manager.open("/pilots/draft/edit/design")
    manager.press("Search for designs")
    expect(page.get_by_role("heading", name="Designs it could have")).to_be_visible(timeout=60_000)
    designs = page.get_by_role("region", name="Designs").locator("tbody tr")
    expect(designs.first).to_be_visible()
    seen = [_share(row.locator("td").nth(1).inner_text()) for row in designs.all()]
    assert len(seen) >= 4
    assert seen == sorted(seen)
    a_store_week = _sales_of_a_store_and_week(finished_house)
    for row, share in zip(designs.all(), seen, strict=True):
        in_money = re.fullmatch(r"€([\d,]+)", row.locator("td").nth(2).inner_text())
        assert in_money
        # The share is shown to a tenth of a per cent, the money to a whole euro.
        assert abs(float(in_money[1].replace(",", "")) - share / 100 * a_store_week) <= 0.0005 * a_store_week + 0.5
    manager.sees("Of what control's customers buy, 0.0% would be bought in treated stores.")
    expect(page.locator("[data-drawn=yes]")).to_have_count(1)
    manager.keep("design_wizard", at="[aria-label=Designs] tbody tr:nth-child(4)")

    wanted = page.locator("tr", has_text="4 stores, 4 weeks").filter(has_text="Complete").first
    wanted.get_by_role("button", name="Use this design").click()
    manager.sees("The design is in the plan: mechanism, weeks and stores.")
    expect(page.get_by_label("How it is drawn")).to_have_value("complete")
    manager.open("/pilots/draft/edit/stages")
    expect(page.get_by_label("Some regions or stores")).to_be_checked()
    chosen = page.locator("[name=stage-0-units]:checked").evaluate_all("boxes => boxes.map(box => box.value)")
    assert len(chosen) == 4
    assert set(chosen) < {f"S{n}" for n in range(25, 33)}


def test_a_design_that_cannot_reach_its_level_is_refused_with_what_would_do(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    page = manager.open("/pilots/draft/edit/design")
    page.get_by_label("Level of the test (per cent)").fill("5")
    manager.press("Save")
    manager.sees("With 8 units the smallest p-value that stage 1 can ever give is 0.1250, above the level 0.0500")
    manager.sees("A complete draw reaches its level with 8 units.")
    manager.sees("Matched pairs reach their level with 12 units.")
    manager.press("Replay it on the past")
    manager.sees("The past is too short to try the design on: it takes at least four windows as long as the stage.")


def test_a_design_that_cannot_see_its_break_even_is_not_submitted(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    address = serve(house)
    manager = visit(address, "manager")
    _reckons(manager, margin="95")
    manager.open("/pilots/draft/edit/review")
    manager.sees("It cannot prove its break-even.")
    manager.press("Ask an executive to accept it", sure=True)
    manager.sees("The executives are asked.")
    manager.sees("to accept that by name.")
    expect(manager.page.get_by_role("button", name="Submit for co-signing")).to_have_count(0)

    executive = visit(address, "executive")
    executive.open("/")
    executive.sees("Accept, or leave it: it cannot prove its break-even. It sees changes from")
    executive.page.get_by_role("link", name="Read and accept").click()
    executive.page.get_by_text("Accept that it cannot prove its break-even").click()
    executive.page.get_by_label("Reason").fill("We learn anyway.")
    executive.press("Accept by name", sure=True)
    executive.sees("Your acceptance stands beside the plan.")

    manager.open("/pilots/draft")
    expect(manager.page.get_by_role("button", name="Submit for co-signing")).to_be_visible()


def test_stores_that_must_or_must_not_take_part_are_heard(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    page = manager.open("/pilots/draft/edit/stores")
    manager.picks("Must not take part", ["S25", "S26"])
    manager.picks("Must take part in stage 1", ["S27"])
    manager.press("Save")
    manager.sees("Can be drawn: 6")
    manager.sees("The plan leaves it out by name: 2")
    page.get_by_role("group", name="Must take part in stage 1").locator("summary").click()
    search = page.get_by_label("Search: Must take part in stage 1")
    search.fill("s26")
    boxes = page.get_by_role("group", name="Must take part in stage 1").get_by_role("checkbox")
    expect(boxes.filter(visible=True)).to_have_count(1)
    boxes.filter(visible=True).check()
    manager.sees("Chosen: 2 (S27, S26)")  # by region, then by code
    manager.press("Save")
    manager.sees("The plan says that S26 must take part in stage 1, and it cannot: the plan leaves it out by name.")


def _reckons(manager: Visitor, margin: str = "30") -> None:
    page = manager.open("/pilots/draft/edit/money")
    page.get_by_label("Profit margin (per cent").fill(margin)
    page.get_by_label("Communication, for a whole stage").fill("10")
    manager.press("Save")
    manager.sees("Pays from a lift of sales of")


def _sales_of_a_store_and_week(house: House) -> float:
    """What the draft's stores sold on average in a week of the six before the start."""
    network = house.network
    past = network.receipts(HISTORY_FROM, START - timedelta(days=1), {})
    return float(sum(Decimal(row[3]) for row in past if row[1] in network.stores[24:])) / (8 * 6)


def _share(text: str) -> float:
    return float(text.rstrip("%"))
