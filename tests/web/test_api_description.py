"""The description of the API is true: a program that reads nothing else finds no answer that it does not announce.

``SCHEMATHESIS_EXAMPLES=2000`` makes the search a long one; without it, it is short enough for every run.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from pytest_socket import disable_socket, enable_socket
from werkzeug.serving import WSGIRequestHandler, make_server

from pilot.access.api_keys import create_api_key
from pilot.access.permissions import Scope
from web.auth import KeyRule, rule_of

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "12")
LONGEST_SECONDS = 120 + 20 * int(EXAMPLES)


class Quiet(WSGIRequestHandler):
    """A line a request is not what a failure needs."""

    def log(self, *_arguments: object) -> None:
        return


@pytest.fixture
def secret(app: Flask) -> str:
    """A key that may do everything that keys may do."""
    settings = app.config["PILOT_SETTINGS"]
    with app.extensions["pilot_database"].unit_of_work() as session:
        _key, secret = create_api_key(
            session, name="Everything", scopes=list(Scope), store_codes=[], expires_at=None, actor="system",
            now=settings.wall_clock(),
        )  # fmt: skip
    return secret


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where the application answers on the loopback."""
    enable_socket()
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    disable_socket(allow_unix_socket=True)


@pytest.mark.slow
def test_nothing_that_the_description_allows_or_forbids_is_answered_otherwise(
    address: str, secret: str, tmp_path: Path
) -> None:
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{address}/api/openapi.json"),
        *("--header", f"Authorization: Bearer {secret}", "--max-examples", EXAMPLES, "--seed", "1"),
        *("--generation-database", "none", "--continue-on-failure"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)
    assert done.returncode == 0, "\n".join(line[:400] for line in done.stdout.splitlines())
    assert "Authentication failed" not in done.stdout
    assert "2 covered / 2 selected" in done.stdout, "the links from a call to its batch were followed"


def test_every_endpoint_of_the_api_is_described_with_its_scope_and_its_refusals(
    app: Flask, client: FlaskClient
) -> None:
    spec = client.get("/api/openapi.json").json
    scopes = {}
    for route in app.url_map.iter_rules():
        rule = rule_of(app.view_functions[route.endpoint])
        if isinstance(rule, KeyRule):
            path = route.rule.replace("<", "{").replace(">", "}")
            scopes |= {(path, m.lower()): rule.scope for m in route.methods or () if m in ("GET", "POST")}
    described = {(path, method): op for path, ops in spec["paths"].items() for method, op in ops.items()}
    assert set(scopes) == set(described)
    for place, operation in described.items():
        assert operation["security"] == [{"key": [str(scopes[place])]}], place
        assert {"401", "403"} <= set(operation["responses"]), place
        assert operation["operationId"], place
        assert operation["summary"], place


def test_the_examples_of_the_description_have_the_form_that_it_gives(client: FlaskClient) -> None:
    spec = client.get("/api/openapi.json").json
    for path in ("/api/v1/receipts", "/api/v1/batches/{batch}"):
        for operation in spec["paths"][path].values():
            contents = [operation.get("requestBody", {}).get("content", {})]
            contents += [answer.get("content", {}) for answer in operation["responses"].values()]
            for media in (media for content in contents for media in content.values()):
                schema = {**media["schema"], "components": spec["components"]}
                for example in media.get("examples", {}).values():
                    Draft202012Validator(schema).validate(example["value"])
