"""The description of the API (OpenAPI 3.1): what decorators do not say, for every endpoint, in one table.

A body's form is described as strictly as it is refused; what a receipt's texts must hold is judged receipt by receipt
and said in the answer, so the description gives it in words and examples.
"""

from collections.abc import Mapping
from typing import Any

from flask import Flask

from pilot.outcomes.receipt_model import receipt_model
from web.api.bodies import JSON, MOST_BYTES, MOST_RECEIPTS, NDJSON
from web.api.questions import MOST_BYTES as MOST_BYTES_OF_QUESTIONS
from web.api.questions import OF_ONE, OF_STORE, QUESTIONS, described
from web.auth import KeyRule, rule_of

Schema = dict[str, Any]

_WHY = {
    "400": "The call cannot be read: broken JSON or gzip, a name twice, a header that is none",
    "401": "The key is missing, unknown, expired or revoked",
    "403": "The key has no such scope, or is not for this store",
    "404": "There is no such thing, or this key may not see it",
    "409": "Refused as it stands: an Idempotency-Key that came with another body, a customer named in two ways",
    "413": f"More than {MOST_BYTES:,} bytes of receipts after inflation, or {MOST_BYTES_OF_QUESTIONS:,} of questions",
    "415": "The Content-Type or Content-Encoding is not taken",
    "422": "The call does not have the form that is described here: which place, and why",
    "429": "So many receipts wait that no more are taken now; nothing of this call was, so send it again later",
    "503": "The installation lacks something, room on a disk perhaps; the answer says what an operator has to do",
}
# What each operation may refuse with, by its id; decorators know the good answers of those that have them.
REFUSALS: Mapping[str, tuple[str, ...]] = {
    "send_receipts": ("400", "401", "403", "409", "413", "415", "422", "429", "503"),
    "show_batch": ("401", "403", "404"),
    "assignment": ("401", "403", "404", "409", "422", "503"),
    "assignment_batch": ("400", "401", "403", "413", "415", "422", "503"),
    "bundle": ("401", "403", "404", "422", "503"),
    "bundle_key": ("401", "403", "503"),
}
_STATUSES = ["accepted", "known", "conflict", "rejected"]
_PROBLEM: Schema = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:pilot:key_refused"]},
        "title": {"type": "string", "description": "What, which one and what would do"},
        "status": {"type": "integer", "examples": [401]},
        "code": {"type": "string", "description": "The name of the rule", "examples": ["key_refused"]},
    },
}
_N: Schema = {"type": "integer", "minimum": 0}
_COUNTS: Schema = {
    "accepted": {**_N, "description": "Taken in, the quarantined ones among them"},
    "known": {**_N, "description": "Arrived before: nothing to do"},
    "conflict": {**_N, "description": "Another content arrived before under the same id or number: not taken"},
    "rejected": {**_N, "description": "Break a rule: not taken"},
    "quarantined": {**_N, "description": "Taken in, but implausible: they wait for a person"},
}
_VERDICT: Schema = {
    "type": "object",
    "required": ["index", "status", "quarantined", "field", "reason_code", "reason"],
    "properties": {
        "index": {**_N, "description": "The place of the receipt in the call, from 0"},
        "status": {"type": "string", "enum": _STATUSES},
        "quarantined": {"type": "boolean"},
        "field": {"type": ["string", "null"], "description": "The field that the reason is about"},
        "reason_code": {"type": "string"},
        "reason": {"type": "string", "description": "The reason in words, in the installation's language"},
    },
}
_VERDICTS: Schema = {"type": "array", "items": {"$ref": "#/components/schemas/ReceiptVerdict"}}
_BATCH_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$", "examples": ["4b44919f436ffe4be59d67dca798e139"]}
_ANSWER: Schema = {
    "type": "object",
    "required": ["batch_id", *_COUNTS, "receipts"],
    "properties": {
        "batch_id": _BATCH_ID,
        **_COUNTS,
        "receipts": {**_VERDICTS, "description": "Only what was not plainly accepted"},
    },
}
_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
_BATCH: Schema = {
    "type": "object",
    "required": [*_ANSWER["required"], "state", "received_at", "drained_at", "lake_version", "drain_findings"],
    "properties": {
        **_ANSWER["properties"],
        "state": {"type": "string", "enum": ["waiting", "draining", "drained", "set_aside"]},
        "received_at": {"type": "string", "format": "date-time"},
        "drained_at": _MOMENT,
        "lake_version": {"type": ["integer", "null"], "description": "The version that brought its receipts"},
        "drain_findings": {
            **_VERDICTS,
            "description": "What was found later: repeats of receipts older than the key window, conflicts with them",
        },
    },
}
_EXAMPLE: Schema = {
    "receipt": "R-2026-000123", "store": "31", "at": "2026-01-10T09:00:00+02:00", "net": "12.50", "till": "1",
    "number": "4711", "vat": "2.50", "customer": "C-101", "n_items": 3, "kind": "sale",
}  # fmt: skip
_UNIDENTIFIED: Schema = {"receipt": "R-2026-000124", "store": "31", "at": "2026-01-10T09:02:11+02:00", "net": "3.20"}
_TAKEN: Schema = {
    "batch_id": "4b44919f436ffe4be59d67dca798e139", "accepted": 1, "known": 1, "conflict": 0, "rejected": 0,
    "quarantined": 0,
    "receipts": [
        {
            "index": 0, "status": "known", "quarantined": False, "field": None, "reason_code": "known",
            "reason": "This receipt arrived before.",
        }
    ],
}  # fmt: skip


def complete(spec: Schema, app: Flask) -> Schema:
    """``spec`` as decorators make it, with receipts and batches, every refusal and the scope of every endpoint."""
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPError", None)  # the framework's own form, which nothing here answers with
    schemas |= {
        "Problem": _PROBLEM,
        "Receipt": receipt_schema(),
        "ReceiptVerdict": _VERDICT,
        "ReceiptsAnswer": _ANSWER,
        "ReceiptBatch": _BATCH,
    }
    spec["paths"] |= {"/api/v1/receipts": {"post": _send()}, "/api/v1/batches/{batch}": {"get": _show()}}
    _asked(spec["paths"])
    scopes = _scopes(app)
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            if (path, method) in scopes:
                operation["security"] = [{"key": [scopes[path, method]]}]
            for status in REFUSALS[operation["operationId"]]:
                operation["responses"][status] = _refusal(status)
    return spec


def _asked(paths: Schema) -> None:
    """What tills ask: parameters, and the body of many questions."""
    paths["/api/v1/assignments"]["get"]["parameters"] = described(OF_ONE)
    paths["/api/v1/bundle"]["get"]["parameters"] = described(OF_STORE)
    body = {"required": True, "content": {JSON: {"schema": QUESTIONS}}}
    paths["/api/v1/assignments:batch"]["post"]["requestBody"] = body


def receipt_schema() -> Schema:
    """The form of a receipt, from the model that the rule table makes: flat, our names, texts (and one whole number).

    Lengths, required fields and formats are rules: they are judged receipt by receipt.
    """
    made = receipt_model().model_json_schema()
    properties: Schema = {}
    for name, given in made["properties"].items():
        kinds = {given.get("type"), *(one.get("type") for one in given.get("anyOf", ()))}
        needed = " Needed: a receipt without it is rejected." if name in made.get("required", ()) else ""
        properties[name] = {
            "type": ["integer" if "integer" in kinds else "string", "null"],
            "description": given.get("description", name) + needed,
            "examples": given.get("examples", []),
        }
    return {"type": "object", "additionalProperties": False, "properties": properties, "example": _EXAMPLE}


def _scopes(app: Flask) -> dict[tuple[str, str], str]:
    """(path, method) → the scope that its key needs."""
    found: dict[tuple[str, str], str] = {}
    for route in app.url_map.iter_rules():
        rule = rule_of(app.view_functions[route.endpoint])
        if isinstance(rule, KeyRule):
            path = route.rule.replace("<", "{").replace(">", "}")
            found |= {(path, method.lower()): str(rule.scope) for method in route.methods or ()}
    return found


def _refusal(status: str) -> Schema:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    found: Schema = {"description": _WHY[status], "content": {"application/problem+json": problem}}
    if status == "429":
        wait = {"type": "integer", "minimum": 1}
        found["headers"] = {"Retry-After": {"required": True, "schema": wait, "description": "Seconds to wait"}}
    if status == "503":
        wait = {"type": "integer", "minimum": 1}
        found["headers"] = {"Retry-After": {"schema": wait, "description": "Seconds to wait, where a disk is full"}}
    if status == "401":
        found["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "Bearer"}}
    return found


def _send() -> Schema:
    receipts = {"type": "array", "items": {"$ref": "#/components/schemas/Receipt"}}
    limits = {"minItems": 1, "maxItems": MOST_RECEIPTS}
    called = {
        "type": "object",
        "required": ["receipts"],
        "additionalProperties": False,
        "properties": {"receipts": {**receipts, **limits}},
    }
    two = [_EXAMPLE, _UNIDENTIFIED]
    return {
        "operationId": "send_receipts",
        "tags": ["Receipts"],
        "summary": "Send receipts",
        "description": (
            f"Up to {MOST_RECEIPTS:,} receipts a call. 202 is answered when they are on disk. Each is accepted, "
            "known, in conflict or rejected; what is not plainly accepted is listed. Sending a call again is safe."
        ),
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "A name of this call: sent again with the same body, the first answer comes again",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
                "example": "till-7-2026-01-10-0001",
            },
            {
                "name": "Content-Encoding",
                "in": "header",
                "description": "gzip, where the body is compressed",
                "schema": {"type": "string", "enum": ["identity"]},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": called, "examples": {"two": {"value": {"receipts": two}}}},
                NDJSON: {
                    "schema": {
                        "type": "string",
                        "description": f"One receipt (the schema Receipt) a line, 1 to {MOST_RECEIPTS:,} lines, UTF-8",
                    }
                },
            },
        },
        "responses": {
            "202": {
                "description": "On disk: what became of each receipt",
                "headers": {
                    "Location": {"required": True, "schema": {"type": "string"}, "description": "The batch"},
                    "Idempotency-Replayed": {
                        "schema": {"type": "string", "enum": ["true"]},
                        "description": "The stored answer to an earlier call with this Idempotency-Key",
                    },
                },
                "content": {
                    JSON: {
                        "schema": {"$ref": "#/components/schemas/ReceiptsAnswer"},
                        "examples": {"one known": {"value": _TAKEN}},
                    }
                },
                "links": {
                    "batch": {
                        "operationId": "show_batch",
                        "parameters": {"batch": "$response.body#/batch_id"},
                        "description": "What became of this call on its way to the lake",
                    }
                },
            }
        },
    }


def _show() -> Schema:
    shown = {
        **_TAKEN, "state": "drained", "received_at": "2026-01-10T07:03:00+00:00",
        "drained_at": "2026-01-10T07:03:04+00:00", "lake_version": 812, "drain_findings": [],
    }  # fmt: skip
    return {
        "operationId": "show_batch",
        "tags": ["Receipts"],
        "summary": "What became of a call",
        "description": "For the key that sent it, and for keys that are for all of its stores.",
        "parameters": [
            {"name": "batch", "in": "path", "required": True, "schema": _BATCH_ID, "description": "The batch_id"}
        ],
        "responses": {
            "200": {
                "description": "State, counts, verdicts and what the drain found",
                "content": {
                    JSON: {
                        "schema": {"$ref": "#/components/schemas/ReceiptBatch"},
                        "examples": {"drained": {"value": shown}},
                    }
                },
            }
        },
    }
