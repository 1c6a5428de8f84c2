"""Simulated receipts as Arrow tables: in the form of a file to import, or in the lake's own columns."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.imports.arrow import Column
from pilot.outcomes.lake import SCHEMA
from pilot.simulation.receipts import Receipts
from pilot.simulation.texts import amounts, instants, joined_codes, numbers, scattered

Ints = npt.NDArray[np.int64]

SIMULATED = "simulated"
_WORDS: Column = pa.array(["sale", "return"])


def import_table(receipts: Receipts, store_codes: Column) -> pa.Table:
    """The columns that a retailer would export, with the names of the importer's fields."""
    kind, receipt, refers_to = _described(receipts)
    money = receipts.baskets
    return pa.table(
        {
            "receipt": receipt,
            "store": store_codes.take(pa.array(receipts.store, pa.int64())),
            "till": pa.array(receipts.till.astype(np.int16) + np.int16(1)),
            "number": pa.array(receipts.number.astype(np.int32)),
            "kind": kind,
            "refers_to": refers_to,
            "at": instants(receipts.at_us),
            "customer": customer_codes(receipts.customer),
            "net": amounts(money.net),
            "vat": amounts(money.vat),
            "discount": amounts(money.discount),
            "cost": amounts(money.cost),
            "reward": amounts(money.reward),
            "n_items": pa.array(money.n_items.astype(np.int32)),
        }
    )


def lake_table(receipts: Receipts, first_day: int) -> pa.Table:
    """The lake's columns. Ids are those that an import of the master data into an empty installation gives.

    ``first_day`` is the day number 0 as days since 1970.
    """
    kind, receipt, refers_to = _described(receipts)
    n, money = len(receipts), receipts.baskets
    at = instants(receipts.at_us)
    columns: dict[str, Any] = {
        "receipt_id": receipt,
        "store_id": pa.array(receipts.store + 1),
        "till": pa.array(receipts.till + 1).cast(pa.string()),
        "number": pa.array(receipts.number).cast(pa.string()),
        "kind": kind,
        "refers_to": refers_to,
        "at": at,
        "business_date": pa.array(np.full(n, first_day + receipts.day, np.int32)).cast(pa.date32()),
        "customer_key": numbers(receipts.customer, receipts.customer > 0),
        "net_minor": pa.array(money.net),
        "vat_minor": pa.array(money.vat),
        "discount_minor": pa.array(money.discount),
        "cost_minor": pa.array(money.cost),
        "reward_minor": pa.array(money.reward),
        "n_items": pa.array(money.n_items),
        "offer_id": pa.nulls(n, pa.int64()),
        "received_at": at,
        "batch_id": pa.repeat(SIMULATED, n),
    }
    return pa.Table.from_arrays(list(columns.values()), schema=SCHEMA)


def customer_codes(keys: npt.NDArray[np.integer]) -> Column:
    """``C`` and eleven digits; null where there is no key. Customers are fewer than a hundred million."""
    high, low = np.divmod(keys.astype(np.int32), np.int32(10_000))
    return joined_codes("C", [0, high, low], keys > 0)


def _described(receipts: Receipts) -> tuple[Column, Column, Column]:
    """Kind, receipt id and the id of the receipt that is given back."""
    n = len(receipts)
    is_return = np.zeros(n, np.int64)
    is_return[receipts.return_rows] = 1
    receipt = _ids(receipts.store, receipts.till, receipts.number)
    refers_to = scattered(n, receipts.return_rows, _ids(*receipts.refers_to))
    return _WORDS.take(pa.array(is_return, pa.int64())), receipt, refers_to


def _ids(store: Ints, till: Ints, number: Ints) -> Column:
    """Store, till and running number, sixteen digits: unique in the network."""
    high, low = np.divmod(number.astype(np.int32), np.int32(10_000))
    return joined_codes("", [store + 1, till + 1, high, low])
