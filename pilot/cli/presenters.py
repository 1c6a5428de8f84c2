"""Numbers for a person at the command line, in their language; the only place here that rounds."""

import math
from dataclasses import dataclass

from babel import Locale
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_precision

from pilot.words import percent_pattern


@dataclass(frozen=True, slots=True)
class Figures:
    """Writes numbers as people of ``locale`` do; money is of ``currency``."""

    locale: str
    currency: str

    def number(self, value: float) -> str:
        """Four significant digits."""
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
        return format_decimal(round(value, digits), format="#,##0." + "#" * digits, locale=self.locale)

    def share(self, value: float) -> str:
        """A share as percent with one decimal."""
        return format_percent(value, format=percent_pattern(Locale.parse(self.locale), ".#"), locale=self.locale)

    def money(self, minor: float) -> str:
        """Minor units as money."""
        if math.isinf(minor):
            return self.number(minor)
        return format_currency(minor / 10 ** get_currency_precision(self.currency), self.currency, locale=self.locale)

    def quantity(self, value: float, unit: str) -> str:
        """A metric's value by its unit: money (minor units), share, or a plain number."""
        if unit == "money":
            return self.money(value)
        return self.share(value) if unit == "share" and math.isfinite(value) else self.number(value)

    def p_value(self, value: float) -> str:
        """Three decimals; below that the limit."""
        return f"< {self.number(0.001)}" if value < 0.001 else format_decimal(value, format="0.000", locale=self.locale)
