"""What days do not say of stores: sales outside the list of customers and at full price, from receipts by store and
day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from experiments.errors import NotEstimable
from experiments.measure.exact import whole_sum
from experiments.measure.facts import counts_in_store
from experiments.measure.listed import listed_customers
from experiments.measure.metrics import Metric, MetricKind
from experiments.messages import N_, Message

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from experiments.measure.windows import Window

_COLUMN_OF = {
    MetricKind.SALES_OUTSIDE_LIST: "outside_net_minor",
    MetricKind.FULL_PRICE_SHARE: "full_price_net_minor",
}


def columns_of(metrics: Iterable[Metric]) -> tuple[str, ...]:
    """The columns of ``receipt_days`` that the metrics need."""
    kinds = {metric.kind for metric in metrics}
    return tuple(name for kind, name in _COLUMN_OF.items() if kind in kinds)


def receipt_days(receipts: ir.Table, columns: tuple[str, ...], reach: Window, homes: pa.Table | None) -> pa.Table:
    """``columns`` per ``store_id`` and ``business_date`` in ``reach``, 64-bit whole numbers.

    ``full_price_net_minor`` is the net sales of receipts without a discount. ``outside_net_minor`` is what the store
    sold less what customers in ``homes`` (``customer_key``) bought there, also where that became known late. Raises
    ``NotEstimable`` for the latter without ``homes``.
    """
    import ibis

    t = receipts.filter(receipts.business_date.between(reach.first, reach.last))
    net, sums = counts_in_store(t).ifelse(t.net_minor, 0), {}
    if "full_price_net_minor" in columns:
        sums["full_price_net_minor"] = (t.discount_minor == 0).ifelse(net, 0)
    rows = t.select("store_id", "business_date", "customer_key", "net_minor", store_net=net, **sums)
    if "outside_net_minor" in columns:
        if homes is None:
            message = N_("{metric} needs the list of home customers")
            raise NotEstimable(Message("no_home_list", message, {"metric": MetricKind.SALES_OUTSIDE_LIST.value}))
        listed = ibis.memtable(listed_customers(homes, ()).table)
        rows = rows.left_join(listed, "customer_key").select(*rows.columns, "cell")
        rows = rows.mutate(outside_net_minor=rows.store_net - rows.cell.notnull().ifelse(rows.net_minor, 0))
    days = rows.group_by("store_id", "business_date").aggregate(**{name: whole_sum(rows[name]) for name in columns})
    found: pa.Table = days.to_pyarrow()
    return found


def beside(days: pa.Table, more: pa.Table) -> pa.Table:
    """Rows of ``daily_sums`` with the columns of ``receipt_days`` beside, 0 where there is none."""
    keys = ["store_id", "business_date"]
    names = [name for name in more.column_names if name not in keys]
    found = days.join(more, keys, join_type="left outer")
    for name in names:
        place = found.schema.get_field_index(name)
        column: Any = found.column(name)
        found = found.set_column(place, name, column.fill_null(0))
    return found
