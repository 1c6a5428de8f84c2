"""Inbox: what waits for me, since when and for how much money, read on a phone, one button to the decision."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.journeys.test_every_page import _look as look
from tests.journeys.test_money import a_pilot_at_its_gate
from tests.pilot.evidence.small_network import HISTORY_FROM, SET_UP_ON
from tests.web.house import House

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]


def test_a_decision_waits_with_its_sentence_money_and_range_on_a_phone(
    tmp_path: Path, serve: Serve, visit: Visit
) -> None:
    network, report = a_pilot_at_its_gate(tmp_path / "home", margin_share="0.30", setup_minor=200_000)
    executive = visit(serve(network.database.settings), "executive", 390)
    inbox = executive.page.locator(".inbox")
    text = inbox.inner_text()
    assert "Decide on the report on stage 1" in text
    assert "raised the store total by" in text
    assert "since Mar 30, 2026" in text
    money = re.search(r"Net of all costs: ([+\N{MINUS SIGN}]€[\d,.]+) \(([+\N{MINUS SIGN}]€[\d,.]+) to", text)
    assert money
    net, low = (float(re.sub(r"[^0-9.]", "", one)) * (1 if one[0] == "+" else -1) for one in money.groups())
    assert low < net
    assert look(executive, "executive", "/", 390) == []
    executive.keep("inbox")
    buttons = inbox.get_by_role("link")
    expect(buttons).to_have_count(1)
    recommended = inbox.locator(".badge").inner_text()
    buttons.click()
    assert f"/reports/{report}/memo" in executive.page.url
    assert executive.page.locator(".memo-money dd strong").inner_text() == money[1]
    assert {"Advance": "approve", "Extend": "extend", "Stop": "stop"}[recommended] == executive.page.locator(
        "input[name=choice]:checked"
    ).get_attribute("value")


def test_a_plan_waits_for_its_signature_with_the_money_at_risk(
    finished_house: House, serve: Serve, visit: Visit
) -> None:
    analyst = visit(serve(finished_house.settings), "analyst", 390)
    text = analyst.page.locator(".inbox").inner_text()
    at_risk = re.search(r"At risk, if it brings nothing: €([\d,]+)", text)
    assert at_risk
    # Half of the stores give 5 % of what they sell away for four weeks, by what all sold up to the day of submission.
    network, days = finished_house.network, (SET_UP_ON - HISTORY_FROM).days
    sold = sum(Decimal(row[3]) for row in network.receipts(HISTORY_FROM, SET_UP_ON - timedelta(days=1), {}))
    by_hand = sold / days * 7 / 2 * 4 * Decimal("0.05")
    assert abs(int(at_risk[1].replace(",", "")) - by_hand) <= 1
    analyst.page.get_by_role("link", name="Read and co-sign").click()
    analyst.sees("Your co-signature")


def test_an_empty_inbox_says_what_will_come(finished_house: House, serve: Serve, visit: Visit) -> None:
    auditor = visit(serve(finished_house.settings), "auditor", 390)
    auditor.sees("Nothing waits for you")
    auditor.sees("come here by themselves")
