"""A mechanic's terms on a form and in words: percent and money for people, exact decimals and minor units behind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from babel.numbers import get_currency_precision

from pilot.programs.mechanics import CHOICE_LABELS, TermField, TermKind, TermLine, term_fields, term_lines
from pilot.words import translate
from web import presenters
from web.errors import FieldUnreadable
from web.words import _

BLANK_ROWS = 5


@dataclass(frozen=True, slots=True)
class Input:
    """One field of the form with its present value; ``rows`` holds the inputs of each row of a table."""

    name: str
    label: str
    kind: str
    value: Any
    required: bool
    choices: tuple[tuple[str, str], ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple["Input", ...], ...] = ()


def inputs(mechanic: str, terms: Mapping[str, Any], currency: str) -> list[Input]:
    """The inputs of a mechanic's form, filled with stored terms."""
    return [_input(field, f"t-{field.name}", terms.get(field.name), currency) for field in term_fields(mechanic)]


def read(mechanic: str, form: Any, currency: str) -> dict[str, Any]:
    """The document of terms in a sent form; the mechanic's own rules then judge it."""
    found = {}
    for field in term_fields(mechanic):
        value = _read(field, f"t-{field.name}", form, currency)
        if value not in (None, "", []):
            found[field.name] = value
    return found


def lines(mechanic: str, terms: Mapping[str, Any], currency: str) -> list[tuple[str, str]]:
    """Stored terms as (label, text) for people."""
    return [(translate(line.label), _words(line, currency)) for line in term_lines(mechanic, dict(terms))]


def _input(field: TermField, name: str, value: Any, currency: str) -> Input:
    rows: tuple[tuple[Input, ...], ...] = ()
    if field.kind is TermKind.ROWS:
        stored = [*(value or []), *({} for _row in range(BLANK_ROWS))]
        rows = tuple(
            tuple(
                _input(column, f"{name}-{n}-{column.name}", row.get(column.name), currency) for column in field.columns
            )
            for n, row in enumerate(stored)
        )
    return Input(
        name,
        _label(field, currency),
        field.kind.value,
        _shown(field.kind, value, currency),
        not field.is_optional,
        tuple((code, translate(CHOICE_LABELS[code])) for code in field.choices),
        tuple(_label(column, currency) for column in field.columns),
        rows,
    )


def _label(field: TermField, currency: str) -> str:
    units = {TermKind.SHARE: "%", TermKind.MONEY: currency, TermKind.DAYS: _("days")}
    label = translate(field.label)
    return f"{label} ({units[field.kind]})" if field.kind in units else label


def _shown(kind: TermKind, value: Any, currency: str) -> Any:
    if value is None:
        return ""
    if kind is TermKind.SHARE:
        return format((Decimal(str(value)) * 100).normalize(), "f")
    if kind is TermKind.MONEY:
        return format((Decimal(value) / 10 ** get_currency_precision(currency)).normalize(), "f")
    if kind is TermKind.WORD_LIST:
        return "\n".join(value)
    return value


def _read(field: TermField, name: str, form: Any, currency: str) -> Any:
    if field.kind is TermKind.ROWS:
        return _read_rows(field, name, form, currency)
    if field.kind is TermKind.CHOICES:
        return form.getlist(name)
    text = form.get(name, "").strip()
    if field.kind is TermKind.WORD_LIST:
        return [line.strip() for line in text.splitlines() if line.strip()]
    if field.kind is TermKind.SHARE and text:
        return format((_number(text, field) / 100).normalize(), "f")
    if field.kind is TermKind.MONEY and text:
        minor = _number(text, field) * 10 ** get_currency_precision(currency)
        if minor != minor.to_integral_value():
            raise FieldUnreadable(field=translate(field.label), value=text[:80])
        return int(minor)
    return text


def _read_rows(field: TermField, name: str, form: Any, currency: str) -> list[dict[str, Any]]:
    found, n = [], 0
    while any(f"{name}-{n}-{column.name}" in form for column in field.columns):
        row = {column.name: _read(column, f"{name}-{n}-{column.name}", form, currency) for column in field.columns}
        if any(value not in (None, "") for value in row.values()):
            found.append({key: value for key, value in row.items() if value not in (None, "")})
        n += 1
    return found


def _number(text: str, field: TermField) -> Decimal:
    try:
        found = Decimal(text.replace(",", "."))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise FieldUnreadable(field=translate(field.label), value=text[:80])
    return found


def _words(line: TermLine, currency: str) -> str:
    table: dict[TermKind, Callable[[Any], str]] = {
        TermKind.SHARE: lambda value: presenters.share(float(value)),
        TermKind.MONEY: lambda value: presenters.money(value, currency),
        TermKind.DAYS: presenters.days,
        TermKind.COUNT: presenters.whole,
        TermKind.CHOICE: lambda value: translate(CHOICE_LABELS[value]),
        TermKind.CHOICES: lambda value: ", ".join(translate(CHOICE_LABELS[one]) for one in value),
        TermKind.WORD_LIST: ", ".join,
        TermKind.ROWS: lambda value: "; ".join(", ".join(_words(cell, currency) for cell in row) for row in value),
    }
    return table.get(line.kind, str)(line.value)
