"""The chapter about value: newcomers by variant and channel, their cost, how long they stay, and what is refused."""

from datetime import UTC, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pilot.database import Database
from pilot.evidence.chapters.value import _outside
from pilot.evidence.queries import report
from pilot.imports.model import ImportKind
from tests.builders import ON_SQLITE
from tests.pilot.evidence.small_network import GATE, RECEIPT_HEADER, START, SmallNetwork, day_at

LAST = START + timedelta(days=55)
STAGE = {"number": 1, "name": "Eight weeks", "starts_on": str(START), "weeks": 8, "gate": list(GATE)}


def _newcomers(network: SmallNetwork) -> None:
    """Each treated store: three young who bought in the first week only, two old who came every week; amounts 10.00."""
    treated = network.read(lambda s, p: network.treated_stores(s, p, 1))
    at = day_at(LAST + timedelta(days=1))
    people = [(f"{store}-N{n}", store, "young" if n <= 3 else "old") for store in treated for n in range(1, 6)]
    network.load(ImportKind.CUSTOMERS, ["customer", "home_store", "age"], people, at + timedelta(minutes=1))
    rows = []
    for number, (customer, store, age) in enumerate(people):
        for week in (0,) if age == "young" else range(8):
            for day in (0, 6):
                when = START + timedelta(days=7 * week + day)
                at_till = datetime.combine(when, time(20), UTC).isoformat()
                rows.append([f"{customer}-{when}", store, at_till, "10.00", "9", str(900 + number), "sale", customer])
    network.load(ImportKind.RECEIPTS, RECEIPT_HEADER, rows, at + timedelta(minutes=2))


def _chapters(database: Database, tmp_path: Any, *, come: bool = True, **plan: Any) -> dict[str, dict[str, Any]]:
    files = tmp_path / "files"
    files.mkdir()
    economics = {"margin_share": "0.30", "setup_minor": 80_000}
    network = SmallNetwork(database, files).running(stages=[STAGE], economics=economics, **plan)
    network.run_to(LAST, lift=10)
    if come:
        _newcomers(network)
    frozen = network.look()
    with database.reading() as session:
        return dict(report(session, frozen.code).document.chapters)


def test_who_stays_is_worth_more_than_who_leaves_at_the_same_cost(database: Database, tmp_path: Any) -> None:
    chapters = _chapters(database, tmp_path, segments=["young", "old"])
    found = chapters["value"]["variants"]
    mine = found["points"]
    assert (mine["new_customers"], mine["stores"], found["control"]["new_customers"]) == (40, 8, 0)
    assert (mine["cost_minor"], mine["cost_per_new_minor"]) == (80_000, 2_000.0)
    old, young, others = mine["channels"]
    assert (young["channel"], young["n"], young["left"], young["weeks"]) == ("young", 24, 24, 1.0)
    assert (old["channel"], old["n"], old["left"], old["weeks"]) == ("old", 16, 0, 4.0)
    assert (young["tau_weeks"], old["tau_weeks"]) == (4.0, 4.0)
    assert others["refusal"]["code"] == "few_newcomers"
    # 20.00 a week at 30 % margin: 6.00 for one week of 20.00, and for four weeks.
    assert young["weekly_margin_minor"] == pytest.approx(600.0)
    assert young["value_per_cost"] == pytest.approx(0.3)
    assert old["value_per_cost"] == pytest.approx(1.2)
    assert mine["stay"]["n"] == 40
    _the_cost_of_sales_gained_has_a_range_only_where_the_gain_is_more_than_nothing(chapters)


def _the_cost_of_sales_gained_has_a_range_only_where_the_gain_is_more_than_nothing(
    chapters: dict[str, dict[str, Any]],
) -> None:
    outside = chapters["value"]["variants"]["points"]["outside"]
    row = chapters["swiped"]["variants"]["points"]["rows"]["outside"]
    weeks = 8 * 8
    assert outside["gain_minor"] == row["whole_minor"] == pytest.approx(row["effect_micro"] * weeks / 1e6, abs=1)
    assert outside["low_minor"] == pytest.approx(row["interval"][0] * weeks)
    assert outside["low_minor"] > 0  # forty newcomers bought, and none of them was on the list
    assert outside["cost_per_unit"] == pytest.approx(80_000 / outside["gain_minor"])
    assert outside["interval"] == pytest.approx([80_000 / outside["high_minor"], 80_000 / outside["low_minor"]])


@ON_SQLITE
def test_where_nobody_came_nothing_is_said_of_their_lives(database: Database, tmp_path: Any) -> None:
    found = _chapters(database, tmp_path, come=False)["value"]["variants"]["points"]
    assert (found["new_customers"], found["cost_per_new_minor"]) == (0, None)
    assert found["stay"]["refusal"]["code"] == "few_newcomers"


def test_a_gain_that_may_be_nothing_and_an_unknown_cost_are_refused_by_name() -> None:
    def outside(interval: list[float | None] | None, cost: int | None) -> dict[str, Any]:
        row = {"interval": interval, "whole_minor": 1_000}
        done = {"swiped": {"variants": {"v": {"rows": {"outside": row}, "treated_days": 70}}}}
        return _outside(SimpleNamespace(done=done), "v", cost)  # type: ignore[arg-type] # it reads only what is done

    assert outside([10.0, 100.0], 500)["interval"] == [0.5, 5.0]
    assert outside([10.0, None], 500)["interval"] == [None, 5.0]
    for interval in ([0.0, 100.0], [None, 100.0]):
        assert outside(interval, 500)["refusal"]["code"] == "no_gain_outside_list"
    assert outside([10.0, 100.0], None)["refusal"]["code"] == "cost_unknown"
    assert outside(None, 500)["refusal"]["code"] == "no_account"
