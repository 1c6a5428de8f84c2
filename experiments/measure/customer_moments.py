"""From one row per customer to exact sums per cell: outcomes of every metric, their squares and products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.measure.customer_sums import CustomerReach, net_column, sales_column, whole_sum
from experiments.measure.exact import exact_product, exact_sum
from experiments.measure.listed import Listed
from experiments.measure.metrics import Metric, MetricKind
from experiments.measure.windows import Window, Windows, day_offsets

if TYPE_CHECKING:
    import ibis.expr.types as ir

VALUES = ("y", "d", "x", "e")
PAIRS = ("yy", "yd", "yx", "ye", "dd", "dx", "de", "xx", "xe", "ee")


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One metric in its windows. Where ``own_days`` is set, a metric with days of its own counts them from each
    customer's index day (column ``index``, a day of the calendar) and only customers in ``kept`` (n) are read; ``kept``
    None: all."""

    metric: Metric
    windows: Windows
    own_days: bool = False
    kept: npt.NDArray[np.bool_] | None = None


def cell_sums(
    sums: ir.Table, reach: CustomerReach, listed: Listed, readings: Sequence[Reading]
) -> list[dict[int, dict[str, int]]]:
    """For each reading the sums of each cell that has any: y, x, yy, yx, xx, and for a ratio d, e and all products."""
    import ibis
    import pyarrow as pa

    if not readings:
        return []
    table = listed.table
    for number, reading in enumerate(readings):
        if reading.kept is not None:
            table = table.append_column(f"kept_{number}", pa.array(reading.kept))
    t = sums.join(ibis.memtable(table), "customer_key")
    outcomes: dict[str, Any] = {}
    for number, reading in enumerate(readings):
        for name, value in _outcomes(t, reach, reading).items():
            kept = t[f"kept_{number}"].ifelse(value, 0) if reading.kept is not None else value
            outcomes[f"{name}_{number}"] = kept
    each = t.select("cell", **outcomes)
    totals: dict[str, Any] = {}
    for number, reading in enumerate(readings):
        totals |= {f"{name}_{number}": total for name, total in _totals(each, number, reading).items()}
    found = each.group_by("cell").aggregate(**totals).to_pyarrow()
    cells = found.column("cell").to_pylist()
    return [_of_reading(found, cells, number) for number in range(len(readings))]


def _outcomes(t: ir.Table, reach: CustomerReach, reading: Reading) -> dict[str, Any]:
    """What one customer has: y in the window, x before the start; for a ratio d and e as well."""
    metric, windows = reading.metric, reading.windows
    found = {"y": _outcome(t, reach, metric, windows.window, own_days=reading.own_days)}
    if windows.before is not None:
        found["x"] = _outcome(t, reach, metric, windows.before, own_days=False)
    if metric.is_ratio:
        found["d"] = t[sales_column(windows.window)]
        if windows.before is not None:
            found["e"] = t[sales_column(windows.before)]
    return found


def _outcome(t: ir.Table, reach: CustomerReach, metric: Metric, window: Window, *, own_days: bool) -> Any:
    if metric.kind in (MetricKind.SPEND_PER_CUSTOMER, MetricKind.AVERAGE_BASKET):
        return t[net_column(window)]
    if reach.days is None:
        raise ValueError(f"the reach has no days for {metric.code}")
    first: Any = reach.days.place(window.first)
    last: Any = reach.days.place(window.last)
    if own_days and metric.has_fixed_window:
        after, until = day_offsets(metric)
        first, last = t["index"] + after, t["index"] + until
    days = reach.days.count(t, first, last)
    if metric.kind is MetricKind.PURCHASE_FREQUENCY:
        return days
    return (days >= (2 if metric.kind is MetricKind.REPEAT_PURCHASE else 1)).cast("int64")


def _totals(each: ir.Table, number: int, reading: Reading) -> dict[str, Any]:
    values = {name: each[f"{name}_{number}"] for name in VALUES if f"{name}_{number}" in each.columns}
    is_money = reading.metric.kind in (MetricKind.SPEND_PER_CUSTOMER, MetricKind.AVERAGE_BASKET)
    # Days and flags of customers, and their products, fit 64 bits by far; money may not.
    found = {name: exact_sum(value) if is_money else whole_sum(value) for name, value in values.items()}
    pairs = [pair for pair in PAIRS if pair[0] in values and pair[1] in values]
    if reading.metric.has_fixed_window:  # 0 or 1: its own square
        pairs.remove("yy")
        if "x" in values:
            pairs.remove("xx")
    for pair in pairs:
        a, b = values[pair[0]], values[pair[1]]
        found[pair] = exact_sum(exact_product(a, b)) if is_money else whole_sum(a * b)
    return found


def _of_reading(found: Any, cells: Sequence[int], number: int) -> dict[int, dict[str, int]]:
    ending = f"_{number}"
    names = [name for name in found.column_names if name.endswith(ending)]
    columns = [[int(value) for value in found.column(name).to_pylist()] for name in names]
    short = [name.removesuffix(ending) for name in names]
    rows = {
        cell: dict(zip(short, values, strict=True))
        for cell, values in zip(cells, zip(*columns, strict=True), strict=True)
    }
    for row in rows.values():
        for square, value in (("yy", "y"), ("xx", "x")):
            if square not in row and value in row:
                row[square] = row[value]
    return rows
