"""The gate: every rule with its number; a decision for some regions takes two executives and binds the next draw."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor

pytestmark = pytest.mark.browser


def test_two_executives_let_a_stage_go_on_in_one_region_only(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    address = serve(house)
    executive = visit(address, "executive")
    page = executive.open("/pilots/points/decision")
    executive.sees("Look 1 of 1: its test is made at 5.00%, of 5.00% for all looks of the stage.")
    rules = page.locator("section", has_text="Why this recommendation").first
    expect(rules).to_contain_text("level 5.00%")
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
    manager.open("/pilots/points/decision")
    manager.sees("The first region is ready.")
    manager.sees("Advance in some regions")
