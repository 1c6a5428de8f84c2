"""The pass over stores: day facts become one row per store and day, from which every store metric follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.measure.exact import exact_sum, products_totals, totals, whole_sum, whole_totals
from experiments.measure.metrics import Metric, MetricKind
from experiments.measure.unit_moments import UnitMoments, unit_rows
from experiments.measure.windows import Window, Windows

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Flags = npt.NDArray[np.bool_]
_COUNTS = ("sales", "identified_sales", "receipts")
_COLUMNS = ["store_id", "business_date", "net_minor", "net_squares", *_COUNTS]
NUMERATORS = {
    MetricKind.STORE_TOTAL: "net_minor",
    MetricKind.AVERAGE_BASKET: "net_minor",
    MetricKind.IDENTIFICATION_RATE: "identified_sales",
    MetricKind.SALES_OUTSIDE_LIST: "outside_net_minor",
    MetricKind.FULL_PRICE_SHARE: "full_price_net_minor",
}
# What divides them; a metric that is not here is divided by store-days.
DENOMINATORS = {
    MetricKind.AVERAGE_BASKET: "sales",
    MetricKind.IDENTIFICATION_RATE: "sales",
    MetricKind.FULL_PRICE_SHARE: "net_minor",
}


@dataclass(frozen=True, slots=True)
class Activity:
    """How fresh one store's receipts are: their number in the window and the last business day that has one."""

    receipts: int
    last: date


def daily_sums(stores: ir.Table, first: date, last: date) -> ir.Table:
    """One row per store and day of ``DayFacts.stores`` from ``first`` to ``last``."""
    t = stores.filter(stores.business_date.between(first, last))
    return t.group_by("store_id", "business_date").aggregate(
        net_minor=whole_sum(t.net_minor),
        net_squares=exact_sum(t.net_squares),
        **{name: whole_sum(t[name]) for name in _COUNTS},
    )


def with_news(kept: pa.Table, news: pa.Table) -> pa.Table:
    """Rows of ``daily_sums`` and a few rows of ``DayFacts.stores`` of the same days as ``daily_sums`` of them all."""
    import pyarrow as pa

    if not news.num_rows:
        return kept
    both = pa.concat_tables([kept.select(_COLUMNS), news.select(_COLUMNS)])
    days = both["business_date"].cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64)
    stores: Any = both["store_id"].combine_chunks().dictionary_encode()
    span = int(days.max() - days.min()) + 1
    code = stores.indices.to_numpy(zero_copy_only=False).astype(np.int64) * span + days - days.min()
    touched = np.isin(code, code[kept.num_rows :])
    some = both.filter(pa.array(touched))
    _, first, group = np.unique(code[touched], return_index=True, return_inverse=True)
    columns: list[Any] = [some[name].take(first) for name in _COLUMNS[:2]]
    columns += [pa.array(totals(some[name], group, len(first)), some[name].type) for name in _COLUMNS[2:]]
    return pa.concat_tables([both.filter(pa.array(~touched)), pa.Table.from_arrays(columns, schema=both.schema)])


@dataclass(frozen=True, slots=True, eq=False)
class Daily:
    """The rows of ``daily_sums``, fetched: stores times days are few. ``store`` is the place in ``ids``, ``day`` counts
    from ``first``."""

    rows: pa.Table
    ids: list[Any]
    store: npt.NDArray[np.int64]
    day: npt.NDArray[np.int64]
    first: date

    @classmethod
    def of(cls, rows: pa.Table, first: date) -> Daily:
        """``rows`` of ``daily_sums``, days counted from ``first``."""
        import pyarrow as pa

        days = rows["business_date"].cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64)
        coded: Any = rows["store_id"].combine_chunks().dictionary_encode()
        store = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(rows, coded.dictionary.to_pylist(), store, days - (first - _EPOCH).days, first)

    def inside(self, window: Window) -> Flags:
        """Which rows are of days in ``window``."""
        return (self.day >= (window.first - self.first).days) & (self.day <= (window.last - self.first).days)

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        """One of its columns."""
        return self.rows.column(name)

    def units(self, stores: pa.Table, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """(n) the place among ``names`` of the unit of each row's store; -1 where the store is in none."""
        place_of = {unit: place for place, unit in enumerate(names)}
        unit_of = dict(zip(stores.column("store_id").to_pylist(), stores.column("unit").to_pylist(), strict=True))
        places = [place_of[str(unit_of[store])] if store in unit_of else -1 for store in self.ids]
        return np.array(places, dtype=np.int64)[self.store]


def store_unit_moments(
    daily: Daily,
    metrics: Sequence[tuple[Metric, Windows]],
    *,
    units: Sequence[str],
    stores: pa.Table,
    sizes: Mapping[str, int],
) -> dict[str, tuple[UnitMoments, ...]]:
    """Moments of store metrics by code, one for each of ``units`` (sorted); ``sizes`` says how many stores each has."""
    unit_of = daily.units(stores, units)
    windows = {window for _, pair in metrics for window in (pair.window, pair.before) if window is not None}
    inside = {window: np.flatnonzero((unit_of >= 0) & daily.inside(window)) for window in windows}

    def of_window(metric: Metric, window: Window | None) -> dict[str, list[int]]:
        if window is None:
            return dict.fromkeys(("y", "yy", "n"), [0] * len(units))
        rows = inside[window]
        return _totals(daily, rows, unit_of[rows], len(units), metric)

    found = {}
    for metric, pair in metrics:
        now, before = of_window(metric, pair.window), of_window(metric, pair.before)
        days, days_x = pair.window.days, pair.before.days if pair.before else 0
        if metric.is_total:  # the rows are store-days
            now["n"], before["n"] = [sizes[u] * days for u in units], [sizes[u] * days_x for u in units]
        sums = {**now, "x": before["y"], "xx": before["yy"], "n_x": before["n"], "xy": [0] * len(units)}
        found[metric.code] = unit_rows(units, days=days, days_x=days_x, **sums)
    return found


def activity_of(daily: Daily, window: Window) -> dict[Any, Activity]:
    """Receipts in the window per store id; a store without any is not in the answer."""
    receipts = daily.column("receipts").to_numpy()
    rows = np.flatnonzero(daily.inside(window) & (receipts > 0))
    last = np.zeros(len(daily.ids), dtype=np.int64)
    np.maximum.at(last, daily.store[rows], daily.day[rows])
    counts = whole_totals(receipts[rows], daily.store[rows], len(daily.ids))
    return {
        store: Activity(n, daily.first + timedelta(days=int(day)))
        for store, n, day in zip(daily.ids, counts, last, strict=True)
        if n
    }


def _totals(
    daily: Daily, rows: npt.NDArray[np.int64], unit_of: npt.NDArray[np.int64], n_units: int, metric: Metric
) -> dict[str, list[int]]:
    """The sums of ``rows`` by unit: y, yy and (but for a total, whose rows are store-days) n."""

    def total(name: str) -> list[int]:
        return list(totals(daily.column(name).take(rows), unit_of, n_units))

    y = total(NUMERATORS[metric.kind])
    if metric.kind is MetricKind.IDENTIFICATION_RATE:
        return {"y": y, "yy": y, "n": total("sales")}  # 0 or 1: its own square
    if metric.kind is MetricKind.AVERAGE_BASKET:
        return {"y": y, "yy": total("net_squares"), "n": total("sales")}
    amount = daily.column(NUMERATORS[metric.kind]).to_numpy()[rows]
    found = {"y": y, "yy": list(products_totals(amount, amount, unit_of, n_units))}
    if metric.is_total:
        return found
    return found | {"n": [max(0, n) for n in total("net_minor")]}  # more returned than sold is nothing to divide by


_EPOCH = date(1970, 1, 1)
