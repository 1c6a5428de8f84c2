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
