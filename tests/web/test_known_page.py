"""What was known then beside what is known now, on a page of its own."""

from collections.abc import Callable

from flask.testing import FlaskClient

from pilot.jobs.running import run
from pilot.settings import Settings
from tests.web.conftest import post

SignIn = Callable[[str], FlaskClient]
ADDRESS = "/pilots/points/reports/points-1-1/known"


def computed(client: FlaskClient, settings: Settings, on: str = "") -> str:
    """Ask on the page, let the worker compute, and follow the job to the page again."""
    asked = post(client, ADDRESS, {"on": on})
    assert asked.status_code == 302
    run(asked.location.rpartition("/")[2], settings)
    page = client.get(asked.location, follow_redirects=True)
    assert page.status_code == 200
    assert page.request.path == ADDRESS
    return page.text


def test_the_page_computes_nothing_until_somebody_asks(as_person: SignIn) -> None:
    page = as_person("executive").get(ADDRESS)
    assert page.status_code == 200
    assert "What is known now" not in page.text


def test_what_was_computed_once_is_there_for_everybody(as_person: SignIn, house_settings: Settings) -> None:
    computed(as_person("executive"), house_settings)
    assert "in every digit" in as_person("auditor").get(ADDRESS).text


def test_the_frozen_numbers_come_again_and_are_called_exploratory(as_person: SignIn, house_settings: Settings) -> None:
    page = computed(as_person("executive"), house_settings)
    assert "in every digit" in page
    assert "What the frozen report knew" in page
    assert "What is known now" in page
    assert "exploratory: not frozen" in page
    assert "Nothing about the days of this report has arrived since." in page


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


def test_a_day_of_knowledge_is_named_above_its_numbers(as_person: SignIn, house_settings: Settings) -> None:
    page = computed(as_person("analyst"), house_settings, "2026-04-02")
    assert "What was known on Apr 2, 2026" in page
