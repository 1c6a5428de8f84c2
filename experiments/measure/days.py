"""Day facts: what moments are made of, read from receipts as they are or from days that were derived from them.

The rows of both tables only ever add up, so the same customer and day (or store and day) may come in any number of
rows: one per receipt, one per day, or one per day and delivery. Amounts and counts are summed; ``purchase_days`` above
0 marks the day as one with a purchase, and marking it twice changes nothing. That is why days need no look at what
came before, and why receipts need not be grouped by day first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from experiments.measure.exact import exact_product, exact_sum, whole_sum
from experiments.measure.facts import counts_in_store, is_customer_sale, is_identified_sale, is_receipt, is_sale

if TYPE_CHECKING:
    import ibis.expr.types as ir

CUSTOMER_SUMS = ("net_minor", "sales")
STORE_SUMS = ("net_minor", "sales", "identified_sales", "receipts", "identified_receipts")


class DayFacts:
    """Ibis tables of one engine; given as functions, they are made when they are first read.

    ``customers`` has customer_key, business_date, net_minor, sales, purchase_days; ``stores`` has store_id,
    business_date, net_minor, net_squares (the sum of the squares of the facts' amounts, a correction's own among them),
    sales, identified_sales, receipts, identified_receipts. More columns do no harm. ``receipts`` are what both were
    made from, for the few metrics that days do not hold (``receipt_days``).
    """

    def __init__(
        self,
        customers: ir.Table | Callable[[], ir.Table],
        stores: ir.Table | Callable[[], ir.Table],
        receipts: ir.Table | Callable[[], ir.Table] | None = None,
    ) -> None:
        self._customers, self._stores, self._receipts = customers, stores, receipts

    @cached_property
    def customers(self) -> ir.Table:
        """What customers did."""
        return self._customers() if callable(self._customers) else self._customers

    @cached_property
    def stores(self) -> ir.Table:
        """What stores did."""
        return self._stores() if callable(self._stores) else self._stores

    @cached_property
    def receipts(self) -> ir.Table:
        """The receipts themselves."""
        if self._receipts is None:
            raise ValueError("these days came without their receipts")
        return self._receipts() if callable(self._receipts) else self._receipts

    @classmethod
    def of_receipts(cls, receipts: ir.Table) -> DayFacts:
        """The facts of ``receipts`` (store_id, kind, business_date, customer_key, net_minor; discount_minor for full
        prices), one row per receipt."""
        return cls(_of_customers(receipts), _of_stores(receipts), receipts)


def customer_days(receipts: ir.Table) -> ir.Table:
    """One row per customer and day: net_minor, sales, and purchase_days, 1 if there was a purchase and else 0."""
    t = _of_customers(receipts)
    return t.group_by("customer_key", "business_date").aggregate(
        **{name: whole_sum(t[name]) for name in CUSTOMER_SUMS}, purchase_days=t.purchase_days.max()
    )


def store_days(receipts: ir.Table) -> ir.Table:
    """One row per store and day: net_minor, net_squares (decimal(38,0)) and the counts of ``DayFacts.stores``."""
    t = _of_stores(receipts)
    return t.group_by("store_id", "business_date").aggregate(
        **{name: whole_sum(t[name]) for name in STORE_SUMS}, net_squares=exact_sum(t.net_squares)
    )


def _of_customers(receipts: ir.Table) -> ir.Table:
    t = receipts.filter(receipts.customer_key.notnull())
    bought = is_customer_sale(t).cast("int64")
    return t.select("customer_key", "business_date", "net_minor", sales=bought, purchase_days=bought)


def _of_stores(receipts: ir.Table) -> ir.Table:
    net = counts_in_store(receipts).ifelse(receipts.net_minor, 0)
    identified = receipts.customer_key.notnull()
    return receipts.select(
        "store_id",
        "business_date",
        net_minor=net,
        net_squares=exact_product(net, net),
        sales=is_sale(receipts).cast("int64"),
        identified_sales=is_identified_sale(receipts).cast("int64"),
        receipts=is_receipt(receipts).cast("int64"),
        identified_receipts=(identified & (is_receipt(receipts) | ~counts_in_store(receipts))).cast("int64"),
    )
