"""Regions, customers and segments: each is compared on the units of its own draw, and nobody who came later enters."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.look.report import Stamp
from pilot.assignment.queries import assignment_of, draw_of
from pilot.database import Database
from pilot.evidence.document import ReportDocument
from pilot.evidence.service import compute_report
from pilot.imports.model import ImportKind
from pilot.network.model import Customer
from pilot.planning.model import Pilot
from pilot.programs.queries import program
from pilot.programs.service import set_offer
from tests.pilot.evidence.small_network import RECEIPT_HEADER, START, SmallNetwork, chance, day_at
from tests.pilot.evidence.snapshots import END, Point, installation

CUSTOMERS_LEAD = {
    "unit": "customer",
    "leads": "customers",
    "primary": "purchase_frequency",
    "secondary": ["spend_per_customer"],
    "guardrails": [],
    "mechanism": {"kind": "stratified"},
    "applies_by": "home",
}
AFTER = END + timedelta(days=1)


def compute(network: SmallNetwork) -> ReportDocument:
    return network.read(lambda s, p: compute_report(s, p, 1, lake=network.lake, now=day_at(AFTER)))


def test_regions_are_compared_as_regions(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path, n_stores=24, customers=2, n_regions=12)
    network.running(unit="region")
    network.run_to(END)
    document = compute(network)
    row = document.analysis.row("store_total", "points")
    assert row.estimate is not None
    assert (document.analysis.unit, row.estimate.n_units) == ("region", 12)
    assert row.estimate.effect > 0
    assert {m["n"] for m in document.moments["store_total"]} == {2 * 28}


@pytest.mark.parametrize("kind", ["stratified", "complete", "bernoulli_hash"])
def test_customers_are_compared_as_customers_and_stamped(sqlite_database: Database, tmp_path: Path, kind: str) -> None:
    network = SmallNetwork(sqlite_database, tmp_path).running(**CUSTOMERS_LEAD | {"mechanism": {"kind": kind}})
    network.run_to(END)
    document = compute(network)
    row = document.analysis.row("purchase_frequency", "points")
    assert row.estimate is not None
    assert row.estimate.n_units == 64
    assert row.leads
    assert Stamp.MAY_BE_IDENTIFICATION in row.stamps
    assert document.recommendation.choice.value == "stop"
    assert {point.n_units for point in document.series} <= set(range(1, 65))


def test_a_stated_reason_lifts_the_stamp_of_assigned_customers(sqlite_database: Database, tmp_path: Path) -> None:
    note = "The till reads every shopper's card in both variants."
    network = SmallNetwork(sqlite_database, tmp_path).running(**CUSTOMERS_LEAD, identification_note=note)
    treated = network.read(lifted_customers)
    network.load_receipts(START - timedelta(days=5), START - timedelta(days=1), {}, day_at(START))
    network.load_receipts(START, END, dict.fromkeys(treated, 50), day_at(AFTER))
    row = compute(network).analysis.row("spend_per_customer", "points")
    assert row.estimate is not None
    assert row.stamps == ()
    assert row.estimate.interval[0] is not None
    assert row.estimate.interval[0] > 0


def test_segments_are_exploratory_rows_of_customer_metrics(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path).running(segments=["young", "old"])
    network.run_to(END)
    rows = [row for row in compute(network).analysis.rows if row.segment is not None]
    assert {(row.segment, row.metric) for row in rows} == {
        ("old", "purchase_frequency"),
        ("young", "purchase_frequency"),
    }
    assert all(Stamp.EXPLORATORY in row.stamps and not row.leads for row in rows)
    assert all(row.estimate is not None and row.estimate.n_rows == 32 for row in rows)


def test_shoppers_who_are_first_identified_later_change_no_customer_row(tmp_path: Path) -> None:
    """Treated stores' new shoppers show a card: totals see them, customer rows equal those without to the digit.

    What the rise of the identified share may stamp on them is another matter.
    """
    with installation(Point.RUNNING, tmp_path / "without") as network:
        network.run_to(END)
        without = compute(network)
    with installation(Point.RUNNING, tmp_path / "with") as network:
        network.run_to(END)
        treated = network.read(lambda s, p: network.treated_stores(s, p, 1))
        new = [
            [f"new-{store}", store, f"{START}T11:00:00+00:00", "99.00", "9", "1", "sale", f"new-{store}"]
            for store in treated
        ]
        network.load(ImportKind.RECEIPTS, RECEIPT_HEADER, new, day_at(AFTER) + timedelta(minutes=1))
        later = compute(network)
    assert without_stamps(rows_of(later, "customer")) == without_stamps(rows_of(without, "customer"))
    assert rows_of(later, "store") != rows_of(without, "store")


def test_where_customers_lead_a_stamp_hands_the_lead_to_the_store_total(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """Listed customers of treated stores show their card more and buy nothing more."""
    network = SmallNetwork(sqlite_database, tmp_path)
    network.set_up()
    with sqlite_database.unit_of_work() as session:
        points = program(session, "card").variant("points")
        discount = {"discount_share": "0.05"}
        set_offer(session, points, name="For all", mechanic="fixed_discount", terms=discount,
                  actor=network.person("manager"), now=day_at(START - timedelta(days=5)))  # fmt: skip
    network.draft(leads="customers", primary="purchase_frequency", secondary=[])
    network.submit()
    network.sign()
    network.draw_and_start()
    treated = network.read(lambda s, p: network.treated_stores(s, p, 1))
    network.load_receipts(START - timedelta(days=5), START - timedelta(days=1), {}, day_at(START))
    network.load(ImportKind.RECEIPTS, RECEIPT_HEADER, list(showing_cards(network, treated)), day_at(AFTER))
    document = compute(network)
    customers = document.analysis.row("purchase_frequency", "points")
    assert customers.estimate is not None
    assert customers.estimate.effect > 0
    assert Stamp.MAY_BE_IDENTIFICATION in customers.stamps
    assert [row.metric for row in document.analysis.leading_rows] == ["store_total"]
    assert document.recommendation.choice.value == "stop"


def showing_cards(network: SmallNetwork, treated: list[str]) -> Iterator[list[str]]:
    """The receipts of a world without any effect, where in treated stores the day's stranger is a listed customer."""
    for receipt in network.receipts(START, END, {}):
        name, store, customer = receipt[0], receipt[1], receipt[-1]
        day = date.fromisoformat(receipt[2][:10])
        at_home = [c for c in network.customers_of(store) if chance(store, c, day) >= 660]
        if store in treated and not customer and at_home:
            receipt = [*receipt[:-1], at_home[chance("shows", name) % len(at_home)]]
        yield receipt


def rows_of(document: ReportDocument, level: str) -> list[dict[str, Any]]:
    return [row for row in document.analysis.to_dict()["rows"] if row["level"] == level]


def without_stamps(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "stamps": []} for row in rows]


def lifted_customers(session: Session, pilot: Pilot) -> list[str]:
    """External ids of the customers that were drawn for the variant."""
    draw = draw_of(session, pilot, 1)
    assert draw is not None
    variants = assignment_of(session, draw)
    everybody = session.scalars(select(Customer).order_by(Customer.customer_key))
    return [c.external_id for c in everybody if c.external_id and variants.get(str(c.customer_key)) == "points"]
