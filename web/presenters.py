"""From values to words: the only place where numbers are rounded and where dates and money get their local form.

An effect never leaves without its interval, its n and its level; an interval over zero reads
"no evidence of a difference".
"""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers

from pilot.evidence.export import neutralised as neutralised
from pilot.words import percent_pattern, written_day
from web.language import current_language
from web.words import _, ngettext

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Badge:
    """A short word with a tone: neutral, info, good, warn or bad. The word alone says it; colour only helps."""

    text: str
    tone: str


def _locale() -> Locale:
    return Locale.parse(current_language())


def day(value: date | str | None) -> str:
    """A business date, such as ``Jan 2, 2018``; a dash where there is none."""
    if value is None:
        return "–"
    found = date.fromisoformat(value) if isinstance(value, str) else value
    return written_day(found, _locale())


def moment(value: datetime | str | None, timezone: str = "UTC") -> str:
    """An instant in ``timezone``, to the minute, with the zone's short name."""
    if value is None:
        return "–"
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    local = found.astimezone(ZoneInfo(timezone))
    shown = f"{written_day(local.date(), _locale())}, {dates.format_time(local, 'short', locale=_locale())}"
    zone = dates.get_timezone_name(local, "short", locale=_locale())
    return f"{shown} {zone}"


def whole(value: int | float) -> str:
    """A count with its thousands marked."""
    return numbers.format_decimal(round(value), locale=_locale())


def decimal(value: float, digits: int = 2) -> str:
    """A number rounded to ``digits`` places."""
    return numbers.format_decimal(round(value, digits), f"#,##0.{'0' * digits}", _locale())


def share(value: float, digits: int = 1) -> str:
    """A share between 0 and 1 as a percentage."""
    decimals = "." + "0" * digits if digits else ""
    return numbers.format_percent(value, percent_pattern(_locale(), decimals), _locale())


def money(minor: float, currency: str, *, cents: bool = True) -> str:
    """Minor units as money of ``currency``; without cents where the size makes them noise."""
    digits = numbers.get_currency_precision(currency)
    amount = minor / 10**digits
    if cents or digits == 0:
        return numbers.format_currency(amount, currency, locale=_locale())
    pattern = str(_locale().currency_formats["standard"].pattern).replace(".00", "")
    return numbers.format_currency(round(amount), currency, pattern, _locale(), currency_digits=False)


def p_value(value: float | None) -> str:
    """A p-value to three places; below that, so said."""
    if value is None:
        return "–"
    return f"< {decimal(0.001, 3)}" if value < 0.001 else decimal(value, 3)


def quantity(value: float, unit: str, currency: str) -> str:
    """A level of a metric in its unit: money (minor units), share, or a plain number."""
    if unit in ("money", "ratio"):
        return money(value, currency)
    if unit == "share":
        return share(value)
    return decimal(value, 3 if abs(value) < 1 else 2)


def size_of(value: float, unit: str, currency: str) -> str:
    """The size of a difference without its sign; differences of shares are percentage points."""
    if unit == "share":
        return _("%(points)s points", points=decimal(abs(value) * 100, 2))
    return quantity(abs(value), unit, currency)


def change(value: float, unit: str, currency: str) -> str:
    """A difference with its sign."""
    return ("+" if value >= 0 else MINUS) + size_of(value, unit, currency)


def relative(value: float | None) -> str:
    """A relative difference with its sign."""
    return "–" if value is None else ("+" if value >= 0 else MINUS) + share(abs(value))


def relative_size(value: float | None) -> str:
    """A relative size without a sign: the smallest effect that can be seen, up or down."""
    return "–" if value is None else share(abs(value))


def interval(bounds: tuple[float | None, float | None], unit: str, currency: str) -> str:
    """Both ends of an interval; where the data set no limit on a side, it says so."""
    low, high = bounds
    if low is None and high is None:
        return _("no limit on either side")
    if low is None:
        return _("up to %(high)s", high=change(high or 0.0, unit, currency))
    if high is None:
        return _("from %(low)s upwards", low=change(low, unit, currency))
    if unit == "share":  # the unit is said once
        signed = [("+" if end >= 0 else MINUS) + decimal(abs(end) * 100, 2) for end in (low, high)]
        return _("%(low)s to %(high)s points", low=signed[0], high=signed[1])
    return _("%(low)s to %(high)s", low=change(low, unit, currency), high=change(high, unit, currency))


def level(value: float) -> str:
    """A confidence level: 95%, 97.5%, 98.33%."""
    percent = value * 100
    return share(value, 0 if abs(percent - round(percent)) < 1e-9 else 2)


def size(n_bytes: int) -> str:
    """A file size in MB or kB."""
    return f"{decimal(n_bytes / 1_000_000, 1)} MB" if n_bytes >= 1_000_000 else f"{whole(max(1, n_bytes // 1000))} kB"


def days(n: int) -> str:
    return ngettext("%(num)d day", "%(num)d days", n)


def sentence(text: str) -> str:
    """A stored fragment as a sentence of its own."""
    whole_text = text[:1].upper() + text[1:]
    return whole_text if whole_text.endswith((".", "!", "?")) else f"{whole_text}."


def short_hash(value: str | None) -> str:
    """The first twelve digits: enough to compare by eye; the page has the whole one beside."""
    return value[:12] if value else "–"


def role_name(role: str) -> str:
    return {
        "manager": _("Manager"), "analyst": _("Analyst"), "executive": _("Executive"),
        "admin": _("Administrator"), "auditor": _("Auditor"),
    }.get(str(role), str(role))  # fmt: skip


def pilot_state(state: str) -> Badge:
    """Where a pilot stands in its life."""
    table = {
        "draft": (_("Draft"), "neutral"), "submitted": (_("Waiting for the analyst"), "warn"),
        "cosigned": (_("Waiting for approval"), "warn"), "sealed": (_("Approved and sealed"), "info"),
        "drawn": (_("Drawn"), "info"), "running": (_("Running"), "good"), "at_gate": (_("At the gate"), "warn"),
        "rolled_out": (_("Rolled out"), "good"), "stopped": (_("Stopped"), "neutral"),
    }  # fmt: skip
    return Badge(*table.get(str(state), (str(state), "neutral")))


def stage_state(state: str) -> Badge:
    """Where a stage stands."""
    table = {
        "planned": (_("Planned"), "neutral"), "drawn": (_("Drawn"), "info"), "running": (_("Running"), "good"),
        "at_gate": (_("At the gate"), "warn"), "extended": (_("Extended"), "warn"), "passed": (_("Passed"), "good"),
        "stopped": (_("Stopped"), "neutral"),
    }  # fmt: skip
    return Badge(*table.get(str(state), (str(state), "neutral")))


def run_state(state: str) -> Badge:
    """What became of an import."""
    table = {
        "staged": (_("Checked, not yet in"), "warn"), "published": (_("Published"), "good"),
        "refused": (_("Refused"), "bad"), "unchanged": (_("Already here"), "neutral"),
        "discarded": (_("Given up"), "neutral"),
    }  # fmt: skip
    return Badge(*table.get(str(state), (str(state), "neutral")))


def recommendation(choice: str) -> Badge:
    """What a report recommends."""
    table = {"advance": (_("Advance"), "good"), "extend": (_("Extend"), "warn"), "stop": (_("Stop"), "bad")}
    return Badge(*table.get(str(choice), (str(choice), "neutral")))


def check_status(status: str) -> Badge:
    """A diagnostic's verdict."""
    table = {"ok": (_("In order"), "good"), "warn": (_("Look closer"), "warn"), "alarm": (_("Alarm"), "bad")}
    return Badge(*table.get(str(status), (str(status), "neutral")))


def choice_name(choice: str) -> str:
    """An executive's choice."""
    names = {
        "approve": _("Advance"),
        "approve_some": _("Advance in some regions"),
        "extend": _("Extend"),
        "send_back": _("Send back"),
        "stop": _("Stop"),
    }
    return names.get(str(choice), str(choice))


def level_before(value: float, covariate: str, currency: str) -> str:
    """A mean of before the start in its unit: money, a share of receipts in per cent, or a count."""
    if covariate == "identified_ppm":
        return share(value / 1_000_000)
    if "_minor" in covariate:
        return money(value, currency, cents=False)
    return decimal(value, 1) if value < 100 else whole(value)


def kind_name(kind: str) -> str:
    """What an import holds."""
    return {
        "regions": _("Regions"), "stores": _("Stores"), "customers": _("Customers"), "receipts": _("Receipts"),
        "surveys": _("Survey answers"),
    }.get(str(kind), str(kind))  # fmt: skip
