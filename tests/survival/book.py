"""The tills' own books beside what the network measures: each customer's sum, and who was identified late, once."""

from collections import Counter

from pilot.database import Database
from pilot.imports.model import QuarantinedRow
from pilot.network.queries import customer_keys
from pilot.outcomes.days.service import Days
from pilot.outcomes.lake import Lake
from tests.survival.shop import Shop
from tests.survival.tills import Tills


def compare_with_books(shop: Shop, tills: Tills) -> None:
    """Raises ``AssertionError`` where a customer's sum differs, a fact is missing or twice, or waits for a person."""
    books = [sold for book in tills.books.values() for sold in book]
    of_books: Counter[str] = Counter()
    for sold in books:
        if sold.customer is not None:
            of_books[sold.customer] += sold.net
    database = Database(shop.settings)
    with database.reading() as session:
        keys = customer_keys(session, list(of_books))
        assert session.query(QuarantinedRow).count() == 0
    database.dispose()

    lake = Lake(shop.settings)
    Days(lake).keep_up()
    days = Days(lake).day_facts(lake.version())
    assert days is not None
    people = days.customers.group_by("customer_key").aggregate(net=days.customers.net_minor.sum().cast("int64"))
    measured = {row["customer_key"]: row["net"] for row in people.to_pyarrow().to_pylist()}
    assert measured == {keys[customer]: net for customer, net in of_books.items()}

    receipts = lake.receipts()
    late = receipts.filter(receipts.kind == "identification").select("receipt_id").to_pyarrow().to_pydict()
    assert sorted(late["receipt_id"]) == sorted(sold.identified_by for sold in books if sold.identified_by)
