"""Windows as calendars really are: closed days at a month's end, the turn of the year, the small hours, other zones."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from pilot.database import Database
from pilot.evidence.document import ReportDocument
from pilot.evidence.service import compute_report
from pilot.network.model import Network, Store
from pilot.planning.errors import WindowStillOpen
from pilot.planning.queries import business_day
from tests.pilot.evidence.small_network import SET_UP_ON, SmallNetwork, day_at
from tests.pilot.evidence.snapshots import END, Point, installation


def compute(network: SmallNetwork, at: datetime) -> ReportDocument:
    return network.read(lambda s, p: compute_report(s, p, 1, lake=network.lake, now=at))


def test_a_window_may_end_on_the_last_of_a_month_when_every_store_is_closed(
    sqlite_database: Database, tmp_path: Path
) -> None:
    first, last = date(2026, 3, 4), date(2026, 3, 31)
    stage = {"number": 1, "name": "A few", "starts_on": str(first), "weeks": 4}
    network = SmallNetwork(sqlite_database, tmp_path, n_stores=12, customers=2).running(stages=[stage])
    network.load_receipts(SET_UP_ON, last - timedelta(days=1), {}, day_at(last))
    network.load_receipts(last + timedelta(days=1), last + timedelta(days=1), {}, day_at(last + timedelta(days=2)))
    document = compute(network, day_at(last + timedelta(days=2)))
    assert document.window.last == last
    assert document.freshness.through == last + timedelta(days=1)


@pytest.mark.parametrize("at", [datetime(2026, 3, 30, 0, 30, tzinfo=UTC), datetime(2026, 3, 30, 3, 59, tzinfo=UTC)])
def test_before_the_cut_off_hour_the_last_day_goes_on(tmp_path: Path, at: datetime) -> None:
    assert at.date() == END + timedelta(days=1)
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        change(network, lambda s: s.execute(update(Network).values(cutoff_hour=4)))
        with pytest.raises(WindowStillOpen):
            compute(network, at)
        assert compute(network, datetime(2026, 3, 30, 4, 0, tzinfo=UTC)).window.last == END


def test_a_window_is_over_when_it_is_over_in_the_last_time_zone(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        change(
            network,
            lambda s: s.execute(update(Store).where(Store.code == "S03").values(timezone="America/Los_Angeles")),
        )
        with pytest.raises(WindowStillOpen):
            compute(network, datetime(2026, 3, 30, 6, 59, tzinfo=UTC))
        assert compute(network, datetime(2026, 3, 30, 7, 0, tzinfo=UTC)).window.last == END


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), date(2026, 3, 28)),  # 01:59 in Berlin: an hour later it is 04:00
        (datetime(2026, 3, 29, 1, 59, tzinfo=UTC), date(2026, 3, 28)),  # 03:59, summer time
        (datetime(2026, 3, 29, 2, 0, tzinfo=UTC), date(2026, 3, 29)),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), date(2026, 10, 24)),  # 02:30 for the second time
        (datetime(2026, 10, 25, 3, 0, tzinfo=UTC), date(2026, 10, 25)),
        (datetime(2027, 1, 1, 2, 59, tzinfo=UTC), date(2026, 12, 31)),
    ],
)
def test_the_business_day_turns_at_the_cut_off_hour_of_the_clock(tmp_path: Path, at: datetime, day: date) -> None:
    with installation(Point.DRAFT, tmp_path) as network:
        change(network, lambda s: s.execute(update(Network).values(cutoff_hour=4, timezone="Europe/Berlin")))
        with network.database.reading() as session:
            assert business_day(session, at) == day


def change(network: SmallNetwork, act: Callable[[Session], object]) -> None:
    with network.database.unit_of_work() as session:
        act(session)
