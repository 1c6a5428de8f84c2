"""Seal and amend: analyst and executive sign; an amendment is a difference in words with a reason, and voids both."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]
PLAN = "/pilots/points"


def test_an_amendment_is_shown_in_words_voids_the_approvals_and_is_signed_again(
    house: Settings, serve: Serve, visit: Visit
) -> None:
    address = serve(house)
    manager = visit(address, "manager")
    page = manager.open(PLAN)
    seal = page.locator("dt:text-is('Seal (plan hash)') + dd").inner_text()
    assert len(seal) == 64
    assert page.locator(".badge", has_text="void").count() == 0

    manager.open(f"{PLAN}/amend/stages")
    page.locator("[name=stage-1-weeks]").fill("6")
    page.locator("[name=stage-1-name]").fill("The whole network, longer")
    manager.press("Save and go on")
    manager.open(f"{PLAN}/amend/review")
    page.get_by_label("Why is the plan changed?").fill("Four weeks are too short for the slower shoppers.")
    manager.press("Submit the amendment", sure=True)
    manager.sees("The amendment waits for its signatures.")

    changes = page.get_by_role("region", name="Changes")
    words = [row.inner_text().split("\t") for row in changes.locator("tbody tr").all()]
    assert words == [
        ["Stage 2: name", "The whole network", "The whole network, longer"],
        ["Stage 2: length", "weeks: 4", "weeks: 6"],
    ]
    manager.sees("Reason: Four weeks are too short for the slower shoppers.")
    versions = page.get_by_role("region", name="Versions").locator("tbody tr")
    expect(versions).to_have_count(2)
    expect(versions.nth(0)).to_contain_text("None yet")
    expect(versions.nth(1).locator(".badge", has_text="void")).to_have_count(2)
    manager.keep("seal_and_amend", at="text=What the amendment changes")
    manager.sees("Waiting for the analyst")

    signers = [("analyst", "Co-sign the plan"), ("executive", "Approve the plan"), ("second", "Approve and seal")]
    for name, button in signers:
        person = visit(address, name)
        shown = person.open(PLAN)
        assert "weeks: 6" in shown.get_by_role("region", name="Changes").inner_text()
        person.press(button, sure=True)
        expect(shown.locator(".alert-success")).to_be_visible()
    manager.open(PLAN)
    new_seal = page.locator("dt:text-is('Seal (plan hash)') + dd").inner_text()
    assert len(new_seal) == 64
    assert new_seal != seal
    expect(page.get_by_role("region", name="Changes")).to_have_count(0)


def test_a_change_of_a_started_stage_is_refused(house: Settings, serve: Serve, visit: Visit) -> None:
    manager = visit(serve(house), "manager")
    page = manager.open(f"{PLAN}/amend/brief")
    page.get_by_label("Hypothesis").fill("Something else.")
    manager.press("Save")
    manager.open(f"{PLAN}/amend/review")
    page.get_by_label("Why is the plan changed?").fill("We know better now.")
    manager.press("Submit the amendment", sure=True)
    manager.sees("Stage 1 has started")


def test_what_is_computed_outside_the_plan_is_stamped(house: Settings, serve: Serve, visit: Visit) -> None:
    analyst = visit(serve(house), "analyst")
    analyst.open(f"{PLAN}/stages")
    analyst.press("Explore stage 1")
    expect(analyst.page).to_have_url(re.compile("/reports/points-1-2$"), timeout=60_000)
    analyst.sees("exploratory: not frozen, and no decision can rest on it")
    rows = analyst.page.locator("table.effects").first.locator("tbody")
    stamped = rows.locator(".stamp.is-blocking", has_text="Exploratory: no decision can rest on it")
    assert stamped.count() == rows.count() > 1
