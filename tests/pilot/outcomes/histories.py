"""Lakes of receipts with everything that occurs: returns, corrections, late identification, nobody's, big amounts."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments import (
    Window,
    average_basket,
    identification_rate,
    purchase_frequency,
    repeat_purchase,
    retention,
    spend_per_customer,
    store_total,
    windows_for,
)
from experiments.measure.days import DayFacts
from experiments.measure.metrics import MetricLevel
from experiments.measure.risk import RiskTable
from experiments.measure.stage import Asked, stage_moments
from experiments.measure.stage_arms import AskedOfArms, stage_arms
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
SEGMENTS, UNITS = ("new", "old"), ("north", "south")
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
    text = pc.strftime(receipts["business_date"].cast(pa.timestamp("s")), format="%Y-%m")
    months = sorted(text.unique().to_pylist())

    def write(month: str, path: Path) -> int:
        rows = receipts.filter(pc.equal(text, month))
        pq.write_table(rows, path, row_group_size=61_440, compression="zstd")  # as the drain writes them
        return rows.num_rows

    with lake.writing():
        return lake.append(batch_id, months, write)


def measured(lake: Lake, *, customers: int, days: int) -> dict[str, Any]:
    """All moments of a stage of stores and of one of customers, by segment too, with the time to the next purchase."""
    facts = DayFacts.of_receipts(lake.receipts())
    middle = FIRST + timedelta(days=days // 2)
    window, before = Window(middle, FIRST + timedelta(days=days - 1)), Window(FIRST, middle - timedelta(days=1))
    asked = [(m, windows_for(m, window=window, before=before, data_through=window.last)) for m in METRICS]
    keys = list(range(1, customers + 1))
    who = {"customer_key": keys, "segment": [SEGMENTS[key % 2] for key in keys]}
    stage = stage_moments(
        facts,
        Asked(asked, SEGMENTS, activity=window, risk=window),
        units=UNITS,
        stores=pa.table({"store_id": range(1, STORES + 1), "unit": [UNITS[n % 2] for n in range(STORES)]}),
        homes=pa.table({**who, "unit": [UNITS[key % 3 % 2] for key in keys]}),
    )
    of_customers = [metric for metric in METRICS if metric.level is MetricLevel.CUSTOMER]
    arms = stage_arms(
        facts,
        AskedOfArms(of_customers, window, before, window.last, SEGMENTS, risk=True),
        customers=pa.table({**who, "variant": ["control" if key % 5 else "offer" for key in keys]}),
    )
    return {
        "moments": stage.moments,
        "segments": stage.segments,
        "activity": stage.activity,
        "risk": _listed(stage.risk),
        "variants": arms.moments,
        "variants by segment": arms.segments,
        "variants' risk": _listed(arms.risk),
    }


def _listed(tables: Mapping[Any, RiskTable]) -> dict[Any, Any]:
    """Arrays do not compare as wholes; lists do."""
    return {key: [getattr(table, f.name).tolist() for f in fields(table)] for key, table in tables.items()}


def _column(values: object, field: pa.Field) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, field.type)
