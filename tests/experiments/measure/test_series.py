"""The weekly picture: cut at the start, by hand, and equal to moments measured week by week."""

import random
from datetime import date, timedelta

import pytest

from experiments import (
    Metric,
    NotEstimable,
    Windows,
    average_basket,
    identification_rate,
    purchase_frequency,
    repeat_purchase,
    spend_per_customer,
    store_total,
    unit_moments,
    weekly_series,
    weeks_around,
)
from tests.experiments.building import homes, receipts, stores

STORES = stores({"s1": "s1", "s2": "s2", "s3": "s3"})
ARMS = {"s1": "points", "s2": "control", "s3": "control"}
START = date(2026, 1, 8)


def test_weeks_are_cut_at_the_start() -> None:
    weeks = weeks_around(START, first=date(2025, 12, 30), last=date(2026, 1, 23))
    assert [week.first for week in weeks] == [date(2026, 1, 1), START, date(2026, 1, 15)]
    assert all(week.days == 7 for week in weeks)


def test_a_weekly_series_is_the_mean_of_the_units() -> None:
    rows = [
        ("s1", "sale", date(2026, 1, 5), 1, 1400),
        ("s2", "sale", date(2026, 1, 7), None, 300),
        ("s2", "sale", date(2026, 1, 9), 1, 550),
        ("s3", "sale", date(2026, 1, 15), 1, 999),  # after the last week
    ]
    weeks = weeks_around(START, first=date(2026, 1, 1), last=date(2026, 1, 14))
    points = weekly_series(receipts(rows), store_total(), weeks, assignment=ARMS, stores=STORES)
    assert [(p.week, p.variant, p.value, p.n_units) for p in points] == [
        (date(2026, 1, 1), "control", 150.0, 2),
        (date(2026, 1, 1), "points", 1400.0, 1),
        (date(2026, 1, 8), "control", 275.0, 2),
        (date(2026, 1, 8), "points", 0.0, 1),
    ]


@pytest.mark.parametrize(
    "metric",
    [store_total(), average_basket(), identification_rate(), spend_per_customer(), purchase_frequency()],
    ids=lambda m: m.code,
)
def test_one_pass_equals_moments_measured_week_by_week(metric: Metric) -> None:
    rng = random.Random(3)
    rows: list[tuple[str, str, date, int | None, int]] = []
    for _ in range(1500):
        day = date(2026, 1, 1) + timedelta(days=rng.randrange(30))
        customer = rng.randrange(20) if rng.random() < 0.7 else None
        sale = rng.random() < 0.9
        rows.append((rng.choice(["s1", "s2", "s3"]), "sale" if sale else "return", day, customer, 100 if sale else -30))
    table, listed = receipts(rows), homes({key: f"s{key % 3 + 1}" for key in range(15)})
    weeks = weeks_around(START, first=date(2026, 1, 1), last=date(2026, 1, 30))
    found = weekly_series(table, metric, weeks, assignment=ARMS, stores=STORES, homes=listed)
    expected = []
    for week in weeks:
        values: dict[str, list[float]] = {"control": [], "points": []}
        for m in unit_moments(table, metric, Windows(week, None), units=list(ARMS), stores=STORES, homes=listed):
            values[ARMS[m.unit]].append(metric.value(m))
        expected += [(week.first, v, sum(values[v]) / len(values[v]), len(values[v])) for v in ("control", "points")]
    assert [(p.week, p.variant, p.value, p.n_units) for p in found] == expected


def test_what_has_no_weekly_value_is_refused() -> None:
    weeks = weeks_around(START, first=date(2026, 1, 1), last=date(2026, 1, 14))
    with pytest.raises(NotEstimable, match="no weekly value"):
        weekly_series(receipts([]), repeat_purchase(7), weeks, assignment=ARMS, stores=STORES, homes=homes({}))
    with pytest.raises(NotEstimable, match="home customers"):
        weekly_series(receipts([]), spend_per_customer(), weeks, assignment=ARMS, stores=STORES)
    assert weekly_series(receipts([]), store_total(), [], assignment=ARMS, stores=STORES) == ()
