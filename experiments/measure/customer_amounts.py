"""What each drawn customer bought before the start and in the window: one pass over receipts, exact whole numbers.

A receipt counts for the customer it carries, wherever it was bought; one that was identified late counts, too, and a
correction counts with the receipt that it corrects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.measure.exact import whole_sum
from experiments.measure.facts import is_customer_sale
from experiments.measure.listed import require_once
from experiments.measure.windows import Window

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Whole = npt.NDArray[np.int64]
AMOUNTS = (
    "net_minor",
    "discount_minor",
    "reward_minor",
    "cost_minor",
    "cost_known_net_minor",
    "full_price_net_minor",
    "sales",
    "sales_elsewhere",
)
_WEEK = 7


@dataclass(frozen=True, slots=True, eq=False)
class CustomerAmounts:
    """(n) whole numbers by name, in the order of the customers that were asked for: in the window and before it."""

    window: Mapping[str, Whole]
    before: Mapping[str, Whole]


def customer_amounts(receipts: ir.Table, *, customers: pa.Table, window: Window, before: Window) -> CustomerAmounts:
    """The amounts of ``customers`` (``customer_key``, and ``home``, the store where each is at home).

    ``sales_elsewhere`` are purchases in another store than that; the other names are those of ``visit_sums``.
    ``receipts`` has the columns of the lake. Raises ``DuplicateUnit`` for a customer who is listed twice.
    """
    t = _of(receipts, customers, before.first, window.last)
    t = t.filter(t.business_date.between(before.first, before.last) | (t.business_date >= window.first))
    bought, has_cost = is_customer_sale(t), t.cost_minor.notnull()
    amounts = {
        **{name: t[name] for name in ("net_minor", "discount_minor", "reward_minor")},
        "cost_minor": has_cost.ifelse(t.cost_minor, 0),
        "cost_known_net_minor": has_cost.ifelse(t.net_minor, 0),
        "full_price_net_minor": (t.discount_minor == 0).ifelse(t.net_minor, 0),
        "sales": bought.cast("int64"),
        "sales_elsewhere": (bought & (t.store_id != t.home)).cast("int64"),
    }
    t = t.select("place", in_window=t.business_date >= window.first, **amounts)
    found = t.group_by("place", "in_window").aggregate(**{name: whole_sum(t[name]) for name in AMOUNTS}).to_pyarrow()
    inside = found.column("in_window").to_numpy(zero_copy_only=False).astype(np.bool_)
    n = customers.num_rows
    return CustomerAmounts(_placed(found, inside, n), _placed(found, ~inside, n))


def customer_weeks(receipts: ir.Table, *, customers: pa.Table, window: Window) -> Iterator[Whole]:
    """(n) each customer's net sales in the first whole week of ``window``, in the second, and so on."""
    t = _of(receipts, customers, window.first, window.last)
    place: Any = t.business_date.delta(window.first, unit="day")
    week = (place - place % _WEEK).name("start")
    found = t.group_by("place", start=week).aggregate(net=whole_sum(t.net_minor)).to_pyarrow()
    weeks = found.column("start").to_numpy().astype(np.int64) // _WEEK
    for number in range(window.days // _WEEK):
        yield _placed(found, weeks == number, customers.num_rows, ("net",))["net"]


def _of(receipts: ir.Table, customers: pa.Table, first: Any, last: Any) -> ir.Table:
    """The receipts of these customers and days, with the place of each one's customer and the home store."""
    import ibis
    import pyarrow as pa

    require_once(customers.column("customer_key").to_numpy(), "customer_key")
    places = customers.select(["customer_key", "home"]).append_column("place", pa.array(np.arange(customers.num_rows)))
    t = receipts.filter(receipts.business_date.between(first, last))
    return t.join(ibis.memtable(places), "customer_key")


def _placed(found: pa.Table, rows: npt.NDArray[np.bool_], n: int, names: tuple[str, ...] = AMOUNTS) -> dict[str, Whole]:
    places = found.column("place").to_numpy()[rows]
    values = {name: np.zeros(n, dtype=np.int64) for name in names}
    for name, column in values.items():
        column[places] = found.column(name).to_numpy()[rows]
    return values
