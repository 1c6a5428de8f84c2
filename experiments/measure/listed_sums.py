"""What listed customers bought week by week, by unit of home and group: exact sums from one pass over receipts.

A receipt counts for the customer it carries, wherever it was bought; one that was identified late counts, too, and a
correction counts with the receipt that it corrects. Weeks are counted from the stage's start, negative before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.errors import InvalidWindow
from experiments.measure.exact import whole_sum
from experiments.measure.listed import listed_customers
from experiments.measure.windows import Window

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Whole = npt.NDArray[np.int64]
AMOUNTS = ("net_minor", "discount_minor", "reward_minor")
TENTHS = 10
_WEEK = 7


@dataclass(frozen=True, eq=False)
class ListedSums:
    """``sums`` (cells × weeks) by amount and ``customers`` (cells); a cell is a unit and a group, "" where nobody
    groups. ``first_week`` is the number of the first column: −26 for 26 weeks before the start."""

    cells: tuple[tuple[str, str | None], ...]
    customers: Whole
    sums: dict[str, Whole]
    first_week: int

    @property
    def n_weeks(self) -> int:
        """The number of weeks after the start."""
        return int(self.sums[AMOUNTS[0]].shape[1]) + self.first_week

    def listed(self, unit: str, group: str | None = None) -> int:
        """The customers at home in ``unit`` (of ``group``; None: all)."""
        return int(self.customers[self._rows(unit, group)].sum())

    def amount(self, name: str, unit: str, group: str | None = None, *, first: int = 0, last: int | None = None) -> int:
        """The sum of an amount from week ``first`` to before week ``last`` (None: the end)."""
        weeks = slice(first - self.first_week, None if last is None else last - self.first_week)
        return sum(self.sums[name][self._rows(unit, group), weeks].ravel().tolist())

    def before(self, name: str, unit: str, group: str | None = None) -> int:
        """The sum over the weeks before the start."""
        return self.amount(name, unit, group, first=self.first_week, last=0)

    def _rows(self, unit: str, group: str | None) -> list[int]:
        return self._places.get((unit, group), [])

    @cached_property
    def _places(self) -> dict[tuple[str, str | None], list[int]]:
        """The rows of each unit (with None) and of each unit and group."""
        found: dict[tuple[str, str | None], list[int]] = defaultdict(list)
        for row, (unit, group) in enumerate(self.cells):
            found[unit, None].append(row)
            if group is not None:
                found[unit, group].append(row)
        return dict(found)


def listed_sums(receipts: ir.Table, *, homes: pa.Table, window: Window, before: Window) -> ListedSums:
    """The sums of ``homes`` (``customer_key``, ``unit`` and, if wanted, ``group``; one row per customer).

    ``receipts`` has the columns of the lake. Both periods are whole weeks, ``before`` ends the day before ``window``
    begins; else ``InvalidWindow``.
    """
    import ibis

    if before.days % _WEEK or window.days % _WEEK or (window.first - before.last).days != 1:
        raise InvalidWindow(first=str(before.first), last=str(window.last), must_be="whole weeks, one after the other")
    listed = listed_customers(homes, ("unit", "group"))
    t = receipts.filter(receipts.business_date.between(before.first, window.last))
    t = t.join(ibis.memtable(listed.table.select(["customer_key", "cell"])), "customer_key")
    place: Any = t.business_date.delta(before.first, unit="day")
    week = (place - place % _WEEK).name("start")
    found = t.group_by("cell", start=week).aggregate(**{name: whole_sum(t[name]) for name in AMOUNTS}).to_pyarrow()
    n_weeks = (before.days + window.days) // _WEEK
    cells = found.column("cell").to_numpy().astype(np.int64)
    weeks = found.column("start").to_numpy().astype(np.int64) // _WEEK
    sums = {name: np.zeros((len(listed.labels), n_weeks), dtype=np.int64) for name in AMOUNTS}
    for name in AMOUNTS:
        sums[name][cells, weeks] = found.column(name).to_numpy()
    labels = tuple((str(label[0]), label[1]) for label in listed.labels)
    return ListedSums(labels, np.array(listed.counts(), dtype=np.int64), sums, -before.days // _WEEK)


def spend_tenths(receipts: ir.Table, *, homes: pa.Table, before: Window) -> Sequence[str]:
    """The tenth of each customer of ``homes`` by net sales in ``before``: "1" spent least, "10" most.

    One order for the whole list, whatever was drawn. Who spent the same is in the same tenth, so tenths may differ in
    size, and one may be empty.
    """
    import ibis
    import pyarrow as pa

    keys = homes.column("customer_key").cast(pa.int64())
    t = receipts.filter(receipts.business_date.between(before.first, before.last))
    t = t.join(ibis.memtable(homes.select(["customer_key"])), "customer_key")
    found = t.group_by("customer_key").aggregate(net=whole_sum(t.net_minor)).to_pyarrow()
    order = np.argsort(found.column("customer_key").to_numpy())
    known, spent = (found.column(name).to_numpy()[order] for name in ("customer_key", "net"))
    wanted = keys.to_numpy()
    net = np.zeros(len(wanted), dtype=np.int64)
    if len(known):
        at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        there = known[at] == wanted
        net[there] = spent[at[there]]
    below = np.searchsorted(np.sort(net), net, side="left")
    return [str(1 + TENTHS * int(rank) // len(net)) for rank in below]
