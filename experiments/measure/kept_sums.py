"""Sums per customer that somebody keeps: what is added up over them follows the news of a few customers.

Whatever is a sum over customers (``reduce``) is linear in their rows. So what it was for all rows when they were kept,
less the rows of before of those of whom there is news, plus their rows of now, is what it is today, to the digit. Those
few are added up as arrays: to ask an engine takes longer than to add them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from experiments.measure.customer_sums import CustomerReach
from experiments.measure.listed import Listed

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Whole = npt.NDArray[np.int64]
Columns = Mapping[str, Whole]
Reduce = Callable[["ir.Table", "ir.Table"], "ir.Table"]  # of ``rows`` and of ``some`` listed customers


class Shelf(Protocol):
    """Where reduced rows lie from one report to the next; anything may be gone at any moment."""

    def take(self, key: str) -> pa.Table | None:
        """What was put there as ``key``."""

    def put(self, key: str, reduced: pa.Table) -> None:
        """Keep it."""


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """Listed customers of whom there is news: their ``places`` in the list, and their rows as they were (zeros where
    there was none) and as they are, with the columns of the list beside."""

    places: Whole
    before: Columns
    now: Columns


class CustomerSums(Protocol):
    """Rows of ``customer_sums``, one per customer."""

    def everybody(self) -> ir.Table:
        """All of them."""

    def reduced(self, key: Callable[[], str], listed: pa.Table, reduce: Reduce) -> pa.Table:
        """``reduce`` of the rows, as they were before anybody ``changed``, and the ``listed`` customers. ``key`` says
        all on which it depends beside the rows."""

    def changed(self, listed: Listed) -> Changed | None:
        """Who of the listed customers has other rows now than those that were reduced."""


@dataclass(frozen=True, slots=True)
class ReadSums:
    """Rows that nobody keeps."""

    rows: ir.Table

    def everybody(self) -> ir.Table:
        return self.rows

    def reduced(self, key: Callable[[], str], listed: pa.Table, reduce: Reduce) -> pa.Table:
        return _reduced(self.rows, listed, reduce)

    def changed(self, listed: Listed) -> None:
        return None


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
    _asked: list[tuple[Listed, Changed]] = field(default_factory=list)

    def everybody(self) -> ir.Table:
        import ibis
        import pyarrow as pa

        if self.news is None:
            return self.rows
        keys, _, now = self._moved
        rows = pa.table({name: pa.array(column) for name, column in {"customer_key": keys, **now}.items()})
        same = self.rows.anti_join(ibis.memtable(rows.select(["customer_key"])), "customer_key")
        return ibis.union(same.select(*rows.schema.names), ibis.memtable(rows))

    def reduced(self, key: Callable[[], str], listed: pa.Table, reduce: Reduce) -> pa.Table:
        name = key()
        found = self.shelf.take(name)
        if found is None:
            found = _reduced(self.rows, listed, reduce)
            self.shelf.put(name, found)
        return found

    def changed(self, listed: Listed) -> Changed | None:
        if self.news is None:
            return None
        for asked, found in self._asked:
            if asked is listed:
                return found
        keys, before, now = self._moved
        customers = listed.table["customer_key"].to_numpy()
        places = np.flatnonzero(np.isin(customers, keys))
        who = np.searchsorted(keys, customers[places])
        own = {name: listed.table[name].to_numpy()[places].astype(np.int64) for name in listed.table.schema.names[1:]}
        before, now = ({name: rows[name][who] for name in rows} | own for rows in (before, now))
        self._asked[:] = [(listed, Changed(places, before, now))]
        return self._asked[0][1]

    @cached_property
    def _moved(self) -> tuple[Whole, dict[str, Whole], dict[str, Whole]]:
        """The customers of whom there is news, in ascending order, and the columns of their rows before and now."""
        if self.news is None:
            raise ValueError("there is no news")
        news = self.news.sort_by("customer_key")
        keys, names = news["customer_key"].to_numpy(), self.reach.columns
        before = {name: np.zeros(len(keys), dtype=np.int64) for name in names}
        for batch in self.kept.to_batches():  # mapped into memory: only what is asked for is read
            if not batch.num_rows:
                continue
            there = batch["customer_key"].to_numpy()
            first, last = np.searchsorted(keys, there[0]), np.searchsorted(keys, there[-1], side="right")
            place = np.searchsorted(there, keys[first:last])
            known = np.flatnonzero(there[place] == keys[first:last])
            for name in names:
                before[name][first + known] = batch[name].to_numpy()[place[known]]
        now = {}
        for name in names:
            fresh = news[name].to_numpy()
            now[name] = _sum(before[name], fresh) if name in self.reach.sums else before[name] | fresh
        return keys, before, now


def _sum(a: Whole, b: Whole) -> Whole:
    """``a`` plus ``b``; raises where it does not fit into 64 bits, as the engine does."""
    found: Whole = a + b
    if bool((((a ^ found) & (b ^ found)) < 0).any()):
        raise OverflowError("a customer's sums do not fit into 64 bits")
    return found


def _reduced(rows: ir.Table, listed: pa.Table, reduce: Reduce) -> pa.Table:
    import ibis

    found: pa.Table = reduce(rows, ibis.memtable(listed)).to_pyarrow()
    return found
