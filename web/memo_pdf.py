"""The memo on paper: exactly one A4 page as a tagged PDF (PDF/UA), in the reader's language.

What does not fit is set smaller; what would then be too small to read is shortened, and says so.
"""

from base64 import b64encode
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from flask import current_app, render_template

from pilot.errors import Misconfigured
from pilot.evidence.charts import forest_chart
from pilot.evidence.pictures import PictureNotDrawn, png
from pilot.evidence.queries import ReportView
from pilot.words import N_, localised
from web.language import current_language
from web.memo_words import Memo
from web.words import _

_SIZES = (10.5, 9.5, 8.5, 7.5)  # points
# How many letters a sentence, and how many items a list, may have when the smallest size is not enough.
_SHORTER = ((700, 14), (400, 10), (240, 7), (150, 5), (90, 3), (60, 2))
_MOST_LETTERS = 9_000  # no page of the smallest size holds more: not even tried


class PaperMissing(Misconfigured):
    """No PDF without the library that sets type."""

    code = "paper_missing"
    template = N_(
        "This installation cannot make a PDF: the system library Pango is missing. Print the memo's page instead: it "
        "has a style sheet for paper."
    )


class MemoTooLong(Misconfigured):
    """Even shortened, the memo would not be one page."""

    code = "memo_too_long"
    template = N_("The memo does not fit on one page of paper. Print the memo's page instead.")


def memo_pdf(view: ReportView, memo: Memo, *, hashes: dict[str, str]) -> bytes:
    """The PDF of ``memo``. Raises ``PaperMissing``, ``MemoTooLong``."""
    try:
        import weasyprint
        from weasyprint.text.fonts import FontConfiguration
        from weasyprint.urls import URLFetcher
    except OSError as error:  # libpango and its friends are not there
        raise PaperMissing() from error
    styles = Path(current_app.static_folder or "") / "memo.css"
    fonts = FontConfiguration()
    fetcher = URLFetcher(allowed_protocols=("data", "file"))
    sheet = weasyprint.CSS(filename=str(styles), font_config=fonts, url_fetcher=fetcher)
    picture = _picture(view)
    for size, shown in _attempts(memo):
        page = render_template(
            "reports/memo_paper.html",
            view=view,
            memo=shown,
            hashes=hashes,
            picture=picture,
            language=current_language(),
        )
        small = weasyprint.CSS(string=f"html {{ font-size: {size}pt }}", font_config=fonts)
        laid_out = weasyprint.HTML(string=page, url_fetcher=fetcher).render(
            font_config=fonts, stylesheets=[sheet, small], pdf_variant="pdf/ua-1", pdf_tags=True
        )
        if len(laid_out.pages) == 1:
            written: bytes = laid_out.write_pdf(pdf_variant="pdf/ua-1", pdf_tags=True)
            return written
    raise MemoTooLong()


def _attempts(memo: Memo) -> list[tuple[float, Memo]]:
    """Sizes of type with the memo whole, then shortened step by step at the smallest."""
    whole = [(size, memo) for size in _SIZES]
    shorter = [(_SIZES[-1], _shortened(memo, letters, items)) for letters, items in _SHORTER]
    return [(size, shown) for size, shown in (*whole, *shorter) if _letters(shown) <= _MOST_LETTERS]


def _letters(part: Any) -> int:
    if isinstance(part, str):
        return len(part)
    if isinstance(part, list):
        return sum(map(_letters, part))
    return 0 if part is None or isinstance(part, bool) else sum(_letters(getattr(part, f.name)) for f in fields(part))


def _shortened(memo: Memo, letters: int, items: int) -> Memo:
    return replace(memo, **{field.name: _short(getattr(memo, field.name), letters, items) for field in fields(memo)})


def _short(part: Any, letters: int, items: int) -> Any:
    """Texts to so many letters, lists to so many items with a word on how many more the report has."""
    if isinstance(part, str):
        return part if len(part) <= letters else f"{part[: letters - 1].rstrip()}…"
    if isinstance(part, list):
        kept = [_short(one, letters, items) for one in part[:items]]
        if len(part) > items and all(isinstance(one, str) for one in part):
            kept[-1] = _("And %(n)s more, in the report.", n=len(part) - items + 1)
        return kept
    if part is None or isinstance(part, bool):
        return part
    return replace(part, **{one.name: _short(getattr(part, one.name), letters, items) for one in fields(part)})


def _picture(view: ReportView) -> str:
    """The chart of effects as an image that stands inside the page; empty where it cannot be drawn."""
    try:
        drawn = png(localised(forest_chart(view)), width=420)
    except PictureNotDrawn:
        return ""
    return f"data:image/png;base64,{b64encode(drawn).decode()}"
