"""Where retention is planned a report tells, week by week, when the customers of each variant came back."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

from experiments.measure.facts import is_customer_sale
from pilot.database import Database
from pilot.evidence.document import ReportDocument, read_document
from pilot.evidence.export import exported
from tests.pilot.evidence.small_network import START, SmallNetwork
from tests.pilot.evidence.snapshots import END
from tests.pilot.evidence.test_units_of_assignment import CUSTOMERS_LEAD, compute

WEEKS = 4


def by_hand(network: SmallNetwork, variant_of: dict[int, str]) -> dict[str, list[tuple[int, int, int]]]:
    """(still to come, came back, sight ended) by week, from the first purchase of each customer after the start."""
    receipts = network.lake.receipts()
    sales = receipts.filter(is_customer_sale(receipts)).select("customer_key", "business_date").to_pyarrow().to_pylist()
    first: dict[int, date] = {}
    for sale in sales:
        key, day = sale["customer_key"], sale["business_date"]
        if START < day <= END and key in variant_of:
            first[key] = min(day, first.get(key, day))
    found = {}
    for variant in sorted(set(variant_of.values())):
        own = [key for key, its in variant_of.items() if its == variant]
        came = Counter((first[key] - START - timedelta(days=1)).days // 7 for key in own if key in first)
        still, weeks = len(own), []
        for week in range(WEEKS):
            if not still:
                break
            ended = still - came[week] if week == WEEKS - 1 else 0
            weeks.append((still, came[week], ended))
            still -= came[week] + ended
        found[variant] = weeks
    return found


def told(document: ReportDocument) -> dict[str, list[tuple[int, int, int]]]:
    return {v: [(week.at_risk, week.events, week.censored) for week in weeks] for v, weeks in document.risk.items()}


def variants_at_home(network: SmallNetwork, document: ReportDocument) -> dict[int, str]:
    from pilot.assignment import queries as assignment
    from pilot.evidence.population import population_of
    from pilot.planning.queries import plan_of

    def read(session, pilot):  # type: ignore[no-untyped-def]  # the network hands over both
        draw = assignment.draw_of(session, pilot, 1)
        population = population_of(session, draw, plan_of(session, pilot, draw.plan_hash), network.lake.settings.home)
        if population.customers is not None:
            return {row["customer_key"]: row["variant"] for row in population.customers.to_pylist()}
        return {row["customer_key"]: population.assignment[row["unit"]] for row in population.homes.to_pylist()}

    return network.read(read)


def test_stores_customers_are_told_by_variant_as_counted_by_hand(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path)
    network.running(secondary=["purchase_frequency", "retention_8_21d"])
    network.run_to(END)
    document = compute(network)
    assert told(document) == by_hand(network, variants_at_home(network, document))
    assert sum(week[1] for weeks in told(document).values() for week in weeks) > 20
    assert max(len(weeks) for weeks in told(document).values()) > 1, "in some arm not everybody came in the first week"
    assert read_document(document.text()) == document


def test_drawn_customers_are_told_by_variant_as_counted_by_hand(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path)
    network.running(**CUSTOMERS_LEAD | {"secondary": ["retention_8_21d"]})
    network.run_to(END)
    document = compute(network)
    assert told(document) == by_hand(network, variants_at_home(network, document))


def test_without_retention_in_the_plan_nothing_is_told(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path).running()
    network.run_to(END)
    document = compute(network)
    assert document.risk == {}
    assert '"risk"' not in document.text()


def test_a_small_count_in_any_week_keeps_the_weeks_in_the_house(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path)
    network.running(secondary=["retention_8_21d"])
    network.run_to(END)
    document = compute(network)
    shown = exported(document.text())["risk"]
    for variant, weeks in document.risk.items():
        is_small = any(0 < n < 5 for week in weeks for n in (week.at_risk, week.events, week.censored))
        assert (shown[variant] == {"suppressed": True}) == is_small
    assert {"suppressed": True} in shown.values()
