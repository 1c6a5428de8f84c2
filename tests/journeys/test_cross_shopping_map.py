"""The cross-shopping map: an analyst sees who shops where, small cells held back, and what it does to the effect."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pilot.database import Database
from pilot.evidence.queries import report
from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.journeys.test_real_or_just_swiped import a_report

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]


def opens_the_map(visitor: Visitor) -> Page:
    visitor.open("/pilots/points/reports/points-1-1")
    visitor.page.get_by_role("link", name="Cross-shopping map").click()
    expect(visitor.page.locator("[data-drawn=yes]")).not_to_have_count(0, timeout=30_000)
    return visitor.page


def test_the_map_shows_who_shops_in_both_arms_and_bounds_the_effect(tmp_path: Path, serve: Serve, visit: Visit) -> None:
    settings = a_report(tmp_path, lift=30, customers=8)
    database = Database(settings)
    with database.reading() as session:
        stored = report(session, "points-1-1").document.chapters["crossing"]
    database.dispose()
    analyst = visit(serve(settings), "analyst")
    page = opens_the_map(analyst)
    shares = stored["variants"]["points"]["before"]
    analyst.sees(f"made {shares['control_share']:.1%} of their purchases in stores that are treated now")
    table = page.get_by_role("region", name="In the window, by home store and store visited")
    cells = {(c["home"], c["at"]): c for c in stored["cells"] if c["period"] == "window"}
    shown = table.locator("tbody tr").nth(0).locator("td").nth(1).inner_text()
    assert int(re.findall(r"customers: (\d+)", shown)[0]) == cells["control", "points"]["customers"] >= 5
    bound = stored["variants"]["points"]["bound"]
    assert bound["undiluted"] == pytest.approx(bound["effect"] / shares["dilution"])
    analyst.sees("the effect of the treatment lies between the two")
    expect(page.locator("[data-drawn=yes]")).to_have_count(2)  # by arm, and store by store
    expect(page.get_by_role("columnheader", name="Bought in: Elsewhere")).to_have_count(0)
    analyst.keep("cross_shopping_map")


def test_cells_of_few_customers_are_held_back_and_no_bound_is_drawn_from_too_little(
    tmp_path: Path, serve: Serve, visit: Visit
) -> None:
    analyst = visit(serve(a_report(tmp_path, lift=0, customers=2, abroad=15)), "analyst")
    page = opens_the_map(analyst)
    expect(page.get_by_text("customers: under 5").first).to_be_visible()
    expect(page.get_by_text(re.compile(r"customers: [1-4]$"))).to_have_count(0)
    analyst.sees("No store of one arm had 5 or more customers from a single store of the other.")
