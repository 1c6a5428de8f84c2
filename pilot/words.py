"""Messages are data: a code, an English template and values; translated where they are shown.

``str(message)`` is English. People see ``translate(message)``, which reads the language from a context variable that
the web, the command line and mail set before they speak. Standard gettext: no Flask here, so a job speaks alike.

Places of a template say how their value is written: ``{share:.1%}``, ``{n:,}`` as Python does, ``{day:date}`` for a
date or its ISO text, ``p {p:p}`` for a p-value with its relation. A translator keeps them; the locale does the rest.
"""

import gettext
import math
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from babel import Locale, UnknownLocaleError, dates, numbers

DOMAIN = "messages"
TRANSLATIONS = Path(__file__).parent / "translations"
ENGLISH = "en"
_D3_DAYS = {"d": "%-d", "M": "%-m", "MMM": "%b"}
_SMALLEST_P = 0.001  # below it a p-value is a limit, not a number
_language: ContextVar[str] = ContextVar("pilot_language", default=ENGLISH)


def N_(template: str) -> str:  # noqa: N802 - the gettext convention for "translate later"
    """Mark ``template`` for translation and return it unchanged."""
    return template


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence for a person: ``code`` names it for programs, ``template`` is English with ``{name}`` places.

    Values are JSON-able (a date is its ISO text), or messages themselves (a reason inside a sentence).
    """

    code: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return _PlainEnglish().vformat(self.template, (), self.values)

    def to_dict(self) -> dict[str, Any]:
        """The stored form: code, template, values (values must be JSON-able)."""
        values = {k: v.to_dict() if isinstance(v, Message) else v for k, v in self.values.items()}
        return {"code": self.code, "template": self.template, "values": values}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Message":
        """The message that ``to_dict`` stored; a value may itself be a message."""
        values = {k: cls.from_dict(v) if isinstance(v, Mapping) else v for k, v in stored["values"].items()}
        return cls(stored["code"], stored["template"], values)


def listed(messages: Iterable[Message]) -> Message:
    """The messages as one, with commas between them; a dash where there are none."""
    values = {f"_{number}": message for number, message in enumerate(messages)}
    return Message("list", ", ".join(f"{{{name}}}" for name in values) or "–", values)


class SpokenMessage(Protocol):
    """What can be spoken: our messages and those of ``experiments``, which knows nothing of this package."""

    @property
    def template(self) -> str: ...
    @property
    def values(self) -> Mapping[str, Any]: ...


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Translate into ``language`` (a code such as ``"en"``) inside the block."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def translate(message: SpokenMessage) -> str:
    """``message`` in the current language, its numbers and dates as people of that language write them.

    English where there is no translation. Values that are messages are translated, too.
    """
    language = _language.get()
    template = _catalogue(language).gettext(message.template)
    return _Local(_locale(language)).vformat(template, (), message.values)


def written_day(day: date, locale: Locale | str) -> str:
    """A date as the locale writes it, without the Russian “г.”: its full stop would meet that of a sentence."""
    return re.sub(r"\sг\.$", "", dates.format_date(day, "medium", locale))


def percent_pattern(locale: Locale, decimals: str = "") -> str:
    """The pattern of a percentage as ``locale`` writes it, such as ``#,##0.0 %`` for one decimal (``".0"``)."""
    return str(locale.percent_formats[None].pattern).replace("#,##0", f"#,##0{decimals}")


def localised(chart: Mapping[str, Any]) -> dict[str, Any]:
    """The Vega-Lite specification with the current language's numbers and days; an axis of days has the format %x."""
    locale = _locale(_language.get())
    config = chart.get("config", {})
    return {**chart, "config": {**config, "locale": {"number": _chart_numbers(locale), "time": _chart_times(locale)}}}


def _chart_numbers(locale: Locale) -> dict[str, Any]:
    return {
        "decimal": numbers.get_decimal_symbol(locale),
        "thousands": numbers.get_group_symbol(locale),
        "grouping": [3],
        "currency": ["", ""],
        "percent": percent_pattern(locale).removeprefix("#,##0"),
        "minus": "\N{MINUS SIGN}",
    }


def _chart_times(locale: Locale) -> dict[str, Any]:
    """As d3 wants it; a day is written without its year, as charts have little room."""
    pattern = str(locale.datetime_skeletons["MMMd"].pattern)
    day = re.sub("MMM|M|d", lambda found: _D3_DAYS[found[0]], pattern)
    months, weekdays = locale.months["format"], locale.days["stand-alone"]
    at = [6, 0, 1, 2, 3, 4, 5]  # d3 begins with Sunday
    return {
        "dateTime": f"{day} %Y %H:%M",
        "date": day,
        "time": "%H:%M",
        "periods": [dates.format_time(time(hour), "a", locale=locale) for hour in (6, 18)],
        "days": [weekdays["wide"][number] for number in at],
        "shortDays": [weekdays["abbreviated"][number] for number in at],
        "months": [months["wide"][number] for number in range(1, 13)],
        "shortMonths": [months["abbreviated"][number] for number in range(1, 13)],
    }


class _PlainEnglish(string.Formatter):
    """Python's own formats and ours, the same in every place: what logs and programs read. Dates are ISO text."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "date":
            return str(value)
        if format_spec == "p":
            return f"< {_SMALLEST_P}" if value < _SMALLEST_P else f"= {value:.3f}"
        return format(value, format_spec)


class _Local(string.Formatter):
    """The same places, written as ``locale`` writes them."""

    def __init__(self, locale: Locale) -> None:
        self._locale = locale

    def format_field(self, value: Any, format_spec: str) -> str:
        if hasattr(value, "template"):
            return translate(value)
        if format_spec == "date":
            return self._date(value)
        if format_spec == "p":
            is_small = value < _SMALLEST_P
            return f"{'<' if is_small else '='} {self._number(_SMALLEST_P if is_small else value, '.3f')}"
        # A whole number without a format may be a name (a port, a line), so it stays as it is.
        if isinstance(value, (float, Decimal)) or (isinstance(value, int) and format_spec):
            return self._number(value, format_spec)
        return format(value, format_spec)

    def _date(self, value: date | str) -> str:
        """A value that is no date, such as a dash for none, stays as it is."""
        try:
            found = value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            return str(value)
        return written_day(found, self._locale)

    def _number(self, value: float | Decimal, format_spec: str) -> str:
        """Python rounds, as the format says; the locale gives the marks."""
        if not math.isfinite(value):
            return numbers.format_decimal(value, locale=self._locale)
        text = format(value, format_spec)
        rounded = Decimal(text.replace(",", "").rstrip("%"))
        if "e-" in text:
            return numbers.format_scientific(rounded, "0.##E0", self._locale)
        _whole, _mark, fraction = f"{rounded:f}".partition(".")
        decimals = "." + "0" * len(fraction) if fraction else ""
        if text.endswith("%"):
            size = numbers.format_percent(abs(rounded) / 100, percent_pattern(self._locale, decimals), self._locale)
        else:
            size = numbers.format_decimal(abs(rounded), f"#,##0{decimals}", self._locale)
        minus, plus = numbers.get_minus_sign_symbol(self._locale), numbers.get_plus_sign_symbol(self._locale)
        return {"-": minus, "+": plus}.get(text[0], "") + size


@lru_cache(maxsize=16)
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, localedir=TRANSLATIONS, languages=[language], fallback=True)


@lru_cache(maxsize=16)
def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale(ENGLISH)
