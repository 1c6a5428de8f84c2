"""The cross-shopping map: an analyst sees who shops where, small cells held back, and what it does to the effect."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.journeys.test_real_or_just_swiped import a_report, a_shopping_network
from tests.pilot.evidence.shopping_network import ShoppingNetwork
from tests.pilot.evidence.small_network import HISTORY_FROM, START

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]
LIFT = 30


def opens_the_map(visitor: Visitor) -> Page:
    visitor.open("/pilots/points/reports/points-1-1")
    visitor.page.get_by_role("link", name="Cross-shopping map").click()
    expect(visitor.page.locator("[data-drawn=yes]")).not_to_have_count(0)
    return visitor.page


def bought(network: ShoppingNetwork, first: date, last: date, *, home: bool, at: bool) -> tuple[Decimal, int]:
    """What customers at home in treated (or control) stores bought in treated (or control) stores, and how many did."""
    treated = network.read(lambda s, p: network.treated_stores(s, p, 1))
    spent, customers = Decimal(0), set()
    for row in network.receipts(first, last, dict.fromkeys(treated, LIFT) if first >= START else {}):
        store, customer = row[1], row[-1]
        if customer and (customer.split("-")[0] in treated) is home and (store in treated) is at:
            spent += Decimal(row[3])
            customers.add(customer)
    return spent, len(customers)


def test_the_map_shows_who_shops_in_both_arms_and_bounds_the_effect(tmp_path: Path, serve: Serve, visit: Visit) -> None:
    network = a_shopping_network(tmp_path, lift=LIFT, customers=8)
    before, window = (HISTORY_FROM, START - timedelta(days=1)), (START, START + timedelta(days=27))
    analyst = visit(serve(network.database.settings), "analyst")
    page = opens_the_map(analyst)

    shares = []
    for home in (False, True):
        there, elsewhere = (bought(network, *before, home=home, at=at)[0] for at in (True, False))
        shares.append(there / (there + elsewhere))
    control, variant = shares
    analyst.sees(f"made {control:.1%} of their purchases in stores that are treated now")
    analyst.sees(f"bought, {variant:.1%} was bought in treated stores")

    rows = page.get_by_role("region", name="In the window, by home store and store visited").locator("tbody tr")
    for row, home in enumerate((False, True)):
        for column, at in enumerate((False, True)):
            spent, customers = bought(network, *window, home=home, at=at)
            net, counted = rows.nth(row).locator("td").nth(column).inner_text().split("\n")
            assert customers >= 5
            assert counted == f"customers: {customers}"
            assert net == f"€{round(spent):,}"

    analyst.sees("the effect of the treatment lies between the two")
    said = page.locator("section", has_text="What that does to the effect").last
    effect, undiluted = (_amount(said.locator("p").nth(paragraph).inner_text()) for paragraph in (0, 1))
    assert effect > 0
    assert float(undiluted / effect) == pytest.approx(float(1 / (variant - control)), rel=1e-3)
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


def _amount(sentence: str) -> Decimal:
    """The first amount of money of a sentence."""
    found = re.search(r"€([\d,]+\.\d\d)", sentence)
    assert found, sentence
    return Decimal(found[1].replace(",", ""))
