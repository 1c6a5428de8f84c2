"""Calendar: events are kept by people, a stage in a blackout is refused, the rest is warned about and marked."""

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from playwright.sync_api import expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.pilot.evidence.small_network import START
from tests.web.house import LATER

pytestmark = pytest.mark.browser

IN_STAGE, IN_DRAFT = START + timedelta(days=7), LATER + timedelta(days=7)  # days of the stages of two pilots


def test_a_stage_in_a_blackout_is_refused_until_the_blackout_is_gone(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    _adds(manager, "blackout", "The books are counted")
    manager.open("/pilots/draft")
    manager.sees("nothing is tried in any of its stores (“The books are counted”)")
    manager.press("Submit for co-signing", sure=True)
    manager.sees("Stage 1 runs from May 1, 2026 to May 28, 2026, and from May 8, 2026 to May 9, 2026")
    expect(manager.page.locator("#problem")).to_contain_text("Move the stage.")

    page = manager.open(f"/calendar/?from={LATER}")
    manager.keep("calendar")
    expect(page.locator("td.is-blackout")).to_have_count(1)
    manager.press("Remove", sure=True)
    manager.sees("The event is removed.")
    manager.open("/pilots/draft")
    expect(manager.page.get_by_text("The books are counted")).to_have_count(0)


def test_a_blackout_of_some_stores_keeps_exactly_them_out(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    _adds(manager, "blackout", "New floor", "S25", "S26")
    manager.open("/pilots/draft/edit/stores")
    manager.sees("Can be drawn: 6")
    manager.sees("he calendar has a blackout there: 2")


def test_an_event_is_warned_about_and_marked_on_the_chart_over_time(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    _adds(manager, "holiday", "Women's day", on=IN_STAGE)
    _adds(manager, "holiday", "Europe day")
    manager.open("/pilots/draft")
    manager.sees("“Europe day” (May 8, 2026 to May 9, 2026) lies in the window.")
    page = manager.open("/pilots/points/reports/points-1-1")
    expect(page.locator("[data-drawn=yes] svg").get_by_text("Women's day")).to_have_count(1)
    page.get_by_text("The numbers behind the chart").first.click()
    manager.sees("Women's day: Mar 9, 2026")


def test_an_event_that_ends_before_it_begins_is_refused_and_what_was_typed_stays(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    page = manager.open("/calendar/new")
    page.get_by_label("Name").fill("Backwards")
    page.get_by_label("First day").fill("2026-03-09")
    page.get_by_label("Last day").fill("2026-03-01")
    manager.press("Save the event")
    manager.sees("“Backwards” ends on Mar 1, 2026, before it begins on Mar 9, 2026.")
    expect(page.get_by_label("Name")).to_have_value("Backwards")


def _adds(manager: Visitor, kind: str, name: str, *places: str, on: date = IN_DRAFT) -> None:
    page = manager.open("/calendar/new")
    page.get_by_label("Kind").select_option(kind)
    page.get_by_label("Name").fill(name)
    page.get_by_label("First day").fill(on.isoformat())
    page.get_by_label("Last day").fill((on + timedelta(days=1)).isoformat())
    if places:
        where = page.get_by_role("group", name="Where")
        where.get_by_text("None chosen", exact=True).click()
        for place in places:
            where.get_by_role("checkbox", name=place).check()
    manager.press("Save the event")
    manager.sees("The event is in the calendar.")


def test_a_blackout_over_a_sealed_stage_says_whom_it_meets_and_leads_there(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    manager = visit(serve(house), "manager")
    page = manager.open("/calendar/new")
    page.get_by_label("Kind").select_option("blackout")
    page.get_by_label("Name").fill("All at once")
    page.get_by_label("First day").fill("2026-01-01")
    page.get_by_label("Last day").fill("2027-12-31")
    manager.press("Save the event")
    manager.sees("sealed stage")
    hit = page.locator(".list-group-item .alert-warning").first
    expect(hit).to_contain_text("stage 1")
    hit.get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/pilots/[a-z-]+$"))
