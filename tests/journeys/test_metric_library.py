"""The metric library: read, searched by keyboard and without scripts, and where plan and report lead to."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from pilot.planning.metric_library import ENTRIES
from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.web.house import House

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]


def test_every_metric_can_be_read_and_one_is_found_by_keyboard(
    finished_house: House, serve: Serve, visit: Visit
) -> None:
    manager = visit(serve(finished_house.settings), "manager")
    page = manager.open("/")
    page.get_by_role("link", name="Metrics", exact=True).click()
    expect(page.get_by_role("article")).to_have_count(len(ENTRIES))
    manager.sees(f"Metrics: {len(ENTRIES)}")
    page.get_by_label("Search the metrics").focus()
    page.keyboard.type("wallet")
    page.keyboard.press("Enter")
    manager.sees(f"Metrics found: 1 of {len(ENTRIES)}")
    found = page.get_by_role("article", name="Share of wallet")
    expect(found).to_contain_text("Needs survey answers")
    expect(found).to_contain_text("Owner: Loyalty team")
    page.get_by_label("Search the metrics").fill("nothing has this word")
    page.keyboard.press("Enter")
    manager.sees("No metric has all these words")


def test_plan_and_report_lead_to_the_metric_that_they_name(finished_house: House, serve: Serve, visit: Visit) -> None:
    analyst = visit(serve(finished_house.settings), "analyst")
    page = analyst.open("/pilots/points/reports/points-1-1")
    page.get_by_role("link", name="Average basket", exact=True).first.click()
    assert page.url.endswith("/metric-library/#average_basket")
    page = analyst.open("/pilots/points")
    page.get_by_role("link", name="Store total", exact=True).first.click()
    assert page.url.endswith("/metric-library/#store_total")


def test_the_search_works_without_scripts(finished_house: House, serve: Serve, browser: Browser) -> None:
    address = serve(finished_house.settings)
    context = browser.new_context(java_script_enabled=False, locale="en-US")
    page = context.new_page()
    page.goto(address + "/sign-in")
    page.get_by_label("E-mail address").fill("analyst@example.org")
    page.get_by_label("Password").fill("a long enough sentence")
    page.get_by_role("button", name="Sign in").click()
    page.goto(address + "/metric-library/")
    page.get_by_label("Search the metrics").fill("complaints")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("article")).to_contain_text("it needs records of service checks by shift")
    context.close()
