"""The cross-shopping map on a small network: cells counted by hand, small cells held back, the bound, and a refusal."""

from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilot.assignment.queries import assignment_of, draw_of
from pilot.database import Database
from pilot.evidence.queries import report
from tests.builders import ON_SQLITE
from tests.pilot.evidence.shopping_network import ShoppingNetwork
from tests.pilot.evidence.small_network import HISTORY_FROM, START

LAST = START + timedelta(days=27)


def _map(database: Database, tmp_path: Path, **world: int) -> tuple[ShoppingNetwork, dict[str, str], dict[str, Any]]:
    files = tmp_path / "files"
    files.mkdir()
    network = ShoppingNetwork(database, files, **world)
    network.running()
    network.run_to(LAST, lift=0)
    frozen = network.look()
    with database.reading() as session:
        chapters = report(session, frozen.code).document.chapters

    def of_draw(session: Any, pilot: Any) -> dict[str, str]:
        draw = draw_of(session, pilot, 1)
        assert draw is not None
        return dict(assignment_of(session, draw))

    return network, network.read(of_draw), dict(chapters["crossing"])


def test_customers_and_sales_are_counted_once_in_each_cell(database: Database, tmp_path: Path) -> None:
    network, arm_of, found = _map(database, tmp_path, customers=8)
    who: dict[tuple[str, str], set[str]] = defaultdict(set)
    net: dict[tuple[str, str], int] = defaultdict(int)
    for _, store, _, amount, _, _, _, customer in network.receipts(START, LAST, {}):
        if customer:
            cell = arm_of[customer.split("-")[0]], arm_of[store]
            who[cell].add(customer)
            net[cell] += round(float(amount) * 100)
    cells = {(c["home"], c["at"]): c for c in found["cells"] if c["period"] == "window"}
    for cell, customers in who.items():
        assert (cells[cell]["customers"], cells[cell]["net_minor"]) == (len(customers), net[cell])
    assert cells["control", ""]["customers"] == 0  # every store is drawn: there is no elsewhere
    shares = found["variants"]["points"]["window"]
    home = sum(amount for (arm, _), amount in net.items() if arm == "control")
    assert shares["control_share"] == pytest.approx(net["control", "points"] / home)


@ON_SQLITE
def test_the_bound_divides_the_effect_by_home_by_what_was_treated_before(database: Database, tmp_path: Path) -> None:
    network, arm_of, found = _map(database, tmp_path, customers=8)
    mine = found["variants"]["points"]
    spent: dict[str, int] = defaultdict(int)
    reached: dict[str, int] = defaultdict(int)
    for _, store, _, amount, _, _, _, customer in network.receipts(HISTORY_FROM, START - timedelta(days=1), {}):
        if customer:
            arm = arm_of[customer.split("-")[0]]
            spent[arm] += round(float(amount) * 100)
            reached[arm] += round(float(amount) * 100) if arm_of[store] == "points" else 0
    c, e = (reached[arm] / spent[arm] for arm in ("control", "points"))
    assert (mine["before"]["control_share"], mine["before"]["variant_share"]) == pytest.approx((c, e))
    bound = mine["bound"]
    assert bound["undiluted"] == pytest.approx(bound["effect"] / (e - c))
    assert bound["undiluted_interval"] == pytest.approx([end / (e - c) for end in bound["interval"]])
    assert mine["too_much"] is (c > 0.10)


@ON_SQLITE
def test_cells_and_crossings_of_under_five_customers_are_held_back(database: Database, tmp_path: Path) -> None:
    _, _, found = _map(database, tmp_path, customers=2, abroad=4)
    small = [cell for cell in found["cells"] if cell["suppressed"]]
    assert small
    assert all(cell[name] is None for cell in small for name in ("customers", "net_minor", "sales"))
    shown = [cell["customers"] for cell in found["cells"] if not cell["suppressed"]]
    assert all(n == 0 or n >= 5 for n in shown)
    assert found["flows"] == []
    assert found["grid"]["cells"] == []  # two customers a store


@ON_SQLITE
def test_store_by_store_shares_are_of_all_that_a_home_bought(database: Database, tmp_path: Path) -> None:
    network, arm_of, found = _map(database, tmp_path, customers=8)
    net: dict[tuple[str, str], int] = defaultdict(int)
    for _, store, _, amount, _, _, _, customer in network.receipts(START, LAST, {}):
        if customer:
            net[customer.split("-")[0], store] += round(float(amount) * 100)
    grid = found["grid"]
    assert sorted(one["unit"] for one in grid["units"]) == network.stores
    assert [one["variant"] for one in grid["units"]] == ["control"] * 8 + ["points"] * 8
    for cell in grid["cells"]:
        home = sum(amount for (unit, _), amount in net.items() if unit == cell["home"])
        assert cell["net_minor"] == net[cell["home"], cell["at"]]
        assert cell["share"] == pytest.approx(net[cell["home"], cell["at"]] / home)
    assert all(arm_of[flow["home"]] != arm_of[flow["at"]] for flow in found["flows"])
