"""The order of other people's codes: numbers by value, before texts by character. The same on every database."""

from collections.abc import Iterable


def natural_key(code: str) -> tuple[int, int, str]:
    """Sort key: ``9`` < ``31`` < ``309`` < ``A1``; equal numbers (``07``, ``7``) by text."""
    return (0, int(code), code) if code.isascii() and code.isdigit() else (1, 0, code)


def in_order(codes: Iterable[str]) -> list[str]:
    """``codes`` without repetitions, in natural order."""
    return sorted(set(codes), key=natural_key)
