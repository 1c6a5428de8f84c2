"""One JSON line a request, with its id; routes instead of addresses, so that no personal data reaches a log."""

import logging
import sys
import time
import uuid
from typing import Any

import structlog
from flask import Flask, Response, g, request
from flask.wrappers import Request

from pilot.settings import Settings

_ID_CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")


def configure_logs(settings: Settings) -> None:
    """Structured lines on standard error: JSON for machines, or plain for a person at a terminal."""
    renderer: Any = structlog.processors.JSONRenderer() if settings.json_logs else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def request_id_of(incoming: Request) -> str:
    """The caller's ``X-Request-ID`` when it is a plain short token, otherwise a new one."""
    given = incoming.headers.get("X-Request-ID", "")
    return given if 8 <= len(given) <= 64 and set(given) <= _ID_CHARACTERS else uuid.uuid4().hex


def register_logs(app: Flask) -> None:
    """Give each request an id and write one line when it ends."""
    log = structlog.get_logger("web")

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        g.request_id = request_id_of(request)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.get("request_id", "")
        if request.endpoint not in {"static", "operations.healthz", "operations.metrics"}:
            route = request.url_rule.rule if request.url_rule else "unknown"
            seconds = round(time.perf_counter() - g.get("started", time.perf_counter()), 4)
            log.info("request", method=request.method, route=route, status=response.status_code, seconds=seconds)
        return response
