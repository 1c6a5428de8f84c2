"""Counters for operators, right under several workers: each process writes files, ``/metrics`` adds them up."""

import os
import time

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from pilot.outcomes.inbox.queries import Backlog

REQUESTS = Counter("pilot_http_requests", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram("pilot_http_request_seconds", "Seconds to answer a request", ["route"])
RECEIPTS = Counter("pilot_inbox_receipts", "Receipts that came over HTTP, by what became of them", ["status"])


def exposition(found: Backlog | None, lag_seconds: float) -> Response:
    """All processes' numbers when ``PROMETHEUS_MULTIPROC_DIR`` is set (``pilot serve`` sets it), else this one's.

    What waits in the inbox is asked of the inbox itself, so it is the same whichever process answers; None where it
    cannot be reached.
    """
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library is untyped here
    text = generate_latest(registry)
    if found is not None:
        text += generate_latest(_inbox(found, lag_seconds))
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def _inbox(found: Backlog, lag_seconds: float) -> CollectorRegistry:
    registry = CollectorRegistry()
    waiting = Gauge("pilot_inbox_waiting_receipts", "Receipts that wait in the inbox for the drain", registry=registry)
    waiting.set(found.receipts)
    lag = Gauge("pilot_inbox_lag_seconds", "How long the oldest receipt in the inbox has waited", registry=registry)
    lag.set(lag_seconds)
    return registry


def register_metrics(app: Flask) -> None:
    """Count every request by its route (never its address) and status."""

    @app.after_request
    def count(response: Response) -> Response:
        if request.endpoint != "static":
            route = request.url_rule.rule if request.url_rule else "unknown"
            REQUESTS.labels(request.method, route, str(response.status_code)).inc()
            SECONDS.labels(route).observe(time.perf_counter() - g.get("started", time.perf_counter()))
        return response
