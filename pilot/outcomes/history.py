"""The network's past for planners: store × week panels and home stores; reduced in the engine.

Receipts never become a frame: each function answers one row per store and week or per customer, as exact integers.
"""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from experiments.measure.exact import exact_sum
from experiments.measure.facts import FactKind, counts_in_store, is_identified_sale
from pilot.outcomes.errors import BadPeriod
from pilot.outcomes.lake import MONTH, Lake

if TYPE_CHECKING:
    import ibis

_WEEK_DAYS = 7


def store_weeks(lake: Lake, version: int | None, first: date, last: date) -> pa.Table:
    """(store_id, week_start, net_minor, receipts, identified_receipts) by store and week, in that order.

    Weeks are seven days counted from ``first``; the last one is shorter where ``last`` cuts it. A store without
    receipts in a week has no row. Corrections change the money and are no receipts; a late identification makes a
    receipt an identified one. Raises ``BadPeriod``.
    """
    facts = receipts_within(lake, version, first, last)
    is_receipt = (facts.kind == FactKind.SALE.value) | (facts.kind == FactKind.RETURN.value)
    identified = facts.customer_key.notnull() & (is_receipt | ~counts_in_store(facts))
    # By store and day first: a week is found for a thousandth of the rows.
    days = facts.group_by("store_id", "business_date").aggregate(
        net_minor=exact_sum(counts_in_store(facts).ifelse(facts.net_minor, 0)),
        receipts=is_receipt.cast("int64").sum(),
        identified_receipts=identified.cast("int64").sum(),
    )
    number: Any = days.business_date.delta(first, unit="day")
    start = days.business_date - (number % _WEEK_DAYS).as_interval("D")
    weeks = days.mutate(week_start=start.cast("date"))
    panel = weeks.group_by("store_id", "week_start").aggregate(
        net_minor=exact_sum(weeks.net_minor).cast("int64"),
        receipts=weeks.receipts.sum().cast("int64"),
        identified_receipts=weeks.identified_receipts.sum().cast("int64"),
    )
    table: pa.Table = panel.order_by("store_id", "week_start").to_pyarrow()
    return table


def home_stores(lake: Lake, version: int | None, first: date, last: date) -> pa.Table:
    """(customer_key, store_id, visits) by customer: the store with most identified visits from ``first`` to ``last``.

    A visit is a sale whose customer is known, if late. Ties go to the store of the latest visit, then to the lowest
    store id. Raises ``BadPeriod``.
    """
    import ibis

    receipts = receipts_within(lake, version, first, last)
    visits = receipts.filter(is_identified_sale(receipts))
    counted = visits.group_by("customer_key", "store_id").aggregate(visits=visits.count(), latest=visits["at"].max())
    best = ibis.window(
        group_by="customer_key",
        order_by=[ibis.desc(counted.visits), ibis.desc(counted.latest), ibis.asc(counted.store_id)],
    )
    ranked = counted.mutate(place=ibis.row_number().over(best))
    homes = ranked.filter(ranked.place == 0).select("customer_key", "store_id", "visits")
    table: pa.Table = homes.order_by("customer_key").to_pyarrow()
    return table


def period_known(lake: Lake, version: int | None) -> tuple[date, date] | None:
    """The first and last business date of which the lake has receipts; None while it is empty."""
    months = sorted({Path(file).parent.name.removeprefix(f"{MONTH}=") for file in lake.files(version)})
    if not months:
        return None
    # Whatever lies between the first and the last month cannot be the first or the last day.
    receipts = lake.receipts(version, [months[0], months[-1]])
    row = receipts.aggregate(first=receipts.business_date.min(), last=receipts.business_date.max()).to_pyarrow()
    first, last = row["first"][0].as_py(), row["last"][0].as_py()
    return None if first is None else (first, last)


def receipts_within(lake: Lake, version: int | None, first: date, last: date) -> "ibis.Table":
    """The receipts of these business days. Raises ``BadPeriod``."""
    if last < first:
        raise BadPeriod(first=first.isoformat(), last=last.isoformat())
    receipts = lake.receipts(version, _months(first, last))
    return receipts.filter(receipts.business_date.between(first, last))


def _months(first: date, last: date) -> list[str]:
    """Every month from that of ``first`` to that of ``last``, as the lake writes them."""
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in numbers]
