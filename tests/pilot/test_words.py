"""How a message is spoken: numbers, dates and p-values as the reader's language writes them, English for programs."""

import json

import pytest

from experiments.messages import Message as ExperimentMessage
from pilot.words import Message, listed, speaking, translate

NBSP = "\N{NO-BREAK SPACE}"


def said(template: str, language: str = "fi", **values: object) -> str:
    with speaking(language):
        return translate(Message("any", template, values))


@pytest.mark.parametrize(
    ("template", "value", "english", "finnish"),
    [
        ("{it:.1%}", 0.125, "12.5%", f"12,5{NBSP}%"),
        ("{it:.0%}", 0.2, "20%", f"20{NBSP}%"),
        ("{it:,}", 1234567, "1,234,567", f"1{NBSP}234{NBSP}567"),
        ("{it:.3f}", 0.0425, "0.043", "0,043"),
        ("{it:+.2f}", 0.5, "+0.50", "+0,50"),
        ("{it:+.2f}", -0.5, "-0.50", "\N{MINUS SIGN}0,50"),
        ("{it:.4g}", 155810.3, "155,800", f"155{NBSP}800"),
        ("{it}", 0.1, "0.1", "0,1"),
        ("p {it:p}", 0.0425, "p = 0.043", "p = 0,043"),
        ("p {it:p}", 2.84e-14, "p < 0.001", "p < 0,001"),
        ("p {it:p}", 1.0, "p = 1.000", "p = 1,000"),
        ("{it:date}", "2018-01-02", "Jan 2, 2018", "2.1.2018"),
        ("{it:date}", "–", "–", "–"),
    ],
)
def test_a_place_says_what_its_value_is_and_the_language_how_it_is_written(
    template: str, value: object, english: str, finnish: str
) -> None:
    assert said(template, "en", it=value) == english
    assert said(template, "fi", it=value) == finnish


def test_a_whole_number_without_a_format_may_be_a_name_and_stays_as_it_is() -> None:
    assert said("Line {line}, port {port}", line=12345, port=8000) == "Line 12345, port 8000"


def test_a_text_that_looks_like_a_date_is_shown_as_it_was_written() -> None:
    assert said("value “{value}”", value="2018-01-02") == "value “2018-01-02”"


def test_programs_read_plain_english_whoever_listens() -> None:
    message = Message("any", "{share:.1%} on {day:date}, p {p:p}", {"share": 0.125, "day": "2018-01-02", "p": 0.0001})
    with speaking("fi"):
        assert str(message) == "12.5% on 2018-01-02, p < 0.001"


def test_the_statistics_and_the_business_write_the_same_plain_english() -> None:
    template, values = (
        "{p:p} {day:date} {share:.1%} {unit!r}",
        {"p": 0.2, "day": "2018-01-02", "share": 0.5, "unit": "a"},
    )
    assert str(ExperimentMessage("any", template, values)) == str(Message("any", template, values))


def test_a_stored_message_is_json_and_speaks_the_language_of_its_reader() -> None:
    inner = Message("inner", "until {day:date}", {"day": "2018-01-02"})
    stored = json.loads(json.dumps(Message("outer", "{share:.1%} {why}", {"share": 0.125, "why": inner}).to_dict()))
    with speaking("fi"):
        assert translate(Message.from_dict(stored)) == f"12,5{NBSP}% until 2.1.2018"


def test_messages_are_listed_with_commas_and_none_is_a_dash() -> None:
    assert str(listed([Message("a", "one"), Message("b", "two")])) == "one, two"
    assert str(listed([])) == "–"


def test_a_language_that_nobody_knows_is_answered_in_english() -> None:
    assert said("{it:.1%}", "xx-nowhere", it=0.125) == "12.5%"
