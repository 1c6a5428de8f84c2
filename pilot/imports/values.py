"""What a cell may hold: one small type per kind of value, parsed a whole column at a time and exactly.

``parse`` gives null where a text is missing or wrong; ``explain`` says why one text is wrong. Only ``parse`` decides.
"""

import re
import unicodedata
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, Protocol

import pyarrow as pa

from pilot.imports.arrow import Column, pc
from pilot.imports.fast import Texts, amounts, id_rows, needs_trimming, whole_numbers, with_fast_path
from pilot.imports.phones import normal_phone
from pilot.words import N_, Message

_MISSING_MARKS = ("nan", "+nan", "-nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
_NO_ID = (*_MISSING_MARKS, "null", "none", "n/a", "#n/a", "#ref!", "#value!")
_FORMULA_SIGNS = ("=", "+", "-", "@")
_SPACES = " \t\r\n\u00a0\u202f\ufeff"
_GROUPS = "[ \u00a0\u202f'’]"

# The order in which a date is written: (regular expression, places of year, month, day among its groups).
DATE_ORDERS: Mapping[str, str] = {
    "YYYY-MM-DD": "(?P<y>[0-9]{4})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})",
    "DD.MM.YYYY": r"(?P<d>[0-9]{1,2})\.(?P<m>[0-9]{1,2})\.(?P<y>[0-9]{4})",
    "DD/MM/YYYY": "(?P<d>[0-9]{1,2})/(?P<m>[0-9]{1,2})/(?P<y>[0-9]{4})",
    "MM/DD/YYYY": "(?P<m>[0-9]{1,2})/(?P<d>[0-9]{1,2})/(?P<y>[0-9]{4})",
    "YYYYMMDD": "(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How the texts of one file are to be read.

    ``currency_exponent``: digits of the minor unit (2 for cents). ``known``: for each field that refers to something,
    the codes that exist and their ids. ``today``: nothing may lie more than a day after it. ``phone_region``: the
    country whose national phone numbers are written without a code (``FI``).
    """

    today: date
    decimal_mark: str = "."
    date_order: str = "YYYY-MM-DD"
    currency_exponent: int = 2
    known: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    phone_region: str | None = None


class ValueType(Protocol):
    """Texts arrive trimmed and not empty (null where missing)."""

    def parse(self, texts: Column, name: str, reading: Reading) -> Column: ...
    def explain(self, text: str, name: str, reading: Reading) -> Message: ...


def trimmed(texts: Column) -> Column:
    """``texts`` without surrounding white space; empty texts become null."""
    raw = Texts.of(texts)
    if raw is None:
        return pa.nulls(len(texts), pa.string())
    if not needs_trimming(raw):
        return texts if (raw.ends > raw.starts).all() else _null_where_empty(texts, raw)
    bare = pc.utf8_trim(texts, characters=_SPACES)
    result: Column = pc.if_else(pc.equal(bare, ""), pa.scalar(None, pa.string()), bare)
    return result


def _null_where_empty(texts: Column, raw: Texts) -> Column:
    _, offsets, data = texts.buffers()
    given = pa.array(raw.ends > raw.starts)
    if texts.null_count:
        given = pc.and_(given, texts.is_valid())
    if texts.offset:
        return _only(texts, given)
    result: Column = pa.Array.from_buffers(pa.string(), len(texts), [given.buffers()[1], offsets, data])
    return result


def printable(text: str) -> str:
    """``text`` for a screen: what would move a cursor or turn the writing round becomes a dot."""
    return "".join("·" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in text)


def _only(texts: Column, fits: Column) -> Column:
    result: Column = pc.if_else(fits, texts, pa.scalar(None, texts.type))
    return result


def _matches(texts: Column, pattern: str) -> Column:
    result: Column = pc.match_substring_regex(texts, f"^(?:{pattern})$")
    return result


def _one_of(texts: Column, values: tuple[str, ...]) -> Column:
    result: Column = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(values, pa.string()))
    return result


@dataclass(frozen=True, slots=True)
class Id:
    """An identifier of theirs: letters, digits and ``. _ : / # -``, at most 64 characters, no spreadsheet damage."""

    _form = r"[\p{L}\p{N}][\p{L}\p{N}._:/#-]*"
    _longest = 64
    _date = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?|[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{4}"
    _scientific = "[0-9][.,]?[0-9]*[eE][+-]?[0-9]+"
    _decimal = "[0-9]+[.,][0-9]*"

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        return with_fast_path(texts, id_rows(texts, self._longest), texts, self._careful)

    def _careful(self, texts: Column) -> Column:
        damaged = pc.or_(_matches(texts, f"{self._date}|{self._scientific}|{self._decimal}"), _one_of(texts, _NO_ID))
        fits = pc.and_(_matches(texts, self._form), pc.less_equal(pc.utf8_length(texts), self._longest))
        return _only(texts, pc.and_(fits, pc.invert(damaged)))

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        if text.lower() in _NO_ID:
            return Message("id_missing", N_("This is a mark for a missing value, not an id."))
        if re.fullmatch(self._date, text):
            return Message(
                "id_is_date", N_("This is a date, not an id: are two columns swapped, or did a spreadsheet change it?")
            )
        if re.fullmatch(f"{self._scientific}|{self._decimal}", text):
            return Message(
                "id_is_number",
                N_("A spreadsheet or another program turned this id into a decimal number. Export it as text."),
            )
        if text.startswith(_FORMULA_SIGNS):
            return _FORMULA
        if len(text) > self._longest:
            return Message(
                "id_too_long", N_("An id has at most 64 characters; this one has {length}."), {"length": len(text)}
            )
        return Message(
            "id_form", N_("An id consists of letters, digits and . _ : / # - and begins with a letter or digit.")
        )


_FORMULA = Message("formula", N_("This begins like a spreadsheet formula (= + - @). Remove the sign in the file."))


@dataclass(frozen=True, slots=True)
class Text:
    """A name or an attribute: at most ``longest`` characters, no formula, not NaN or infinity.

    Line breaks and tabs inside (spreadsheets allow them in a cell) become a space; other control characters are wrong.
    """

    longest: int = 300
    _breaks = r"[ \t]*[\r\n\t]+[ \t]*"
    _form = r"[^\p{Cc}=+@-][^\p{Cc}]*"

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        line = pc.replace_substring_regex(texts, self._breaks, " ")
        fits = pc.and_(_matches(line, self._form), pc.less_equal(pc.utf8_length(line), self.longest))
        return _only(line, pc.and_(fits, pc.invert(_one_of(line, _MISSING_MARKS))))

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        if text.lower() in _MISSING_MARKS:
            return Message("text_missing", N_("This is a mark for a missing number, not a text. Leave the cell empty."))
        if text.startswith(_FORMULA_SIGNS):
            return _FORMULA
        if len(text) > self.longest:
            return Message(
                "text_too_long",
                N_("At most {longest} characters fit here; this has {length}."),
                {"longest": self.longest, "length": len(text)},
            )
        return Message("text_control", N_("The text holds a control character."))


@dataclass(frozen=True, slots=True)
class Present:
    """Something personal of which only "given" is kept: any text becomes ``given``."""

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        return _only(pa.array(["given"] * len(texts), pa.string()), pc.is_valid(texts))

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        raise AssertionError("every text is accepted")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in major units, read exactly into integer minor units; at most twelve digits before the mark."""

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        sure, minor = amounts(texts, reading.decimal_mark, reading.currency_exponent)
        return with_fast_path(texts, sure, minor, lambda rest: self._careful(rest, reading))

    def _careful(self, texts: Column, reading: Reading) -> Column:
        parts = pc.extract_regex(_ascii_number(texts), self._form(reading))
        whole, sign = pc.struct_field(parts, "i"), pc.struct_field(parts, "s")
        whole = pc.replace_substring_regex(whole, _GROUPS, "")
        digits = reading.currency_exponent
        fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.struct_field(parts, "f"), max(digits, 1), "0"), 0, digits)
        minor: Column = pc.binary_join_element_wise(sign, whole, fraction, "").cast(pa.int64())
        return minor

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        if text.lower() in _MISSING_MARKS:
            return Message("not_finite", N_("NaN and infinity are not amounts."))
        other = "," if reading.decimal_mark == "." else "."
        if re.fullmatch(rf"[-−]?[0-9]+\{other}[0-9]+", text):
            return Message(
                "decimal_mark",
                N_("The mapping says that “{mark}” is the decimal mark. Correct the mapping if it is “{other}”."),
                {"mark": reading.decimal_mark, "other": other},
            )
        if re.fullmatch(rf"[-−]?[0-9]+\{reading.decimal_mark}[0-9]+", text):
            return Message(
                "too_fine",
                N_("An amount has at most {digits} decimals and twelve digits before them."),
                {"digits": reading.currency_exponent},
            )
        return Message("not_an_amount", N_("This is not an amount of money."))

    @staticmethod
    def _form(reading: Reading) -> str:
        mark = re.escape(reading.decimal_mark)
        fraction = f"[0-9]{{0,{reading.currency_exponent}}}"
        whole = f"[0-9]{{1,12}}|[0-9]{{1,3}}(?:{_GROUPS}[0-9]{{3}}){{1,3}}"
        return f"^(?P<s>-?)(?P<i>{whole})(?:{mark}(?P<f>{fraction})0*)?$"


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number of at most nine digits; ``3.0`` counts as 3 because some programs write counts so."""

    _longest = 9

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        sure, numbers = whole_numbers(texts, self._longest)
        return with_fast_path(texts, sure, numbers, self._careful)

    def _careful(self, texts: Column) -> Column:
        parts = pc.extract_regex(_ascii_number(texts), "^(?P<n>-?[0-9]{1,9})(?:[.,]0+)?$")
        number: Column = pc.struct_field(parts, "n").cast(pa.int64())
        return number

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        if text.lower() in _MISSING_MARKS:
            return Message("count_not_finite", N_("NaN and infinity are not counts."))
        return Message("not_a_count", N_("This is not a whole number of at most nine digits."))


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words; ``words`` maps every accepted spelling (lower case) to our value."""

    words: Mapping[str, str]

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        return _looked_up(pc.utf8_lower(texts), list(self.words), pa.array(list(self.words.values()), pa.string()))

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        return Message("not_a_choice", N_("Possible are: {words}."), {"words": ", ".join(self.words)})


@dataclass(frozen=True, slots=True)
class Known:
    """A reference to something that must exist (``reading.known[field]``); becomes its integer id.

    ``form``: what every code of that kind looks like; a text of another form is wrong, not unknown.
    """

    template: str
    code: str = "unknown_reference"
    form: ValueType | None = None

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        known = reading.known.get(name, {})
        return _looked_up(texts, list(known), pa.array(list(known.values()), pa.int64()))

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        if self.form is not None and self.form.parse(pa.array([text]), name, reading).null_count:
            return self.form.explain(text, name, reading)
        return Message(self.code, self.template, {"code": printable(text[:80])})


@dataclass(frozen=True, slots=True)
class Zone:
    """An IANA time zone such as Europe/Helsinki."""

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        return _only(texts, pc.is_in(texts, value_set=pa.array(sorted(_zones()), pa.string())))

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        return Message("unknown_zone", N_("This is not a time zone of the IANA list, such as Europe/Helsinki."))


@dataclass(frozen=True, slots=True)
class Contact:
    """A phone number or e-mail address in normal form. What is kept of it is a keyed hash, never the text."""

    is_email: bool
    _email = "[^@\\s,;<>]+@[^@\\s,;<>]+[.][^@\\s,;<>.]+"

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        if not self.is_email:
            return _each_once(texts, lambda text: normal_phone(text, reading.phone_region))
        normal = pc.utf8_lower(texts)
        fits = pc.and_(_matches(normal, self._email), pc.less_equal(pc.utf8_length(normal), 254))
        return _only(normal, fits)

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        if self.is_email:
            return Message("not_an_email", N_("This is not an e-mail address."))
        return Message("not_a_phone", N_("This is not a phone number (6 to 15 digits)."))


def _each_once(texts: Column, reads: Callable[[str], str | None]) -> Column:
    """What ``reads`` makes of each text, asked once for texts that repeat."""
    codes: Any = texts.dictionary_encode()
    found = pa.array([reads(text) for text in codes.dictionary.to_pylist()], pa.string())
    result: Column = found.take(codes.indices)
    return result


def _ascii_number(texts: Column) -> Column:
    """The typographic minus becomes the plain one."""
    result: Column = pc.replace_substring(texts, "−", "-")
    return result


def _looked_up(texts: Column, keys: list[str], values: Column) -> Column:
    result: Column = pc.take(values, pc.index_in(texts, value_set=pa.array(keys, pa.string())))
    return result


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
