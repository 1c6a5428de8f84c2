"""Windows: which days a metric reads, and that unobserved days refuse it."""

from datetime import date

import pytest

from experiments import NotEstimable, Window, purchase_frequency, repeat_purchase, retention, windows_for
from experiments.errors import InvalidWindow

JANUARY = Window(date(2026, 1, 1), date(2026, 1, 31))
DECEMBER = Window(date(2025, 12, 1), date(2025, 12, 31))


def test_a_window_holds_both_its_ends() -> None:
    assert JANUARY.days == 31
    assert JANUARY.contains(date(2026, 1, 31))
    assert not JANUARY.contains(date(2026, 2, 1))


def test_a_metric_without_days_reads_the_whole_window() -> None:
    found = windows_for(purchase_frequency(), window=JANUARY, before=DECEMBER, data_through=date(2026, 1, 31))
    assert (found.window, found.before) == (JANUARY, DECEMBER)


def test_repeat_purchase_reads_its_days_from_the_index_day_on() -> None:
    found = windows_for(repeat_purchase(10), window=JANUARY, before=DECEMBER, data_through=date(2026, 1, 31))
    assert found.window == Window(date(2026, 1, 1), date(2026, 1, 10))
    assert found.before == Window(date(2025, 12, 22), date(2025, 12, 31))


def test_retention_counts_from_day_zero() -> None:
    found = windows_for(retention(7, 13), window=JANUARY, before=DECEMBER, data_through=date(2026, 1, 31))
    assert found.window == Window(date(2026, 1, 8), date(2026, 1, 14))


def test_a_history_shorter_than_the_metric_gives_no_covariate() -> None:
    short = Window(date(2025, 12, 29), date(2025, 12, 31))
    assert windows_for(repeat_purchase(10), window=JANUARY, before=short, data_through=date(2026, 2, 1)).before is None
    assert windows_for(repeat_purchase(10), window=JANUARY, before=None, data_through=date(2026, 2, 1)).before is None


@pytest.mark.parametrize("days", [32, 60])
def test_days_beyond_the_window_are_not_observed(days: int) -> None:
    with pytest.raises(NotEstimable, match="only days to 2026-01-31 are observed"):
        windows_for(repeat_purchase(days), window=JANUARY, before=None, data_through=date(2026, 6, 1))


def test_days_that_are_not_yet_in_the_data_are_not_observed() -> None:
    with pytest.raises(NotEstimable, match="only days to 2026-01-09"):
        windows_for(repeat_purchase(10), window=JANUARY, before=None, data_through=date(2026, 1, 9))
    windows_for(repeat_purchase(10), window=JANUARY, before=None, data_through=date(2026, 1, 10))


def test_windows_that_overlap_or_run_backwards_are_refused() -> None:
    with pytest.raises(InvalidWindow, match="precedes"):
        Window(date(2026, 1, 2), date(2026, 1, 1))
    with pytest.raises(InvalidWindow, match="before the start"):
        windows_for(purchase_frequency(), window=JANUARY, before=JANUARY, data_through=date(2026, 2, 1))
