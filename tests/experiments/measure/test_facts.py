"""Receipt facts: what each kind counts as for a customer and for a store, by hand."""

from datetime import date
from typing import Any

import ibis
import pyarrow as pa

from experiments.measure.days import DayFacts, customer_days, store_days

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)


def _facts(*rows: tuple[str, date, int | None, int]) -> ibis.Table:
    kinds, days, keys, nets = zip(*rows, strict=True)
    return ibis.memtable(
        pa.table(
            {
                "store_id": pa.array([1] * len(rows), pa.int64()),
                "kind": pa.array(kinds, pa.string()),
                "business_date": pa.array(days, pa.date32()),
                "customer_key": pa.array(keys, pa.int64()),
                "net_minor": pa.array(nets, pa.int64()),
            }
        )
    )


def _rows(table: ibis.Table, *order: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.order_by(*order).to_pyarrow().to_pylist()
    return found


ALL = _facts(
    ("sale", MONDAY, 7, 1000),
    ("sale", MONDAY, 7, 500),
    ("return", TUESDAY, 7, -300),
    ("correction", MONDAY, 7, -100),
    ("sale", TUESDAY, None, 400),
    ("identification", TUESDAY, 8, 400),  # whose the sale above was
    ("return", MONDAY, None, -50),
    ("identification", MONDAY, 9, -50),  # whose the return above was
)


def test_a_customer_buys_on_the_days_of_sales_known_then_or_later() -> None:
    found = [tuple(row.values()) for row in _rows(customer_days(ALL), "customer_key", "business_date")]
    assert found == [
        (7, MONDAY, 1400, 2, 1),  # the correction is money on the day of the sale
        (7, TUESDAY, -300, 0, 0),  # a return makes no purchase
        (8, TUESDAY, 400, 1, 1),
        (9, MONDAY, -50, 0, 0),
    ]


def test_a_store_counts_a_receipt_identified_late_once() -> None:
    monday, tuesday = _rows(store_days(ALL), "business_date")
    assert (monday["net_minor"], monday["sales"], monday["identified_sales"]) == (1350, 2, 2)
    assert (monday["receipts"], monday["identified_receipts"]) == (3, 3)  # a correction is no receipt
    assert monday["net_squares"] == 1000**2 + 500**2 + 100**2 + 50**2
    assert (tuesday["net_minor"], tuesday["sales"], tuesday["identified_sales"]) == (100, 1, 1)
    assert (tuesday["receipts"], tuesday["identified_receipts"]) == (2, 2)


def test_receipts_are_day_facts_as_they_are() -> None:
    facts = DayFacts.of_receipts(ALL)
    assert facts.customers.count().to_pyarrow().as_py() == 6
    assert facts.customers.purchase_days.sum().to_pyarrow().as_py() == 3
    assert facts.stores.net_minor.sum().to_pyarrow().as_py() == 1450


def test_squares_of_enormous_amounts_are_exact() -> None:
    large = 3 * 10**17
    (day,) = _rows(
        store_days(_facts(("sale", MONDAY, None, large), ("return", MONDAY, None, -3_000_000_001))), "store_id"
    )
    assert day["net_squares"] == large**2 + 3_000_000_001**2
