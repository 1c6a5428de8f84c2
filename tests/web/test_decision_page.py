"""What an executive reads on the decision page, and which badge a row of the report carries."""

import re
from collections.abc import Callable

from flask.testing import FlaskClient

from tests.web.conftest import post

SignIn = Callable[[str], FlaskClient]


def test_the_decision_page_shows_the_rules_and_guardrails_before_and_after_the_decision(as_person: SignIn) -> None:
    waiting = as_person("executive").get("/pilots/points/decision").text
    assert "Why this recommendation" in waiting
    assert '<span class="badge tone-good">Met</span>' in waiting
    assert "Guardrails" in waiting
    sentence = waiting.split('<p class="verdict">', 1)[1].split("</p>", 1)[0]
    form = {"choice": "approve", "reason": "It pays.", "round": "1"}
    for name in ("executive", "second"):
        post(as_person(name), "/pilots/points/reports/points-1-1/decide", form, page="/pilots/points/decision")
    decided = as_person("executive").get("/pilots/points/decision").text
    assert "Why this recommendation" in decided
    assert sentence in decided


def test_an_executive_who_has_chosen_reads_that_one_more_is_needed(as_person: SignIn) -> None:
    form = {"choice": "approve", "reason": "It pays.", "round": "1"}
    post(as_person("executive"), "/pilots/points/reports/points-1-1/decide", form, page="/pilots/points/decision")
    said = as_person("executive").get("/pilots/points/decision").text
    assert "have to agree: 2; so far: 1. You have said so already." in said
    assert "have to agree: 2; so far: 1." in as_person("second").get("/pilots/points/decision").text


def test_only_the_leading_row_is_called_better_and_guardrails_hold_or_not(as_person: SignIn) -> None:
    page = as_person("auditor").get("/pilots/points/reports/points-1-1").text
    effects = page.split('<table class="table table-vcenter effects', 1)[1].split("</table>", 1)[0]
    for row in effects.split("<tbody>")[1:]:
        said = re.findall(r'<span class="badge tone-\w+">([^<]+)</span>', row)
        allowed = {"No evidence of a difference", "Better", "Worse"} if ", leads" in row else set()
        if "Guardrail</dt>" in row and ", leads" not in row:
            allowed = {"Holds", "Not shown to hold"}
        assert set(said) <= (allowed or {"No evidence of a difference", "higher", "lower"})


def test_the_decision_page_says_when_another_pilot_took_stores_of_the_next_stage(as_person: SignIn) -> None:
    page = as_person("executive").get("/pilots/points/decision").text
    assert "are used by another pilot now" in page
