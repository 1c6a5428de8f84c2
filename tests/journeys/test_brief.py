"""Brief: an objective proposes what is measured, with its reasons; the person may change it and come back to it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor

pytestmark = pytest.mark.browser


def test_the_objective_proposes_what_is_measured_and_says_why(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    page = manager.open("/pilots/new")
    page.get_by_label("Name", exact=True).fill("Win the north")
    page.get_by_label("Win new customers").check()
    page.get_by_label("Hypothesis").fill("A card brings people who never came.")
    page.get_by_label("Program").select_option("card")
    page.get_by_label("Mechanic").select_option("personal_card")
    manager.press("Go on to the plan")

    expect(page.get_by_role("heading", name="Brief")).to_be_visible()
    expect(page.get_by_label("Primary metric")).to_have_value("sales_outside_list")
    expect(page.get_by_label("Role of Store total")).to_have_value("secondary")
    expect(page.get_by_label("The gate rests on")).to_have_value("store_totals")
    manager.sees("New customers spend outside the list; listed ones who show the card more only lower it")
    manager.keep("brief", at="text=All metrics with their definitions")

    page.get_by_label("Keep the customers we have").check()
    manager.press("Fill in what the chosen objective proposes")
    expect(page.get_by_label("Primary metric")).to_have_value("store_total")
    expect(page.get_by_label("Role of Retention, days 31 to 60")).to_have_value("secondary")

    page.get_by_label("Role of Retention, days 31 to 60").select_option("")
    manager.press("Save and go on")
    expect(page.get_by_role("heading", name="Stores", exact=True)).to_be_visible()
    manager.press("Save and go back")
    expect(page.get_by_label("Role of Retention, days 31 to 60")).to_have_value("")


def test_a_rival_must_be_named_before_a_pilot_defends_against_it(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    page = manager.open("/pilots/draft/edit/brief")
    page.get_by_label("Defend against a rival").check()
    manager.press("Save and go on")
    manager.open("/pilots/draft/edit/review")
    manager.sees("name them: they are declared before the start, not chosen afterwards")
    page.get_by_role("link", name="Mend it").first.click()
    manager.picks("Stores near the rival", ["S25", "S26"])
    manager.press("Save and go on")
    manager.open("/pilots/draft/edit/review")
    manager.sees("stage 1 also takes S27, S28, S29, S30, S31, S32; it is for the stores near the rival")


def test_a_new_program_is_made_with_the_mechanic_of_the_brief(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    page = manager.open("/pilots/new")
    page.get_by_label("Name", exact=True).fill("Tiers for regulars")
    page.get_by_label("Hypothesis").fill("A tier to lose keeps people.")
    page.get_by_label("Program").select_option("card")
    page.get_by_label("Mechanic").select_option("tier_card")
    manager.press("Go on to the plan")
    manager.sees("Program “Card” gives no")
    page.get_by_label("Program").select_option("new")
    page.get_by_label("What the new one is called").fill("Three tiers")
    manager.press("Go on to the plan")
    manager.sees("no offer yet")
    page.get_by_role("link", name="the terms of its offer").click()
    expect(page.get_by_role("heading").first).to_be_visible()
