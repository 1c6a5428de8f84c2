"""Subsidised share: how much of the rewards went to purchases that control shows would have come anyway."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pilot.database import Database
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.journeys.conftest import Visitor
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at
from tests.web.house import add_people

pytestmark = pytest.mark.browser


def test_a_lift_of_sixty_per_cent_leaves_five_eighths_of_the_rewards_subsidised(
    tmp_path: Path, serve: Callable[[Settings], str], visit: Callable[..., Visitor]
) -> None:
    settings = Settings(home=tmp_path / "home", fixed_now=day_at(START + timedelta(days=42)), json_logs=False)
    database = Database(settings)
    migrating.upgrade(database)
    (settings.home / "files").mkdir()
    network = SmallNetwork(database, settings.home / "files", customers=16)
    stage = {"number": 1, "name": "A few stores", "starts_on": str(START), "weeks": 6, "gate": ["guardrails"]}
    network.running(stages=[stage])
    add_people(network)
    network.run_to(START + timedelta(days=41), lift=60)
    report = network.look().code
    executive = visit(serve(settings), "executive")
    page = executive.open(f"/pilots/points/reports/{report}")
    page.get_by_role("link", name="Subsidised share").click()
    sentence = page.locator(".verdict").first.inner_text()
    share, low, high = _shares(sentence)
    assert low < share < high < 100
    assert abs(share - 62.5) < 8  # 1 / 1.6
    expect(page.locator("[data-drawn=yes]")).to_have_count(2)
    expect(page.get_by_role("row", name=re.compile("^All listed customers"))).to_contain_text("128 / 128")
    assert page.get_by_role("row", name=re.compile(r"^10 ")).locator("td").first.inner_text().strip() != "–"
    executive.sees("in the last weeks (2)")
    executive.sees("what customers do once it has ended is not yet observed")
    executive.keep("subsidised_share")


def _shares(sentence: str) -> tuple[int, int, int]:
    """The share and the ends of its interval, in per cent."""
    found = re.match(r"(\d+)% of the rewards \(95% interval (\d+)% to (\d+)%", sentence)
    assert found, sentence
    share, low, high = map(int, found.groups())
    return share, low, high
