"""What was known then beside what is known now, on a page of its own."""

from collections.abc import Callable

from flask.testing import FlaskClient

SignIn = Callable[[str], FlaskClient]
ADDRESS = "/pilots/points/reports/points-1-1/known"


def test_the_frozen_numbers_come_again_and_are_called_exploratory(as_person: SignIn) -> None:
    page = as_person("executive").get(ADDRESS)
    assert page.status_code == 200
    assert "in every digit" in page.text
    assert "What the frozen report knew" in page.text
    assert "What is known now" in page.text
    assert "exploratory: not frozen" in page.text
    assert "Nothing about the days of this report has arrived since." in page.text


def test_the_report_leads_there(as_person: SignIn) -> None:
    assert f'href="{ADDRESS}"' in as_person("auditor").get("/pilots/points/reports/points-1-1").text


def test_a_day_before_the_first_receipts_is_refused_in_words(as_person: SignIn) -> None:
    page = as_person("analyst").get(f"{ADDRESS}?on=2001-01-01")
    assert page.status_code == 404
    assert "no receipts were known yet" in page.text


def test_a_day_that_is_no_day_is_refused_in_words(as_person: SignIn) -> None:
    page = as_person("analyst").get(f"{ADDRESS}?on=yesterday")
    assert page.status_code == 422
    assert "cannot be read" in page.text


def test_a_day_of_knowledge_is_named_above_its_numbers(as_person: SignIn) -> None:
    page = as_person("analyst").get(f"{ADDRESS}?on=2026-04-02").text
    assert "What was known on Apr 2, 2026" in page
