"""The executive journey, from the sign-in page to the recorded decision, takes at most five clicks."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from pilot.settings import Settings
from tests.web.house import PASSWORD

pytestmark = pytest.mark.browser

# Every press of a pointer on any page of this tab, counted where no page can forget it.
COUNT = """
const add = () => sessionStorage.setItem("presses", 1 + Number(sessionStorage.getItem("presses")));
addEventListener("pointerdown", add, true);
"""


def test_from_sign_in_to_the_decision_in_five_clicks(
    house: Settings, serve: Callable[[Settings], str], browser: Browser
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-US")
    context.add_init_script(COUNT)
    page = context.new_page()
    page.goto(f"{serve(house)}/sign-in")
    page.keyboard.type("executive@example.org")  # the field has the focus already
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Read and advance").click()
    expect(page.get_by_role("heading", name="Memo: Points card")).to_be_visible()
    page.get_by_label("Reason").click()
    page.keyboard.type("The stores sold more, and the guardrail holds.")
    page.get_by_role("button", name="Decide").click()
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_text("recorded").first).to_be_visible()
    expect(page.get_by_text("The stores sold more, and the guardrail holds.").first).to_be_visible()
    presses = int(page.evaluate("sessionStorage.getItem('presses')"))
    context.close()
    assert presses == 5
