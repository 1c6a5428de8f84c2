"""Newly identified customers against receipts one by one, and lifetimes by hand."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import NotEstimable
from experiments.measure.newcomers import Newcomers, lifetime, newcomers
from experiments.measure.windows import Window

WINDOW = Window(date(2026, 3, 2), date(2026, 4, 26))  # 56 days
BEFORE = Window(date(2026, 2, 2), date(2026, 3, 1))


def receipts(*facts: tuple[int | None, int, int, str, int]) -> Any:
    """(customer, store, day counted from the window's first, kind, net)."""
    days = [WINDOW.first + timedelta(days=day) for _, _, day, _, _ in facts]
    return ibis.memtable(
        pa.table(
            {
                "customer_key": pa.array([fact[0] for fact in facts], pa.int64()),
                "store_id": pa.array([fact[1] for fact in facts], pa.int64()),
                "business_date": pa.array(days, pa.date32()),
                "at": pa.array([datetime.combine(day, time(9), UTC) for day in days], pa.timestamp("us", "UTC")),
                "kind": pa.array([fact[3] for fact in facts], pa.string()),
                "net_minor": pa.array([fact[4] for fact in facts], pa.int64()),
            }
        )
    )


def found(*facts: tuple[int | None, int, int, str, int], listed: list[int] | None = None) -> list[tuple[int, ...]]:
    known = pa.table({"customer_key": pa.array(listed or [], pa.int64())})
    new = newcomers(receipts(*facts), listed=known, window=WINDOW, before=BEFORE)
    columns = (new.customer_key, new.store_id, new.first_day, new.last_day, new.net_minor)
    return [tuple(int(value) for value in row) for row in zip(*columns, strict=True)]


def test_who_was_never_seen_before_counts_where_they_first_bought() -> None:
    assert found(
        (7, 2, 3, "sale", 100), (7, 1, 9, "sale", 50), (7, 1, 10, "return", -20),  # first in store 2
        (8, 1, -5, "sale", 10), (8, 1, 5, "sale", 10),  # was there before
        (9, 1, 4, "sale", 10),  # on the list
        (None, 1, 4, "sale", 10),  # not known
        (6, 1, 20, "identification", 40),  # told late who it was
        (5, 1, 2, "return", -5),  # only a return
        listed=[9],
    ) == [(6, 1, 20, 20, 40), (7, 2, 3, 10 - 1, 130)]  # fmt: skip


FACT = st.tuples(
    st.sampled_from([None, 1, 2, 3, 4]),
    st.integers(1, 3),
    st.integers(-40, 60),
    st.sampled_from(["sale", "return", "correction", "identification"]),
    st.integers(0, 500),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(FACT, min_size=1, max_size=25))
def test_the_newcomers_are_those_of_the_receipts_one_by_one(facts: list[tuple[int | None, int, int, str, int]]) -> None:
    expected = []
    for key in (1, 2, 3):  # 4 is on the list
        mine = [fact for fact in facts if fact[0] == key]
        bought = [fact for fact in mine if fact[3] in ("sale", "identification")]
        inside = [fact for fact in bought if 0 <= fact[2] <= 55]
        if inside and not any(-28 <= fact[2] <= -1 for fact in bought):
            first = min(inside, key=lambda fact: (fact[2], fact[1]))
            spent = sum(fact[4] for fact in mine if 0 <= fact[2] <= 55)
            expected.append((key, first[1], first[2], max(fact[2] for fact in inside), spent))
    assert found(*facts, listed=[4]) == expected


def _people(*stays: tuple[int, int]) -> Newcomers:
    first, last = (np.array([stay[i] for stay in stays], dtype=np.int64) for i in (0, 1))
    keys = np.arange(len(stays), dtype=np.int64)
    return Newcomers(keys, keys, first, last, np.full(len(stays), 700, dtype=np.int64))


def test_a_lifetime_is_the_area_under_the_curve() -> None:
    """Two left after 7 and 14 days, two were still buying when sight ended: 7 + 7 × 3/4 + 14 × 1/2 of 28 days."""
    mine = lifetime(
        _people((0, 6), (0, 13), (20, 55), (10, 50)), Window(WINDOW.first, WINDOW.first + timedelta(days=55))
    )
    assert (mine.n, mine.left, mine.tau_weeks) == (4, 2, 4.0)
    assert mine.weeks == pytest.approx((7 + 7 * 0.75 + 14 * 0.5) / 7)
    assert mine.weekly_sales_minor == pytest.approx(4 * 700 / ((7 + 14 + 36 + 41) / 7))


def test_a_short_window_and_nobody_are_refused() -> None:
    with pytest.raises(NotEstimable, match="49 days are needed"):
        lifetime(_people((0, 1)), Window(WINDOW.first, WINDOW.first + timedelta(days=27)))
    with pytest.raises(NotEstimable, match="nobody"):
        lifetime(_people(), WINDOW)
