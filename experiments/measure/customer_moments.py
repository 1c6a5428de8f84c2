"""From one row per customer to exact sums per cell: outcomes of every metric, their squares and products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.measure.customer_sums import CustomerReach, net_column, sales_column
from experiments.measure.exact import exact_product, exact_sum, totals, whole_sum
from experiments.measure.kept_sums import SIGN, CustomerSums, signed
from experiments.measure.listed import Listed, Totals, key_of
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
    sums: CustomerSums, reach: CustomerReach, listed: Listed, readings: Sequence[Reading]
) -> list[dict[str, Totals]]:
    """For each reading the sums (n_cells): y, x, yy, yx, xx, and for a ratio d, e and all products."""
    import pyarrow as pa

    if not readings:
        return []
    table = listed.table
    for number, reading in enumerate(readings):
        if reading.kept is not None:
            table = table.append_column(f"kept_{number}", pa.array(reading.kept))

    def key() -> str:
        return key_of(table, "cell sums", reach, *((r.metric.code, r.windows, r.own_days) for r in readings))

    found = sums.reduced(key, table, lambda rows, some: _reduced(rows, reach, some, readings))
    cells = found.column("cell").to_numpy().astype(np.int64)
    added = {
        name: totals(found.column(name), cells, len(listed.labels)) for name in found.column_names if name != "cell"
    }
    return [_of_reading(added, number) for number in range(len(readings))]


def _reduced(sums: ir.Table, reach: CustomerReach, listed: ir.Table, readings: Sequence[Reading]) -> ir.Table:
    """One row per cell that has any."""
    t = sums.join(listed, "customer_key")
    outcomes: dict[str, Any] = {SIGN: t[SIGN]} if SIGN in t.columns else {}
    for number, reading in enumerate(readings):
        for name, value in _outcomes(t, reach, reading).items():
            kept = t[f"kept_{number}"].ifelse(value, 0) if reading.kept is not None else value
            outcomes[f"{name}_{number}"] = kept
    each = t.select("cell", **outcomes)
    aggregates: dict[str, Any] = {}
    for number, reading in enumerate(readings):
        aggregates |= {f"{name}_{number}": total for name, total in _totals(each, number, reading).items()}
    return each.group_by("cell").aggregate(**aggregates)


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
    # Products of days and flags of customers fit 64 bits by far; those of money may not.
    found = {name: whole_sum(signed(each, value)) for name, value in values.items()}
    pairs = [pair for pair in PAIRS if pair[0] in values and pair[1] in values]
    if reading.metric.has_fixed_window:  # 0 or 1: its own square
        pairs.remove("yy")
        if "x" in values:
            pairs.remove("xx")
    for pair in pairs:
        a, b = values[pair[0]], values[pair[1]]
        own = signed(each, a)
        product = exact_product(own, b) if is_money else own * b
        found[pair] = exact_sum(product) if is_money else whole_sum(product)
    return found


def _of_reading(found: Mapping[str, Totals], number: int) -> dict[str, Totals]:
    ending = f"_{number}"
    sums = {name.removesuffix(ending): column for name, column in found.items() if name.endswith(ending)}
    for square, value in (("yy", "y"), ("xx", "x")):
        if square not in sums and value in sums:
            sums[square] = sums[value]
    return sums
