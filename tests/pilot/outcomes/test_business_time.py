"""Clock times become instants and business dates: time zones, clock changes and the cut-off hour."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.outcomes.business_time import Clocks

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(clock: str) -> "np.typing.NDArray[np.int64]":
    moment = datetime.fromisoformat(clock).replace(tzinfo=UTC)
    return np.array([(moment - EPOCH) // timedelta(microseconds=1)], dtype=np.int64)


@pytest.mark.parametrize(
    ("local", "zone", "utc"),
    [
        ("2017-01-15 18:05:00", "America/New_York", "2017-01-15 23:05:00"),
        ("2017-07-15 18:05:00", "America/New_York", "2017-07-15 22:05:00"),
        ("2017-07-15 18:05:00", "Asia/Kolkata", "2017-07-15 12:35:00"),
        ("2017-11-05 01:30:00", "America/New_York", "2017-11-05 05:30:00"),
        ("2017-03-12 02:30:00", "America/New_York", "2017-03-12 07:30:00"),
        ("2017-03-26 03:30:00", "UTC", "2017-03-26 03:30:00"),
    ],
    ids=["winter", "summer", "half hour", "twice in autumn: the first", "skipped in spring", "UTC"],
)
def test_a_clock_time_becomes_an_instant(local: str, zone: str, utc: str) -> None:
    assert Clocks().to_utc(micros(local), zone) == micros(utc)


@pytest.mark.parametrize(
    ("utc", "cutoff", "day"),
    [
        ("2017-01-02 04:59:59", 0, date(2017, 1, 1)),
        ("2017-01-02 05:00:00", 0, date(2017, 1, 2)),
        ("2017-01-02 07:59:59", 3, date(2017, 1, 1)),
        ("2017-01-02 08:00:00", 3, date(2017, 1, 2)),
    ],
)
def test_until_the_cut_off_it_is_still_yesterday(utc: str, cutoff: int, day: date) -> None:
    days = Clocks().business_days(micros(utc), "America/New_York", cutoff)
    assert date(1970, 1, 1) + timedelta(days=int(days[0])) == day


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    st.sampled_from(["Europe/Helsinki", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_every_instant_agrees_with_the_standard_library(naive: datetime, zone: str) -> None:
    moment = naive.replace(tzinfo=UTC)
    utc = np.array([(moment - EPOCH) // timedelta(microseconds=1)], dtype=np.int64)
    local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC)
    assert Clocks().to_local(utc, zone)[0] == (local - EPOCH) // timedelta(microseconds=1)
