"""The types of cells: exact, strict, and never without a reason."""

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.imports.times import Day, Instant
from pilot.imports.values import (
    DATE_ORDERS,
    Choice,
    Contact,
    Count,
    Id,
    Known,
    Money,
    Present,
    Reading,
    Text,
    ValueType,
    Zone,
    printable,
    trimmed,
)

READING = Reading(today=date(2018, 1, 2), known={"store": {"S1": 7}})
ALL_TYPES: list[ValueType] = [
    Id(),
    Text(),
    Present(),
    Money(),
    Count(),
    Day(),
    Instant(),
    Choice({"sale": "sale"}),
    Known("There is no “{code}”."),
    Zone(),
    Contact(is_email=True),
    Contact(is_email=False),
]


def parsed(kind: ValueType, text: str | None, reading: Reading = READING) -> object:
    return kind.parse(trimmed(pa.array([text], pa.string())), "store", reading)[0].as_py()


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("12.5", 1250),
        ("12.50", 1250),
        ("12.5000", 1250),
        ("12", 1200),
        ("12.", 1200),
        ("-0.05", -5),
        ("−3.10", -310),
        ("1 234.50", 123450),
        ("1\u00a0234\u202f567.01", 123456701),
        ("999999999999.99", 99999999999999),
    ],
)
def test_an_amount_is_read_exactly(text: str, minor: int) -> None:
    assert parsed(Money(), text) == minor


@pytest.mark.parametrize(
    "text", ["12,5", "1,234.50", "1e5", "NaN", "inf", "12.505", "1234567890123", "--5", "1 23", "١٢"]
)
def test_what_is_not_an_amount_is_refused_with_a_reason(text: str) -> None:
    assert parsed(Money(), text) is None
    assert str(Money().explain(text, "net", READING))


def test_a_wrong_decimal_mark_is_suspected_by_name() -> None:
    assert Money().explain("12,5", "net", READING).code == "decimal_mark"


@given(st.decimals(min_value=-999_999_999, max_value=999_999_999, places=2), st.sampled_from(".,"))
def test_no_amount_passes_through_a_float(amount: Decimal, mark: str) -> None:
    reading = Reading(today=READING.today, decimal_mark=mark)
    assert parsed(Money(), str(amount).replace(".", mark), reading) == int(amount * 100)


def test_a_currency_without_minor_unit_takes_no_decimals() -> None:
    yen = Reading(today=READING.today, currency_exponent=0)
    assert parsed(Money(), "1250", yen) == 1250
    assert parsed(Money(), "1250.00", yen) == 1250
    assert parsed(Money(), "1250.5", yen) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("NaN", "id_missing"),
        ("2017-01-01", "id_is_date"),
        ("1.2E+15", "id_is_number"),
        ("12.0", "id_is_number"),
        ("=cmd|' /C calc'!A0", "formula"),
        ("@name", "formula"),
        ("North region", "id_form"),
        ("x" * 65, "id_too_long"),
    ],
)
def test_spreadsheet_damage_to_an_id_is_named(text: str, code: str) -> None:
    assert parsed(Id(), text) is None
    assert Id().explain(text, "store", READING).code == code


@pytest.mark.parametrize("text", ["S1", "007", "Город-1", "a.b_c:d/e#f"])
def test_an_id_stays_as_it_is(text: str) -> None:
    assert parsed(Id(), f"  {text} ") == text


@pytest.mark.parametrize(
    ("order", "text"),
    [
        ("YYYY-MM-DD", "2017-02-03"),
        ("DD.MM.YYYY", "3.2.2017"),
        ("DD/MM/YYYY", "03/02/2017"),
        ("MM/DD/YYYY", "2/3/2017"),
        ("YYYYMMDD", "20170203"),
    ],
)
def test_a_date_is_read_in_the_order_of_the_mapping(order: str, text: str) -> None:
    assert parsed(Day(), text, Reading(today=READING.today, date_order=order)) == date(2017, 2, 3)


@pytest.mark.parametrize(
    "text", ["2017-02-29", "2017-13-01", "2017-00-10", "1970-01-01", "9999-01-01", "0000-01-01", "x"]
)
def test_a_day_that_does_not_exist_or_cannot_be_is_refused(text: str) -> None:
    assert parsed(Day(), text) is None
    assert str(Day().explain(text, "day", READING))


@given(st.dates(date(1971, 1, 1), date(2018, 1, 3)), st.sampled_from(sorted(DATE_ORDERS)))
def test_every_day_survives_being_written_and_read(day: date, order: str) -> None:
    text = order.replace("YYYY", f"{day.year:04d}").replace("MM", f"{day.month:02d}").replace("DD", f"{day.day:02d}")
    assert parsed(Day(), text, Reading(today=READING.today, date_order=order)) == day


@pytest.mark.parametrize(
    ("text", "local", "offset"),
    [
        ("2017-02-28 10:00", "2017-02-28 10:00:00", None),
        ("2017-02-28T10:00:05Z", "2017-02-28 10:00:05", 0),
        ("2017-02-28T10:00:05.123456789+02:00", "2017-02-28 10:00:05.123456", 120),
        ("2017-02-28 10:00:00-0530", "2017-02-28 10:00:00", -330),
        ("2017-02-28 10:00:00 +01", "2017-02-28 10:00:00", 60),
    ],
)
def test_a_time_keeps_its_offset_or_has_none(text: str, local: str, offset: int | None) -> None:
    found = parsed(Instant(), text)
    assert isinstance(found, dict)
    assert (str(found["local"]), found["offset_minutes"]) == (local, offset)


@pytest.mark.parametrize(
    "text", ["2017-02-28", "2017-02-28 25:00", "2017-02-28 10:61", "1970-01-01 00:00", "9999-12-31T00:00Z"]
)
def test_a_time_that_cannot_be_is_refused(text: str) -> None:
    assert parsed(Instant(), text) is None
    assert str(Instant().explain(text, "at", READING))


def test_a_reference_becomes_its_id_or_is_named() -> None:
    known = Known("There is no store “{code}”.")
    assert parsed(known, "S1") == 7
    assert parsed(known, "S2") is None
    assert str(known.explain("S2", "store", READING)) == "There is no store “S2”."


def test_a_line_break_inside_a_name_becomes_a_space_and_other_control_characters_are_wrong() -> None:
    assert parsed(Text(), "Oak Street\r\n  corner Mill Road") == "Oak Street corner Mill Road"
    assert parsed(Text(), "Oak\x1b[2JStreet") is None
    assert Text().explain("Oak\x1b[2JStreet", "name", READING).code == "text_control"


def test_a_shown_value_cannot_move_the_cursor_of_the_terminal_that_shows_it() -> None:
    assert printable("a\x1b[2J\u202eb\n") == "a·[2J·b·"
    assert str(Known("There is no “{code}”.").explain("\x1b[2J", "store", READING)) == "There is no “·[2J”."


def test_a_contact_gets_one_form() -> None:
    assert parsed(Contact(is_email=False), "+358 (40) 123-4567") == "+358401234567"
    assert parsed(Contact(is_email=True), "A.B@Example.ORG") == "a.b@example.org"


@given(st.text(max_size=30), st.sampled_from(ALL_TYPES))
def test_any_text_is_either_read_or_has_a_reason(text: str, kind: ValueType) -> None:
    array = trimmed(pa.array([text], pa.string()))
    if array[0].as_py() is not None and kind.parse(array, "store", READING)[0].as_py() is None:
        assert str(kind.explain(array[0].as_py(), "store", READING))


@pytest.mark.parametrize("kind", ALL_TYPES, ids=lambda kind: type(kind).__name__)
def test_missing_stays_missing_and_no_rows_stay_no_rows(kind: ValueType) -> None:
    assert parsed(kind, None) is None
    assert parsed(kind, " \u00a0") is None
    assert len(kind.parse(pa.array([], pa.string()), "store", READING)) == 0
