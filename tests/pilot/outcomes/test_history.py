"""The past as planners see it: store weeks, home stores; fixed by the version."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from pilot.database import Database
from pilot.imports.model import ImportKind
from pilot.outcomes import history
from pilot.outcomes.errors import BadPeriod
from pilot.outcomes.lake import SCHEMA, Lake
from pilot.settings import Settings
from tests.pilot.imports.builders import Chain
from tests.pilot.outcomes.histories import publish

RECEIPTS = """receipt,store,at,kind,customer,net
a,31,2026-01-05 10:00,sale,1,10.00
b,31,2026-01-06 10:00,sale,1,5.00
c,309,2026-01-12 10:00,sale,1,1.00
d,309,2026-01-19 10:00,sale,1,2.00
e,309,2026-01-07 10:00,sale,2,3.00
f,31,2026-01-08 10:00,sale,2,4.00
g,7,2026-01-08 10:00,sale,3,6.00
h,31,2026-01-08 10:00,sale,3,7.00
i,31,2026-01-09 10:00,sale,,8.00
j,7,2026-01-10 10:00,return,3,-1.00
k,7,2026-01-11 10:00,return,3,-1.00
"""
FIRST, LAST = date(2026, 1, 5), date(2026, 1, 25)


@pytest.fixture
def lake(sqlite_database: Database, now: datetime) -> Lake:
    chain = Chain(sqlite_database, now).with_stores()
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    return Lake(sqlite_database.settings)


def test_store_weeks_are_sums_of_whole_weeks_from_the_first_day(lake: Lake) -> None:
    panel = history.store_weeks(lake, None, FIRST, LAST)
    assert [tuple(row.values()) for row in panel.to_pylist()] == [
        (1, date(2026, 1, 5), 400, 3, 3),
        (2, date(2026, 1, 5), 3400, 5, 4),
        (3, date(2026, 1, 5), 300, 1, 1),
        (3, date(2026, 1, 12), 100, 1, 1),
        (3, date(2026, 1, 19), 200, 1, 1),
    ]


def test_a_home_store_has_most_visits_then_the_latest_then_the_lowest_id(lake: Lake) -> None:
    homes = history.home_stores(lake, None, FIRST, LAST)
    # 1: two visits each, the later at 309; 2: one each, the later at 31; 3: one each at the same time (no returns).
    assert [tuple(row.values()) for row in homes.to_pylist()] == [(1, 3, 2), (2, 2, 1), (3, 1, 1)]


def test_the_period_ends_with_its_last_day(lake: Lake) -> None:
    homes = history.home_stores(lake, None, FIRST, date(2026, 1, 6))
    assert [tuple(row.values()) for row in homes.to_pylist()] == [(1, 2, 2)]


def test_the_past_at_a_version_does_not_change_when_receipts_come_late(
    lake: Lake, sqlite_database: Database, now: datetime
) -> None:
    version = lake.version()
    before = history.store_weeks(lake, version, FIRST, LAST)
    with sqlite_database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE app_user SET email = 'other@example.org'")
        connection.exec_driver_sql("COMMIT")
    Chain(sqlite_database, now).take_in(ImportKind.RECEIPTS, "receipt,store,at,net\nlate,31,2026-01-05 11:00,99.00\n")
    assert history.store_weeks(lake, version, FIRST, LAST) == before
    assert history.store_weeks(lake, None, FIRST, LAST) != before


def test_the_period_that_is_known_is_told(lake: Lake) -> None:
    assert history.period_known(lake, None) == (date(2026, 1, 5), date(2026, 1, 19))
    assert history.period_known(lake, 0) is None


def test_corrections_change_money_and_late_identification_tells_whose_a_visit_was(settings: Settings) -> None:
    lake = Lake(settings)
    # receipt, kind, day, customer, net: a visit of nobody's at store 1, corrected, and later known to be customer 7's.
    facts = [
        ("sale", date(2026, 1, 6), None, 1000),
        ("correction", date(2026, 1, 6), None, -250),
        ("identification", date(2026, 1, 6), 7, 750),
        ("return", date(2026, 1, 13), None, -300),
        ("identification", date(2026, 1, 13), 7, -300),
        ("sale", date(2026, 1, 7), 8, 20),
        ("correction", date(2026, 1, 7), 8, 5),
    ]
    publish(lake, "one", _facts(facts))
    panel = history.store_weeks(lake, None, FIRST, LAST)
    assert [tuple(row.values()) for row in panel.to_pylist()] == [
        (1, date(2026, 1, 5), 775, 2, 2),
        (1, date(2026, 1, 12), -300, 1, 1),
    ]
    homes = history.home_stores(lake, None, FIRST, LAST)
    assert [tuple(row.values()) for row in homes.to_pylist()] == [(7, 1, 1), (8, 1, 1)]  # a return is no visit


def test_only_the_months_of_the_period_are_read(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(settings)
    days = [date(2025, 12, 30), date(2026, 1, 6), date(2026, 2, 3), date(2026, 3, 1)]
    publish(lake, "one", _facts([("sale", day, 1, 100) for day in days]))
    read: list[list[str]] = []
    receipts = Lake.receipts

    def seen(self: Lake, version: int | None = None, months: Sequence[str] | None = None) -> Any:
        read.append(list(months or ["all"]))
        return receipts(self, version, months)

    monkeypatch.setattr(Lake, "receipts", seen)
    assert history.store_weeks(lake, None, date(2026, 1, 5), date(2026, 2, 8)).num_rows == 2
    assert history.period_known(lake, None) == (days[0], days[-1])
    assert read == [["2026-01", "2026-02"], ["2025-12", "2026-03"]]


def _facts(facts: list[tuple[str, date, int | None, int]]) -> pa.Table:
    """Facts (kind, day, customer, net) of store 1."""
    at = datetime(2026, 1, 6, 12, tzinfo=UTC)
    rows = [
        {
            **dict.fromkeys(("vat_minor", "discount_minor", "reward_minor", "n_items"), 0),
            **{"receipt_id": f"r{number}", "store_id": 1, "at": at, "received_at": at, "batch_id": "one"},
            **{"kind": kind, "business_date": day, "customer_key": customer, "net_minor": net},
        }
        for number, (kind, day, customer, net) in enumerate(facts)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def test_a_period_that_ends_before_it_begins_is_refused(lake: Lake) -> None:
    with pytest.raises(BadPeriod):
        history.store_weeks(lake, None, LAST, FIRST)
