"""Numbers and times of a typed file say the same as the texts that a CSV file would hold in their place."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.imports.arrow import Column
from pilot.imports.phones import normal_phone
from pilot.imports.times import Instant
from pilot.imports.typed import as_it_is, is_taken, written
from pilot.imports.values import DATE_ORDERS, Contact, Count, Id, Money, Reading, trimmed

DAY = date(2026, 3, 2)
INTEGERS = st.sampled_from([pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()])
DECIMALS = st.sampled_from([(12, 2), (14, 2), (18, 2), (20, 2), (9, 0), (12, 3), (38, 10)])
TIMES = st.tuples(st.sampled_from(["s", "ms", "us", "ns"]), st.sampled_from([None, "UTC", "Europe/Helsinki"]))


@st.composite
def columns(draw: st.DrawFn) -> Column:
    kind = draw(st.sampled_from(["integer", "decimal", "time"]))
    if kind == "integer":
        of = draw(INTEGERS)
        low = 0 if str(of).startswith("u") else -(2 ** (of.bit_width - 1))
        values: Any = st.one_of(st.integers(max(low, -9), 100), st.integers(low, low + 2**of.bit_width - 1))
    elif kind == "decimal":
        precision, scale = draw(DECIMALS)
        of = pa.decimal128(precision, scale)
        most = 10**precision - 1
        values = st.integers(-most, most).map(lambda n: Decimal(n).scaleb(-scale).quantize(Decimal(1).scaleb(-scale)))
        values = st.sampled_from([Decimal(0), Decimal(5), Decimal(-7)]) if precision > 28 else values
    else:
        unit, zone = draw(TIMES)
        of = pa.timestamp(unit, zone)
        zones = None if zone is None else UTC
        edges = [datetime(2000, 1, 1), datetime(2026, 3, 3, 23, 59, 59, 999_999), datetime(2026, 3, 4)]  # noqa: DTZ001
        near = st.sampled_from([*edges, datetime(1999, 12, 31, 23, 59), datetime(1970, 1, 1)])  # noqa: DTZ001
        moments = st.one_of(near, st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001
        cut = {"s": 10**6, "ms": 10**3}.get(unit, 1)
        values = moments.map(lambda at: at.replace(microsecond=at.microsecond // cut * cut, tzinfo=zones))
    skipped = draw(st.integers(0, 2))
    return pa.array([None] * skipped + draw(st.lists(st.one_of(st.none(), values), max_size=12)), of).slice(skipped)


@settings(max_examples=400, deadline=None)
@given(
    array=columns(),
    mark=st.sampled_from([".", ","]),
    exponent=st.sampled_from([0, 2, 3]),
    order=st.sampled_from(["YYYY-MM-DD", *sorted(DATE_ORDERS)]),
)
def test_what_is_taken_as_it_is_is_what_its_text_says(array: Column, mark: str, exponent: int, order: str) -> None:
    assert is_taken(array.type)
    reading = Reading(DAY, mark, order, exponent)
    for holds in (Id(), Money(), Count(), Instant()):
        taken = as_it_is(holds, array, reading)
        if taken is not None:
            by_text = holds.parse(trimmed(written(array)), "field", reading)
            assert taken.to_pylist() == by_text.to_pylist(), holds
            assert taken.type == by_text.type


def test_the_columns_of_a_usual_file_are_taken_as_they_are() -> None:
    """A short cut that nothing takes is no short cut."""
    usual: list[tuple[Any, Any]] = [
        (Money(), pa.array([Decimal("9.14"), None], pa.decimal128(12, 2))),
        (Count(), pa.array([3, None], pa.int32())),
        (Id(), pa.array([17, None], pa.int16())),
        (Instant(), pa.array([datetime(2025, 1, 6, 10, tzinfo=UTC), None], pa.timestamp("us", "UTC"))),
    ]
    found = [as_it_is(holds, array, Reading(DAY)) for holds, array in usual]
    assert [values is not None and values.null_count for values in found] == [1, 1, 1, 1]


@pytest.mark.parametrize("text", ["040 123 4567", "+358 40 1234567", "1234567890", "12345", "40x"])
def test_a_phone_of_a_file_has_the_one_normal_form(text: str) -> None:
    parsed = Contact(is_email=False).parse(pa.array([text, None, text]), "phone", Reading(DAY, phone_region="FI"))
    expected = normal_phone(text, "FI")
    assert parsed.to_pylist() == [expected, None, expected]
