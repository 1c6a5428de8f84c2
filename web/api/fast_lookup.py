"""A short cut for the one question that tills ask all day: ``GET /api/v1/assignments`` with a key met before.

It stands in front of Flask and answers only what the view behind it would answer with 200, by the same functions: the
key's life, scope and store, the reading of the question, the verdict, its text. It writes the same log line and counts
the same metrics. Everything else — a first meeting with a key, a cookie, any refusal, any trouble — goes to Flask.
"""

import time
from collections.abc import Iterable
from secrets import token_hex
from types import SimpleNamespace
from typing import Any

import structlog
from flask import Flask

from pilot.access.permissions import Scope, may_key
from pilot.assignment.asking import Question, read_question
from pilot.words import Message
from web.api.answer_texts import answer_text
from web.api.live_keys import desk_of, remembered_key
from web.api.questions import OF_ONE, parameters
from web.language import ENGLISH, languages
from web.logs import request_id_of
from web.metrics import REQUESTS, SECONDS
from web.security import HEADERS

PATH = "/api/v1/assignments"


class FastLookUp:
    """The WSGI application: the short cut, and Flask for whatever it does not answer."""

    def __init__(self, app: Flask) -> None:
        self._app, self._slow = app, app.wsgi_app
        self._settings = app.config["PILOT_SETTINGS"]
        self._language = self._settings.language if self._settings.language in languages() else ENGLISH
        fixed = {"Content-Type": "application/json", **HEADERS, "Cache-Control": "no-store", "Vary": "Cookie"}
        if app.config["SESSION_COOKIE_SECURE"]:
            fixed["Strict-Transport-Security"] = "max-age=31536000"
        self._headers = list(fixed.items())
        self._count, self._observe = REQUESTS.labels("GET", PATH, "200").inc, SECONDS.labels(PATH).observe
        self._log: Any = None  # bound when first needed: a lazy logger binds itself at every line

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == PATH and environ["REQUEST_METHOD"] == "GET" and "HTTP_COOKIE" not in environ:
            started = time.perf_counter()
            try:
                body = self._answer(environ)
            except Exception:  # whatever it is, Flask meets it too, and says and logs it properly
                body = None
            if body is not None:
                return [self._respond(environ, start_response, body, started)]
        return self._slow(environ, start_response)

    def _answer(self, environ: dict[str, Any]) -> bytes | None:
        """The body of a 200; None for everything that Flask should answer."""
        question = _question(environ.get("QUERY_STRING", ""))
        kind, _, secret = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if question is None or kind.lower() != "bearer":
            return None
        desk, now = desk_of(self._app), self._settings.now()
        with desk.reading() as reader:
            head = reader.head()
            key = remembered_key(self._app, head, secret, now=self._settings.wall_clock())
            if key is None or not may_key(key, Scope.ASSIGNMENTS_READ, question.store):
                return None
            kept = desk.kept(head)
            place = kept.snapshot.places.get(question.store)
            if place is None:
                return None
            wanted = question.external_id
            person = reader.person(kept.snapshot, wanted) if wanted is not None else None
        return answer_text(kept.till(place, now).verdict(person), now, self._language).encode()

    def _respond(self, environ: dict[str, Any], start_response: Any, body: bytes, started: float) -> bytes:
        given = environ.get("HTTP_X_REQUEST_ID")
        request_id = token_hex(16) if given is None else request_id_of(_with_id(given))
        start_response("200 OK", [*self._headers, ("Content-Length", str(len(body))), ("X-Request-ID", request_id)])
        seconds = time.perf_counter() - started
        self._count()
        self._observe(seconds)
        if self._log is None:
            self._log = structlog.get_logger("web").bind()
        self._log.info(
            "request", method="GET", route=PATH, status=200, seconds=round(seconds, 4), request_id=request_id
        )
        return body


def _question(query: str) -> Question | None:
    """The question in an address that asks plainly: each known parameter once and not empty."""
    row = parameters(query, OF_ONE)
    if isinstance(row, Message):
        return None
    question = read_question(row)
    return question if isinstance(question, Question) else None


def _with_id(request_id: str) -> Any:
    return SimpleNamespace(headers={"X-Request-ID": request_id})
