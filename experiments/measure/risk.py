"""Risk tables: per group and day since the index day, who was still to come and who came, as exact counts.

An event is the first purchase after the index day (day 0); who had none by the last day observed leaves there. From
these counts follow Kaplan–Meier curves of any union of groups, without a row per customer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.errors import NotEstimable
from experiments.measure.customer_sums import CustomerReach
from experiments.measure.exact import whole_sum
from experiments.measure.kept_sums import CustomerSums
from experiments.measure.listed import Listed
from experiments.messages import N_, Message

if TYPE_CHECKING:
    import ibis.expr.types as ir

Counts = npt.NDArray[np.int64]
_WEEK = 7


@dataclass(frozen=True, slots=True, eq=False)
class RiskTable:
    """One group. ``days`` (k) are the days on which anybody left, in order; ``at_risk`` (k) who was still there at the
    start of the day, ``events`` (k) who bought on it, ``censored`` (k) whose sight ended with it."""

    days: Counts
    at_risk: Counts
    events: Counts
    censored: Counts

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RiskTable):
            return NotImplemented
        return all(np.array_equal(getattr(self, column.name), getattr(other, column.name)) for column in fields(self))

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    def __add__(self, other: RiskTable) -> RiskTable:
        """The table of two disjoint groups together."""
        return together([self, other])

    @property
    def rows(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(time, event, weight) as ``kaplan_meier`` takes them, one row per day and way of leaving."""
        time = np.concatenate([self.days, self.days]).astype(np.float64)
        event = np.concatenate([np.ones(len(self.days)), np.zeros(len(self.days))])
        weight = np.concatenate([self.events, self.censored]).astype(np.float64)
        there = weight > 0.0
        return time[there], event[there], weight[there]


@dataclass(frozen=True, slots=True)
class RiskWeek:
    """Week ``week`` after the index day (1: days 1 to 7): who had not come by its first day, who came, whose sight
    ended."""

    week: int
    at_risk: int
    events: int
    censored: int


def by_week(table: RiskTable) -> tuple[RiskWeek, ...]:
    """The table week by week, as far as anybody was seen."""
    week = np.maximum(table.days - 1, 0) // _WEEK
    n = int(week.max(initial=-1)) + 1
    events, censored = np.zeros(n, np.int64), np.zeros(n, np.int64)
    np.add.at(events, week, table.events)
    np.add.at(censored, week, table.censored)
    at_risk = np.cumsum((events + censored)[::-1])[::-1]
    columns = zip(at_risk.tolist(), events.tolist(), censored.tolist(), strict=True)
    return tuple(RiskWeek(number, *row) for number, row in enumerate(columns, 1))


def risk_table(days: Counts, events: Counts, censored: Counts) -> RiskTable:
    """The table of who left on ``days`` (repeats are added up), by an event or at the end of sight."""
    times, place = np.unique(days, return_inverse=True)
    bought, ended = np.zeros(len(times), np.int64), np.zeros(len(times), np.int64)
    np.add.at(bought, place, events)
    np.add.at(ended, place, censored)
    at_risk = np.cumsum((bought + ended)[::-1])[::-1]
    there = bought + ended > 0
    return RiskTable(times[there], at_risk[there], bought[there], ended[there])


def together(tables: Sequence[RiskTable]) -> RiskTable:
    """The table of disjoint groups together."""
    columns = (np.concatenate([getattr(table, name) for table in tables]) for name in ("days", "events", "censored"))
    return risk_table(*columns)


def risk_tables(
    sums: CustomerSums, reach: CustomerReach, listed: Listed, index: Counts | int, last: int
) -> dict[int, RiskTable]:
    """The table of every cell. ``index`` is the day 0 of all listed customers or of each (n), and ``last`` the last day
    observed, as days of the calendar; who was listed after ``last`` has not been seen and is left out.

    Raises ``NotEstimable`` when the reach has no days.
    """
    import pyarrow as pa

    calendar, table = reach.days, listed.table.select(["customer_key", "cell"])
    if calendar is None:
        raise NotEstimable(Message("no_purchase_days", N_("the days of purchases were not read"), {}))
    own = None if isinstance(index, int) else index  # the same day 0 for all makes every mask of days a plain number
    seen: Any = slice(None) if own is None else own <= last
    low = index if isinstance(index, int) else int(index[seen].min(initial=last + 1))
    if low > last or not table.num_rows:
        return {}
    if own is not None:
        table = table.append_column("start", pa.array(own)).filter(pa.array(seen))

    def reduce(rows: ir.Table, some: ir.Table) -> ir.Table:
        t = rows.join(some, "customer_key")
        start: Any = low if own is None else t.start
        each = t.mutate(day=calendar.earliest(t, start + 1, last), n=1)
        each = each.filter(each.day.notnull())
        return each.group_by("cell", *table.column_names[2:], "day").aggregate(n=whole_sum(each.n))

    def key() -> str:
        return listed.key("risk", reach, low, last, arrays=[] if own is None else [own])

    rows = sums.reduced(key, table, reduce)
    events = {name: rows.column(name).to_numpy().astype(np.int64) for name in rows.column_names}
    changed = sums.changed(listed)
    if changed is not None:
        for t, n in ((changed.before, -1), (changed.now, 1)):
            start = None if own is None else own[changed.places]
            day = calendar.earliest_of(t, low + 1 if start is None else start + 1, last)
            came = np.flatnonzero(day >= 0 if start is None else (day >= 0) & (start <= last))
            more = {"cell": t["cell"][came], "day": day[came], "n": np.full(len(came), n)}
            more |= {} if start is None else {"start": start[came]}
            events = {name: np.concatenate([column, more[name]]) for name, column in events.items()}
    span, n_cells = last - low + 1, len(listed.labels)
    if own is None:
        there = np.zeros((n_cells, span), dtype=np.int64)
        there[:, 0] = listed.counts()
        return _by_cell(there.ravel(), span, events | {"start": np.int64(0), "day": events["day"] - low})
    there = np.bincount(listed.cells[seen] * span + own[seen] - low, minlength=n_cells * span)
    days = {"start": events["start"] - low, "day": events["day"] - events["start"]}
    return _by_cell(there, span, events | days)


def _by_cell(listed: Counts, span: int, events: Mapping[str, Any]) -> dict[int, RiskTable]:
    """Who is listed (cells × the ``span`` of days to the last: with which index day) and did not buy left at the end of
    sight."""
    came = np.bincount(events["cell"] * span + events["start"], events["n"], len(listed)).astype(np.int64)
    who = np.flatnonzero(listed)
    size = len(listed) // span * (span + 1)
    places = events["cell"] * (span + 1) + events["day"], (who // span) * (span + 1) + span - 1 - who % span
    bought, ended = (
        np.bincount(where, n, size).astype(np.int64)
        for where, n in zip(places, (events["n"], (listed - came)[who]), strict=True)
    )
    place = np.flatnonzero(bought + ended)
    bought, ended = bought[place], ended[place]
    cells = place // (span + 1)
    first = np.flatnonzero(np.append(True, cells[1:] != cells[:-1])[: len(cells)])
    left = np.append(np.cumsum((bought + ended)[::-1])[::-1], 0)  # here or in a later row, of any cell
    return {
        int(cell): RiskTable(place[a:b] % (span + 1), left[a:b] - left[b], bought[a:b], ended[a:b])
        for cell, a, b in zip(cells[first], first, np.append(first[1:], len(place)), strict=True)
    }
