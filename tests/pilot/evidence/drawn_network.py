"""The small network with customers drawn one by one, of whom the treated may buy for more."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.assignment.queries import assignment_of, draw_of
from pilot.database import Database
from pilot.evidence.queries import report
from pilot.network.model import Customer
from pilot.planning.model import Pilot
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at
from tests.pilot.evidence.snapshots import END

CUSTOMERS_LEAD = {
    "unit": "customer",
    "leads": "customers",
    "primary": "spend_per_customer",
    "secondary": ["purchase_frequency"],
    "guardrails": [],
    "mechanism": {"kind": "stratified"},
    "applies_by": "home",
}


def arms(network: SmallNetwork) -> dict[str, str]:
    """The variant of each drawn customer, by external id."""

    def read(session: Session, pilot: Pilot) -> dict[str, str]:
        draw = draw_of(session, pilot, 1)
        assert draw is not None
        codes = {c.customer_key: c.external_id for c in session.scalars(select(Customer))}
        return {str(codes[int(key)]): variant for key, variant in assignment_of(session, draw).items()}

    return network.read(read)


def chapters(
    database: Database,
    files: Path,
    *,
    lift: int,
    economics: Mapping[str, Any],
    customers: int = 4,
    world: Callable[[SmallNetwork, dict[str, str]], None] | None = None,
    **plan: Any,
) -> tuple[SmallNetwork, dict[str, Any]]:
    """What the first look says, where treated customers buy for ``lift`` per cent more."""
    files.mkdir()
    network = SmallNetwork(database, files, customers=customers).running(**CUSTOMERS_LEAD, economics=economics, **plan)
    drawn = arms(network)
    lifted = {code: lift for code, variant in drawn.items() if variant == "points"}
    network.load_receipts(START - timedelta(days=5), START - timedelta(days=1), {}, day_at(START))
    network.load_receipts(START, END, lifted, day_at(END + timedelta(days=1)))
    if world:
        world(network, drawn)
    frozen = network.look()
    with database.reading() as session:
        return network, dict(report(session, frozen.code).document.chapters)
