"""The pass over stores: day facts become one row per store and day, from which every store metric follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from experiments.measure.customer_sums import whole_sum
from experiments.measure.exact import exact_product, exact_sum
from experiments.measure.metrics import Metric, MetricKind
from experiments.measure.unit_moments import UnitMoments
from experiments.measure.windows import Window, Windows

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

_COUNTS = ("sales", "identified_sales", "receipts")


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


def store_unit_moments(
    daily: ir.Table,
    metrics: Sequence[tuple[Metric, Windows]],
    *,
    units: Sequence[str],
    stores: pa.Table,
    sizes: Mapping[str, int],
) -> dict[str, tuple[UnitMoments, ...]]:
    """Moments of store metrics by code, one for each of ``units`` (sorted); ``sizes`` says how many stores each has."""
    import ibis

    if not metrics:
        return {}
    t = daily.join(ibis.memtable(stores.select(["store_id", "unit"])), "store_id")
    totals: dict[str, Any] = {}
    for number, (metric, windows) in enumerate(metrics):
        for ending, window in (("", windows.window), ("_x", windows.before)):
            if window is not None:
                inside = t.business_date.between(window.first, window.last)
                for name, total in _totals(t, inside, metric).items():
                    totals[f"{name}{ending}_{number}"] = total
    rows = {row["unit"]: row for row in t.group_by("unit").aggregate(**totals).to_pyarrow().to_pylist()}
    return {
        metric.code: tuple(_unit(unit, sizes[unit], rows.get(unit, {}), number, metric, windows) for unit in units)
        for number, (metric, windows) in enumerate(metrics)
    }


def activity_of(daily: ir.Table, window: Window) -> dict[Any, Activity]:
    """Receipts in the window per store id; a store without any is not in the answer."""
    t = daily.filter(daily.business_date.between(window.first, window.last), daily.receipts > 0)
    found = t.group_by("store_id").aggregate(n=whole_sum(t.receipts), last=t.business_date.max()).to_pyarrow()
    return {row["store_id"]: Activity(int(row["n"]), row["last"]) for row in found.to_pylist()}


def _totals(t: ir.Table, inside: Any, metric: Metric) -> dict[str, Any]:
    net = inside.ifelse(t.net_minor, 0)
    if metric.kind is MetricKind.STORE_TOTAL:  # the rows are store-days
        return {"y": exact_sum(net), "yy": exact_sum(exact_product(net, net))}
    if metric.kind is MetricKind.IDENTIFICATION_RATE:
        return {
            "y": whole_sum(inside.ifelse(t.identified_sales, 0)),
            "n": whole_sum(inside.ifelse(t.sales, 0)),
        }
    return {
        "y": exact_sum(net),
        "yy": exact_sum(inside.ifelse(t.net_squares, 0)),
        "n": whole_sum(inside.ifelse(t.sales, 0)),
    }


def _unit(
    unit: str, n_stores: int, row: Mapping[str, Any], number: int, metric: Metric, windows: Windows
) -> UnitMoments:
    def value(name: str) -> int:
        return int(row.get(f"{name}_{number}", 0))

    days, days_x = windows.window.days, windows.before.days if windows.before else 0
    of_days = metric.kind is MetricKind.STORE_TOTAL
    square = "y" if metric.kind is MetricKind.IDENTIFICATION_RATE else "yy"  # 0 or 1: its own square
    return UnitMoments(
        unit=unit,
        n=n_stores * days if of_days else value("n"),
        y=value("y"),
        yy=value(square),
        x=value("y_x"),
        xx=value(f"{square}_x"),
        xy=0,
        n_x=n_stores * days_x if of_days else value("n_x"),
        days=days,
        days_x=days_x,
    )
