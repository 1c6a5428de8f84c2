"""Field types for documents that are hashed: exact decimals written as text, whole numbers, never a float."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator

from pilot.words import N_, Message


def _exact(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise ValueError(N_("must be a decimal number written as text, such as “0.05”"))
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(Message("problem", N_("“{value}” is not a number"), {"value": value})) from None
    if not number.is_finite() or len(number.as_tuple().digits) > 20 or abs(number.adjusted()) > 20:
        raise ValueError(Message("problem", N_("“{value}” is not a number of at most 20 digits"), {"value": value}))
    return Decimal(format(number.normalize(), "f"))


def _whole(value: Any) -> int:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value.strip()) <= 15:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(N_("must be a whole number"))
    return value


ExactDecimal = Annotated[Decimal, BeforeValidator(_exact)]
Whole = Annotated[int, BeforeValidator(_whole)]
