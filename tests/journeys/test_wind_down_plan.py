"""Wind-down plan: no plan is signed before it says what customers keep, until when, and what that costs."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor

pytestmark = pytest.mark.browser


def test_a_plan_without_a_wind_down_is_refused_and_with_one_shows_the_cost_of_exit(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    page = manager.open("/pilots/draft/edit/wind_down")
    page.get_by_label("What customers hold is honoured until").fill("")
    manager.press("Save and go on")
    manager.sees("say what customers keep when the program ends, and until when. No program is launched without one.")
    expect(page.get_by_role("button", name="Submit for co-signing")).to_have_count(0)

    page.get_by_role("link", name="Mend it").click()
    page.get_by_label("What customers hold is honoured until").fill("2026-03-20")
    manager.press("Save and go on")
    manager.sees("honoured until a day after the last stage, which may run to May 28, 2026")

    page.get_by_role("link", name="Mend it").click()
    page.get_by_label("What customers hold is honoured until").fill("2026-12-31")
    page.get_by_label("Cost of exit").fill("1250.50")
    page.get_by_label("Points", exact=True).select_option("paid_out")
    manager.keep("wind_down_plan")
    manager.press("Save and go on")
    expect(page.get_by_role("button", name="Submit for co-signing")).to_be_visible()
    manager.open("/pilots/draft")
    manager.sees("€1,250.50")
    manager.sees("They are paid out")


def test_an_amendment_takes_the_same_steps_and_voids_the_approvals(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    page = manager.open("/pilots/points/amend/stages")
    page.locator("[name=stage-1-weeks]").fill("8")
    manager.press("Save and go on")
    manager.open("/pilots/points")  # nothing of the plan in force has changed yet
    expect(page.get_by_role("link", name="Go on with the amendment")).to_be_visible()
    manager.open("/pilots/points/amend/review")
    expect(page.locator("ins")).to_have_text(["weeks: 8"])
    manager.press("Give the amendment up", sure=True)
    manager.sees("The amendment is given up.")
    expect(page.get_by_role("link", name="Amend the plan")).to_be_visible()
