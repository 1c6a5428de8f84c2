"""Where does it work? A declared region that differs is told by its test; everything else is exploratory."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pilot.database import Database
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.journeys.conftest import Visitor
from tests.pilot.evidence.small_network import SET_UP_ON, START, SmallNetwork, day_at
from tests.web.house import add_people

pytestmark = pytest.mark.browser

LAST = START + timedelta(days=27)


def test_a_region_that_differs_is_told_by_its_test_and_nothing_is_said_without_one(
    tmp_path: Path, serve: Callable[[Settings], str], visit: Callable[..., Visitor]
) -> None:
    settings = Settings(home=tmp_path / "home", fixed_now=day_at(LAST + timedelta(days=1)), json_logs=False)
    database = Database(settings)
    migrating.upgrade(database)
    (settings.home / "files").mkdir()
    network = SmallNetwork(database, settings.home / "files", n_stores=36, n_regions=3)
    network.running(mechanism={"kind": "complete"}, subgroups=["region:R01"])
    add_people(network)
    treated = network.read(lambda s, p: network.treated_stores(s, p, 1))
    lifted = {store: 60 for place, store in enumerate(network.stores) if place % 3 == 0 and store in treated}
    network.load_receipts(SET_UP_ON, START - timedelta(days=1), {}, day_at(START))
    network.load_receipts(START, LAST, lifted, day_at(LAST + timedelta(days=1)))
    report = network.look().code
    executive = visit(serve(settings), "executive")
    page = executive.open(f"/pilots/points/reports/{report}")
    page.get_by_role("link", name="Where does it work?").click()
    regions = page.locator("#region-1")
    expect(regions).to_contain_text("The effect differs between these groups, which the plan named beforehand")
    rows = {name: regions.get_by_role("row", name=name) for name in ("R01", "R02", "R03")}
    expect(rows["R01"]).to_contain_text("named in the plan")
    expect(rows["R02"]).to_contain_text("exploratory")
    effects = {name: _shares(row.locator("td").nth(0).inner_text()) for name, row in rows.items()}
    shrunk = {name: _shares(row.locator("td").nth(1).inner_text()) for name, row in rows.items()}
    assert 45 < effects["R01"] < 75
    assert abs(effects["R02"]) < 15
    assert effects["R02"] < shrunk["R02"] or effects["R03"] < shrunk["R03"]  # drawn towards the mean of all
    assert shrunk["R01"] < effects["R01"]
    expect(page.locator("#segment-1")).to_contain_text("exploratory")
    expect(page.locator("[data-drawn=yes]")).to_have_count(3)
    executive.keep("where_does_it_work", at="#region-1")


def _shares(cell: str) -> float:
    """The first number of a cell, in per cent."""
    return float(cell.split("%")[0].replace("\N{MINUS SIGN}", "-").replace("+", ""))
