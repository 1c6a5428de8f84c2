"""Policy as data: an administrator wants two approvals, the dry run says whom, and one executive is not enough."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.web.house import GATE_DAY

pytestmark = pytest.mark.browser


def test_who_must_approve_is_data_that_an_administrator_edits(
    house: Settings, serve: Callable[..., str], visit: Callable[..., Visitor]
) -> None:
    address = serve(house)
    admin = visit(address, "admin")
    page = admin.open("/policy/")
    page.get_by_text("Change the policy").first.click()
    page.get_by_label("Executives who approve, row 6").fill("1")
    page.get_by_label("Reason").fill("Faster.")
    admin.press("Change the policy", sure=True)
    admin.sees("going to the whole network takes two executives")

    page = admin.open("/policy/")
    page.get_by_text("Change the policy").first.click()
    page.get_by_label("Executives who approve, row 4").fill("2")
    page.get_by_label("Reason").fill("Regions want more eyes.")
    admin.press("Change the policy", sure=True)
    admin.sees("The policy is changed.")
    page.get_by_label("Person", exact=True).select_option(label="A executive")
    page.get_by_label("Deputy", exact=True).select_option(label="A colleague")
    page.get_by_label("Until").fill(str(GATE_DAY + timedelta(days=20)))
    admin.press("Appoint the deputy", sure=True)
    admin.sees("The deputy is appointed.")
    page.get_by_label("A pilot").select_option("submitted")
    admin.press("Ask for this pilot")
    admin.sees("Analysts who co-sign: 1. Executives who approve: 2. Executives who decide at the gate: 1.")
    admin.sees("for A executive")
    admin.keep("policy_as_data", at="#answer")

    analyst = visit(address, "analyst")
    analyst.open("/pilots/submitted")
    analyst.press("Co-sign the plan", sure=True)
    analyst.sees("You have co-signed the plan. An executive approves it next.")
    deputy = visit(address, "colleague")
    deputy.open("/pilots/submitted")
    deputy.sees("You sign in the place of A executive.")
    deputy.sees("Executives who still have to approve: 2.")
    deputy.press("Approve the plan", sure=True)
    deputy.sees("It is sealed when everybody who is needed has.")

    replaced = visit(address, "executive").open("/pilots/submitted")
    expect(replaced.get_by_role("button", name="Approve and seal")).to_have_count(0)
    second = visit(address, "second")
    second.open("/pilots/submitted")
    second.press("Approve and seal", sure=True)
    second.sees("The plan is sealed.")
    second.sees("for A executive")
