"""A pilot from the manager's brief to two executives' decision, each at their own browser; then the log verifies."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pilot.access.model import User
from pilot.database import Database
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.journeys.conftest import Visitor, on
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at
from tests.web.house import add_people

pytestmark = pytest.mark.browser

BEFORE = START - timedelta(days=3)
AFTER = START + timedelta(days=28)
Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]


@pytest.fixture
def network(tmp_path: Path) -> SmallNetwork:
    """Stores, customers and their past; no program and no pilot of the journey's own yet."""
    settings = Settings(home=tmp_path / "home", fixed_now=day_at(BEFORE), json_logs=False)
    database = Database(settings)
    migrating.upgrade(database)
    files = settings.home / "files"
    files.mkdir()
    found = SmallNetwork(database, files, n_stores=16).set_up()
    add_people(found)
    return found


def test_a_pilot_from_the_brief_to_the_decision(network: SmallNetwork, serve: Serve, visit: Visit) -> None:
    settings = network.database.settings
    before = serve(settings)
    manager = visit(before, "manager")
    _writes_a_brief(manager)
    _plans(manager)
    manager.press("Submit for co-signing", sure=True)
    manager.sees("The plan is submitted. An analyst co-signs it next.")

    analyst = visit(before, "analyst")
    analyst.page.get_by_role("link", name="Read and co-sign").click()
    analyst.sees("What could it see?")
    analyst.sees("A true effect smaller than this will probably not be seen.")
    analyst.press("Co-sign the plan", sure=True)
    analyst.sees("You have co-signed the plan.")

    executive = visit(before, "executive")
    executive.page.get_by_role("link", name="Read and approve").click()
    executive.press("Approve and seal", sure=True)
    executive.sees("The plan is sealed.")

    manager.open("/pilots/points-card-in-all-stores/stages")
    manager.press("Draw stage 1", sure=True)
    manager.sees("The stage is drawn and the ledger is written.")
    manager.sees("Ledger hash")
    manager.page.get_by_role("link", name="Stages").click()
    manager.press("Give stage 1 its go-ahead", sure=True)
    manager.sees("The window is open until")

    network.people["admin"] = _again(network, "admin")
    network.run_to(START + timedelta(days=27), code="points-card-in-all-stores")
    after = serve(on(settings, AFTER + timedelta(days=1)))
    manager = visit(after, "manager")
    manager.page.get_by_role("link", name="Make the report").click()
    manager.press("Make the report of stage 1", sure=True)
    manager.sees("raised the store total by")
    manager.sees("Advance")
    expect(manager.page.locator("[data-drawn=yes]")).to_have_count(3)

    for name in ("executive", "second"):
        person = visit(after, name)
        person.page.get_by_role("link", name="Read and advance").click()
        person.page.get_by_label("Advance", exact=False).first.check()
        person.page.get_by_label("Reason").fill("The stores earn more with it.")
        person.press("Decide", sure=True)
        person.sees("recorded")
    manager.open("/pilots/points-card-in-all-stores")
    manager.sees("Rolled out")

    auditor = visit(after, "auditor")
    auditor.open("/audit/")
    auditor.press("Verify the log")
    auditor.sees("The log is whole.")


def _writes_a_brief(manager: Visitor) -> None:
    manager.open("/pilots/new")
    manager.page.get_by_label("Name", exact=True).fill("Points card in all stores")
    manager.page.get_by_label("Program", exact=True).select_option("card")
    manager.page.get_by_label("Hypothesis").fill("A points card brings listed customers back more often.")
    manager.press("Go on to the plan")


def _plans(manager: Visitor) -> None:
    page = manager.page
    page.get_by_label("Weeks before the start to compare with").fill("4")
    page.get_by_label("Weeks that decide a customer's home store").fill("4")
    expect(page.get_by_label("Role of Full-price share")).to_have_value("")  # no receipt here says what had a discount
    manager.press("Save and go on")
    expect(page.get_by_role("heading", name="Stores", exact=True)).to_be_visible()
    manager.press("Save and go on")
    page.get_by_label("Profit margin").fill("6")
    manager.press("Save and go on")
    page.locator("[name=stage-0-name]").fill("All stores in pairs")
    page.locator("[name=stage-0-starts_on]").fill(START.isoformat())
    page.locator("[name=stage-0-weeks]").fill("4")
    page.locator("[name=stage-0-gate][value=money]").uncheck()  # this gate asks about sales alone
    manager.press("Save and go on")
    expect(page.get_by_role("heading", name="Design", exact=True)).to_be_visible()
    manager.press("Save and go on")
    page.get_by_label("What customers hold is honoured until").fill("2027-01-31")
    manager.press("Save and go on")


def _again(network: SmallNetwork, name: str) -> User:
    with network.database.reading() as session:
        found = session.query(User).filter(User.email == f"{name}@example.org").one()
        session.expunge_all()
    return found
