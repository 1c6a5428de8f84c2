"""What was explored beyond the plan: called so in its heading, listed with who and when, and never a way lost."""

from collections.abc import Callable

from flask.testing import FlaskClient

from pilot.jobs.running import run
from pilot.settings import Settings
from tests.web.conftest import post

SignIn = Callable[[str], FlaskClient]


def test_an_exploration_is_no_look_of_the_plan_and_is_found_again_from_the_report(
    as_person: SignIn, house_settings: Settings
) -> None:
    analyst = as_person("analyst")
    frozen = "/pilots/points/reports/points-1-1"
    assert "Explored beyond the plan" not in analyst.get(frozen).text
    asked = post(analyst, "/pilots/points/stages/1/today", {})
    run(asked.location.rpartition("/")[2], house_settings)
    page = analyst.get(asked.location, follow_redirects=True).text
    assert "Stage 1, explored beyond its planned looks (1)" in page
    assert "look 2 of 1" not in page
    assert f'href="{frozen}"' in page  # the way back
    listed = as_person("executive").get(frozen).text
    told = listed.split("Explored beyond the plan", 1)[1].split("</section>", 1)[0]
    assert 'href="/pilots/points/reports/points-1-2"' in told
    assert "A analyst, " in told
