"""The chapter "real or just swiped" on a small network: the account, the banner, what moved, and what is refused."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilot.database import Database
from pilot.evidence.queries import ReportView, report
from pilot.outcomes.days.service import Days
from tests.builders import ON_SQLITE
from tests.pilot.evidence.shopping_network import ShoppingNetwork
from tests.pilot.evidence.small_network import START
from tests.pilot.evidence.test_looks import compute

PARTS = ("total", "listed", "outside")


def _report(database: Database, tmp_path: Path, *, lift: int, plan: dict[str, Any] | None = None,
            **world: int) -> ReportView:  # fmt: skip
    files = tmp_path / "files"
    files.mkdir()
    network = ShoppingNetwork(database, files, **world)
    network.running(**(plan or {}))
    network.run_to(START + timedelta(days=27), lift=lift)
    frozen = network.look()
    with database.reading() as session:
        return report(session, frozen.code)


def test_a_card_that_is_merely_shown_more_raises_the_banner(database: Database, tmp_path: Path) -> None:
    view = _report(database, tmp_path, lift=0, shown=500, shown_more=950)
    chapter = view.document.chapters["swiped"]
    mine = chapter["variants"]["points"]
    total, listed, outside = (mine["rows"][part] for part in PARTS)
    assert chapter["only_identification"] is True
    assert mine["only_identification"] is True
    assert mine["card_showing"] == "shown"
    assert total["interval"][0] <= 0 <= total["interval"][1]
    assert listed["interval"][0] > 0
    assert outside["interval"][1] < 0
    assert mine["identification"]["moved"]
    assert total["effect_micro"] == listed["effect_micro"] + outside["effect_micro"]
    assert total["whole_minor"] == listed["whole_minor"] + outside["whole_minor"]


@ON_SQLITE
def test_a_real_lift_has_no_banner_and_the_first_row_is_that_of_the_report(database: Database, tmp_path: Path) -> None:
    view = _report(database, tmp_path, lift=40)
    mine = view.document.chapters["swiped"]["variants"]["points"]
    row = next(r for r in view.document.analysis.rows if r.metric == "store_total" and r.segment is None)
    assert row.estimate is not None
    assert (mine["only_identification"], mine["card_showing"]) == (False, None)
    total = mine["rows"]["total"]
    assert total["effect_micro"] / 1e6 == pytest.approx(row.estimate.effect, abs=1e-6)
    assert total["interval"] == list(row.estimate.interval)
    assert total["interval_gate"] == list(row.interval_gate or ())
    assert mine["treated_days"] == 8 * 28
    assert total["whole_minor"] == pytest.approx(total["effect_micro"] / 1e6 * 32, abs=1)
    assert mine["moved"]["n_units"] == 16


@ON_SQLITE
def test_a_pilot_to_win_customers_is_led_by_sales_outside_the_list(database: Database, tmp_path: Path) -> None:
    plan = {"objective": "win", "primary": "sales_outside_list", "secondary": ["store_total", "full_price_share"]}
    view = _report(database, tmp_path, lift=60, plan=plan)
    rows = {row.metric: row for row in view.document.analysis.rows if row.segment is None}
    leading = rows["sales_outside_list"]
    assert (leading.leads, rows["store_total"].leads) == (True, False)
    outside = view.document.chapters["swiped"]["variants"]["points"]["rows"]["outside"]
    assert leading.estimate is not None
    # The account's row has the store total before as covariate, the metric its own past: near, not the same.
    assert leading.estimate.effect == pytest.approx(outside["effect_micro"] / 1e6, rel=0.25)
    assert view.document.series_metric == "sales_outside_list"
    assert {point.variant for point in view.document.series} == {"control", "points"}
    share = rows["full_price_share"]  # nobody gets a discount: every store has the same share
    assert share.refusal is not None
    assert share.refusal.code == "no_variation"


def test_it_is_the_same_from_days_from_kept_sums_and_from_receipts(sqlite_database: Database, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    network = ShoppingNetwork(sqlite_database, files)
    network.running(objective="win", primary="sales_outside_list", secondary=["full_price_share", "purchase_frequency"])
    network.run_to(START + timedelta(days=27), lift=20)
    days = Days(network.lake)
    days.rebuild()
    assert days.day_facts(network.lake.version()) is not None
    from_days, from_kept_sums = compute(network).text(), compute(network).text()
    days.drop()
    assert compute(network).text() == from_days == from_kept_sums


@ON_SQLITE
def test_where_customers_are_drawn_there_is_no_account(database: Database, tmp_path: Path) -> None:
    plan = {
        "unit": "customer", "leads": "customers", "primary": "purchase_frequency", "secondary": [], "guardrails": [],
        "mechanism": {"kind": "complete"}, "identification_note": "Everybody shows the card already.",
    }  # fmt: skip
    view = _report(database, tmp_path, lift=0, plan=plan)
    for chapter in ("swiped", "crossing"):
        assert view.document.chapters[chapter]["refusal"]["code"] == "stores_have_no_variant"
