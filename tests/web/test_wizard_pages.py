"""The steps of the wizard: saved as they stand they change nothing, refused they keep what was typed."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from pilot.planning.model import Pilot
from tests.web.conftest import post
from tests.web.test_pages import form_of

SignIn = Callable[[str], FlaskClient]


@pytest.mark.parametrize("step", ["brief", "stores", "design", "money", "stages", "wind_down"])
def test_a_step_saved_as_it_stands_changes_nothing(app: Flask, as_person: SignIn, step: str) -> None:
    with app.extensions["pilot_database"].reading() as session:
        before = session.scalars(select(Pilot.plan).where(Pilot.code == "draft")).one()
    manager = as_person("manager")
    form = form_of(manager.get(f"/pilots/draft/edit/{step}").text) | {
        "objective": "keep", "hypothesis": before["hypothesis"], "variants": ["points"],
        "match_on": before["mechanism"]["match_on"], "stage-0-units": before["stages"][0]["units"],
        "stage-0-gate": ["leading_metric", "guardrails", "no_alarm"], "identification_note": "", "note": "",
    }  # fmt: skip
    form = {name: value for name, value in form.items() if not name.startswith("stage-__n__")}
    assert post(manager, f"/pilots/draft/edit/{step}", form).status_code == 302
    with app.extensions["pilot_database"].reading() as session:
        assert session.scalars(select(Pilot.plan).where(Pilot.code == "draft")).one() == before


def test_a_refused_step_keeps_what_was_typed(as_person: SignIn) -> None:
    manager = as_person("manager")
    form = form_of(manager.get("/pilots/draft/edit/design").text) | {"alpha": "many"}
    answer = post(manager, "/pilots/draft/edit/design", form)
    assert answer.status_code == 422
    assert 'value="many"' in answer.text
    assert "“Level” cannot be read" in answer.text


def test_a_step_that_is_not_there_is_not_found(as_person: SignIn) -> None:
    assert as_person("manager").get("/pilots/draft/edit/nowhere").status_code == 404


def test_a_number_out_of_range_is_refused_by_the_label_of_its_field(as_person: SignIn) -> None:
    manager = as_person("manager")
    money = form_of(manager.get("/pilots/draft/edit/money").text) | {"enrolment_share": "250"}
    assert "“Sales under the offer” must be at most 100%." in post(manager, "/pilots/draft/edit/money", money).text
    stages = form_of(manager.get("/pilots/draft/edit/stages").text)
    stages = {name: value for name, value in stages.items() if "__n__" not in name}
    said = post(manager, "/pilots/draft/edit/stages", stages | {"stage-0-weeks": "0"}).text
    assert "“Weeks” of stage 1 must be at least 1." in said


def test_some_stores_without_a_store_is_not_every_store(as_person: SignIn) -> None:
    manager = as_person("manager")
    form = form_of(manager.get("/pilots/draft/edit/stages").text)
    form = {name: value for name, value in form.items() if "__n__" not in name and name != "stage-0-units"}
    answer = post(manager, "/pilots/draft/edit/stages", form | {"stage-0-where": "some"})
    assert answer.status_code == 422
    assert "“Regions and stores of this stage” is empty." in answer.text


def test_a_signature_without_the_text_that_was_read_is_refused(as_person: SignIn) -> None:
    analyst = as_person("analyst")
    assert 'name="plan_hash"' in analyst.get("/pilots/submitted").text
    assert post(analyst, "/pilots/submitted/cosign", page="/pilots/submitted").status_code == 422
    stale = post(analyst, "/pilots/submitted/cosign", {"plan_hash": "0" * 64}, page="/pilots/submitted")
    assert stale.status_code == 409
