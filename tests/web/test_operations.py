"""For operators: alive, ready, counters; and logs that hold no personal data."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pilot.database import Database
from pilot.jobs.service import beat
from pilot.outcomes.phases import phase
from pilot.settings import Settings
from web.app import create_app


def test_alive_needs_nothing(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}


def test_not_ready_without_a_worker(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["status"] == "not ready"
    assert answer.json["checks"] == {"database": True, "schema": True, "worker": False}


def test_ready_when_database_schema_and_worker_are_there(
    app: Flask, client: FlaskClient, house_settings: Settings
) -> None:
    database: Database = app.extensions["pilot_database"]
    with database.unit_of_work() as session:
        beat(session, now=house_settings.wall_clock())
    assert client.get("/readyz").json == {
        "status": "ready",
        "checks": {"database": True, "schema": True, "worker": True},
        "inbox": {"waiting": 0, "lag_seconds": 0.0, "behind": False},
        "writing": [],
    }


def test_ready_tells_what_is_being_written(client: FlaskClient, house_settings: Settings) -> None:
    with phase(house_settings, "drain"), phase(house_settings, "commit"):
        assert client.get("/readyz").json["writing"] == ["commit", "drain"]
    assert client.get("/readyz").json["writing"] == []


def test_not_ready_before_the_migrations(settings: Settings) -> None:
    app = create_app(settings)
    answer = app.test_client().get("/readyz")
    app.extensions["pilot_database"].dispose()
    assert answer.status_code == 503
    assert answer.json["checks"]["schema"] is False


def test_requests_are_counted_by_route_and_not_by_address(client: FlaskClient) -> None:
    client.get("/pilots/points")
    text = client.get("/metrics").text
    assert 'route="/pilots/<pilot>"' in text
    assert "/pilots/points" not in text


def test_a_log_line_is_json_with_a_request_id_and_no_personal_data(
    house_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_app(house_settings.model_copy(update={"json_logs": True}))
    app.test_client().get("/assignments/?customer=S01-C1&store=S01", headers={"X-Request-ID": "request-1"})
    app.extensions["pilot_database"].dispose()
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert line["request_id"] == "request-1"
    assert line["route"] == "/assignments/"
    assert "S01-C1" not in json.dumps(line)
