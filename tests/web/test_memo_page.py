"""The memo: what it says, and its PDF: exactly one tagged page of A4 in every language, however long the texts."""

import builtins
import io
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import select

from pilot.access.model import User
from pilot.evidence import pictures
from pilot.evidence.queries import report
from pilot.planning.queries import pilot as pilot_by_code
from pilot.words import speaking
from tests.web.conftest import post
from web import memo_pdf as paper
from web import memo_words
from web.language import languages
from web.work import session

SignIn = Callable[[str], FlaskClient]
MEMO = "/pilots/points/reports/points-1-1/memo"
LONG = "Почему так долго: kaupan myynti nousi selvästi – and the sentence goes on, € 1.234,56 "


def read(content: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(content))


def says(pdf: PdfReader) -> str:
    return re.sub(r"\s+", "", "".join(page.extract_text() for page in pdf.pages))


def test_the_memo_says_effect_money_guardrails_the_unknown_and_what_each_choice_risks(as_person: SignIn) -> None:
    page = as_person("executive").get(MEMO).text
    assert "raised the store total by" in page
    assert "net of all costs of the stage" in page
    assert "Holds: a loss of more than" in page
    assert "Receipts are complete to Mar 29, 2026" in page
    for choice in ("Advance", "Send back", "Stop"):
        assert f'<th scope="row">{choice}' in page
    assert "Nobody has decided yet." in page
    assert "co-signed the plan" in page


def test_an_auditor_reads_the_memo_without_a_form(as_person: SignIn) -> None:
    page = as_person("auditor").get(MEMO).text
    assert 'name="choice"' not in page
    assert 'name="choice"' in as_person("executive").get(MEMO).text


def test_the_choice_that_the_inbox_named_is_ticked(as_person: SignIn) -> None:
    page = as_person("executive").get(f"{MEMO}?choice=stop").text
    ticked = re.findall(r'name="choice" value="(\w+)" checked', page)
    assert ticked == ["stop"]
    assert re.findall(r'name="choice" value="(\w+)" checked', as_person("executive").get(MEMO).text) == []


def test_a_decision_stands_on_the_memo_with_name_time_and_reason(as_person: SignIn) -> None:
    form = {"choice": "approve", "reason": "It pays in every store.", "round": "1"}
    post(as_person("executive"), "/pilots/points/reports/points-1-1/decide", form, page="/pilots/points/decision")
    page = as_person("auditor").get(MEMO).text
    assert re.search(r"A executive: Advance, \w+ \d+, 2026, [^:]+:\d\d.AM UTC: “It pays in every store.”", page)
    assert "Nobody has decided yet." not in page


def test_the_pdf_is_one_tagged_page_with_the_hashes(as_person: SignIn) -> None:
    answer = as_person("executive").get(f"{MEMO}.pdf")
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    pdf = read(answer.data)
    assert len(pdf.pages) == 1
    page = as_person("executive").get(MEMO).text
    for name in ("Report hash", "Audit head"):
        known = re.search(rf'{name}</dt><dd class="hash">([^<]+)<', page)
        assert known
        assert known[1] in says(pdf)
    root: Any = pdf.trailer["/Root"]
    assert (root["/Lang"], root["/MarkInfo"]["/Marked"]) == ("en", True)
    assert pdf.pages[0].mediabox.width == pytest.approx(595.28, abs=0.1)  # A4
    kinds = tags(root["/StructTreeRoot"])
    assert {"/H1", "/H2", "/Table", "/TH", "/TD", "/Figure", "/L"} <= set(kinds)
    assert root["/Metadata"].get_object().get_data().count(b"pdfuaid:part")


def tags(part: Any) -> dict[str, int]:
    """How often each kind of structure occurs; a figure without a text instead of itself counts as a fault."""
    found: dict[str, int] = {}
    part = part.get_object() if hasattr(part, "get_object") else part
    if isinstance(part, dict) and "/S" in part:
        found[part["/S"]] = 1
        assert part["/S"] != "/Figure" or part.get("/Alt"), "a picture without words"
    children = part.get("/K", []) if isinstance(part, dict) else []
    for child in children if isinstance(children, list) else [children]:
        child = child.get_object() if hasattr(child, "get_object") else child
        if isinstance(child, dict) and ("/S" in child or "/K" in child):
            for kind, n in tags(child).items():
                found[kind] = found.get(kind, 0) + n
    return found


@pytest.fixture
def at_home(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """``at_home("fi")``: a request of an executive in that language; the picture is drawn once for all tests."""
    monkeypatch.setattr(paper, "png", lambda *_args, **_how: _PICTURE)

    def ask(language: str) -> Any:
        return app.test_request_context(MEMO, headers={"Accept-Language": language})

    return ask


_PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f0005fe02fe0def46b8"
    "0000000049454e44ae426082"
)


@pytest.mark.parametrize("language", ["en", "fi", "ru"])
@pytest.mark.parametrize("many", [1, 60])
def test_the_pdf_is_one_page_in_every_language_with_texts_of_any_length(
    at_home: Callable[[str], Any], language: str, many: int
) -> None:
    assert language in languages()
    with at_home(language), speaking(language):
        pilot = pilot_by_code(session(), "points")
        view = report(session(), "points-1-1")
        view = replace(view, pilot_name=(LONG * 4)[:300] if many > 1 else view.pilot_name)
        memo = memo_words.memo(pilot, view)
        sentence = LONG * (3 * min(many, 20))
        said = [sentence] * many
        long = replace(
            memo,
            sentences=memo.sentences * min(many, 3),
            banner=sentence if many > 1 else "",
            unknown=memo.unknown + said,
            signed=memo.signed + said,
            effects=memo.effects * many,
            guardrails=memo.guardrails * many,
            money=[replace(one, refusal=sentence) for one in memo.money] * min(many, 5),
            options=[replace(one, risk=one.risk + sentence) for one in memo.options],
        )
        pdf = read(paper.memo_pdf(view, long, hashes={"Report hash": "a" * 64}))
    assert len(pdf.pages) == 1
    root: Any = pdf.trailer["/Root"]
    assert root["/Lang"] == language
    assert memo_words_of(memo)[:40] in says(pdf)
    assert "a" * 64 in says(pdf)


def memo_words_of(memo: memo_words.Memo) -> str:
    return re.sub(r"\s+", "", memo.sentences[0])


def test_finnish_and_russian_readers_get_their_own_words(as_person: SignIn, app: Flask) -> None:
    client = as_person("executive")
    english = says(read(client.get(f"{MEMO}.pdf").data))
    for language, word in (("fi", "Muistio"), ("ru", "Записка")):
        said = says(read(client.get(f"{MEMO}.pdf", headers={"Accept-Language": language}).data))
        assert said != english
        assert word.upper() in said.upper()


def test_without_the_picture_the_memo_still_has_its_numbers(as_person: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures.sys, "executable", "/nowhere/python")
    pdf = read(as_person("executive").get(f"{MEMO}.pdf").data)
    assert len(pdf.pages) == 1
    amount = re.search(r"raised the store total by (€[\d.]+)", as_person("executive").get(MEMO).text)
    assert amount
    assert amount[1] in says(pdf)


def test_where_pango_is_missing_the_page_says_what_to_do_instead(
    as_person: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_person("executive")
    plain = builtins.__import__

    def without_pango(name: str, *rest: Any, **how: Any) -> Any:
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0'")
        return plain(name, *rest, **how)

    monkeypatch.setattr(builtins, "__import__", without_pango)
    answer = client.get(f"{MEMO}.pdf")
    assert answer.status_code == 503
    assert "Print the memo" in answer.text


def test_a_report_of_another_pilot_has_no_memo_here(as_person: SignIn) -> None:
    assert as_person("executive").get("/pilots/running/reports/points-1-1/memo").status_code == 404
    assert as_person("executive").get("/pilots/points/reports/points-1-9/memo.pdf").status_code == 404


def test_a_name_with_markup_stays_text(app: Flask, as_person: SignIn) -> None:
    with app.extensions["pilot_database"].unit_of_work() as work:
        user = work.scalars(select(User).where(User.email == "analyst@example.org")).one()
        user.name = "<b>A & B</b>"
    assert "&lt;b&gt;A &amp; B&lt;/b&gt; co-signed the plan" in as_person("executive").get(MEMO).text
    assert "<b>A&B</b>" in says(read(as_person("executive").get(f"{MEMO}.pdf").data))
