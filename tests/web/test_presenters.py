"""Numbers leave rounded here and nowhere else; an effect keeps its interval, its n and its level."""

from datetime import UTC, date, datetime

import pytest
from flask import Flask

from web import presenters


@pytest.fixture(autouse=True)
def speaking_english(app: Flask):  # type: ignore[no-untyped-def] # a fixture without a value
    with app.test_request_context("/"):
        yield


def test_money_takes_the_currency_s_own_minor_units() -> None:
    assert presenters.money(123_456, "EUR") == "€1,234.56"
    assert presenters.money(123_456, "JPY") == "¥123,456"
    assert presenters.money(123_456, "EUR", cents=False) == "€1,235"


def test_a_difference_of_shares_is_in_points() -> None:
    assert presenters.change(0.0213, "share", "EUR") == "+2.13 points"
    assert presenters.change(-0.0213, "share", "EUR") == "−2.13 points"


def test_an_interval_says_where_the_data_set_no_limit() -> None:
    assert presenters.interval((-100.0, 250.0), "money", "EUR") == "−€1.00 to +€2.50"
    assert presenters.interval((-0.01, 0.0234), "share", "EUR") == "−1.00 to +2.34 points"
    assert presenters.interval((None, 250.0), "money", "EUR") == "up to +€2.50"
    assert presenters.interval((100.0, None), "money", "EUR") == "from +€1.00 upwards"
    assert presenters.interval((None, None), "money", "EUR") == "no limit on either side"


def test_a_very_small_p_is_never_shown_as_zero() -> None:
    assert presenters.p_value(0.0000004) == "< 0.001"
    assert presenters.p_value(0.0412) == "0.041"


def test_levels_keep_the_digits_that_looks_give_them() -> None:
    assert presenters.level(0.95) == "95%"
    assert presenters.level(1 - 0.05 / 3) == "98.33%"


def test_instants_are_shown_in_the_reader_s_zone() -> None:
    at = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
    assert presenters.moment(at, "Europe/Helsinki").startswith("Mar 3, 2026, 12:30")
    assert presenters.day(date(2018, 1, 2)) == "Jan 2, 2018"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_cell_that_a_spreadsheet_would_compute_is_neutralised(cell: str) -> None:
    assert presenters.neutralised(cell) == "'" + cell


def test_numbers_and_plain_words_of_an_export_stay_as_they_are() -> None:
    assert presenters.neutralised(-1.5) == -1.5
    assert presenters.neutralised("S01") == "S01"
    assert presenters.neutralised(None) is None


@pytest.mark.parametrize(
    ("value", "covariate", "shown"),
    [
        (834_993, "identified_ppm", "83.5%"), (0.4, "listed_customers", "0.4"), (1234.5, "listed_customers", "1,234"),
        (123_456, "net_minor_per_week", "€1,235"), (5_678, "spend_per_customer_minor", "€57"),
    ],
)  # fmt: skip
def test_what_was_before_the_start_stands_in_its_own_unit(value: float, covariate: str, shown: str) -> None:
    assert presenters.level_before(value, covariate, "EUR") == shown
