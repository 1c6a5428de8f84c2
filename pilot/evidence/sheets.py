"""Sheets of a workbook: tables with a frozen head, formats by kind of value, and text that can never be a formula."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from babel.numbers import get_currency_precision

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet


@dataclass(frozen=True, slots=True)
class Percent:
    """A share, shown in per cent."""

    share: float


@dataclass(frozen=True, slots=True)
class Points:
    """A difference of shares in percentage points."""

    points: float


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in whole units of the workbook's currency."""

    amount: float


Cell = str | int | float | bool | date | Percent | Points | Money | None


@dataclass(frozen=True, slots=True)
class Table:
    """A head and its rows, under a title where a sheet has several."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""


_FORBIDDEN = str.maketrans("", "", "[]:*?/\\'")
_WIDEST, _NARROWEST, _LONGEST_NAME = 60, 9, 31
_LARGEST_EXACT = 10**15  # beyond it a spreadsheet rounds a whole number: it is written as text


class Book:
    """A workbook being written to ``file``. ``warning`` stands first on every sheet."""

    def __init__(self, file: BinaryIO, *, currency: str, warning: str = "") -> None:
        import xlsxwriter

        options = {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        self._book = xlsxwriter.Workbook(file, options)
        self._names: set[str] = set()
        self._warning = warning
        decimals = "0" * get_currency_precision(currency)
        self._formats = {
            "head": self._book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}),
            "title": self._book.add_format({"bold": True, "font_size": 12}),
            "warning": self._book.add_format({"bold": True, "font_color": "#a12622"}),
            "text": self._book.add_format({"text_wrap": True, "valign": "top"}),
            "whole": self._book.add_format({"num_format": "#,##0", "valign": "top"}),
            "number": self._book.add_format({"num_format": f"#,##0.{decimals or '00'}##", "valign": "top"}),
            "money": self._book.add_format(
                {
                    "num_format": f'#,##0.{decimals}## "{currency}"' if decimals else f'#,##0 "{currency}"',
                    "valign": "top",
                }
            ),
            "percent": self._book.add_format({"num_format": "0.00%", "valign": "top"}),
            "points": self._book.add_format({"num_format": "0.00", "valign": "top"}),
            "day": self._book.add_format({"num_format": "yyyy-mm-dd", "valign": "top"}),
        }

    def __enter__(self) -> "Book":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._book.close()

    def add(self, name: str, tables: Iterable[Table]) -> None:
        """A sheet of these tables, one below the other; the first one's head stays in sight."""
        sheet = self._book.add_worksheet(self._free_name(name))
        place, widths = 0, dict[int, int]()
        if self._warning:
            sheet.write_string(place, 0, self._warning, self._formats["warning"])
            place += 1
        for number, table in enumerate(tables):
            place += 1 if number else 0
            if table.title:
                sheet.write_string(place, 0, table.title, self._formats["title"])
                place += 1
            for column, head in enumerate(table.columns):
                sheet.write_string(place, column, head, self._formats["head"])
                widths[column] = max(widths.get(column, 0), min(len(head), 24))
            place += 1
            if not number:
                sheet.freeze_panes(place, 1)
            for row in table.rows:
                for column, cell in enumerate(row):
                    self._write(sheet, place, column, cell)
                    widths[column] = max(widths.get(column, 0), len(_shown(cell)))
                place += 1
        for column, width in widths.items():
            sheet.set_column(column, column, max(_NARROWEST, min(width + 2, _WIDEST)))
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)

    def _write(self, sheet: "Worksheet", row: int, column: int, cell: Cell) -> None:
        """One cell by its kind; text is written as text, so that no spreadsheet computes it."""
        formats: dict[str, Any] = self._formats
        if cell is None or cell == "":
            return
        if isinstance(cell, Percent):
            sheet.write_number(row, column, cell.share, formats["percent"])
        elif isinstance(cell, Points):
            sheet.write_number(row, column, cell.points, formats["points"])
        elif isinstance(cell, Money):
            sheet.write_number(row, column, cell.amount, formats["money"])
        elif isinstance(cell, bool):
            sheet.write_boolean(row, column, cell)
        elif isinstance(cell, int) and abs(cell) < _LARGEST_EXACT:
            sheet.write_number(row, column, cell, formats["whole"])
        elif isinstance(cell, float):
            sheet.write_number(row, column, cell, formats["number"])
        elif isinstance(cell, date):
            sheet.write_datetime(row, column, cell, formats["day"])
        else:
            sheet.write_string(row, column, str(cell), formats["text"])

    def _free_name(self, name: str) -> str:
        """A name that Excel takes and no other sheet has."""
        wanted = name.translate(_FORBIDDEN).strip()[:_LONGEST_NAME] or "–"
        found, number = wanted, 2
        while found.casefold() in self._names:
            found = f"{wanted[: _LONGEST_NAME - 4]} {number}"
            number += 1
        self._names.add(found.casefold())
        return found


def _shown(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    if isinstance(cell, Money):
        return f"{cell.amount:,.2f} EUR"
    if isinstance(cell, (Percent, Points)):
        return "100.00%"
    return "" if cell is None else str(cell)
