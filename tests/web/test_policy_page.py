"""The policy page: whom a pilot needs, a change with its reason, deputies; only administrators change anything."""

import re
from collections.abc import Callable

from flask.testing import FlaskClient

from tests.web.conftest import post

SignIn = Callable[[str], FlaskClient]


def fields(page: str) -> dict[str, str]:
    """What the form to change the policy holds, as a browser would send it."""
    form = page.split('name="instead_of"', 1)[1].split("</form>", 1)[0]
    found = {"instead_of": re.findall(r'name="instead_of" value="(\w+)"', page)[0]}
    for tag in re.findall(r"<input[^>]*>", form):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name:
            found[name[1]] = value[1] if value else ""
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def test_a_dry_run_names_who_could_sign_today(as_person: SignIn) -> None:
    page = as_person("manager").get("/policy/?scope=network&risk=low&money=100").text
    assert "Analysts who co-sign: 1. Executives who approve: 2. Executives who decide at the gate: 2." in page
    answer = page.split('id="answer"', 1)[1].split("</section>", 1)[0]
    assert answer.count("<li>A executive</li>") == 2
    assert answer.count("<li>A analyst</li>") == 1


def test_a_dry_run_of_a_pilot_names_its_money_and_leaves_its_owner_out(as_person: SignIn) -> None:
    page = as_person("auditor").get("/policy/?pilot=submitted").text
    answer = page.split('id="answer"', 1)[1].split("</section>", 1)[0]
    assert "Because it goes to: Regions; class of risk: Low; money at risk: €" in answer
    assert "manager" not in answer


def test_a_dry_run_of_a_draft_reckons_its_money_as_a_submission_would(as_person: SignIn) -> None:
    page = as_person("manager").get("/policy/?pilot=draft").text
    answer = page.split('id="answer"', 1)[1].split("</section>", 1)[0]
    assert "Stage 1." in answer
    assert "Reckoned on the draft as it stands, just as a submission would" in answer
    assert "not reckoned" not in answer


def test_money_that_nobody_knows_counts_as_more_than_any_limit(as_person: SignIn) -> None:
    page = as_person("manager").get("/policy/?scope=pilot&risk=low&money=").text
    assert "Executives who approve: 2." in page
    assert "not reckoned" in page


def test_an_administrator_changes_the_policy_with_a_reason(as_person: SignIn) -> None:
    admin = as_person("admin")
    form = fields(admin.get("/policy/").text) | {"approvals-0": "3", "reason": "More eyes."}
    answer = post(admin, "/policy/", form, page="/policy/")
    assert answer.status_code == 302
    page = as_person("manager").get("/policy/?scope=pilot&risk=low&money=100").text
    assert "Executives who approve: 3." in page
    assert "More eyes." in page


def test_a_policy_that_lets_one_executive_take_the_network_is_refused(as_person: SignIn) -> None:
    admin = as_person("admin")
    form = fields(admin.get("/policy/").text) | {"approvals-5": "1", "reason": "Faster."}
    answer = post(admin, "/policy/", form, page="/policy/")
    assert answer.status_code == 409
    assert "going to the whole network takes two executives" in answer.text


def test_a_change_over_somebody_elses_change_is_refused(as_person: SignIn) -> None:
    admin = as_person("admin")
    form = fields(admin.get("/policy/").text) | {"valid_days": "30", "reason": "One."}
    assert post(admin, "/policy/", form, page="/policy/").status_code == 302
    again = post(admin, "/policy/", form | {"valid_days": "20"}, page="/policy/")
    assert again.status_code == 409
    assert "Somebody has changed the policy" in again.text


def test_only_an_administrator_sees_the_forms(as_person: SignIn) -> None:
    for who in ("manager", "analyst", "executive", "auditor"):
        assert 'name="instead_of"' not in as_person(who).get("/policy/").text
