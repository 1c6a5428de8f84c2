"""From the parsed fields of receipts to the rows that are staged: instants, business dates, months, kinds."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.imports.arrow import Column, column, pc
from pilot.imports.mapping import STORE_TIME
from pilot.outcomes.business_time import Clocks

SALE, RETURN, CORRECTION, IDENTIFICATION = "sale", "return", "correction", "identification"
EARLIEST_DAY = date(2000, 1, 1)
_MINUTE_US = 60_000_000

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What turns a clock time into a business date: the zone of each store and the cut-off; clocks remember offsets.

    ``first_day``: the network's history begins here.
    """

    zones: dict[int, str]
    cutoff_hour: int
    clocks: Clocks
    first_day: date = EARLIEST_DAY
    zone_table: tuple[list[str], _Ints] = field(init=False)

    def __post_init__(self) -> None:
        """``zone_table``: the zones that occur, and by store id which of them each store is in."""
        zones = sorted(set(self.zones.values()))
        places = {zone: place for place, zone in enumerate(zones)}
        of_store = np.zeros(max(self.zones, default=0) + 1, np.int64)
        of_store[list(self.zones)] = [places[zone] for zone in self.zones.values()]
        object.__setattr__(self, "zone_table", (zones, of_store))  # frozen: made once, when it is born


def staged_rows(good: pa.Table, time_zone: str, facts: ReceiptFacts) -> pa.Table:
    """The staged columns of good rows. ``time_zone``: what a time without an offset means (``FileMapping``)."""
    at, days = _instants_and_days(good, time_zone, facts)
    kinds = _kinds(good)
    return pa.table(
        {
            "line": column(good, "line"),
            "receipt_id": column(good, "receipt"),
            "store_id": column(good, "store"),
            "till": pc.fill_null(column(good, "till"), ""),
            "number": _numbers(good, kinds),
            "kind": kinds,
            "refers_to": column(good, "refers_to"),
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "business_date": pa.array(days.astype(np.int32), pa.int32()).cast(pa.date32()),
            "customer": column(good, "customer"),
            "net_minor": pc.fill_null(column(good, "net"), 0),
            "vat_minor": pc.fill_null(column(good, "vat"), 0),
            "discount_minor": pc.fill_null(column(good, "discount"), 0),
            "cost_minor": column(good, "cost"),
            "reward_minor": pc.fill_null(column(good, "reward"), 0),
            "n_items": pc.fill_null(column(good, "n_items"), 0),
            "offer_id": column(good, "offer"),
            "business_month": _months(days),
        }
    )


def _kinds(good: pa.Table) -> Column:
    """The kind that is given, else by the sign of the amount."""
    given = column(good, "kind")
    if not given.null_count:
        return given
    by_sign = pc.if_else(pc.less(column(good, "net"), 0), RETURN, SALE)
    kinds: Column = pc.coalesce(given, by_sign, SALE)
    return kinds


def _numbers(good: pa.Table, kinds: Column) -> Column:
    """The number on the till; what refers to a receipt may repeat the receipt's number, and has none of its own."""
    refers = pc.is_in(kinds, value_set=pa.array([CORRECTION, IDENTIFICATION]))
    numbers = column(good, "number")
    if refers.true_count:
        numbers = pc.if_else(refers, pa.scalar(None, pa.string()), numbers)
    return numbers


def _months(days: _Ints) -> Column:
    """``2026-01`` for every business day."""
    if not len(days):
        return pa.array([], pa.string())
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    first = int(months.min())
    names = np.arange(first, int(months.max()) + 1).astype("datetime64[M]").astype(str)
    result: Column = pc.take(pa.array(names.tolist(), pa.string()), pa.array(months - first))
    return result


def _instants_and_days(good: pa.Table, time_zone: str, facts: ReceiptFacts) -> tuple[_Ints, _Ints]:
    """UTC microseconds and business days since 1970 of every row; the store's own zone decides the day."""
    parts: Any = column(good, "at")
    local = pc.struct_field(parts, "local").cast(pa.int64()).to_numpy(zero_copy_only=False)
    offset = pc.struct_field(parts, "offset_minutes")
    has_offset = pc.is_valid(offset).to_numpy(zero_copy_only=False)
    utc = local - pc.fill_null(offset, 0).to_numpy(zero_copy_only=False).astype(np.int64) * _MINUTE_US
    days = np.zeros(len(utc), dtype=np.int64)
    zones, of_store = facts.zone_table
    of_row = of_store[column(good, "store").to_numpy(zero_copy_only=False)] if len(zones) > 1 else of_store
    for place, zone in enumerate(zones):
        here = slice(None) if len(zones) == 1 else of_row == place
        clock = np.array(~has_offset) if len(zones) == 1 else here & ~has_offset
        if clock.any():
            utc[clock] = facts.clocks.to_utc(local[clock], zone if time_zone == STORE_TIME else time_zone)
        days[here] = facts.clocks.business_days(utc[here], zone, facts.cutoff_hour)
    return utc, days
