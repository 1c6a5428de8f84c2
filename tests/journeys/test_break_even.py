"""Break-even: before anything starts, an offer's page says by how much sales must rise to pay for it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.web.house import House

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]


def test_five_per_cent_off_at_a_margin_of_thirty_needs_twenty_per_cent_more_sales(
    house: Settings, serve: Serve, visit: Visit
) -> None:
    manager = visit(serve(house), "manager")
    manager.open("/programs/card")
    manager.page.get_by_role("link", name="What must it bring?").click()
    manager.sees("State the margin, and see how many more sales would pay for this offer.")
    manager.page.get_by_label("Profit margin (%)").fill("30")
    manager.press("Reckon")
    manager.sees("Needs +20% more sales to pay for itself.")
    manager.sees("the store total shows this as a change of 14%")
    manager.keep("break_even")
    by_margin = manager.page.get_by_role("row", name="20%", exact=False).first
    expect(by_margin).to_contain_text("+33.3%")  # 5 % off at a margin of 20 %

    manager.page.get_by_label("Share of sales under the offer (%)").fill("40")
    manager.press("Reckon")
    manager.sees("Needs +8% more sales to pay for itself.")
    manager.sees("That is +20% of the sales that are under the offer.")


def test_a_margin_that_does_not_cover_the_reward_is_refused_with_what_would_do(
    finished_house: House, serve: Serve, visit: Visit
) -> None:
    manager = visit(serve(finished_house.settings), "manager", width=390)
    manager.open("/programs/card/offers/card.points.all/break-even?margin=5")
    manager.sees("every further sale loses money, so no lift pays for it; lower the reward")
    manager.open("/programs/card/offers/card.points.all/break-even?margin=many")
    manager.sees("“Profit margin (%)” cannot be read")
