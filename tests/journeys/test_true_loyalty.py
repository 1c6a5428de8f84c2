"""True loyalty: without answers the page says what to import; with them it tells share of wallet and the response."""

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pilot.database import Database
from pilot.imports.model import ImportKind
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.journeys.conftest import Visitor
from tests.pilot.evidence.small_network import START, SmallNetwork, chance, day_at
from tests.web.house import add_people

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
AFTER = START + timedelta(days=28)
CHAPTER = "/pilots/points/reports/points-1-1/chapters/loyalty"


def _running(home: Path) -> SmallNetwork:
    settings = Settings(home=home, fixed_now=day_at(AFTER), json_logs=False)
    database = Database(settings)
    migrating.upgrade(database)
    (home / "files").mkdir()
    network = SmallNetwork(database, home / "files", customers=8).running()
    add_people(network)
    network.run_to(START + timedelta(days=27), lift=0)
    _elsewhere(network)
    return network


def _elsewhere(network: SmallNetwork) -> None:
    """Some also buy in the next store, with a discount on some receipts: by chance, and the same in both arms."""
    rows = []
    for place, store in enumerate(network.stores):
        for customer in network.customers_of(store):
            for number in range(1 + chance("trips", customer) % 3):
                day = START + timedelta(days=chance("day", customer, number) % 28)
                at = datetime.combine(day, time(18, number), UTC).isoformat()
                there = network.stores[(place + 1) % len(network.stores)]
                off = "1.00" if chance("off", customer, number) < 500 else "0"
                rows.append([f"x-{customer}-{number}", there, at, "20.00", off, customer])
    header = ["receipt", "store", "at", "net", "discount", "customer"]
    network.load(ImportKind.RECEIPTS, header, rows, day_at(AFTER) + timedelta(minutes=1))


def _answers(network: SmallNetwork, file: Path) -> None:
    """Everybody in treated stores answers and says twenty points more; in control every second one answers."""
    treated = network.read(lambda s, p: network.treated_stores(s, p, 1))
    asked = (START + timedelta(days=20)).isoformat()
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["customer", "asked_on", "share_of_wallet", "referred", "referral_paid"])
        for store in network.stores:
            for customer in network.customers_of(store):
                if store in treated or chance("answers", customer) < 500:
                    wallet = 30 + chance("wallet", customer) % 10 + (20 if store in treated else 0)
                    writer.writerow([customer, asked, f"{wallet}%", "no", ""])


def _make_the_report(manager: Visitor) -> None:
    manager.open("/pilots/points/stages")
    manager.press("Make the report of stage 1", sure=True)
    manager.sees("Effects against control")
    manager.open(CHAPTER)


def test_answers_that_are_imported_tell_share_of_wallet_and_that_the_arms_answered_unequally(
    tmp_path: Path, serve: Callable[[Settings], str], visit: Visit
) -> None:
    network = _running(tmp_path / "home")
    file = tmp_path / "answers.csv"
    _answers(network, file)
    address = serve(network.database.settings)
    analyst = visit(address, "analyst")
    page = analyst.open("/imports/")
    page.get_by_label("What is in it").select_option(label="Survey answers")
    page.get_by_label("File").set_input_files(file)
    analyst.press("Look at the file")
    analyst.press("Check every row")
    analyst.sees("rows are checked and ready")
    analyst.press("Take the rows in")
    analyst.sees("All rows are in.")
    manager = visit(address, "manager")
    _make_the_report(manager)
    wallet = manager.page.get_by_role("row", name="Share of wallet")
    effect = float(wallet.locator("td").first.inner_text().split("points")[0].replace("+", ""))
    assert abs(effect - 20) < 3
    expect(manager.page.locator(".verdict").first).to_contain_text(re.compile("rose.*Share of wallet"))
    manager.sees("The arms answered unequally: 100.0% of the listed customers")
    expect(manager.page.locator("[data-drawn=yes]")).to_have_count(1)
    manager.keep("true_loyalty")


def test_without_answers_the_page_says_what_to_import(
    tmp_path: Path, serve: Callable[[Settings], str], visit: Visit
) -> None:
    network = _running(tmp_path / "home")
    manager = visit(serve(network.database.settings), "manager", width=390)
    _make_the_report(manager)
    row = manager.page.get_by_role("row", name="Unpaid referrals")
    expect(row).to_contain_text("no listed customer answered this question from Mar 2, 2026 to Mar 29, 2026")
    beyond = manager.page.get_by_role("row", name="Visits beyond the home store")
    expect(beyond).to_contain_text("points")
