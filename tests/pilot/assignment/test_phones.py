"""Phone numbers: every spelling of a number has one normal form, and what is none has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.imports.phones import national_digits, normal_phone, phone_region


@pytest.mark.parametrize(
    ("text", "region", "normal"),
    [
        ("040 123 4567", "FI", "+358401234567"),
        ("+358 40 123 4567", None, "+358401234567"),
        ("(040) 123-4567", "FI", "+358401234567"),
        ("8 (916) 123-45-67", "RU", "+79161234567"),
        ("+44 (0)20 7946 0018", "FI", "+442079460018"),
        ("040 123 4567", None, "0401234567"),  # no country: as files were stored before
        ("12345", "FI", None),
        ("1800FLOWERS", "US", None),
        ("call +358401234567", "FI", None),
        ("", "FI", None),
        ("+" * 20, "FI", None),
    ],
)
def test_a_number_has_one_normal_form(text: str, region: str | None, normal: str | None) -> None:
    assert normal_phone(text, region) == normal


def test_the_country_is_that_of_the_time_zone() -> None:
    zones = ("Europe/Helsinki", "America/New_York", "Europe/Moscow", "UTC", "Etc/GMT+3", "nonsense")
    assert [phone_region(zone) for zone in zones] == ["FI", "US", "RU", None, None, None]
    assert national_digits("+358401234567") == "0401234567"
    assert national_digits("0401234567") is None


@given(digits=st.from_regex(r"\+358(40|44|50)[0-9]{6,7}", fullmatch=True), data=st.data())
def test_separators_never_matter(digits: str, data: st.DataObject) -> None:
    spelling = "".join(
        c + data.draw(st.sampled_from(["", " ", "-", "\u00a0", "."])) if n > 3 else c for n, c in enumerate(digits)
    )
    assert (
        normal_phone(spelling, None)
        == normal_phone(digits, None)
        == normal_phone(normal_phone(digits, None) or "", "US")
    )
