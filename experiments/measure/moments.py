"""Receipts become moments inside the engine: Ibis expressions that give one row of exact whole numbers per unit or arm.

``receipts`` is any Ibis table with the columns ``store_id, kind, business_date, customer_key, net_minor``. A ``sale``
makes a purchase day and counts as a receipt; a ``return`` has a negative ``net_minor`` and reduces net sales. Every
number is cast to ``decimal(38,0)`` before it is multiplied and again after it is summed, so any engine on any number
of threads agrees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from experiments.errors import DuplicateUnit, InvalidWindow, NotEstimable, UnknownUnit
from experiments.measure.metrics import AssignmentUnit, Metric, MetricKind, MetricLevel
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from experiments.measure.windows import Window, Windows, day_offsets, windows_for
from experiments.messages import N_, Message

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

_EXACT = "decimal(38,0)"


def unit_moments(
    receipts: ir.Table,
    metric: Metric,
    windows: Windows,
    *,
    units: Sequence[str],
    stores: pa.Table,
    homes: pa.Table | None = None,
) -> tuple[UnitMoments, ...]:
    """Moments of ``metric`` per unit of a store or region draw, one for each of ``units``, in their sorted order.

    ``stores`` (``store_id``, ``unit``) says which stores make a unit: all shoppers there count in a store metric.
    ``homes`` (``customer_key``, ``unit``) is the frozen list of home customers: a customer metric counts their
    receipts in *any* store. Units without a receipt have zeros. Raises ``DuplicateUnit`` and ``UnknownUnit`` for a
    table that does not fit ``units``, ``NotEstimable`` for a customer metric without ``homes``.
    """
    metric.require_measurable(AssignmentUnit.STORE)
    names = sorted(units)
    for first, second in pairwise(names):
        if first == second:
            raise DuplicateUnit(unit=first)
    if metric.level is MetricLevel.CUSTOMER:
        if homes is None:
            raise no_home_list(metric)
        counts = _members(homes, "customer_key", names)
        grouped = _fetch(_customer_sums(_reach(receipts, windows), metric, windows, homes), "unit")
        size_before = 1 if windows.before is not None else 0
        sizes = {unit: (counts[unit], counts[unit] * size_before) for unit in names}
    else:
        counts = _members(stores, "store_id", names)
        grouped = _fetch(_store_sums(_reach(receipts, windows), metric, windows, stores), "unit")
        sizes = {unit: _store_sizes(metric, windows, counts[unit], grouped.get(unit)) for unit in names}
    return tuple(_unit(unit, sizes[unit], grouped.get(unit), windows) for unit in names)


def arm_moments(
    receipts: ir.Table,
    metric: Metric,
    *,
    customers: pa.Table,
    window: Window,
    before: Window | None,
    data_through: date,
) -> tuple[ArmMoments, ...]:
    """Moments of ``metric`` per variant and stratum of a customer draw, sorted by both.

    ``customers`` has ``customer_key``, ``variant`` and, if wanted, ``stratum`` (text) and ``index_date`` (date; the
    start of the window where it is missing). A metric with days of its own reads them from each customer's index date
    and takes only customers whose days have all passed; the others read ``window`` and take only customers assigned
    by its first day. Raises ``NotMeasurable`` for store metrics and ``NotEstimable`` when nobody's window is
    observed.
    """
    metric.require_measurable(AssignmentUnit.CUSTOMER)
    if before is not None and before.last >= window.first:
        raise InvalidWindow(first=str(before.first), last=str(before.last), must_be="it must end before the start")
    listed, windows = _observed_customers(metric, customers, window, before, data_through)
    counts = Counter(zip(_texts(listed, "variant"), _texts(listed, "stratum"), strict=True))
    reach = _reach(receipts, windows)
    sums = _fetch(_arm_sums(reach, metric, windows, listed), "variant", "stratum")
    days = windows.window.days
    if metric.has_fixed_window:
        first, last = day_offsets(metric)
        days = last - first + 1
    days_x = windows.before.days if windows.before else 0
    return tuple(_arm(arm, counts[arm], sums.get(arm), metric, days, days_x) for arm in sorted(counts))


def _members(table: pa.Table, key: str, units: Sequence[str]) -> Counter[str]:
    """How many stores or customers each unit has; each may belong to one unit."""
    if len(table.column(key).unique()) != table.num_rows:
        raise DuplicateUnit(unit=key)
    counts = Counter(_texts(table, "unit"))
    for unit in sorted(set(counts) - set(units)):
        raise UnknownUnit(unit=unit)
    return counts


def _texts(table: pa.Table, column: str) -> list[str]:
    return [str(value) for value in table.column(column).to_pylist()]


def _strings(table: pa.Table, column: str) -> pa.Array[Any]:
    import pyarrow as pa

    return pa.array(_texts(table, column), pa.string())


def _reach(receipts: ir.Table, windows: Windows) -> ir.Table:
    """The receipts of both windows."""
    first = windows.before.first if windows.before else windows.window.first
    return receipts.filter(receipts.business_date.between(first, windows.window.last)).select(
        "store_id", "kind", "business_date", "customer_key", "net_minor"
    )


def _in(column: Any, window: Window | None) -> Any:
    import ibis

    return ibis.literal(False) if window is None else column.between(window.first, window.last)


def no_home_list(metric: Metric) -> NotEstimable:
    """The refusal of a customer metric without the list of home customers."""
    return NotEstimable(
        Message("no_home_list", N_("{metric} needs the list of home customers"), {"metric": metric.code})
    )


def exact_sum(expression: Any) -> Any:
    """The sum of whole numbers as an exact decimal, zero where there is nothing to add."""
    import ibis

    return ibis.coalesce(expression.cast(_EXACT).sum().cast(_EXACT), ibis.literal(0).cast(_EXACT))


def _squares(names: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {name: exact_sum(a.cast(_EXACT) * b.cast(_EXACT)) for name, (a, b) in names.items()}


def _store_sums(receipts: ir.Table, metric: Metric, windows: Windows, stores: pa.Table) -> ir.Table:
    import ibis

    t = receipts.join(ibis.memtable(stores.select(["store_id", "unit"])), "store_id")
    inside, earlier, sale = _in(t.business_date, windows.window), _in(t.business_date, windows.before), t.kind == "sale"
    if metric.kind is MetricKind.IDENTIFICATION_RATE:
        hit = (sale & t.customer_key.notnull()).cast("int64")
    else:
        hit = t.net_minor
    t = t.mutate(
        y=inside.ifelse(hit, 0), x=earlier.ifelse(hit, 0),
        n=(inside & sale).cast("int64"), n_x=(earlier & sale).cast("int64"),
    )  # fmt: skip
    if metric.kind is MetricKind.STORE_TOTAL:  # the rows are store-days
        t = t.group_by("unit", "store_id", "business_date").aggregate(
            y=exact_sum(t.y), x=exact_sum(t.x), n=exact_sum(t.n), n_x=exact_sum(t.n_x)
        )
    sums = {name: exact_sum(t[name]) for name in ("n", "n_x", "y", "x")}
    return t.group_by("unit").aggregate(**sums, **_squares({"yy": (t.y, t.y), "xx": (t.x, t.x)}))


def _store_sizes(metric: Metric, windows: Windows, n_stores: int, sums: Mapping[str, int] | None) -> tuple[int, int]:
    if metric.kind is MetricKind.STORE_TOTAL:
        return n_stores * windows.window.days, n_stores * (windows.before.days if windows.before else 0)
    return (sums["n"], sums["n_x"]) if sums else (0, 0)


def _outcome(metric: Metric, t: Any, inside: Any) -> Any:
    """What one customer has in a window: the numerator of the metric."""
    import ibis

    if metric.kind in (MetricKind.SPEND_PER_CUSTOMER, MetricKind.AVERAGE_BASKET):
        return exact_sum(inside.ifelse(t.net_minor, 0))
    purchase_days = t.business_date.nunique(where=inside & (t.kind == "sale"))
    if metric.kind is MetricKind.PURCHASE_FREQUENCY:
        return purchase_days
    needed = 2 if metric.kind is MetricKind.REPEAT_PURCHASE else 1
    return ibis.ifelse(purchase_days >= needed, 1, 0)


def _customer_sums(receipts: ir.Table, metric: Metric, windows: Windows, homes: pa.Table) -> ir.Table:
    import ibis

    t = receipts.join(ibis.memtable(homes.select(["customer_key", "unit"])), "customer_key")
    each = t.group_by("unit", "customer_key").aggregate(
        y=_outcome(metric, t, _in(t.business_date, windows.window)),
        x=_outcome(metric, t, _in(t.business_date, windows.before)),
    )
    products = _squares({"yy": (each.y, each.y), "xx": (each.x, each.x), "xy": (each.x, each.y)})
    return each.group_by("unit").aggregate(y=exact_sum(each.y), x=exact_sum(each.x), **products)


def _arm_sums(receipts: ir.Table, metric: Metric, windows: Windows, customers: pa.Table) -> ir.Table:
    import ibis

    t = receipts.join(ibis.memtable(customers), "customer_key")
    inside = (t.business_date >= t.window_first) & (t.business_date <= t.window_last)
    earlier = _in(t.business_date, windows.before)
    each = t.group_by("variant", "stratum", "customer_key").aggregate(
        y=_outcome(metric, t, inside),
        x=_outcome(metric, t, earlier),
        d=(inside & (t.kind == "sale")).cast("int64").sum(),
        e=(earlier & (t.kind == "sale")).cast("int64").sum(),
    )
    pairs = {a + b: (each[a], each[b]) for a, b in ("yy", "yd", "yx", "ye", "dd", "dx", "de", "xx", "xe", "ee")}
    sums = {name: exact_sum(each[name]) for name in "ydxe"}
    return each.group_by("variant", "stratum").aggregate(**sums, **_squares(pairs))


def _observed_customers(
    metric: Metric, customers: pa.Table, window: Window, before: Window | None, data_through: date
) -> tuple[pa.Table, Windows]:
    """The customers whose window is observed, with its first and last day, and the windows that hold all of theirs."""
    import pyarrow as pa

    n = customers.num_rows
    stratum = _strings(customers, "stratum") if "stratum" in customers.column_names else pa.array([""] * n, pa.string())
    if "index_date" in customers.column_names:
        index: Sequence[date] = [day or window.first for day in customers.column("index_date").to_pylist()]
    else:
        index = [window.first] * n
    if metric.has_fixed_window:
        first, last = day_offsets(metric)
        firsts = [day + timedelta(days=first) for day in index]
        lasts = [day + timedelta(days=last) for day in index]
        keep = [day <= min(window.last, data_through) for day in lasts]
        windows = _fixed_windows(metric, window, before, first, last)
    else:
        windows = windows_for(metric, window=window, before=before, data_through=data_through)
        firsts, lasts = [window.first] * n, [window.last] * n
        keep = [day <= window.first for day in index]
    if not any(keep):
        raise NotEstimable(
            Message("no_window_observed", N_("no customer's window of {metric} is observed"), {"metric": metric.code})
        )
    keys = pa.array(customers.column("customer_key").to_pylist(), pa.int64())
    if len(keys.unique()) != n:
        raise DuplicateUnit(unit="customer_key")
    table = pa.Table.from_arrays(
        [keys, _strings(customers, "variant"), stratum, pa.array(firsts, pa.date32()), pa.array(lasts, pa.date32())],
        names=["customer_key", "variant", "stratum", "window_first", "window_last"],
    )
    return table.filter(pa.array(keep)), windows


def _fixed_windows(metric: Metric, window: Window, before: Window | None, first: int, last: int) -> Windows:
    """The reach of every customer's own days; before the start, the last as many days as the metric reads."""
    if before is None or before.days < last - first + 1:
        return Windows(window, None)
    return Windows(window, Window(before.last - timedelta(days=last - first), before.last))


def _fetch(expression: ir.Table, *keys: str) -> dict[Any, dict[str, int]]:
    """The rows of a small aggregate, by key, as Python whole numbers."""
    rows: dict[Any, dict[str, int]] = {}
    for row in expression.to_pyarrow().to_pylist():
        key = row[keys[0]] if len(keys) == 1 else tuple(row[name] for name in keys)
        rows[key] = {name: int(value) for name, value in row.items() if name not in keys}
    return rows


def _unit(unit: str, sizes: tuple[int, int], sums: Mapping[str, int] | None, windows: Windows) -> UnitMoments:
    values = {name: (sums or {}).get(name, 0) for name in ("y", "yy", "x", "xx", "xy")}
    days_x = windows.before.days if windows.before else 0
    return UnitMoments(unit=unit, n=sizes[0], n_x=sizes[1], **values, days=windows.window.days, days_x=days_x)


def _arm(
    arm: tuple[str, str], n: int, sums: Mapping[str, int] | None, metric: Metric, days: int, days_x: int
) -> ArmMoments:
    names = ("y", "d", "x", "e", "yy", "yd", "yx", "ye", "dd", "dx", "de", "xx", "xe", "ee")
    values = {name: (sums or {}).get(name, 0) for name in names}
    if not metric.is_ratio:  # a mean per customer: every denominator is 1
        e = 1 if days_x else 0
        values |= {
            "d": n, "e": n * e, "yd": values["y"], "ye": values["y"] * e, "dd": n, "dx": values["x"], "de": n * e,
            "xe": values["x"] * e, "ee": n * e,
        }  # fmt: skip
    return ArmMoments(variant=arm[0], stratum=arm[1], n=n, **values, days=days, days_x=days_x)
