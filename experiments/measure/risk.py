"""Risk tables: per group and day since the index day, who was still to come and who came, as exact counts.

An event is the first purchase after the index day (day 0); who had none by the last day observed leaves there. From
these counts follow Kaplan–Meier curves of any union of groups, without a row per customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.errors import NotEstimable
from experiments.measure.customer_sums import CustomerReach
from experiments.measure.listed import Listed
from experiments.messages import N_, Message

if TYPE_CHECKING:
    import ibis.expr.types as ir

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RiskTable:
    """One group. ``days`` (k) are the days on which anybody left, in order; ``at_risk`` (k) who was still there at the
    start of the day, ``events`` (k) who bought on it, ``censored`` (k) whose sight ended with it."""

    days: Counts
    at_risk: Counts
    events: Counts
    censored: Counts

    def __add__(self, other: RiskTable) -> RiskTable:
        """The table of two disjoint groups together."""
        days = np.concatenate([self.days, other.days])
        events = np.concatenate([self.events, other.events])
        return risk_table(days, events, np.concatenate([self.censored, other.censored]))

    @property
    def rows(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(time, event, weight) as ``kaplan_meier`` takes them, one row per day and way of leaving."""
        time = np.concatenate([self.days, self.days]).astype(np.float64)
        event = np.concatenate([np.ones(len(self.days)), np.zeros(len(self.days))])
        weight = np.concatenate([self.events, self.censored]).astype(np.float64)
        there = weight > 0.0
        return time[there], event[there], weight[there]


def risk_table(days: Counts, events: Counts, censored: Counts) -> RiskTable:
    """The table of who left on ``days`` (repeats are added up), by an event or at the end of sight."""
    times, place = np.unique(days, return_inverse=True)
    bought, ended = np.zeros(len(times), np.int64), np.zeros(len(times), np.int64)
    np.add.at(bought, place, events)
    np.add.at(ended, place, censored)
    at_risk = np.cumsum((bought + ended)[::-1])[::-1]
    there = bought + ended > 0
    return RiskTable(times[there], at_risk[there], bought[there], ended[there])


def risk_tables(sums: ir.Table, reach: CustomerReach, listed: Listed, index: Counts, last: int) -> dict[int, RiskTable]:
    """The table of every cell. ``index`` (n) is each listed customer's day 0 and ``last`` the last day observed, as
    days of the calendar; who was listed after ``last`` has not been seen and is left out.

    Raises ``NotEstimable`` when the reach has no days.
    """
    import ibis
    import pyarrow as pa

    if reach.days is None:
        raise NotEstimable(Message("no_purchase_days", N_("the days of purchases were not read"), {}))
    seen = index <= last
    table = listed.table.select(["customer_key", "cell"]).append_column("start", pa.array(index)).filter(pa.array(seen))
    t = sums.join(ibis.memtable(table), "customer_key")
    each = t.select("cell", "start", day=reach.days.earliest(t, t.start + 1, last))
    each = each.filter(each.day.notnull()).mutate(day=each.day - each.start)
    rows = each.group_by("cell", "start", "day").aggregate(n=each.count()).to_pyarrow()
    events = {name: np.asarray(rows.column(name).to_numpy(), dtype=np.int64) for name in ("cell", "start", "day", "n")}
    return _by_cell(listed.cells[seen], index[seen], last, events)


def _by_cell(cells: Counts, index: Counts, last: int, events: dict[str, Counts]) -> dict[int, RiskTable]:
    """Who is listed and did not buy left at the end of sight."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    keys, sizes = np.unique(np.stack([cells, index]), axis=1, return_counts=True)
    stayed = {(int(cell), int(start)): int(n) for cell, start, n in zip(*keys, sizes, strict=True)}
    for cell, start, day, n in zip(*(events[name].tolist() for name in ("cell", "start", "day", "n")), strict=True):
        found.setdefault(cell, []).append((day, n, 0))
        stayed[cell, start] -= n
    for (cell, start), n in stayed.items():
        found.setdefault(cell, []).append((last - start, 0, n))
    return {cell: _of_rows(rows) for cell, rows in sorted(found.items())}


def _of_rows(rows: Sequence[tuple[int, int, int]]) -> RiskTable:
    columns: Any = np.array(rows, dtype=np.int64).T
    return risk_table(*columns)
