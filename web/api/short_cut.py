"""Short cuts in front of Flask, for the calls that tills make all day with a key met before.

A short cut answers only what the view behind it would answer well, by the same functions, with the same headers; it
writes the same log line and counts the same metrics. Everything else — a first meeting with a key, a cookie, any
refusal, any trouble — goes to Flask, which says it to the caller; trouble is written down here too.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from types import SimpleNamespace
from typing import Any, ClassVar

import structlog
from flask import Flask

from pilot.database import is_disk_full
from pilot.errors import PilotError
from web.language import ENGLISH, languages
from web.logs import request_id_of
from web.metrics import REQUESTS, SECONDS
from web.security import HEADERS


@dataclass(frozen=True, slots=True)
class Answer:
    """A body of JSON, and headers beside those of every answer."""

    body: bytes
    headers: Sequence[tuple[str, str]] = ()


class ShortCut(ABC):
    """A WSGI application: the short cut for one route, and what stood before it for whatever it does not answer."""

    method: ClassVar[str]
    path: ClassVar[str]
    status: ClassVar[str]

    def __init__(self, app: Flask) -> None:
        self.app, self._slow = app, app.wsgi_app
        self.settings = app.config["PILOT_SETTINGS"]
        self.language = self.settings.language if self.settings.language in languages() else ENGLISH
        fixed = {"Content-Type": "application/json", **HEADERS, "Cache-Control": "no-store", "Vary": "Cookie"}
        if app.config["SESSION_COOKIE_SECURE"]:
            fixed["Strict-Transport-Security"] = "max-age=31536000"
        self._headers = list(fixed.items())
        self._code = int(self.status.partition(" ")[0])
        self._count = REQUESTS.labels(self.method, self.path, str(self._code)).inc
        self._observe = SECONDS.labels(self.path).observe
        self._log: Any = None  # bound when first needed: a lazy logger binds itself at every line

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if (
            environ["PATH_INFO"] == self.path
            and environ["REQUEST_METHOD"] == self.method
            and "HTTP_COOKIE" not in environ
        ):
            started = time.perf_counter()
            try:
                answer = self.answer(environ)
            except Exception as error:
                answer = None
                if not isinstance(error, PilotError) and not is_disk_full(error):  # Flask comes to these too
                    self._warn("short cut failed")
            if answer is not None:
                return [self._respond(environ, start_response, answer, started)]
        return self._slow(environ, start_response)

    @abstractmethod
    def answer(self, environ: dict[str, Any]) -> Answer | None:
        """The answer with ``status``; None, or any error, for everything that Flask should answer.

        What changed something before an error leaves word of it in ``environ``: Flask answers, and does nothing again.
        """

    def _respond(self, environ: dict[str, Any], start_response: Any, answer: Answer, started: float) -> bytes:
        given = environ.get("HTTP_X_REQUEST_ID")
        request_id = token_hex(16) if given is None else request_id_of(_with_id(given))
        own = (*answer.headers, ("Content-Length", str(len(answer.body))), ("X-Request-ID", request_id))
        start_response(self.status, [*self._headers, *own])
        try:
            self._note(time.perf_counter() - started, request_id)
        except Exception:  # the answer stands
            self._warn("request not counted or written down")
        return answer.body

    def _note(self, seconds: float, request_id: str) -> None:
        self._count()
        self._observe(seconds)
        if self._log is None:
            self._log = structlog.get_logger("web").bind()
        shown = round(seconds, 4)
        self._log.info(
            "request", method=self.method, route=self.path, status=self._code, seconds=shown, request_id=request_id
        )

    def _warn(self, event: str) -> None:
        """Write down the error at hand; a log without room is no reason to leave a call without an answer."""
        with suppress(OSError):
            structlog.get_logger("web").warning(event, method=self.method, route=self.path, exc_info=True)


def secret_of(environ: dict[str, Any]) -> str | None:
    """The secret that the caller shows; None where there is none of the right kind."""
    kind, _, secret = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return secret if kind.lower() == "bearer" else None


def _with_id(request_id: str) -> Any:
    return SimpleNamespace(headers={"X-Request-ID": request_id})
