"""The description of the API is true: a program that reads nothing else finds no answer that it does not announce.

``SCHEMATHESIS_EXAMPLES=2000`` makes the search a long one; without it, it is short enough for every run. The program is
told a few codes that exist, so that it meets good answers too: half of what it asks is about stores with a live stage,
real customers, phones and receipts that may come twice.
"""

import json
import logging
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from pytest_socket import disable_socket, enable_socket
from sqlalchemy import update
from werkzeug.serving import WSGIRequestHandler, make_server

from pilot.keys import read_or_make_key
from pilot.network.model import Customer
from pilot.network.people import contact_hash
from web.auth import KeyRule, rule_of

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "12")
LONGEST_SECONDS = 120 + 20 * int(EXAMPLES)


class Quiet(WSGIRequestHandler):
    """A line a request is not what a failure needs."""

    def log(self, *_arguments: object) -> None:
        return


class Told:
    """The application, and how often each operation was answered with which status."""

    def __init__(self, app: Flask) -> None:
        self._app = app.wsgi_app
        self.seen: Counter[tuple[str, str, int]] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        place = "/api/v1/batches/{batch}" if path.startswith("/api/v1/batches/") else path

        def begin(status: str, *more: Any) -> Any:
            self.seen[environ["REQUEST_METHOD"].lower(), place, int(status[:3])] += 1
            return start_response(status, *more)

        return self._app(environ, begin)


@pytest.fixture
def told(app: Flask) -> Told:
    """The application as it is served, with a phone for a customer, and quiet."""
    database = app.extensions["pilot_database"]
    digest = contact_hash(PHONE, read_or_make_key(database.settings, "phone"))
    with database.unit_of_work() as session:
        session.execute(update(Customer).where(Customer.external_id == CUSTOMERS[0]).values(contact_hash=digest))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return Told(app)


@pytest.fixture
def address(told: Told) -> Iterator[str]:
    """Where the application answers on the loopback."""
    enable_socket()
    server = make_server("127.0.0.1", 0, told, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    disable_socket(allow_unix_socket=True)


STORES, CUSTOMERS, PHONE = [f"S{n:02}" for n in range(1, 33)], ["S03-C1", "S17-C2"], "+15005550006"
RECEIPT = {
    "receipt": ["T-1", "T-2", "T-3"], "store": STORES, "at": ["2026-03-30T09:00:00+00:00", "2026-03-29T18:30:00Z"],
    "net": ["12.50", "0.99"], "till": ["1"], "number": ["1", "2"], "customer": CUSTOMERS, "vat": ["0.10"],
    "kind": ["sale", "identification"], "refers_to": ["T-1"],
}  # fmt: skip


def with_what_exists(spec: dict[str, Any]) -> dict[str, Any]:
    """The same description with a few values that it allows already; in an address, only stores that there are."""
    for path in ("/api/v1/assignments", "/api/v1/bundle"):
        for parameter in spec["paths"][path]["get"]["parameters"]:
            is_store = parameter["name"] == "store"
            parameter["schema"] = {"enum": STORES} if is_store else either({"enum": CUSTOMERS}, parameter["schema"])
    batch = spec["paths"]["/api/v1/assignments:batch"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    ways = {"customer": {"enum": CUSTOMERS}, "card": {"enum": CUSTOMERS}, "phone": {"enum": [PHONE]}}
    question = {
        "type": "object", "required": ["store"], "additionalProperties": False,
        "properties": {"store": {"enum": STORES}, **ways, "greeting": {"type": "string"}},
    }  # fmt: skip
    batch["properties"]["questions"]["items"] = either(question, {})
    receipt = spec["components"]["schemas"]["Receipt"]["properties"]
    for name, known in RECEIPT.items():
        receipt[name] = either({"enum": known}, receipt[name])
    return spec


def either(known: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Two ways without overlap: otherwise schemathesis sees that the second holds the first, and drops it."""
    return {"anyOf": [known, {"allOf": [schema, {"not": known}]}]}


@pytest.mark.slow
def test_nothing_that_the_description_allows_or_forbids_is_answered_otherwise(
    address: str, told: Told, client: FlaskClient, secret: str, tmp_path: Path
) -> None:
    description = tmp_path / "openapi.json"
    description.write_text(json.dumps(with_what_exists(client.get("/api/openapi.json").json)))
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", str(description), "--url", address),
        *("--header", f"Authorization: Bearer {secret}", "--max-examples", EXAMPLES, "--seed", "1"),
        *("--generation-database", "none", "--continue-on-failure"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)
    assert done.returncode == 0, "\n".join(line[:400] for line in done.stdout.splitlines())
    assert "Authentication failed" not in done.stdout
    assert "2 covered / 2 selected" in done.stdout, "the links from a call to its batch were followed"
    for path, operations in json.loads(description.read_text())["paths"].items():
        for method in operations:
            good = sum(n for (of, to, status), n in told.seen.items() if (of, to) == (method, path) and status < 300)
            assert good >= 3, (method, path, sorted(told.seen.items()))


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
