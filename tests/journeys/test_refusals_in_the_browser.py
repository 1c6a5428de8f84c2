"""Each role meets a page of words, not data, where something is not theirs; and the menu does not lead there."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Visitor
from tests.web.house import House

pytestmark = pytest.mark.browser

NOT_THEIRS = {
    "manager": ("/people/", "/keys/", "/webhooks/", "/audit/"),
    "colleague": ("/pilots/draft/edit", "/pilots/points/amend", "/programs/card/points/offer"),
    "analyst": ("/pilots/draft/edit", "/people/", "/audit/"),
    "executive": ("/pilots/new", "/imports/", "/people/"),
    "admin": ("/pilots/new", "/pilots/draft/edit", "/programs/new"),
    "auditor": ("/imports/", "/segments/young", "/people/", "/pilots/draft/edit"),
}


@pytest.mark.parametrize("role", NOT_THEIRS)
def test_a_role_is_refused_what_is_not_theirs(
    finished_house: House, serve: Callable[..., str], visit: Callable[..., Visitor], role: str
) -> None:
    visitor = visit(serve(finished_house.settings), role)
    for path in NOT_THEIRS[role]:
        page = visitor.open(path)
        expect(page.get_by_role("heading", name="Not permitted")).to_be_visible()
        assert page.get_by_role("main").locator("table, form").count() == 0
        menu = page.get_by_role("navigation", name="Main")
        assert menu.locator(f'a[href="{path}"]').count() == 0


def test_an_executive_who_owns_nothing_sees_the_decision_and_a_manager_does_not(
    finished_house: House, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    address = serve(finished_house.settings)
    executive = visit(address, "executive").open("/pilots/points/decision")
    expect(executive.get_by_role("button", name="Decide")).to_be_visible()
    manager = visit(address, "manager").open("/pilots/points/decision")
    expect(manager.get_by_text("Nobody decides on their own pilot.")).to_be_visible()
    assert manager.get_by_role("button", name="Decide").count() == 0
