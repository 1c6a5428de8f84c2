"""Nobody looks beyond the plan unseen: each way to compute what the data say leaves its entry in the log."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from pilot.audit.queries import history_of
from pilot.cli import main
from pilot.database import Database
from pilot.settings import Settings
from tests.web.conftest import post

SignIn = Callable[[str], FlaskClient]
KNOWN = "/pilots/points/reports/points-1-1/known"


def explored(settings: Settings) -> list[tuple[str, str]]:
    database = Database(settings)
    with database.reading() as session:
        found = [entry for entry in history_of(session, "pilot", "points") if entry.verb == "report.explore"]
    database.dispose()
    return [(entry.actor.partition("@")[0], entry.text) for entry in found]


def test_who_compares_what_was_known_is_in_the_log(as_person: SignIn, house_settings: Settings) -> None:
    assert post(as_person("executive"), KNOWN, {"on": ""}).status_code == 302
    assert explored(house_settings) == [("executive", '{"stage":1}')]


def test_a_comparison_that_is_refused_is_not_in_the_log(as_person: SignIn, house_settings: Settings) -> None:
    assert post(as_person("executive"), KNOWN, {"on": "2001-01-01"}).status_code == 404
    assert explored(house_settings) == []


def test_who_computes_on_the_command_line_what_was_known_is_in_the_log(
    house_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert house_settings.fixed_now is not None
    monkeypatch.setenv("PILOT_FIXED_NOW", house_settings.fixed_now.isoformat())
    known = ["report", "make", "points", "1", "--lake-version", "3", "--home", str(house_settings.home)]
    assert main([*known, "--as", "analyst@example.org"]) == 0
    assert "exploratory" in capsys.readouterr().out
    assert explored(house_settings) == [("analyst", '{"stage":1}')]
    assert main([*known, "--as", "auditor@example.org"]) == 1, "an auditor makes no reports"
    assert len(explored(house_settings)) == 1
