"""A shop's book as receipts arrive: sales, returns, corrections, late receipts and late identification, as facts."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments.measure.days import DayFacts
from experiments.measure.metrics import (
    identification_rate,
    purchase_frequency,
    repeat_purchase,
    retention,
    spend_per_customer,
    store_total,
)
from experiments.measure.series import Weekly, weeks_around
from experiments.measure.stage import Asked, StageMoments, stage_moments
from experiments.measure.windows import Window, windows_for
from pilot.outcomes.lake import SCHEMA, Lake

FIRST, START, LAST = date(2025, 12, 22), date(2026, 1, 5), date(2026, 2, 15)
STORES, CUSTOMERS = 4, 9
METRICS = (
    store_total(), identification_rate(), spend_per_customer(), purchase_frequency(), repeat_purchase(21),
    retention(8, 28),
)  # fmt: skip
UNITS = ("east", "west")
_BIG = 4_000_000_000_000  # its square does not fit into 64 bits


@dataclass(slots=True)
class Book:
    """Makes deliveries: lists of facts. ``known`` are the sales and returns so far, to which later facts refer."""

    random: Random
    known: list[dict[str, Any]] = field(default_factory=list)
    n: int = 0

    def delivery(self, n: int, first: date = FIRST, last: date = LAST) -> list[dict[str, Any]]:
        """``n`` facts of every kind; sales and returns on days from ``first`` to ``last``."""
        return [self._fact(first, last) for _ in range(n)]

    def _fact(self, first: date, last: date) -> dict[str, Any]:
        kind = self.random.choices(["sale", "return", "correction", "identification"], [70, 8, 12, 10])[0]
        nobodys = [fact for fact in self.known if fact["customer_key"] is None]
        if kind == "identification" and nobodys:
            found = self.random.choice(nobodys)
            repeated = {**found, "refers_to": found["receipt_id"], "kind": kind, "customer_key": self._customer()}
            found["customer_key"] = repeated["customer_key"]  # from now on its corrections are this customer's
            return self._new(repeated)
        if kind == "correction" and self.known:
            found = self.random.choice(self.known)
            change = {"refers_to": found["receipt_id"], "kind": kind, "net_minor": self.random.randint(-900, 900)}
            found["net_minor"] += change["net_minor"]
            return self._new({**found, **change})
        day = first + timedelta(days=self.random.randint(0, (last - first).days))
        amount = _BIG if self.random.random() < 0.02 else self.random.randint(0, 5000)
        made = self._new(
            {
                "kind": "return" if kind == "return" else "sale",
                "store_id": self.random.randint(1, STORES),
                "business_date": day,
                "customer_key": self._customer() if self.random.random() < 0.7 else None,
                "net_minor": -amount if kind == "return" else amount,
            }
        )
        self.known.append(dict(made))
        return made

    def _customer(self) -> int:
        return self.random.randint(1, CUSTOMERS)

    def _new(self, fact: dict[str, Any]) -> dict[str, Any]:
        self.n += 1
        return {**fact, "receipt_id": f"r{self.n}"}


def deliver(lake: Lake, batch_id: str, facts: list[dict[str, Any]]) -> int:
    """Add the facts to the lake as one commit; the version."""
    rows = [
        {
            "refers_to": None,
            "at": datetime.combine(fact["business_date"], time(12), UTC),
            "received_at": datetime(2026, 3, 1, tzinfo=UTC),
            "batch_id": batch_id,
            "n_items": 1,
            **dict.fromkeys(("vat_minor", "discount_minor", "reward_minor"), 0),
            **fact,
        }
        for fact in facts
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    months = pc.strftime(table["business_date"], format="%Y-%m")

    def write(month: str, path: Path) -> int:
        pq.write_table(table.filter(pc.equal(months, month)), path)
        return int(pc.sum(pc.equal(months, month)).as_py())

    with lake.writing():
        return lake.append(batch_id, sorted(set(months.to_pylist())), write)


def asked() -> Asked:
    """Six metrics, a segment, the weekly picture, activity and the risk tables, with a covariate before the start."""
    window, before = Window(START, LAST), Window(FIRST, START - timedelta(days=1))
    return Asked(
        [(metric, windows_for(metric, window=window, before=before, data_through=LAST)) for metric in METRICS],
        ("young",),
        Weekly(purchase_frequency(), weeks_around(START, first=FIRST, last=LAST)),
        activity=window,
        risk=window,
    )


def moments_of(facts: DayFacts, sums: Any = None, days: Any = None) -> StageMoments:
    """Everything that a stage of two units asks of the facts."""
    keys = list(range(1, CUSTOMERS))  # the last one is nobody's home customer
    homes = {
        "customer_key": keys,
        "unit": [UNITS[key % 2] for key in keys],
        "segment": ["young" if key % 3 else "old" for key in keys],
    }
    return stage_moments(
        facts,
        asked(),
        units=UNITS,
        stores=pa.table({"store_id": range(1, STORES + 1), "unit": [UNITS[n % 2] for n in range(STORES)]}),
        homes=pa.table(homes),
        assignment={"east": "control", "west": "offer"},
        sums=sums,
        days=days,
    )


def from_receipts(lake: Lake, version: int | None = None) -> StageMoments:
    """The same from the receipts themselves: the truth."""
    return moments_of(DayFacts.of_receipts(lake.receipts(version)))
