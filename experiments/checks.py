"""Small checks that several values make at construction."""

import math

from experiments.errors import InvalidLevel, InvalidNumber


def probability(name: str, value: float) -> float:
    """``value`` if it lies strictly between 0 and 1, else ``InvalidLevel``."""
    if not 0.0 < value < 1.0:  # NaN fails too
        raise InvalidLevel(name=name, value=value)
    return float(value)


def finite(name: str, value: float) -> float:
    """``value`` if it is a finite number, else ``InvalidNumber``."""
    if not math.isfinite(value):
        raise InvalidNumber(name=name, value=value, must_be="a finite number")
    return float(value)


def at_least(name: str, value: int, least: int) -> int:
    """``value`` if it is a whole number not below ``least``, else ``InvalidNumber``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidNumber(name=name, value=value, must_be=f"a whole number, at least {least}")
    return value
