"""Sums per customer that somebody keeps: what is added up over them follows the news of a few customers.

Whatever is a sum over customers (``reduce``) is linear in their rows. So what it was for all rows when they were kept,
less the rows of before of those of whom there is news, plus their rows of now, is what it is today, to the digit; the
list of home customers is joined with those few only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from experiments.measure.compiled import fetched
from experiments.measure.customer_sums import CustomerReach, merge_customer_sums

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

SIGN = "sign"
Whole = npt.NDArray[np.int64]
Reduce = Callable[["ir.Table", "ir.Table"], "ir.Table"]  # of ``rows`` and of ``some`` listed customers


class Shelf(Protocol):
    """Where reduced rows lie from one report to the next; anything may be gone at any moment."""

    def take(self, key: str) -> pa.Table | None:
        """What was put there as ``key``."""

    def put(self, key: str, reduced: pa.Table) -> None:
        """Keep it."""


class CustomerSums(Protocol):
    """Rows of ``customer_sums``, one per customer."""

    def everybody(self) -> ir.Table:
        """All of them."""

    def reduced(self, key: Callable[[], str], listed: pa.Table, reduce: Reduce) -> pa.Table:
        """Rows that add up to ``reduce`` of everybody's and the ``listed`` customers. ``key`` says all on which it
        depends beside the rows; rows with a column ``SIGN`` below 0 are to be taken off."""


@dataclass(frozen=True, slots=True)
class ReadSums:
    """Rows that nobody keeps."""

    rows: ir.Table

    def everybody(self) -> ir.Table:
        return self.rows

    def reduced(self, key: Callable[[], str], listed: pa.Table, reduce: Reduce) -> pa.Table:
        import ibis

        return _fetched(reduce(self.rows, ibis.memtable(listed)))


@dataclass(frozen=True)
class KeptSums:
    """``kept`` is the table of rows as they were kept, in ascending order of ``customer_key``, and ``rows`` the same
    in an engine; what was reduced from them is on the ``shelf``. ``news`` are rows of what came since, with one for
    each customer of whom there is any."""

    rows: ir.Table
    kept: pa.Table
    reach: CustomerReach
    shelf: Shelf
    news: pa.Table | None = None

    def everybody(self) -> ir.Table:
        import ibis

        if self.news is None:
            return self.rows
        before, news = ibis.memtable(self._before), ibis.memtable(self._news)
        same = self.rows.anti_join(before, "customer_key").select(self._columns)
        return ibis.union(same, merge_customer_sums([before, news], self.reach))

    def reduced(self, key: Callable[[], str], listed: pa.Table, reduce: Reduce) -> pa.Table:
        import ibis
        import pyarrow as pa

        name = key()
        found = self.shelf.take(name)
        if found is None:
            found = _fetched(reduce(self.rows, ibis.memtable(listed)))
            self.shelf.put(name, found)
        if self.news is None:
            return found
        tables = {"rows": self._changed, "some": listed.filter(pa.array(self._touched(listed)))}
        fresh = fetched(self.rows.get_backend(), name, reduce, tables)
        return pa.concat_tables([found, fresh.cast(found.schema)])

    @cached_property
    def _changed(self) -> pa.Table:
        """What the customers of whom there is news had (``SIGN`` below 0), and what they have."""
        import pyarrow as pa

        before, news = self._before, self._news.sort_by("customer_key")
        keys = news["customer_key"].to_numpy()
        place = np.searchsorted(keys, before["customer_key"].to_numpy())
        columns = [keys]
        for name in self.reach.columns:
            had = np.zeros(len(keys), dtype=np.int64)
            had[place] = before[name].to_numpy()
            columns.append(_sum(had, news[name].to_numpy()) if name in self.reach.sums else had | news[name].to_numpy())
        now = pa.Table.from_arrays([pa.array(column) for column in columns], schema=before.schema)
        sign = np.repeat([-1, 1], [before.num_rows, now.num_rows])
        return pa.concat_tables([before, now]).append_column(SIGN, pa.array(sign))

    def _touched(self, listed: pa.Table) -> npt.NDArray[np.bool_]:
        """(n) which of the listed customers there is news of."""
        return np.isin(listed["customer_key"].to_numpy(), self._news["customer_key"].to_numpy())

    @property
    def _columns(self) -> tuple[str, ...]:
        return ("customer_key", *self.reach.columns)

    @cached_property
    def _before(self) -> pa.Table:
        """The kept rows of the customers of whom there is news."""
        keys, wanted = self.kept["customer_key"].to_numpy(), self._news["customer_key"].to_numpy()
        if not len(keys):
            return self.kept.select(self._columns)
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return self.kept.select(self._columns).take(np.sort(place[keys[place] == wanted]))

    @property
    def _news(self) -> pa.Table:
        if self.news is None:
            raise ValueError("there is no news")
        return self.news.select(self._columns)


def _sum(a: Whole, b: Whole) -> Whole:
    """``a`` plus ``b``; raises where it does not fit into 64 bits, as the engine does."""
    found: Whole = a + b
    if bool((((a ^ found) & (b ^ found)) < 0).any()):
        raise OverflowError("a customer's sums do not fit into 64 bits")
    return found


def signed(t: Any, value: Any) -> Any:
    """``value`` (64 bits) of each row of ``t``, with the sign that the row has."""
    return value * t[SIGN] if SIGN in t.columns else value


def _fetched(rows: ir.Table) -> pa.Table:
    found: pa.Table = rows.to_pyarrow()
    return found
