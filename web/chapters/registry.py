"""Which chapter is presented by what, and what it is called in the report's own menu."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask import url_for

from pilot.evidence.chapters.registry import CHAPTERS, ChapterCode
from pilot.evidence.queries import ReportView
from pilot.words import N_
from web.chapters import crossing, loyalty, money, subsidy, swiped, value, where
from web.words import _

Presenter = Callable[[ReportView, Mapping[str, Any]], dict[str, Any]]

TITLES: dict[ChapterCode, str] = {
    ChapterCode.MONEY: N_("Money"),
    ChapterCode.SWIPED: N_("Real or just swiped?"),
    ChapterCode.SUBSIDY: N_("Subsidised share"),
    ChapterCode.LOYALTY: N_("True loyalty"),
    ChapterCode.WHERE: N_("Where does it work?"),
    ChapterCode.CROSSING: N_("Cross-shopping map"),
    ChapterCode.VALUE: N_("Value and cost"),
}
# What turns a stored chapter into what its template ``reports/chapters/CODE.html`` shows.
PRESENTERS: dict[ChapterCode, Presenter] = {
    ChapterCode.SWIPED: swiped.present,
    ChapterCode.CROSSING: crossing.present,
    ChapterCode.MONEY: money.present,
    ChapterCode.VALUE: value.present,
    ChapterCode.SUBSIDY: subsidy.present,
    ChapterCode.LOYALTY: loyalty.present,
    ChapterCode.WHERE: where.present,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the report's menu."""

    title: str
    url: str
    is_current: bool


def menu(view: ReportView, pilot: str, current: ChapterCode | Literal["memo"] | None) -> list[Entry]:
    """The memo, the effects, then every chapter that the report holds and a page presents."""
    report = view.document.code
    entries = [
        Entry(_("Memo"), url_for("memo.show", pilot=pilot, report=report), current == "memo"),
        Entry(_("Effects"), url_for("reports.show", pilot=pilot, report=report), current is None),
    ]
    known = {chapter.code for chapter in CHAPTERS}
    for code, title in TITLES.items():
        if code in known and code in PRESENTERS and code.value in view.document.chapters:
            url = url_for("chapters.show", pilot=pilot, report=report, chapter=code.value)
            entries.append(Entry(_(title), url, code is current))
    return entries
