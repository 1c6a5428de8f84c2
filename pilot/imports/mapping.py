"""The column mapping of a file: our field → their column, and how the file is written. Guessed, corrected, saved."""

import re
import unicodedata
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pilot.imports.dialects import DELIMITERS, ENCODINGS, Dialect, FileFormat, guess_dialect
from pilot.imports.errors import ColumnNotInFile, FieldNotMapped, UnknownField, UnknownOption
from pilot.imports.importer import Importer
from pilot.imports.reader import TextTable, open_table, sample_rows
from pilot.imports.rules import Field
from pilot.imports.times import Day, Instant
from pilot.imports.values import DATE_ORDERS, Money

STORE_TIME = "store"
_SAMPLE = 200
_SHOWN = 5
_TELLING_ROWS = 20
_ATTRIBUTE_VALUES = 0.8  # of the rows: where more values differ, they name people rather than group them


@dataclass(frozen=True, slots=True)
class FileMapping:
    """``columns``: field → their column. ``attributes``: attribute code → their column (customers only).

    ``time_zone`` says what a time without an offset means: ``"store"`` (local time of the store) or an IANA zone.
    Options that are not possible raise ``UnknownOption``.
    """

    columns: Mapping[str, str]
    attributes: Mapping[str, str] = field(default_factory=dict)
    format: FileFormat = FileFormat.CSV
    encoding: str = "utf-8-sig"
    delimiter: str = ","
    decimal_mark: str = "."
    date_order: str = "YYYY-MM-DD"
    time_zone: str = STORE_TIME
    last_line_complete: bool = False

    def __post_init__(self) -> None:
        zones = {STORE_TIME, *zoneinfo.available_timezones()}
        _one_of("format", self.format, [f.value for f in FileFormat])
        _one_of("encoding", self.encoding, ENCODINGS)
        _one_of("delimiter", self.delimiter, DELIMITERS)
        _one_of("decimal_mark", self.decimal_mark, (".", ","))
        _one_of("date_order", self.date_order, tuple(DATE_ORDERS))
        if self.time_zone not in zones:
            raise UnknownOption(
                option="time_zone", value=self.time_zone[:80], possible="store, Europe/Helsinki, UTC, …"
            )

    @property
    def dialect(self) -> Dialect:
        return Dialect(FileFormat(self.format), self.encoding, self.delimiter, self.last_line_complete)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form that is saved."""
        return {
            "columns": dict(self.columns),
            "attributes": dict(self.attributes),
            "format": str(self.format),
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "decimal_mark": self.decimal_mark,
            "date_order": self.date_order,
            "time_zone": self.time_zone,
            "last_line_complete": self.last_line_complete,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "FileMapping":
        """Read the JSON form; keys that it does not know and values of the wrong type raise ``UnknownOption``."""
        known = set(cls.__dataclass_fields__)
        for key, value in stored.items():
            if key not in known:
                raise UnknownOption(option=str(key)[:80], value=str(value)[:80], possible=", ".join(sorted(known)))
            wanted, form = _form_of(key)
            texts = list(value.values()) if isinstance(value, dict) else []
            if not isinstance(value, wanted) or not all(isinstance(text, str) for text in texts):
                raise UnknownOption(option=key, value=str(value)[:80], possible=form)
        return cls(**{"columns": {}, **stored})


@dataclass(frozen=True, slots=True)
class MappingGuess:
    """What was understood of a file, to be shown and corrected: its columns, first rows, required fields left over.

    ``unused`` are the columns that will not be read: nobody should learn later that the customers stayed out.
    """

    mapping: FileMapping
    columns: tuple[str, ...]
    sample: list[dict[str, str | None]]
    unmapped_required: tuple[str, ...]

    @property
    def unused(self) -> tuple[str, ...]:
        read = {*self.mapping.columns.values(), *self.mapping.attributes.values()}
        return tuple(name for name in self.columns if name not in read)


def guess_mapping(importer: Importer, path: Path, *, dialect: Dialect | None = None) -> MappingGuess:
    """Guess how ``path`` is written and which column is which field. ``dialect`` fixes what a person has corrected."""
    dialect = dialect or guess_dialect(path)
    # A file without its last line end can still be looked at; only the import insists.
    table = open_table(path, replace(dialect, last_line_complete=True))
    sample = sample_rows(table, _SAMPLE)
    columns = _match_columns(importer.fields, table.columns)
    attributes: dict[str, str] = {}
    if importer.takes_attributes:
        taken = set(columns.values())
        attributes = _guess_attributes([name for name in table.columns if name not in taken], sample)
    texts = {f.name: [row[columns[f.name]] or "" for row in sample] for f in importer.fields if f.name in columns}
    by_type = {
        kind: [text for f in importer.fields if isinstance(f.holds, kind) for text in texts.get(f.name, [])]
        for kind in (Money, Day, Instant)
    }
    mapping = FileMapping(
        columns,
        attributes,
        dialect.format,
        dialect.encoding,
        dialect.delimiter,
        _guess_decimal_mark(by_type[Money]),
        _guess_date_order(by_type[Day] + by_type[Instant]),
        STORE_TIME,
        dialect.last_line_complete,
    )
    missing = tuple(f.name for f in importer.fields if f.is_required and f.name not in columns)
    return MappingGuess(mapping, table.columns, sample[:_SHOWN], missing)


def require_fit(importer: Importer, mapping: FileMapping, table: TextTable) -> None:
    """Refuse a mapping that names unknown fields or columns, or leaves a required field without one."""
    fields = {f.name: f for f in importer.fields}
    shown = ", ".join(table.columns)[:400]
    for name, theirs in mapping.columns.items():
        if name not in fields:
            raise UnknownField(field=name[:80], kind=str(importer.kind), fields=", ".join(fields))
        if theirs not in table.columns:
            raise ColumnNotInFile(field=name, column=theirs[:80], columns=shown)
    for name, theirs in mapping.attributes.items():
        if not importer.takes_attributes:
            raise UnknownField(field=name[:80], kind=str(importer.kind), fields=", ".join(fields))
        if theirs not in table.columns:
            raise ColumnNotInFile(field=name[:80], column=theirs[:80], columns=shown)
    for f in importer.fields:
        if f.is_required and f.name not in mapping.columns:
            raise FieldNotMapped(field=f.name, columns=shown)


def attribute_code(header: str) -> str:
    """A header as an attribute code: ``Household Size`` → ``household_size``."""
    return re.sub(r"\W+", "_", header.strip().casefold()).strip("_") or "attribute"


def _match_columns(fields: Sequence[Field], columns: Sequence[str]) -> dict[str, str]:
    """A field takes the first unclaimed column whose plain name is the field's name or a synonym, in their order."""
    plain = {_plain(name): name for name in reversed(columns)}
    matched: dict[str, str] = {}
    for f in fields:
        for wanted in (f.name, *f.synonyms.split(",")):
            theirs = plain.get(_plain(wanted)) if wanted else None
            if theirs is not None and theirs not in matched.values():
                matched[f.name] = theirs
                break
    return matched


def _guess_attributes(columns: Sequence[str], sample: Sequence[Mapping[str, str | None]]) -> dict[str, str]:
    """Attribute code → column. A column with another value in nearly every row is no attribute but likely personal."""
    attributes: dict[str, str] = {}
    for name in columns:
        values = [text for row in sample if (text := (row[name] or "").strip())]
        if len(values) < _TELLING_ROWS or len(set(values)) <= _ATTRIBUTE_VALUES * len(values):
            code, again = attribute_code(name), 2
            while code in attributes:
                code, again = f"{attribute_code(name)}_{again}", again + 1
            attributes[code] = name
    return attributes


def _plain(header: str) -> str:
    decomposed = unicodedata.normalize("NFKD", header.casefold())
    return "".join(c for c in decomposed if c.isalnum())


def _guess_decimal_mark(texts: Sequence[str]) -> str:
    """The last of ``.`` and ``,`` in an amount is its decimal mark when one or two digits follow."""
    commas = sum(bool(re.search(r",[0-9]{1,2}$", text.strip())) for text in texts)
    points = sum(bool(re.search(r"\.[0-9]{1,2}$", text.strip())) for text in texts)
    return "," if commas > points else "."


def _guess_date_order(texts: Sequence[str]) -> str:
    """The first order, in the table's order, that fits the most sampled dates."""
    given = [text.strip() for text in texts if text.strip()]

    def fit(order: str) -> int:
        return sum(_is_day(re.match(DATE_ORDERS[order] + r"(?![0-9])", text)) for text in given)

    return max(DATE_ORDERS, key=fit)


def _is_day(match: re.Match[str] | None) -> bool:
    return match is not None and 1 <= int(match["m"]) <= 12 and 1 <= int(match["d"]) <= 31


def _form_of(option: str) -> tuple[type, str]:
    """The type of an option in the JSON form, and how it looks there."""
    if option == "last_line_complete":
        return bool, "true, false"
    if option in ("columns", "attributes"):
        return dict, '{"…": "…"}'
    return str, '"…"'


def _one_of(option: str, value: str, possible: Sequence[str]) -> None:
    if value not in possible:
        shown = ", ".join(repr(p) if p.isspace() else p for p in possible)
        raise UnknownOption(option=option, value=str(value)[:80], possible=shown)
