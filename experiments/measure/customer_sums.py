"""The pass over customers: day facts become one narrow row per customer, from which every customer metric follows.

Rows of two parts of a history are joined by adding sums and uniting days, so a stored state and what came since give
the same rows as everything read at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.measure.day_bits import Calendar, bit_or
from experiments.measure.exact import sums_of_runs, whole_sum
from experiments.measure.metrics import Metric, MetricKind
from experiments.measure.windows import Window, Windows

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

_NET = frozenset({MetricKind.SPEND_PER_CUSTOMER, MetricKind.AVERAGE_BASKET})
_EPOCH = date(1970, 1, 1)
_SALES = frozenset({MetricKind.AVERAGE_BASKET})


@dataclass(frozen=True, slots=True)
class CustomerReach:
    """What the rows of a stage's customers hold: net sales and sale receipts of some windows, and which days had a
    purchase (None: no metric asks)."""

    net: tuple[Window, ...]
    sales: tuple[Window, ...]
    days: Calendar | None

    @property
    def hull(self) -> Window:
        """All days that it reads."""
        windows = [*self.net, *self.sales]
        if self.days:
            windows.append(Window(self.days.first, self.days.last))
        return Window(min(w.first for w in windows), max(w.last for w in windows))

    @property
    def sums(self) -> tuple[str, ...]:
        """The columns that are added up."""
        return (*(net_column(w) for w in self.net), *(sales_column(w) for w in self.sales))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns beside ``customer_key``, 64-bit whole numbers."""
        return (*self.sums, *(self.days.columns if self.days else ()))


def customer_reach(metrics: Sequence[tuple[Metric, Windows]], days: Sequence[Window] = ()) -> CustomerReach | None:
    """What customer metrics in their windows need of each customer, and the purchase days of the windows ``days``; None
    where that is nothing."""

    def windows_of(kinds: frozenset[MetricKind]) -> tuple[Window, ...]:
        found = {w for metric, pair in metrics if metric.kind in kinds for w in _both(pair)}
        return tuple(sorted(found, key=lambda w: (w.first, w.last)))

    marked = [*windows_of(frozenset(MetricKind) - _NET), *days]
    if not metrics and not marked:
        return None
    calendar = Calendar(min(w.first for w in marked), max(w.last for w in marked)) if marked else None
    return CustomerReach(windows_of(_NET), windows_of(_SALES), calendar)


def customer_sums(customers: ir.Table, reach: CustomerReach) -> ir.Table:
    """One row per customer of ``DayFacts.customers`` with a fact in reach: ``customer_key`` and ``reach.columns``."""
    hull = reach.hull
    t = customers.filter(customers.business_date.between(hull.first, hull.last))
    if reach.days:
        t = reach.days.placed(t)
    amounts = {net_column(w): _inside(t.net_minor, t, w, hull) for w in reach.net}
    amounts |= {sales_column(w): _inside(t.sales, t, w, hull) for w in reach.sales}
    sums = {name: whole_sum(amount) for name, amount in amounts.items()}
    return t.group_by("customer_key").aggregate(**sums, **(reach.days.marks(t) if reach.days else {}))


def few_customer_sums(rows: pa.Table, reach: CustomerReach) -> pa.Table:
    """``customer_sums`` of rows that were fetched, customers in ascending order: an engine takes longer to be asked."""
    import pyarrow as pa

    hull, day = reach.hull, rows["business_date"].cast(pa.int32()).to_numpy().astype(np.int64)
    keys = rows["customer_key"].to_numpy()
    order = np.flatnonzero((day >= _place(hull.first)) & (day <= _place(hull.last)))
    order = order[np.argsort(keys[order], kind="stable")]
    keys, day = keys[order], day[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    found = {"customer_key": keys[starts]}
    for name, windows, column in (("net_minor", reach.net, net_column), ("sales", reach.sales, sales_column)):
        amount = rows[name].to_numpy()[order]
        for w in windows:
            inside = (day >= _place(w.first)) & (day <= _place(w.last))
            found[column(w)] = sums_of_runs(np.where(inside, amount, 0), starts)
    if reach.days:
        bought = rows["purchase_days"].to_numpy()[order] > 0
        found |= reach.days.marks_of(np.where(bought, day - _place(reach.days.first), -1), starts)
    return pa.table({name: pa.array(column) for name, column in found.items()})


def merge_customer_sums(parts: Iterable[ir.Table], reach: CustomerReach) -> ir.Table:
    """The rows of a history from the rows of its parts (in one engine, with the same ``reach``)."""
    import ibis

    columns = ("customer_key", *reach.columns)
    t = ibis.union(*(part.select(*columns) for part in parts))
    sums = {name: whole_sum(t[name]) for name in reach.sums}
    days = {name: bit_or()(t[name]) for name in (reach.days.columns if reach.days else ())}
    return t.group_by("customer_key").aggregate(**sums, **days)


def net_column(window: Window) -> str:
    """The column of the net sales in ``window``."""
    return f"net_{window.first:%Y%m%d}_{window.last:%Y%m%d}"


def sales_column(window: Window) -> str:
    """The column of the number of sale receipts in ``window``."""
    return f"sales_{window.first:%Y%m%d}_{window.last:%Y%m%d}"


def _place(day: date) -> int:
    """The number of ``day``, as Arrow counts days."""
    return (day - _EPOCH).days


def _inside(amount: Any, t: ir.Table, window: Window, hull: Window) -> Any:
    return amount if window == hull else t.business_date.between(window.first, window.last).ifelse(amount, 0)


def _both(windows: Windows) -> tuple[Window, ...]:
    return (windows.window,) if windows.before is None else (windows.window, windows.before)
