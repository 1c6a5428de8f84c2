"""Lakes of receipts with everything that occurs: returns, corrections, late identification, nobody's, big amounts."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments import (
    Window,
    arm_moments,
    average_basket,
    identification_rate,
    purchase_frequency,
    repeat_purchase,
    retention,
    spend_per_customer,
    store_total,
    unit_moments,
    windows_for,
)
from experiments.measure.metrics import MetricLevel
from pilot.outcomes.lake import SCHEMA, Lake

FIRST = date(2026, 1, 5)
STORES = 12
KINDS = ("sale", "return", "correction", "identification")
METRICS = (
    store_total(),
    identification_rate(),
    spend_per_customer(),
    average_basket(),
    purchase_frequency(),
    repeat_purchase(14),
    retention(8, 28),
)
_SHARES = (0.85, 0.07, 0.05, 0.03)
_BIG = 4_000_000_000_000  # its square has 26 digits: more than 64 bits hold
_EPOCH = date(1970, 1, 1)


def some_receipts(n: int, *, customers: int, days: int, seed: int) -> pa.Table:
    """``n`` facts in the lake's schema; about one in five has no customer, one in a thousand is huge."""
    random = np.random.default_rng(seed)
    kinds = random.choice(len(KINDS), size=n, p=_SHARES)
    sign = np.where(kinds == 1, -1, np.where(kinds == 2, random.choice([-1, 1], n), 1))
    size = np.where(random.random(n) < 0.001, _BIG, random.integers(0, 100_000, n))
    keys = random.integers(1, customers + 1, n)
    nobody = (random.random(n) < 0.2) & (kinds != 3)
    offsets = random.integers(0, days, n)
    start = (FIRST - _EPOCH).days
    instant = (start + offsets) * 86_400_000_000 + random.integers(8, 20, n) * 3_600_000_000
    zeros = np.zeros(n, np.int64)
    referring = [f"r{number // 2}" if kind else None for number, kind in enumerate(kinds)]
    given = {
        "receipt_id": [f"r{number}" for number in range(n)],
        "store_id": random.integers(1, STORES + 1, n),
        "kind": pa.DictionaryArray.from_arrays(pa.array(kinds, pa.int32()), list(KINDS)).cast(pa.string()),
        "refers_to": referring,
        "at": pa.array(instant, pa.timestamp("us", "UTC")),
        "business_date": pa.array((start + offsets).astype("int32"), pa.int32()).cast(pa.date32()),
        "customer_key": pa.array(keys, pa.int64(), mask=nobody),
        "net_minor": sign * size,
        "n_items": zeros + 1,
        "received_at": pa.array(
            np.full(n, int(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1e6)), pa.timestamp("us", "UTC")
        ),
        "batch_id": ["test"] * n,
        **dict.fromkeys(("vat_minor", "discount_minor", "reward_minor"), zeros),
    }
    columns = [
        pa.array([None] * n, field.type) if field.name not in given else _column(given[field.name], field)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def publish(lake: Lake, batch_id: str, receipts: pa.Table) -> int:
    """Add ``receipts`` to the lake by their months; the version."""
    months = [str(month) for month in _months(receipts)]
    text = pa.array(_months_of_rows(receipts))

    def write(month: str, path: Path) -> int:
        rows = receipts.filter(pa.compute.equal(text, month))
        pq.write_table(rows, path)
        return rows.num_rows

    with lake.writing():
        return lake.append(batch_id, months, write)


def measured(lake: Lake, *, customers: int, days: int) -> dict[str, Any]:
    """Every moment of every metric from the receipts of ``days`` days: by unit of a store draw, and by variant."""
    receipts = lake.receipts()
    middle = FIRST + timedelta(days=days // 2)
    window = Window(middle, FIRST + timedelta(days=days - 1))
    before = Window(FIRST, middle - timedelta(days=1))
    units = ["north", "south"]
    stores = pa.table({"store_id": range(1, STORES + 1), "unit": [units[n % 2] for n in range(STORES)]})
    keys = list(range(1, customers + 1))
    homes = pa.table({"customer_key": keys, "unit": [units[key % 3 % 2] for key in keys]})
    drawn = pa.table({"customer_key": keys, "variant": ["control" if key % 2 else "offer" for key in keys]})
    found: dict[str, Any] = {}
    for metric in METRICS:
        windows = windows_for(metric, window=window, before=before, data_through=window.last)
        found[f"units {metric.code}"] = unit_moments(receipts, metric, windows, units=units, stores=stores, homes=homes)
        if metric.level is MetricLevel.CUSTOMER:
            found[f"variants {metric.code}"] = arm_moments(
                receipts, metric, customers=drawn, window=window, before=before, data_through=window.last
            )
    return found


def _column(values: object, field: pa.Field) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, field.type)


def _months_of_rows(receipts: pa.Table) -> list[str]:
    return [f"{day:%Y-%m}" for day in receipts["business_date"].to_pylist()]


def _months(receipts: pa.Table) -> list[str]:
    return sorted(set(_months_of_rows(receipts)))
