"""From local clock times to instants and business dates, for whole columns, by zoneinfo alone."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_QUARTER_US = 15 * 60 * 1_000_000  # every change of clocks since 2000 happened on a quarter of an hour
_HOUR_US = 3600 * 1_000_000
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a local clock time without zone, on purpose


class Clocks:
    """The clocks of some time zones; offsets are looked up once per quarter of an hour and remembered."""

    def __init__(self) -> None:
        self._local: dict[str, dict[int, int]] = {}
        self._utc: dict[str, dict[int, int]] = {}

    def to_utc(self, local_us: Ints, zone: str) -> Ints:
        """Local clock times to UTC, both in microseconds since 1970.

        A time that occurs twice in autumn is taken as the first; one skipped in spring as if clocks had not moved.
        """
        return local_us - self._offsets(local_us, zone, self._local.setdefault(zone, {}), is_utc=False)

    def to_local(self, utc_us: Ints, zone: str) -> Ints:
        """UTC to local clock times, both in microseconds since 1970."""
        return utc_us + self._offsets(utc_us, zone, self._utc.setdefault(zone, {}), is_utc=True)

    def business_days(self, utc_us: Ints, zone: str, cutoff_hour: int) -> Ints:
        """Business dates as days since 1970: until ``cutoff_hour`` in the morning it is still yesterday."""
        return (self.to_local(utc_us, zone) - cutoff_hour * _HOUR_US) // (24 * _HOUR_US)

    @staticmethod
    def _offsets(times_us: Ints, zone: str, known: dict[int, int], *, is_utc: bool) -> Ints:
        quarters, places = np.unique(times_us // _QUARTER_US, return_inverse=True)
        info = ZoneInfo(zone)
        for quarter in quarters.tolist():
            if quarter not in known:
                clock = _EPOCH + timedelta(microseconds=quarter * _QUARTER_US)
                moment = (
                    clock.replace(tzinfo=ZoneInfo("UTC")).astimezone(info) if is_utc else clock.replace(tzinfo=info)
                )
                offset = moment.utcoffset() or timedelta(0)
                known[quarter] = round(offset.total_seconds()) * 1_000_000
        return np.array([known[quarter] for quarter in quarters.tolist()], dtype=np.int64)[places]
