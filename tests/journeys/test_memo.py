"""Memo: an executive reads effect, money and risks on one page, takes it as a PDF, and decides there."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from pilot.evidence.queries import document_of, latest_report
from pilot.planning.queries import pilot as pilot_by_code
from pilot.settings import Settings
from tests.journeys.conftest import Visitor
from tests.journeys.test_every_page import _look as look
from tests.journeys.test_money import a_pilot_at_its_gate
from tests.journeys.test_real_or_just_swiped import a_report

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]
MEMO = "/pilots/points/reports/points-1-1/memo"


def test_the_memo_has_the_report_s_money_and_takes_the_decision(tmp_path: Path, serve: Serve, visit: Visit) -> None:
    costs = {"communication_minor": 100_000, "setup_minor": 200_000, "store_minor": 5_000}
    network, _report = a_pilot_at_its_gate(tmp_path / "home", margin_share="0.30", **costs)
    address = serve(network.database.settings)
    with network.database.reading() as session:
        frozen = latest_report(session, pilot_by_code(session, "points"), 1)
        assert frozen is not None
        net = document_of(frozen).chapters["money"]["variants"]["points"]["net_minor"]
        known = (frozen.hash, frozen.audit_head)
    executive = visit(address, "executive")
    page = executive.open(MEMO)
    shown = page.locator(".memo-money dd strong").inner_text()
    assert -int(re.sub(r"[^0-9]", "", shown)) == net < 0
    assert shown.startswith("\N{MINUS SIGN}")
    executive.sees("Probability of a loss over 52 weeks:")
    assert look(executive, "executive", MEMO, 1280) == []
    executive.keep("memo")

    pdf = PdfReader(io.BytesIO(executive.page.context.request.get(address + MEMO + ".pdf").body()))
    assert len(pdf.pages) == 1
    said = re.sub(r"\s+", "", pdf.pages[0].extract_text())
    assert re.sub(r"\s+", "", shown) in said
    assert all(one in said for one in known)

    # Its rules do not ask for money, so they recommend to go on: to stop takes two.
    waits, made = "A second executive has to agree before it takes effect.", "The decision is made and recorded."
    for person, told in ((executive, waits), (visit(address, "second"), made)):
        page = person.open(MEMO)
        page.locator("input[name=choice][value=stop]").check()
        page.get_by_label("Reason").fill("It costs more than it brings.")
        person.press("Decide", sure=True)
        person.sees(told)
    executive.open(MEMO)
    expect(executive.page.get_by_text("“It costs more than it brings.”")).to_have_count(2)
    expect(executive.page.get_by_text("(waits for a second person)")).to_have_count(1)
    assert look(visit(address, "auditor", 390), "auditor", MEMO, 390) == []


def test_where_only_identification_rose_the_memo_has_a_red_banner(tmp_path: Path, serve: Serve, visit: Visit) -> None:
    executive = visit(serve(a_report(tmp_path, lift=0, shown=500, shown_more=950)), "executive")
    page = executive.open(MEMO)
    banner = page.locator(".memo-banner")
    assert "Only identification rose" in banner.inner_text()
    assert banner.evaluate("it => getComputedStyle(it).color") == "rgb(127, 29, 29)"
