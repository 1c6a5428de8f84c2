"""The two tables of days are kept up at the same time, but for what takes all the engine's memory."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from threading import Barrier, Lock
from typing import Any

import pytest

from pilot.outcomes.days import deliveries
from pilot.outcomes.days.service import Days
from pilot.outcomes.days.tables import DayTable
from pilot.outcomes.lake import Lake
from pilot.settings import Settings
from tests.pilot.outcomes.days.book import Book, deliver, from_receipts, moments_of

write_days = DayTable.write_days


@pytest.fixture
def lake(settings: Settings) -> Lake:
    found, book = Lake(settings), Book(Random(21))
    deliver(found, "one", book.delivery(60))
    Days(found).keep_up()
    deliver(found, "two", book.delivery(60))
    return found


def test_a_small_delivery_is_taken_into_both_at_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    both = Barrier(2, timeout=60)  # broken, and so an error, where one waits for the other to have ended
    met: list[str] = []

    def meeting(table: DayTable, connection: Any, files: Sequence[str], version: int, path: Path) -> int:
        if table.name not in met:
            met.append(table.name)
            both.wait()
        return write_days(table, connection, files, version, path)

    monkeypatch.setattr(DayTable, "write_days", meeting)
    assert Days(lake).keep_up() == lake.version()
    assert sorted(met) == ["customer_days", "store_days"]
    facts = Days(lake).day_facts(lake.version())
    assert facts is not None
    assert moments_of(facts) == from_receipts(lake)


def test_slices_of_a_large_delivery_are_taken_one_at_a_time(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "_SLICE_BYTES", 1)
    at_it, taken = Lock(), []

    def alone(table: DayTable, connection: Any, files: Sequence[str], version: int, path: Path) -> int:
        assert at_it.acquire(blocking=False), "two at once"
        try:
            taken.append(table.name)
            return write_days(table, connection, files, version, path)
        finally:
            at_it.release()

    monkeypatch.setattr(DayTable, "write_days", alone)
    assert Days(lake).keep_up() == lake.version()
    assert taken.count("customer_days") == taken.count("store_days") > 1


def test_where_one_fails_the_other_is_kept_up_and_the_next_call_goes_on(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(table: DayTable, connection: Any, files: Sequence[str], version: int, path: Path) -> int:
        if table.name == "customer_days":
            raise OSError("the disk is gone")
        return write_days(table, connection, files, version, path)

    with monkeypatch.context() as broken:
        broken.setattr(DayTable, "write_days", failing)
        with pytest.raises(OSError, match="the disk is gone"):
            Days(lake).keep_up()
    days = Days(lake)
    held = days.stores.included()
    assert held is not None
    assert held.through == lake.version()
    assert days.day_facts(lake.version()) is None  # they are served together or not at all
    assert days.keep_up() == lake.version()
    facts = days.day_facts(lake.version())
    assert facts is not None
    assert moments_of(facts) == from_receipts(lake)
