"""Dates and times of day as cells hold them, in the order that the mapping names; years that cannot be are refused."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.imports.arrow import Column, pc
from pilot.imports.fast import Texts, shapes
from pilot.imports.values import DATE_ORDERS, Reading
from pilot.words import N_, Message

_Ints = npt.NDArray[np.int64]
_Days = npt.NDArray[np.datetime64]
_Offsets = npt.NDArray[np.int32]
_Mask = npt.NDArray[np.bool_]
_ISO = "YYYY-MM-DD"
_TO_SECONDS = len("2026-01-10T18:05:00")
_CLOCK = (
    r"(?:(?:T| +)(?P<H>[0-9]{1,2})[:.](?P<M>[0-9]{2})(?:[:.](?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?)"
    r" ?(?P<z>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar date in the mapping's order, from ``first`` to ``days_ahead`` days after today, never 1970-01-01."""

    first: date = date(1900, 1, 1)
    days_ahead: int = 1
    _zero = date(1970, 1, 1)
    _midnight = "(?:[ T]00:00(?::00(?:[.]0+)?)?)?"

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        parts = pc.extract_regex(texts, f"^{DATE_ORDERS[reading.date_order]}{self._midnight}$")
        days = _days(parts)
        fits = (days >= np.datetime64(self.first)) & (days <= np.datetime64(self._last(reading)))
        fits &= days != np.datetime64(self._zero)  # NaT compares false
        result: Column = pa.array(days.astype("datetime64[D]"), pa.date32(), mask=~fits)
        return result

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        template = N_("This is not a date written {order}.")
        return _explain_time(text, reading, self.first, self._last(reading), template, self._midnight)

    def _last(self, reading: Reading) -> date:
        return reading.today + timedelta(days=self.days_ahead)


@dataclass(frozen=True, slots=True)
class Instant:
    """A date and time, with or without an offset: struct {local: timestamp(us), offset_minutes: int32 or null}."""

    first: date = date(2000, 1, 1)

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        if reading.date_order == _ISO and (plain := self._plain(texts, reading)) is not None:
            return plain
        done = np.zeros(len(texts), bool)
        local = np.full(len(texts), np.datetime64("NaT"), "datetime64[us]")
        offset, has_offset = np.zeros(len(texts), np.int32), np.zeros(len(texts), bool)
        for rows, groups, places in shapes(texts, _quick_pattern(reading.date_order)):
            year, month, day, hours, minutes, seconds = (_whole(groups[name], len(rows)) for name in "ymdHMS")
            local[rows] = self._local(
                _calendar(year, month, day),
                hours,
                minutes,
                seconds,
                _micros(groups["f"], places["f"], len(rows)),
                reading,
            )
            if groups["z"] is not None:
                east = _whole(groups["zh"], len(rows)) * 60 + _whole(groups["zm"], len(rows))
                offset[rows], has_offset[rows] = -east if groups["zs"] == "-" else east, True
            done[rows] = True
        rest = ~done & texts.is_valid().to_numpy(zero_copy_only=False)
        if rest.any():
            local[rest], offset[rest], has_offset[rest] = self._careful(texts.filter(pa.array(rest)), reading)
        struct: Column = pa.StructArray.from_arrays(
            [pa.array(local, pa.timestamp("us")), pa.array(offset, pa.int32(), mask=~has_offset)],
            names=["local", "offset_minutes"],
            mask=pa.array(np.isnat(local)),
        )
        return struct

    def _plain(self, texts: Column, reading: Reading) -> Column | None:
        """Times all written alike, to the second: ``2026-01-10T18:05:00+02:00``, ``…Z``, or without an offset.

        None where one of them is not, or cannot be.
        """
        raw = Texts.of(texts)
        width = int(raw.ends[0] - raw.starts[0]) if raw is not None else 0
        if raw is None or texts.null_count or width < _TO_SECONDS or (raw.lengths != width).any():
            return None
        block = raw.data[raw.starts[0] : raw.ends[-1]].reshape(len(texts), width)
        offset = _plain_offsets(block[:, _TO_SECONDS:])
        if offset is None:
            return None
        clocks = pa.py_buffer(np.ascontiguousarray(block[:, :_TO_SECONDS]).data)
        ends = pa.py_buffer(np.arange(0, (len(texts) + 1) * _TO_SECONDS, _TO_SECONDS, dtype=np.int32).data)
        try:
            local = pa.Array.from_buffers(pa.string(), len(texts), [None, ends, clocks]).cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            return None
        micros = local.to_numpy(zero_copy_only=False)
        if micros.min() < np.datetime64(self.first) or micros.max() >= np.datetime64(_tomorrow(reading)) + 1:
            return None
        return pa.StructArray.from_arrays([local, offset], names=["local", "offset_minutes"])

    def _careful(self, texts: Column, reading: Reading) -> tuple[_Days, _Offsets, _Mask]:
        """Local times (NaT: none), offsets and which rows have one, by the regular expression."""
        parts = pc.extract_regex(texts, f"^{DATE_ORDERS[reading.date_order]}{_CLOCK}$")
        hours, minutes, seconds = (_number(parts, group) for group in "HMS")
        local = self._local(_days(parts), hours, minutes, seconds, _number(parts, "f", width=6), reading)
        zone = pc.struct_field(parts, "z")
        offset = pc.if_else(pc.equal(zone, ""), pa.scalar(None, pa.int32()), _offset_minutes(zone))
        has_offset = pc.and_(pc.is_valid(zone), pc.is_valid(offset)).to_numpy(zero_copy_only=False)
        return local, pc.fill_null(offset, 0).to_numpy(zero_copy_only=False), has_offset

    def _local(
        self, days: _Days, hours: _Ints, minutes: _Ints, seconds: _Ints, micros: _Ints, reading: Reading
    ) -> _Days:
        """Clock times; NaT where the day or the time of day cannot be."""
        times = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros
        local = days.astype("datetime64[us]") + times.astype("timedelta64[us]")
        fits = (days >= np.datetime64(self.first)) & (days <= np.datetime64(_tomorrow(reading)))
        fits &= (hours < 24) & (minutes < 60) & (seconds < 60)
        return np.where(fits, local, np.datetime64("NaT", "us"))

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        template = N_("This is not a date ({order}) with a time of day, such as {order} 18:05:00.")
        return _explain_time(text, reading, self.first, _tomorrow(reading), template, _CLOCK)


def _plain_offsets(ends: npt.NDArray[np.uint8]) -> Column | None:
    """Minutes east of UTC from the bytes behind the seconds: ``+02:00``, ``Z`` or nothing; None where it is neither."""
    n, width = ends.shape
    if width == 0:
        return pa.nulls(n, pa.int32())
    if width == 1:
        return pa.array(np.zeros(n, np.int32)) if (ends == ord("Z")).all() else None
    if width != len("+02:00"):
        return None
    is_west, digits = ends[:, 0] == ord("-"), ends[:, [1, 2, 4, 5]] - np.uint8(48)
    if not (is_west | (ends[:, 0] == ord("+"))).all() or (ends[:, 3] != ord(":")).any() or digits.max() > 9:
        return None
    minutes = digits @ np.array([600, 60, 10, 1], np.int32)
    return pa.array(np.where(is_west, -minutes, minutes))


def _number(parts: Column, group: str, width: int = 0) -> npt.NDArray[np.int64]:
    """The digits of a group as integers, 0 where the group is missing; ``width`` pads and cuts a fraction."""
    digits = pc.struct_field(parts, group)
    if width:
        digits = pc.utf8_slice_codeunits(pc.utf8_rpad(digits, width, "0"), 0, width)
    filled = pc.fill_null(pc.if_else(pc.equal(digits, ""), "0", digits), "0")
    numbers: npt.NDArray[np.int64] = filled.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


def _days(parts: Column) -> npt.NDArray[np.datetime64]:
    """Calendar days from the groups y, m, d; NaT for no match and for days that do not exist (31 February)."""
    days = _calendar(*(_number(parts, group) for group in "ymd"))
    return np.where(pc.is_valid(parts).to_numpy(zero_copy_only=False), days, np.datetime64("NaT"))


def _calendar(year: _Ints, month: _Ints, day: _Ints) -> _Days:
    """Calendar days; NaT for days that do not exist (31 February)."""
    first = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    days = first.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    exists = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]") == first)
    return np.where(exists, days, np.datetime64("NaT"))


def _whole(group: _Ints | str | None, n: int) -> _Ints:
    """A group of digits; 0 where it took no part."""
    return group if isinstance(group, np.ndarray) else np.zeros(n, np.int64)


def _micros(group: _Ints | str | None, digits: int, n: int) -> _Ints:
    """A fraction of ``digits`` digits in microseconds; what is finer is cut."""
    micros: _Ints = _whole(group, n) * 10**6 // 10**digits
    return micros


@lru_cache(maxsize=len(DATE_ORDERS))
def _quick_pattern(date_order: str) -> re.Pattern[str]:
    """The pattern of an instant with the parts of its offset as groups."""
    offset = "(?P<z>Z|(?P<zs>[+-])(?P<zh>[0-9]{2})(?::?(?P<zm>[0-9]{2}))?)?"
    return re.compile(DATE_ORDERS[date_order] + _CLOCK[: _CLOCK.index("(?P<z>")] + offset)


def _offset_minutes(zone: Column) -> Column:
    """``Z``, ``+02``, ``+0200`` and ``+02:00`` as minutes east of UTC."""
    parts = pc.extract_regex(zone, "^(?P<s>[+-])(?P<h>[0-9]{2}):?(?P<m>[0-9]{2})?$")
    minutes = _number(parts, "h") * 60 + _number(parts, "m")
    negative = pc.fill_null(pc.equal(pc.struct_field(parts, "s"), "-"), False).to_numpy(zero_copy_only=False)
    result: Column = pa.array(np.where(negative, -minutes, minutes), pa.int32())
    return result


def _explain_time(text: str, reading: Reading, first: date, last: date, template: str, clock: str) -> Message:
    """``clock``: the pattern of what follows the date; a text without that form is no date, whatever it begins with."""
    match = re.fullmatch(DATE_ORDERS[reading.date_order] + clock, text)
    if match:
        try:
            day = date(int(match["y"]), int(match["m"]), int(match["d"]))
        except ValueError:
            return Message(
                "no_such_day",
                N_("There is no such day. The mapping reads dates as {order}."),
                {"order": reading.date_order},
            )
        if not first <= day <= last or day == date(1970, 1, 1):
            return Message(
                "implausible_date",
                N_("The date is not between {first:date} and {last:date}."),
                {"first": first.isoformat(), "last": last.isoformat()},
            )
    return Message("not_a_date", template, {"order": reading.date_order})


def _tomorrow(reading: Reading) -> date:
    return reading.today + timedelta(days=1)


def utc_today(now: datetime) -> date:
    """The date of ``now`` in UTC."""
    return now.astimezone(UTC).date()
