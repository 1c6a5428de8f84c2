"""A page that stayed open while the plan behind it was replaced: its buttons do nothing, and say why."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pilot.access.model import User
from pilot.audit.queries import history_of
from pilot.planning.queries import pilot as pilot_by_code
from pilot.planning.wizard import save
from pilot.settings import Settings
from tests.pilot.evidence.small_network import START, day_at
from tests.web.conftest import post
from tests.web.house import SUBMITTED
from web.app import create_app

SignIn = Callable[[str], FlaskClient]
PLAN = f"/pilots/{SUBMITTED}"


@pytest.fixture
def app(house_settings: Settings) -> Iterator[Flask]:
    """The application on a day on which the plan can still be submitted."""
    app = create_app(house_settings.model_copy(update={"fixed_now": day_at(START - timedelta(days=2))}))
    yield app
    app.extensions["pilot_database"].dispose()


def form_of(client: FlaskClient, action: str) -> dict[str, object]:
    """The hidden fields of the form that goes to ``action``, as a browser keeps them while the page is open."""
    page = client.get(PLAN).get_data(as_text=True)
    form = next(one for one in re.findall(r"<form.*?</form>", page, re.S) if f'action="{PLAN}/{action}"' in one)
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)) | {"reason": "As I read it."}


def replace_the_plan(app: Flask, as_person: SignIn, by: str = "analyst") -> None:
    """Somebody sends the plan back; its author writes another hypothesis and submits it again."""
    reader, manager = as_person(by), as_person("manager")
    assert reader.post(f"{PLAN}/send-back", data=form_of(reader, "send-back")).status_code == 302
    with app.extensions["pilot_database"].unit_of_work() as session:
        found = pilot_by_code(session, SUBMITTED)
        stage = {
            **found.plan["stages"][0],
            "units": [f"S{number}" for number in range(25, 33)],
        }  # other pilots' are busy
        document = {**found.plan, "hypothesis": "Another story.", "alpha": "0.5", "stages": [stage]}
        save(session, found, document, actor=session.get_one(User, found.owner_id), now=found.created_at)
    submitted = post(manager, f"{PLAN}/submit", page=PLAN)
    assert submitted.status_code == 302, submitted.text


def acts(app: Flask) -> list[str]:
    with app.extensions["pilot_database"].reading() as session:
        return [entry.verb for entry in history_of(session, "pilot", SUBMITTED)]


@pytest.mark.parametrize("action", ["cosign", "send-back"])
def test_a_page_of_the_text_before_signs_nothing_and_sends_nothing_back(
    app: Flask, as_person: SignIn, action: str
) -> None:
    reader = as_person("analyst")
    old = form_of(reader, action)
    replace_the_plan(app, as_person)
    before = acts(app)
    refused = reader.post(f"{PLAN}/{action}", data=old)
    assert refused.status_code == 409
    assert "Another story." in refused.text, "the page shows the text that stands now"
    assert acts(app) == before
    assert reader.post(f"{PLAN}/{action}", data=form_of(reader, action)).status_code == 302, "read, it can be signed"
    assert len(acts(app)) == len(before) + 1


def test_an_approval_of_the_text_before_seals_nothing(app: Flask, as_person: SignIn) -> None:
    analyst, executive = as_person("analyst"), as_person("second")
    assert analyst.post(f"{PLAN}/cosign", data=form_of(analyst, "cosign")).status_code == 302
    old = form_of(executive, "approve")
    replace_the_plan(app, as_person, by="executive")
    assert analyst.post(f"{PLAN}/cosign", data=form_of(analyst, "cosign")).status_code == 302
    assert executive.post(f"{PLAN}/approve", data=old).status_code == 409
    assert "plan.seal" not in acts(app)


@pytest.mark.parametrize("action", ["cosign", "send-back"])
def test_a_form_that_names_no_text_signs_nothing(app: Flask, as_person: SignIn, action: str) -> None:
    analyst = as_person("analyst")
    form = form_of(analyst, action)
    del form["plan_hash"]
    assert analyst.post(f"{PLAN}/{action}", data=form).status_code == 422
    assert acts(app)[-1] == "plan.submit"


def test_a_decision_from_before_the_question_and_its_answer_does_not_count(as_person: SignIn) -> None:
    gate, page = "/pilots/points/reports/points-1-1", "/pilots/points/decision"
    executive, second, manager = as_person("executive"), as_person("second"), as_person("manager")
    assert executive.get(page).text.count('name="round" value="1"') == 1
    asks = {"choice": "send_back", "reason": "Why only sixteen?", "round": "1"}
    assert post(second, f"{gate}/decide", asks, page).status_code == 302
    assert post(manager, f"{gate}/answer", {"text": "More come later."}, page).status_code == 302
    word = {"choice": "stop", "reason": "It does not pay."}
    refused = post(executive, f"{gate}/decide", {**word, "round": "1"}, page)
    assert refused.status_code == 409
    assert "More come later." in refused.text, "the page shows what has been said since"
    assert post(executive, f"{gate}/decide", word, page).status_code == 422, "a form that names no round"
    assert post(executive, f"{gate}/decide", {**word, "round": "2"}, page).status_code == 302
