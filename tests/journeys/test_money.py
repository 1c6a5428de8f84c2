"""Money: what a stage earned after all costs: an account that adds up to what receipts say, and a loss's chance."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from pilot.database import Database
from pilot.governance.signing import accept_unproven, draft_hash
from pilot.imports.model import ImportKind
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.journeys import by_hand
from tests.journeys.conftest import WIDTHS, Visitor
from tests.journeys.test_every_page import _look as look
from tests.pilot.evidence.small_network import RECEIPT_HEADER, START, SmallNetwork, day_at
from tests.web.house import add_people

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]
AFTER = START + timedelta(days=28)
LIFT = 60
REWARD = Decimal("0.50")


@dataclass(slots=True)
class RewardingNetwork(SmallNetwork):
    """The small network whose treated stores give half a euro on every receipt that carries a customer."""

    def load_receipts(self, first: date, last: date, lifted: Mapping[str, int], at: datetime) -> None:
        header = (*RECEIPT_HEADER, "reward")
        self.load(ImportKind.RECEIPTS, header, self.rewarded(first, last, lifted), at)

    def rewarded(self, first: date, last: date, lifted: Mapping[str, int]) -> Iterable[list[str]]:
        """Each receipt with its reward, which is nothing outside treated stores."""
        for receipt in self.receipts(first, last, lifted):
            store, customer = receipt[1], receipt[-1]
            yield [*receipt, str(REWARD if customer and store in lifted else Decimal(0))]

    def by_hand(self) -> tuple[float, float]:
        """What treated stores sold more in the window, and what they gave away for it, as their pairs say."""
        lifted = dict.fromkeys(self.read(lambda s, p: self.treated_stores(s, p, 1)), LIFT)
        before = by_hand.sums(self.receipts(*by_hand.BEFORE, {}), by_hand.net)
        window = list(self.rewarded(*by_hand.WINDOW, lifted))
        extra = by_hand.effect(self, by_hand.sums(window, by_hand.net), before)
        given = by_hand.effect(self, by_hand.sums(window, lambda row: Decimal(row[-1])), before)
        return extra * len(lifted), given * len(lifted)


def a_pilot_at_its_gate(home: Path, **economics: Any) -> tuple[RewardingNetwork, str]:
    """Eight stores of sixteen with a card for four weeks, 60 per cent more sales in them, and their report."""
    settings = Settings(home=home, fixed_now=day_at(AFTER), json_logs=False)
    database = Database(settings)
    migrating.upgrade(database)
    (home / "files").mkdir()
    network = RewardingNetwork(database, home / "files")
    network.set_up()
    network.draft(economics=economics)
    if "margin_share" not in economics:
        _accepts_that_nothing_is_proven(network)
    network.submit()
    network.sign()
    network.draw_and_start()
    add_people(network)
    network.run_to(START + timedelta(days=27), lift=LIFT)
    return network, network.look().code


def _accepts_that_nothing_is_proven(network: SmallNetwork) -> None:
    """Where no margin is known nothing can be held against the break-even: an executive has to accept that."""
    read, now = network.read(draft_hash), day_at(START - timedelta(days=4))
    executive = network.person("executive")
    network.act(lambda s, p: accept_unproven(s, p, plan_hash=read, reason="We learn anyway.", actor=executive, now=now))


def _amount(visitor: Visitor, row: str) -> int:
    """The whole amount in the account's row, in the currency's units."""
    cell = visitor.page.get_by_role("row", name=row).first.get_by_role("cell").last
    text = cell.inner_text().replace("€", "").replace(",", "").replace("\N{MINUS SIGN}", "-")
    return int(text)


def test_a_stage_that_sold_more_and_lost_money_says_so_and_its_account_adds_up(
    tmp_path: Path, serve: Serve, visit: Visit
) -> None:
    costs = {"communication_minor": 100_000, "setup_minor": 200_000, "store_minor": 5_000}
    network, report = a_pilot_at_its_gate(tmp_path / "home", margin_share="0.30", **costs)
    executive = visit(serve(network.database.settings), "executive")
    executive.open(f"/pilots/points/reports/{report}")
    executive.page.get_by_role("link", name="Money", exact=True).click()
    executive.sees("after all costs")
    expect(executive.page.locator("[data-drawn=yes]")).to_have_count(1)
    executive.keep("money")
    rows = ("Extra margin", "Rewards paid", "Communication", "Set-up", "Set-up in stores")
    amounts = [_amount(executive, row) for row in rows]
    extra, given = network.by_hand()
    assert amounts[:2] == [round(0.30 * extra), -round(given)]
    assert amounts[2:] == [-1_000, -2_000, -8 * 50]
    assert abs(sum(amounts) - _amount(executive, "Net")) <= 2  # each is rounded to whole units on the page
    assert _amount(executive, "Net") < 0
    executive.sees("Points card lost")
    for prior in ("given the sceptical prior", "given the neutral prior"):
        expect(executive.page.get_by_role("row", name=prior)).to_contain_text("%")
    executive.sees("30.0% of net sales before rewards: an assumption of the plan")
    for width in WIDTHS:
        executive.page.set_viewport_size({"width": width, "height": 900})
        for chapter in ("money", "value"):
            path = f"/pilots/points/reports/{report}/chapters/{chapter}"
            assert look(executive, "executive", path, width) == []


def test_money_without_a_margin_is_refused_with_the_reason(tmp_path: Path, serve: Serve, visit: Visit) -> None:
    network, report = a_pilot_at_its_gate(tmp_path / "home", setup_minor=100)
    executive = visit(serve(network.database.settings), "executive", width=390)
    executive.open(f"/pilots/points/reports/{report}/chapters/money")
    executive.sees("the plan states no margin: money cannot be judged")
