"""The demonstration's files: what a retailer would export, written from real baskets and imported like any other."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pilot.demo.households import load_survey
from pilot.demo.names import REGIONS, region_name, region_of, store_names
from pilot.demo.stores import Before
from pilot.demo.worlds import household_code, store_code


@dataclass(frozen=True, slots=True)
class NetworkFiles:
    """Where the master data were written; UTF-8, comma, decimal point."""

    regions: Path
    stores: Path
    customers: Path


def write_network(folder: Path, before: Before) -> NetworkFiles:
    """Regions and stores with invented, marked names; customers with what the survey knows of them."""
    names = store_names(before.stores)
    survey = load_survey()
    households = np.unique(before.baskets.household).tolist()
    files = NetworkFiles(folder / "regions.csv", folder / "stores.csv", folder / "customers.csv")
    _write(files.regions, ("region_code", "region_name"), ((code, region_name(code)) for code in sorted(REGIONS)))
    _write(
        files.stores,
        ("store_code", "store_name", "region_code"),
        ((store_code(store), names[store], region_of(store)) for store in before.stores.tolist()),
    )
    answers = ("composition", "age", "income")
    _write(
        files.customers,
        ("customer_id", *answers),
        ((household_code(h), *(survey.get(h, {}).get(answer, "") for answer in answers)) for h in households),
    )
    return files


def write_receipts(path: Path, receipts: pa.Table, *, first: date, last: date) -> Path:
    """The receipts of the business dates from ``first`` to ``last``, one a line, money with two decimals."""
    inside = pc.and_(
        pc.greater_equal(receipts["business_date"], pa.scalar(first)),
        pc.less_equal(receipts["business_date"], pa.scalar(last)),
    )
    _write(
        path,
        (
            "receipt_id",
            "store_code",
            "till",
            "number",
            "kind",
            "timestamp",
            "customer_id",
            "net",
            "discount",
            "reward",
            "items",
        ),
        _lines(receipts.filter(inside)),
    )
    return path


def _lines(receipts: pa.Table) -> Iterator[tuple[str, ...]]:
    wanted = (
        "receipt_id",
        "store_id",
        "till",
        "number",
        "kind",
        "customer_key",
        "net_minor",
        "discount_minor",
        "reward_minor",
        "n_items",
    )
    columns: dict[str, list[Any]] = {name: receipts[name].to_pylist() for name in wanted}
    seconds: list[Any] = receipts["at"].cast(pa.timestamp("s", "UTC")).cast(pa.int64()).to_pylist()
    for row, at in enumerate(seconds):
        customer = columns["customer_key"][row]
        yield (
            columns["receipt_id"][row],
            store_code(columns["store_id"][row]),
            columns["till"][row],
            columns["number"][row],
            columns["kind"][row],
            datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "" if customer is None else household_code(customer),
            _money(columns["net_minor"][row]),
            _money(columns["discount_minor"][row]),
            _money(columns["reward_minor"][row]),
            str(columns["n_items"][row]),
        )


def _money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
