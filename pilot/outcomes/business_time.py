"""From local clock times to instants and business dates, for whole columns, by zoneinfo alone."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_QUARTER_US = 15 * 60 * 1_000_000  # every change of clocks since 2000 happened on a quarter of an hour
_HOUR_US = 3600 * 1_000_000
_UNKNOWN = np.iinfo(np.int64).min
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a local clock time without zone, on purpose


class Clocks:
    """The clocks of some time zones; offsets are looked up once per quarter of an hour and remembered."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bool], tuple[int, Ints]] = {}

    def to_utc(self, local_us: Ints, zone: str) -> Ints:
        """Local clock times to UTC, both in microseconds since 1970.

        A time that occurs twice in autumn is taken as the first; one skipped in spring as if clocks had not moved.
        """
        return local_us - self._offsets(local_us, zone, is_utc=False)

    def to_local(self, utc_us: Ints, zone: str) -> Ints:
        """UTC to local clock times, both in microseconds since 1970."""
        return utc_us + self._offsets(utc_us, zone, is_utc=True)

    def business_days(self, utc_us: Ints, zone: str, cutoff_hour: int) -> Ints:
        """Business dates as days since 1970: until ``cutoff_hour`` in the morning it is still yesterday."""
        return (self.to_local(utc_us, zone) - cutoff_hour * _HOUR_US) // (24 * _HOUR_US)

    def _offsets(self, times_us: Ints, zone: str, *, is_utc: bool) -> Ints:
        """The offset of every time, from a table by quarter of an hour that grows as quarters are asked for."""
        if not len(times_us):
            return np.zeros(0, np.int64)
        quarters = times_us // _QUARTER_US
        first, last = int(quarters.min()), int(quarters.max())
        start, table = self._known.get((zone, is_utc), (first, np.zeros(0, np.int64)))
        if first < start or last >= start + len(table):
            low, high = min(first, start), max(last + 1, start + len(table))
            wider = np.full(high - low, _UNKNOWN, np.int64)
            wider[start - low : start - low + len(table)] = table
            start, table = low, wider
        places = quarters - start
        found = table[places]
        missing = found == _UNKNOWN
        if missing.any():
            # Several threads may look the same quarters up; they find the same and write it to a table of their own.
            table = table.copy()
            for place in np.unique(places[missing]).tolist():
                table[place] = _offset(start + place, zone, is_utc=is_utc)
            found = table[places]
            self._known[zone, is_utc] = start, table
        return found


def _offset(quarter: int, zone: str, *, is_utc: bool) -> int:
    clock, info = _EPOCH + timedelta(microseconds=quarter * _QUARTER_US), ZoneInfo(zone)
    moment = clock.replace(tzinfo=ZoneInfo("UTC")).astimezone(info) if is_utc else clock.replace(tzinfo=info)
    offset = moment.utcoffset() or timedelta(0)
    return round(offset.total_seconds()) * 1_000_000
