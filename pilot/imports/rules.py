"""The rule table of an import: its fields, what holds within a row, and a finding for everything that does not hold."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.imports.arrow import Column, column, pc
from pilot.imports.fast import coded
from pilot.imports.reader import LINE_COLUMN
from pilot.imports.rows import Mask, Rows
from pilot.imports.typed import as_it_is, written
from pilot.imports.values import Id, Money, Reading, ValueType, printable, trimmed
from pilot.words import N_, Message

SHOWN_CHARACTERS = 80
HIDDEN = "•••"
_FEW = 5_000  # rows: a call has as many at the most, a part of a file has more
MISSING = Message("missing", N_("A value is required here."))


@dataclass(frozen=True, slots=True)
class Field:
    """One of our fields: what it may hold, whether it must be mapped, and how other people call it (by commas).

    ``is_required``: it must be mapped, and every row needs a value unless ``is_rule_bound``: then a row rule says which
    rows do. ``is_personal``: its text is shown and kept nowhere.
    """

    name: str
    holds: ValueType
    label: str
    is_required: bool = False
    is_personal: bool = False
    synonyms: str = ""
    is_rule_bound: bool = False


@dataclass(frozen=True, slots=True)
class RowRule:
    """Something that must hold between the values of a row.

    ``holds`` says of which rows it does; what is not given holds. ``among`` names the rows it speaks of (None: all);
    rules that share one share its result. ``may_be_waived``: a person who looks at the row may say that it is right all
    the same.
    """

    field: str
    message: Message
    holds: Callable[[Rows], Mask]
    among: Callable[[Rows], Mask] | None = None
    may_be_waived: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A bad row: physical line (or row number), their column, at most 80 characters of the value, and the reason."""

    line: int
    field: str
    column: str
    value: str
    reason: Message


@dataclass(frozen=True, slots=True)
class Checked:
    """One batch after the rules: ``good`` has ``line`` and the parsed fields, ``findings`` name every bad cell."""

    good: pa.Table
    n_bad: int
    findings: list[Finding]


def check_batch(
    texts: pa.Table,
    fields: Sequence[Field],
    rules: Iterable[RowRule],
    columns: Mapping[str, str],
    reading: Reading,
    *,
    explain: bool = True,
) -> Checked:
    """Parse a batch (``line`` and one column per *mapped* field, by field name: texts, or what ``typed`` takes) and
    apply the rules.

    ``columns`` maps a field to their column, for the findings. Fields that are not mapped become null columns. Without
    ``explain`` bad rows are counted but not named.
    """
    given = {f.name: column(texts, f.name) for f in fields if f.name in columns}
    n = texts.num_rows
    parsed: dict[str, Column] = {}
    findings: list[Finding] = []
    lines = column(texts, LINE_COLUMN)
    bad = np.zeros(n, dtype=bool)

    def report(rows: npt.NDArray[np.bool_], field: Field, reason: Message | None) -> None:
        if not rows.any():
            return
        bad[rows] = True
        if not explain:
            return
        for row in np.flatnonzero(rows).tolist():
            text = _bare(written(given[field.name].slice(row, 1)))[0].as_py() if field.name in given else None
            why = reason or field.holds.explain(text or "", field.name, reading)
            shown = HIDDEN if field.is_personal else printable((text or "")[:SHOWN_CHARACTERS])
            findings.append(Finding(lines[row].as_py(), field.name, columns.get(field.name, field.name), shown, why))

    by_name = {f.name: f for f in fields}
    at_once = _parsed_at_once(given, fields, reading) if n <= _FEW else {}
    for field in fields:
        if field.name not in given:
            parsed[field.name] = _nothing(field, n, reading)
            continue
        values, is_given = at_once.get(field.name) or _parsed(field, given[field.name], reading)
        parsed[field.name] = values
        if is_given is None:
            continue
        report(_mask(pc.and_(is_given, pc.is_null(values))), field, None)
        if field.is_required and not field.is_rule_bound:
            report(_mask(pc.invert(is_given)), field, MISSING)
    table = pa.table({LINE_COLUMN: lines, **parsed})
    rows = Rows(parsed)
    among: dict[Callable[[Rows], Mask], Mask] = {}
    for rule in rules:
        if rule.among is not None and rule.among not in among:
            among[rule.among] = rule.among(rows)
        if rule.among is not None and not among[rule.among].any():
            continue
        held = rule.holds(rows)
        if held.all():
            continue
        broken = ~held & ~bad
        report(broken if rule.among is None else broken & among[rule.among], by_name[rule.field], rule.message)
    findings.sort(key=lambda finding: finding.line)
    n_bad = int(bad.sum())
    return Checked(table.filter(pa.array(~bad)) if n_bad else table, n_bad, findings)


def _bare(values: Column) -> Column:
    return trimmed(values) if pa.types.is_string(values.type) else values


def _parsed(field: Field, texts: Column, reading: Reading) -> tuple[Column, Column | None]:
    """The values of a column, and which rows have a text; None: all, and every one of them is right.

    Where few texts repeat often, each is looked at once.
    """
    if not pa.types.is_string(texts.type):
        taken = as_it_is(field.holds, texts, reading)
        if taken is not None:
            return taken, None if not taken.null_count else pc.is_valid(texts)
        texts = written(texts)
    codes: Any = coded(texts)
    if codes is None:
        bare = _bare(texts)
        values = field.holds.parse(bare, field.name, reading)
        return values, None if not values.null_count else pc.is_valid(bare)
    bare = _bare(codes.dictionary)
    values = field.holds.parse(bare, field.name, reading).take(codes.indices)
    return values, None if not values.null_count else pc.fill_null(pc.is_valid(bare).take(codes.indices), False)


def _parsed_at_once(
    given: Mapping[str, Column], fields: Sequence[Field], reading: Reading
) -> dict[str, tuple[Column, Column | None]]:
    """``_parsed`` of all texts, trimmed as one column, and those of fields that hold the same parsed as one: with few
    rows each look costs more than the rows.
    """
    alike: dict[ValueType | str, list[Field]] = {}
    for field in fields:
        if field.name in given and pa.types.is_string(given[field.name].type):
            alike.setdefault(field.holds if isinstance(field.holds, Id | Money) else field.name, []).append(field)
    if not alike:
        return {}
    every = _bare(pa.concat_arrays([given[field.name] for together in alike.values() for field in together]))
    found: dict[str, tuple[Column, Column | None]] = {}
    start = 0
    for together in alike.values():
        n = len(given[together[0].name])
        bare = every.slice(start, n * len(together))
        start += len(bare)
        values = together[0].holds.parse(bare, together[0].name, reading)
        for place, field in enumerate(together):
            own = values.slice(place * n, n)
            found[field.name] = own, None if not own.null_count else pc.is_valid(bare.slice(place * n, n))
    return found


def _nothing(field: Field, n: int, reading: Reading) -> Column:
    """A column without values; their type is that of the field's class, and asked once."""
    if type(field.holds) not in _KINDS:
        _KINDS[type(field.holds)] = field.holds.parse(pa.nulls(0, pa.string()), field.name, reading).type
    nothing: Column = pa.nulls(n, _KINDS[type(field.holds)])
    return nothing


_KINDS: dict[type[ValueType], Any] = {}


def _mask(values: Column) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = values.to_numpy(zero_copy_only=False)
    return mask.astype(bool)
