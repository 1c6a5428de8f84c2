"""Phone numbers in one normal form, E.164: for the files that bring them and the tills that ask by them."""

import re
from functools import lru_cache

_SEPARATORS = re.compile(r"[\s\u00a0()./-]")
_WRITTEN_SO = re.compile(r"[\s\u00a0()./+0-9-]{6,40}", re.ASCII)  # no letters: the library would dial them
_PLAIN = re.compile(r"\+?[0-9]{6,15}")


def normal_phone(text: str, region: str | None) -> str | None:
    """``+358401234567`` for a number in international form, or in the national form of ``region`` (``FI``).

    What cannot be a number there stays as its bare digits, 6 to 15 of them with or without a plus; None: no phone.
    """
    from phonenumbers import NumberParseException, PhoneNumberFormat, format_number, is_possible_number, parse

    if not _WRITTEN_SO.fullmatch(text):
        return None
    try:
        number = parse(text, region)
    except NumberParseException:
        return bare_digits(text)
    if is_possible_number(number):
        return format_number(number, PhoneNumberFormat.E164)
    return bare_digits(text)


def bare_digits(text: str) -> str | None:
    """The text without separators where that leaves 6 to 15 digits, with or without a plus; None otherwise."""
    digits = _SEPARATORS.sub("", text)
    return digits if _PLAIN.fullmatch(digits) else None


def national_digits(normal: str) -> str | None:
    """The national form of an E.164 number as bare digits (``0401234567``); None for what is not one."""
    from phonenumbers import NumberParseException, PhoneNumberFormat, format_number, parse

    try:
        return bare_digits(format_number(parse(normal, None), PhoneNumberFormat.NATIONAL))
    except NumberParseException:
        return None


@lru_cache(maxsize=64)
def phone_region(zone: str) -> str | None:
    """The country of an IANA time zone (``FI`` of Europe/Helsinki); None where it belongs to none, such as UTC."""
    from babel.core import get_global

    found: str | None = get_global("zone_territories").get(zone)
    return None if found == "ZZ" else found
