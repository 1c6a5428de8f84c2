"""Durations: days from the index day, what is not yet known, and windows that are still open."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import InvalidWindow
from experiments.measure.duration import durations, maturity

START, LAST = date(2026, 3, 1), date(2026, 3, 31)
DAYS = st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(0, 60)), min_size=1, max_size=30)


def test_days_run_from_the_index_day_to_the_event_or_to_the_last_full_day() -> None:
    found = durations(
        [START, date(2026, 3, 5), date(2026, 3, 20), LAST],
        [date(2026, 3, 9), None, date(2026, 4, 2), LAST],
        observed_through=LAST,
    )
    assert found.days.tolist() == [8, 26, 11, 0]
    assert found.event.tolist() == [1, 0, 0, 1], "an event after the last full day is not yet known"


@given(DAYS)
def test_more_days_of_sight_never_shorten_a_duration_or_lose_an_event(rows: list[tuple[int, int | None]]) -> None:
    index = [START + timedelta(days=start) for start, _ in rows]
    events = [None if wait is None else day + timedelta(days=wait) for day, (_, wait) in zip(index, rows, strict=True)]
    now = durations(index, events, observed_through=LAST)
    later = durations(index, events, observed_through=LAST + timedelta(days=10))
    assert (later.days >= now.days).all()
    assert (later.event >= now.event).all()
    assert (later.days[now.event == 1] == now.days[now.event == 1]).all()


def test_impossible_days_are_refused() -> None:
    with pytest.raises(InvalidWindow, match="follows its index day"):
        durations([LAST], [START], observed_through=LAST)
    with pytest.raises(InvalidWindow, match="before the last day observed"):
        durations([LAST + timedelta(days=1)], [None], observed_through=LAST)
    with pytest.raises(ValueError, match="1 index days and 0 events"):
        durations([START], [], observed_through=LAST)


def test_a_window_counts_its_index_day_and_is_mature_on_its_last() -> None:
    found = maturity([START, date(2026, 3, 12), date(2026, 3, 13)], window_days=20, observed_through=LAST)
    assert found.mature.tolist() == [True, True, False]
    assert "1 of 3 units are left out" in str(found.warning)
    assert maturity([START], window_days=31, observed_through=LAST).warning is None


def test_a_window_without_a_day_is_refused() -> None:
    with pytest.raises(InvalidWindow):
        maturity([START], window_days=0, observed_through=LAST)
