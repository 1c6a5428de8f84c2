"""The way to submit as a part of a page, and what the log and the history say of exploring a stage."""

from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from pilot.access.model import User
from pilot.audit.queries import history_of
from pilot.planning.queries import pilot as pilot_by_code
from pilot.planning.service import edit_draft
from tests.web.conftest import post

SignIn = Callable[[str], FlaskClient]


def test_a_draft_that_leaves_nothing_unproven_is_submitted_from_its_part_of_the_page(as_person: SignIn) -> None:
    manager = as_person("manager")
    assert 'hx-get="/pilots/draft/submission"' in manager.get("/pilots/draft").text
    part = manager.get("/pilots/draft/submission").text
    assert "Submit for co-signing" in part
    assert "Ask an executive" not in part
    refused = post(manager, "/pilots/draft/submission/ask", {})
    assert refused.status_code == 409
    assert "There is nothing to accept" in refused.text


def test_others_have_no_way_to_submit_and_cannot_search_designs(as_person: SignIn) -> None:
    analyst = as_person("analyst")
    assert "/pilots/draft/submission" not in analyst.get("/pilots/draft").text
    study = analyst.get("/pilots/draft/design/1/study").text
    assert "What the design sees as it stands" in study
    assert "Search for designs" not in study
    assert "Replay it on the past" not in study
    assert post(analyst, "/pilots/draft/edit/design/1/search", {}).status_code == 403


def test_who_explores_a_stage_is_in_the_log_once_and_the_history_shows_no_empty_details(
    app: Flask, as_person: SignIn
) -> None:
    analyst = as_person("analyst")
    assert post(analyst, "/pilots/points/stages/1/today", {}).status_code == 302
    with app.extensions["pilot_database"].reading() as session:
        found = [entry for entry in history_of(session, "pilot", "points") if entry.verb == "report.explore"]
    assert [(entry.actor.split("@")[0], entry.text) for entry in found] == [("analyst", '{"stage":1}')]
    history = analyst.get("/pilots/points/history").text
    assert "Stage explored beyond the plan" in history
    assert "<dt>plan_hash</dt>" in history
    assert "<dt>renewal</dt>" not in history
    assert '<dd class="hash">null</dd>' not in history
    assert '<dd class="hash">[]</dd>' not in history


def test_a_guardrail_without_a_past_is_warned_of_beside_the_way_to_submit(app: Flask, as_person: SignIn) -> None:
    with app.extensions["pilot_database"].unit_of_work() as session:
        draft = pilot_by_code(session, "draft")
        blind = {**draft.plan, "guardrails": [{"metric": "full_price_share", "margin_share": "0.05"}]}
        edit_draft(session, draft, document=blind, actor=session.get_one(User, draft.owner_id), now=draft.created_at)
    part = as_person("manager").get("/pilots/draft/submission").text
    assert "its margin cannot be tested, and the gate would stop" in part
    assert "Submit for co-signing" in part
