"""What the pages do: a form goes in, one verb is called, and a refusal is said on the page with the input kept."""

import html
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from pilot.jobs.model import JobRun, JobState
from pilot.jobs.running import run
from pilot.planning.model import Pilot, PilotState
from pilot.settings import Settings
from tests.web.conftest import post

SignIn = Callable[[str], FlaskClient]


def work(app: Flask, settings: Settings) -> None:
    """What the worker would do now."""
    with app.extensions["pilot_database"].reading() as session:
        codes = session.scalars(select(JobRun.code).where(JobRun.state == JobState.QUEUED)).all()
    for code in codes:
        run(code, settings)


def pilot_state(app: Flask, code: str) -> PilotState:
    with app.extensions["pilot_database"].reading() as session:
        return PilotState(session.scalars(select(Pilot.state).where(Pilot.code == code)).one())


def upload(client: FlaskClient, kind: str, name: str, content: bytes):  # type: ignore[no-untyped-def] # werkzeug's response
    return post(client, "/imports/", {"kind": kind, "file": (BytesIO(content), name)})


def form_of(page: str) -> dict[str, Any]:
    """The values that a page's form would send as it stands."""
    fields: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r' name="([^"]+)"', tag), re.search(r' value="([^"]*)"', tag)
        is_box = 'type="checkbox"' in tag or 'type="radio"' in tag
        if name and not (is_box and " checked" not in tag):
            fields[name.group(1)] = html.unescape(value.group(1)) if value else ""
    for name, more, options in re.findall(r'<select[^>]*?name="([^"]+)"([^>]*)>(.*?)</select>', page, re.DOTALL):
        selected = re.findall(r'<option value="([^"]*)" selected', options)
        if " multiple" in more:
            fields[name] = selected
        else:
            fields[name] = (selected or re.findall(r'<option value="([^"]*)"', options) or [""])[0]
    return fields


def test_every_tab_of_every_pilot_opens_for_every_role(as_person: SignIn) -> None:
    for name in ("manager", "analyst", "executive", "admin", "auditor"):
        client = as_person(name)
        for code in ("draft", "submitted", "points", "running"):
            for tab in ("", "/stages", "/assignment", "/decision", "/history"):
                assert client.get(f"/pilots/{code}{tab}").status_code == 200, (name, code, tab)
            assert client.get(f"/pilots/{code}/report").status_code in (200, 302)


def test_the_home_page_says_what_waits_for_each(as_person: SignIn) -> None:
    assert "Finish the plan and submit it" in as_person("manager").get("/").text
    assert "Read the plan and co-sign it" in as_person("analyst").get("/").text
    assert "Decide on the report on stage 1" in as_person("executive").get("/").text
    assert "Nothing waits for you" in as_person("auditor").get("/").text


def test_a_notice_is_put_away_and_leads_to_its_pilot(as_person: SignIn) -> None:
    manager = as_person("manager")
    address = re.findall(r'action="(/notices/\d+/read)"', manager.get("/").text)[0]
    goal = post(manager, address, page="/").location
    assert manager.get(goal, follow_redirects=True).request.path.startswith("/pilots/")
    assert address not in manager.get("/").text


def test_the_report_begins_with_one_sentence_with_effect_interval_level_and_n(as_person: SignIn) -> None:
    page = as_person("auditor").get("/pilots/points/reports/points-1-1").text
    sentence = page.split('<p class="verdict">', 1)[1].split("</p>", 1)[0]
    assert re.search(
        r"raised the store total by €[\d.]+ a store and week \(\+[\d.]+%\): 95% interval \+€.* to \+€.*, n = 16\.",
        sentence,
    )


def test_a_report_shows_hashes_lake_version_and_audit_head(as_person: SignIn) -> None:
    page = as_person("auditor").get("/pilots/points/reports/points-1-1").text
    for fact in ("Plan hash", "Ledger hash", "Lake version", "Audit head", "Code version"):
        assert fact in page


def test_every_chart_has_its_numbers_beside(as_person: SignIn) -> None:
    page = as_person("auditor").get("/pilots/points/reports/points-1-1").text
    assert page.count("data-chart=") == 3
    assert page.count("The numbers behind the chart") == 2  # the forest's numbers are the table of effects itself


def test_the_exported_rows_hold_every_digit(as_person: SignIn) -> None:
    text = as_person("analyst").get("/pilots/points/reports/points-1-1/rows.csv").text
    header, first, *_rest = text.splitlines()
    assert header.startswith("metric,role,variant,segment,effect")
    assert len(first.split(",")[4].split(".")[1]) > 6


def test_a_report_of_another_pilot_is_not_found_under_this_one(as_person: SignIn) -> None:
    assert as_person("analyst").get("/pilots/running/reports/points-1-1").status_code == 404


def test_the_ledger_leaves_as_a_table_and_as_a_record_that_replays(as_person: SignIn) -> None:
    from pilot.assignment.record import replay

    client = as_person("auditor")
    assert client.get("/pilots/points/assignment.csv?stage=1").text.count("points") == 8
    record = client.get("/pilots/points/assignment.json?stage=1").text
    assert replay(record).ledger_hash in client.get("/pilots/points/assignment").text


def test_an_illegal_act_is_refused_on_the_page_with_its_reason(app: Flask, as_person: SignIn) -> None:
    answer = post(as_person("manager"), "/pilots/points/submit", page="/pilots/points")
    assert answer.status_code == 409
    assert "can be edited as a draft only" in answer.text
    assert pilot_state(app, "points") == PilotState.AT_GATE


def test_an_executive_sends_a_plan_back_only_with_a_reason(app: Flask, as_person: SignIn) -> None:
    executive = as_person("executive")
    read = form_of(as_person("analyst").get("/pilots/submitted").text)["plan_hash"]
    without = post(executive, "/pilots/submitted/send-back", {"plan_hash": read}, page="/pilots/submitted")
    assert without.status_code == 409
    form = {"reason": "Name the stores.", "plan_hash": read}
    assert post(executive, "/pilots/submitted/send-back", form, page="/pilots/submitted").status_code == 302
    assert pilot_state(app, "submitted") == PilotState.DRAFT
    assert "Name the stores." in as_person("manager").get("/").text


def test_the_plan_page_prints_the_smallest_visible_effect_in_per_cent_and_money(as_person: SignIn) -> None:
    text = as_person("analyst").get("/pilots/points/visible/1").text
    assert re.search(r"[\d.]+%", text)
    assert re.search(r"€[\d.]+ a store and week", text)


def test_a_specimen_is_marked_as_one(as_person: SignIn) -> None:
    text = as_person("manager").get("/pilots/draft/specimen/1?words=any").text
    assert "Specimen. It binds nobody." in text


def test_a_specimen_of_a_sealed_plan_is_refused(as_person: SignIn) -> None:
    assert as_person("manager").get("/pilots/points/specimen/1").status_code == 409


def test_an_offer_is_made_from_the_catalogue_with_percent_and_money(as_person: SignIn) -> None:
    manager = as_person("manager")
    assert post(manager, "/programs/new", {"name": "Tiers", "description": ""}).location == "/programs/tiers"
    assert (
        post(manager, "/programs/tiers/variants", {"name": "Silver and gold"}, page="/programs/tiers").status_code
        == 302
    )
    address = "/programs/tiers/silver-and-gold/offer/tier_card"
    form = {
        "name": "Tiers", "segment": "", "t-period_days": "365",
        "t-tiers-0-name": "Silver", "t-tiers-0-from_spend_minor": "0", "t-tiers-0-discount_share": "2,5",
        "t-tiers-1-name": "Gold", "t-tiers-1-from_spend_minor": "250.50", "t-tiers-1-discount_share": "5",
    }  # fmt: skip
    assert post(manager, address, form).status_code == 302
    page = manager.get("/programs/tiers").text
    assert "Silver, €0.00, 2.5%; Gold, €250.50, 5.0%" in page
    assert post(manager, address, {**form, "t-tiers-1-from_spend_minor": "a lot"}).status_code == 422


def test_a_segment_is_made_from_lines_and_said_in_words(as_person: SignIn) -> None:
    analyst = as_person("analyst")
    form = {
        "name": "Parents", "position": "2", "combine": "all",
        "attribute-0": "kids", "operator-0": "is", "values-0": "1, 2, 3+",
        "attribute-1": "age", "operator-1": "missing", "values-1": "",
    }  # fmt: skip
    assert post(analyst, "/segments/new", form).status_code == 302
    assert "kids is 1 or 2 or 3+ and age is not known" in analyst.get("/segments/").text


def test_a_file_is_mapped_checked_and_taken_in(app: Flask, house_settings: Settings, as_person: SignIn) -> None:
    analyst = as_person("analyst")
    page_address = upload(analyst, "stores", "new stores.csv", b"Shop;Area\nS90;R01\nS91;R02\n").location
    page = analyst.get(page_address).text
    assert "S90" in page
    form = form_of(page) | {"col-store": "Shop", "col-region": "Area"}
    job = post(analyst, page_address, form).location
    assert "Waiting for a worker" in analyst.get(job).text
    work(app, house_settings)
    run_address = analyst.get(job).location
    assert "2 rows are checked and ready" in analyst.get(run_address).text
    job = post(analyst, run_address + "/publish", page=run_address).location
    work(app, house_settings)
    assert "All rows are in." in analyst.get(analyst.get(job).location).text
    assert "S91" in analyst.get("/network/").text


def test_bad_rows_are_named_by_line_column_value_and_reason(
    app: Flask, house_settings: Settings, as_person: SignIn
) -> None:
    analyst = as_person("analyst")
    address = upload(analyst, "stores", "stores.csv", b"store,region\nS90,R01\nS91,nowhere\n").location
    job = post(analyst, address, form_of(analyst.get(address).text)).location
    work(app, house_settings)
    page = analyst.get(analyst.get(job).location).text
    assert "1 of 2 rows are not right" in page
    assert re.search(r'<td class="number">3</td><td>region</td><td class="hash">nowhere</td>', page)


def test_a_parked_row_is_corrected_and_taken_in(app: Flask, house_settings: Settings, as_person: SignIn) -> None:
    analyst = as_person("analyst")
    address = upload(analyst, "stores", "stores.csv", b"store,region\nS90,R01\nS91,nowhere\n").location
    form = form_of(analyst.get(address).text) | {"quarantine": "yes"}
    job = post(analyst, address, form).location
    work(app, house_settings)
    analyst.get(job)
    row = re.findall(r'href="(/quarantine/\d+)"', analyst.get("/quarantine/").text)[0]
    assert post(analyst, row, {"col-store": "S91", "col-region": "still nowhere"}).status_code == 409
    run_address = post(analyst, row, {"col-store": "S91", "col-region": "R02"}).location
    post(analyst, run_address + "/publish", page=run_address)
    work(app, house_settings)
    assert "S91" in analyst.get("/network/").text


def test_parked_rows_are_filtered_released_and_dropped_several_at_once(
    app: Flask, house_settings: Settings, as_person: SignIn
) -> None:
    analyst = as_person("analyst")
    rows = b"store,region\nS92,nowhere\nS93,nowhere\nS94,elsewhere\n"
    address = upload(analyst, "stores", "stores.csv", rows).location
    job = post(analyst, address, form_of(analyst.get(address).text) | {"quarantine": "yes"}).location
    work(app, house_settings)
    analyst.get(job)
    page = analyst.get("/quarantine/?store=S92").text
    [first] = re.findall(r'name="row" value="(\d+)"', page)
    every = re.findall(r'name="row" value="(\d+)"', analyst.get("/quarantine/").text)
    assert first in every
    refused = post(analyst, "/quarantine/", {"row": first, "release": "1"})
    assert refused.status_code == 409
    assert "That did not work." in refused.text
    assert post(analyst, "/quarantine/", {"drop": "1"}).status_code == 302
    dropped = post(analyst, "/quarantine/", {"row": first, "drop": "1"})
    assert dropped.status_code == 302
    assert first not in re.findall(r'name="row" value="(\d+)"', analyst.get("/quarantine/").text)


@pytest.mark.parametrize("number", ["²", "9" * 30, "-1", "0x1"])
def test_a_number_that_no_row_can_have_finds_nothing(as_person: SignIn, number: str) -> None:
    analyst = as_person("analyst")
    assert analyst.get(f"/quarantine/{number}").status_code == 404
    assert analyst.get("/quarantine/", query_string={"run": number}).status_code == 200
    assert post(analyst, "/quarantine/", {"row": number, "drop": "1"}).status_code == 302
    assert analyst.get("/pilots/points/assignment.json", query_string={"stage": number}).status_code in (200, 404)


def test_a_file_that_is_no_table_is_refused_in_words(as_person: SignIn) -> None:
    analyst = as_person("analyst")
    address = upload(analyst, "stores", "stores.csv", b"PK\x03\x04 not a table").location
    assert "an Excel workbook or a ZIP archive" in analyst.get(address).text


def test_a_report_is_made_in_the_background_and_a_refusal_is_said_there(
    app: Flask, house_settings: Settings, as_person: SignIn
) -> None:
    manager = as_person("manager")
    job = post(manager, "/pilots/running/stages/1/report", page="/pilots/running/stages").location
    work(app, house_settings)
    page = manager.get(job).text
    assert "runs until" in page
    assert 'href="/pilots/running/stages"' in page


def test_two_executives_take_a_pilot_to_the_network(app: Flask, as_person: SignIn) -> None:
    form = {"choice": "approve", "reason": "It pays.", "round": "1"}
    address = "/pilots/points/reports/points-1-1/decide"
    post(as_person("executive"), address, form, page="/pilots/points/decision")
    assert pilot_state(app, "points") == PilotState.AT_GATE
    assert "waits for a second executive" in as_person("second").get("/pilots/points/decision").text
    post(as_person("second"), address, form, page="/pilots/points/decision")
    assert pilot_state(app, "points") == PilotState.SEALED


def test_a_decision_without_a_choice_or_reason_is_refused(app: Flask, as_person: SignIn) -> None:
    executive, address = as_person("executive"), "/pilots/points/reports/points-1-1/decide"
    assert post(executive, address, {"reason": "x", "round": "1"}, page="/pilots/points/decision").status_code == 422
    assert (
        post(executive, address, {"choice": "approve", "round": "1"}, page="/pilots/points/decision").status_code == 422
    )
    assert pilot_state(app, "points") == PilotState.AT_GATE


def test_the_author_answers_a_report_that_was_sent_back(as_person: SignIn) -> None:
    address = "/pilots/points/reports/points-1-1"
    form = {"choice": "send_back", "reason": "Why only sixteen?", "round": "1"}
    post(as_person("executive"), address + "/decide", form, page="/pilots/points/decision")
    manager = as_person("manager")
    assert "Answer the executives" in manager.get("/pilots/points/decision").text
    post(manager, address + "/answer", {"text": "More come in the next stage."}, page="/pilots/points/decision")
    assert "More come in the next stage." in as_person("second").get("/pilots/points/decision").text


def test_the_audit_page_verifies_the_whole_log_and_a_printed_head(as_person: SignIn) -> None:
    auditor = as_person("auditor")
    page = auditor.get("/pilots/points/reports/points-1-1").text
    head = page.split("Audit head</dt>", 1)[1].split('class="hash">', 1)[1].split("<", 1)[0]
    assert "The log is whole." in post(auditor, "/audit/verify", {"head": head}, page="/audit/").text
    cut = post(auditor, "/audit/verify", {"head": "9999:" + head.split(":", 1)[1]}, page="/audit/").text
    assert "The log was touched." in cut
    assert post(auditor, "/audit/verify", {"head": "nonsense"}, page="/audit/").status_code == 409


def test_a_customer_is_forgotten_by_an_administrator(as_person: SignIn) -> None:
    admin = as_person("admin")
    assert post(admin, "/network/customers/forget", {"customer": "S01-C1"}, page="/network/").status_code == 302
    assert post(admin, "/network/customers/forget", {"customer": "S01-C1"}, page="/network/").status_code == 404


def test_an_uploaded_file_is_kept_under_the_home_and_named_by_nobody(
    house_settings: Settings, as_person: SignIn
) -> None:
    address = upload(as_person("analyst"), "stores", "../../etc/passwd", b"store,region\nS90,R01\n").location
    token = address.rsplit("/", 1)[1]
    assert (house_settings.home / "uploads" / token / "content").is_file()
    assert as_person("analyst").get("/imports/files/..").status_code == 404


@pytest.mark.parametrize("address", ["/network/", "/programs/", "/pilots/", "/segments/", "/assignments/", "/"])
def test_an_empty_installation_teaches_what_comes_first(tmp_path: Path, address: str) -> None:
    from tests.web.empty import empty_client

    with empty_client(tmp_path / "home") as client:
        page = client.get(address)
        assert page.status_code == 200


def test_segment_rows_stand_apart_without_a_verdict_and_with_their_adjusted_p(as_person: SignIn) -> None:
    page = as_person("auditor").get("/pilots/points/reports/points-1-1").text
    segments = page.split("Segments (exploratory)", 1)[1].split("</section>", 1)[0]
    assert "adjusted" in segments
    assert "Better" not in segments
    assert "Worse" not in segments


def test_units_left_out_are_counted_by_reason(as_person: SignIn) -> None:
    text = as_person("analyst").get("/pilots/points/visible/2").text
    assert re.search(r"<summary>[A-Z][a-z ]+: \d+</summary>", text)


def test_a_demonstration_says_so_on_every_page(house_settings: Settings) -> None:
    from tests.web.conftest import post as send
    from tests.web.house import PASSWORD
    from web.app import create_app

    app = create_app(house_settings.model_copy(update={"demo": True}))
    client = app.test_client()
    public = [client.get(address).text for address in ("/sign-in", "/api/", "/nowhere")]
    send(client, "/sign-in", {"email": "auditor@example.org", "password": PASSWORD})
    inside = [client.get(address).text for address in ("/", "/pilots/points", "/audit/", "/demonstration/", "/nowhere")]
    app.extensions["pilot_database"].dispose()
    assert all("Demonstration, today is Mar 31, 2026" in page for page in (*public, *inside))


def test_the_page_about_the_demonstration_is_there_in_a_demonstration_only(as_person: SignIn) -> None:
    assert as_person("manager").get("/demonstration/").status_code == 404


def test_a_key_made_on_the_page_works_at_once_by_the_clock_on_the_wall(app: Flask, as_person: SignIn) -> None:
    page = post(as_person("admin"), "/keys/", {"name": "Tills", "scopes": "assignments:read"}).text
    secret = page.split('id="secret">', 1)[1].split("<", 1)[0]
    headers = {"Authorization": f"Bearer {secret}"}
    assert app.test_client().get("/api/v1/assignments?store=S01", headers=headers).status_code == 200
