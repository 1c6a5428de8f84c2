"""From one row per customer to exact sums per cell: outcomes of every metric, their squares and products."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.measure.customer_sums import CustomerReach, net_column, sales_column
from experiments.measure.exact import exact_product, exact_sum, products_totals, totals, whole_sum, whole_totals
from experiments.measure.kept_sums import Columns, CustomerSums
from experiments.measure.listed import Listed, Totals
from experiments.measure.metrics import Metric, MetricKind
from experiments.measure.windows import Window, Windows, day_offsets

if TYPE_CHECKING:
    import ibis.expr.types as ir

VALUES = ("y", "d", "x", "e")
Whole = npt.NDArray[np.int64]
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
        asked = [(r.metric.code, r.windows, r.own_days, r.kept is None) for r in readings]
        return listed.key("cell sums", reach, *asked, arrays=[r.kept for r in readings if r.kept is not None])

    found = sums.reduced(key, table, lambda rows, some: _reduced(rows, reach, some, readings))
    cells = found.column("cell").to_numpy().astype(np.int64)
    added = {
        name: totals(found.column(name), cells, len(listed.labels)) for name in found.column_names if name != "cell"
    }
    changed = sums.changed(listed)
    if changed is not None:
        for t, sign in ((changed.before, -1), (changed.now, 1)):
            for name, column in _added(t, reach, readings, changed.places, len(listed.labels)):
                added[name] += sign * column
    return [_of_reading(added, number) for number in range(len(readings))]


def _reduced(sums: ir.Table, reach: CustomerReach, listed: ir.Table, readings: Sequence[Reading]) -> ir.Table:
    """One row per cell that has any."""
    t = sums.join(listed, "customer_key")
    outcomes: dict[str, Any] = {}
    for number, reading in enumerate(readings):
        for name, value in _outcomes(t, reach, reading).items():
            kept = t[f"kept_{number}"].ifelse(value, 0) if reading.kept is not None else value
            outcomes[f"{name}_{number}"] = kept
    each = t.select("cell", **outcomes)
    aggregates: dict[str, Any] = {}
    for number, reading in enumerate(readings):
        aggregates |= {f"{name}_{number}": total for name, total in _totals(each, number, reading).items()}
    return each.group_by("cell").aggregate(**aggregates)


def _added(
    t: Columns, reach: CustomerReach, readings: Sequence[Reading], places: Whole, n_cells: int
) -> Iterator[tuple[str, Totals]]:
    """The columns of ``_reduced`` by cell, of a few customers, who are at these ``places`` of the list."""
    cell = t["cell"]
    for number, reading in enumerate(readings):
        values = _outcomes(t, reach, reading)
        if reading.kept is not None:
            values = {name: np.where(reading.kept[places], value, 0) for name, value in values.items()}
        for name, value in values.items():
            yield f"{name}_{number}", whole_totals(value, cell, n_cells)
        for pair in _pairs(reading, values):
            yield f"{pair}_{number}", products_totals(values[pair[0]], values[pair[1]], cell, n_cells)


def _outcomes(t: Any, reach: CustomerReach, reading: Reading) -> dict[str, Any]:
    """What one customer has: y in the window, x before the start; for a ratio d and e as well. Columns of a table, or
    arrays of arrays."""
    metric, windows = reading.metric, reading.windows
    found = {"y": _outcome(t, reach, metric, windows.window, own_days=reading.own_days)}
    if windows.before is not None:
        found["x"] = _outcome(t, reach, metric, windows.before, own_days=False)
    if metric.is_ratio:
        found["d"] = t[sales_column(windows.window)]
        if windows.before is not None:
            found["e"] = t[sales_column(windows.before)]
    return found


def _outcome(t: Any, reach: CustomerReach, metric: Metric, window: Window, *, own_days: bool) -> Any:
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
    found = days >= (2 if metric.kind is MetricKind.REPEAT_PURCHASE else 1)
    return found.astype(np.int64) if isinstance(found, np.ndarray) else found.cast("int64")


def _totals(each: ir.Table, number: int, reading: Reading) -> dict[str, Any]:
    values = {name: each[f"{name}_{number}"] for name in VALUES if f"{name}_{number}" in each.columns}
    is_money = reading.metric.kind in (MetricKind.SPEND_PER_CUSTOMER, MetricKind.AVERAGE_BASKET)
    # Products of days and flags of customers fit 64 bits by far; those of money may not.
    found = {name: whole_sum(value) for name, value in values.items()}
    for pair in _pairs(reading, values):
        a, b = values[pair[0]], values[pair[1]]
        found[pair] = exact_sum(exact_product(a, b)) if is_money else whole_sum(a * b)
    return found


def _pairs(reading: Reading, values: Mapping[str, Any]) -> list[str]:
    """The products that are summed."""
    pairs = [pair for pair in PAIRS if pair[0] in values and pair[1] in values]
    own_squares = ("yy", "xx") if reading.metric.has_fixed_window else ()  # of 0 or 1
    return [pair for pair in pairs if pair not in own_squares]


def _of_reading(found: Mapping[str, Totals], number: int) -> dict[str, Totals]:
    ending = f"_{number}"
    sums = {name.removesuffix(ending): column for name, column in found.items() if name.endswith(ending)}
    for square, value in (("yy", "y"), ("xx", "x")):
        if square not in sums and value in sums:
            sums[square] = sums[value]
    return sums
