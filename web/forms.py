"""Reading a form: text, numbers and dates as typed values, with errors that name the field as the page shows it."""

from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from flask import request

from web.errors import FieldMissing, FieldUnreadable

Choice = TypeVar("Choice", bound=StrEnum)


def text(name: str, label: str, *, required: bool = True) -> str:
    """The trimmed text of a field; ``FieldMissing`` when it is required and empty."""
    value = request.form.get(name, "").strip()
    if required and not value:
        raise FieldMissing(field=label)
    return value


def secret(name: str, label: str) -> str:
    """A password, exactly as typed."""
    value = request.form.get(name, "")
    if not value:
        raise FieldMissing(field=label)
    return value


def optional(name: str) -> str | None:
    """The trimmed text, or None where the field is empty."""
    return request.form.get(name, "").strip() or None


def integer(name: str, label: str) -> int:
    """A whole number."""
    value = text(name, label)
    try:
        return int(value)
    except ValueError:
        raise FieldUnreadable(field=label, value=value[:80]) from None


def number(name: str, label: str) -> Decimal:
    """A decimal number; a comma is read as the decimal mark."""
    value = text(name, label)
    try:
        found = Decimal(value.replace(",", "."))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise FieldUnreadable(field=label, value=value[:80])
    return found


def day(name: str, label: str) -> date:
    """A date as browsers send it (ISO)."""
    value = text(name, label)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise FieldUnreadable(field=label, value=value[:80]) from None


def choice(name: str, label: str, kind: type[Choice]) -> Choice:
    """One of the values of an enumeration."""
    value = text(name, label)
    try:
        return kind(value)
    except ValueError:
        raise FieldUnreadable(field=label, value=value[:80]) from None


def several(name: str) -> list[str]:
    """Every non-empty value of a field that may occur more than once, in the order of the page."""
    return [value.strip() for value in request.form.getlist(name) if value.strip()]


def ticked(name: str) -> bool:
    """Whether a box is ticked."""
    return name in request.form


def page_number() -> int:
    """The page of a long list, from the address; the first where it says nothing sensible."""
    value = request.args.get("page", "1")
    return max(1, int(value)) if value.isdigit() and len(value) < 7 else 1
