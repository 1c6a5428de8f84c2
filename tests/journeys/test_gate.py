"""The gate: every rule with its number; a decision for some regions takes two executives and binds the next draw."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.web.house import House

pytestmark = pytest.mark.browser


def test_two_executives_let_a_stage_go_on_in_one_region_only(
    house: Settings, finished_house: House, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    address = serve(house)
    executive = visit(address, "executive")
    page = executive.open("/pilots/points/decision")
    executive.sees("Look 1 of 1: its test is made at 5.00%, of 5.00% for all looks of the stage.")
    rules = page.locator("section", has_text="Why this recommendation").first
    expect(rules).to_contain_text("p 0.008, level 5.00%")  # 2 of the 256 ways to toss eight coins for eight pairs
    expect(rules).to_contain_text("probability 0.0%, at most 25.0%")
    executive.keep("gate")

    page.get_by_label("Advance in some regions").check()
    page.get_by_label("Reason").fill("All of them?")
    executive.press("Decide", sure=True)
    executive.sees("Choose some of the regions of the next stage: R01, R02.")

    for person, told in ((executive, "Your choice is recorded."), (visit(address, "second"), "The decision is made")):
        page = person.open("/pilots/points/decision")
        page.get_by_label("Advance in some regions").check()
        page.get_by_label("R01").check()
        page.get_by_label("Reason").fill("The first region is ready.")
        person.press("Decide", sure=True)
        person.sees(told)

    manager = visit(address, "manager")
    manager.open("/pilots/points/stages")
    manager.sees("The executives let it go on in these regions only: R01.")
    # In that region: what no stage has treated of stores 1 to 16, and those of 25 to 32, for 17 to 24 are another's.
    network = finished_house.network
    treated = network.read(lambda s, p: network.treated_stores(s, p, 1))
    free = [store for store in (*network.stores[:16:2], *network.stores[24::2]) if store not in treated]
    manager.press("Draw stage 2", sure=True)
    manager.sees(f"With {len(free) - len(free) % 2} units the smallest p-value that stage 2 can ever give is")
    manager.open("/pilots/points/decision")
    manager.sees("The first region is ready.")
    manager.sees("Advance in some regions")
