"""Counters for operators, right under several workers: each process writes files, ``/metrics`` adds them up."""

import os
import time

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REQUESTS = Counter("pilot_http_requests", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram("pilot_http_request_seconds", "Seconds to answer a request", ["route"])
RECEIPTS = Counter("pilot_inbox_receipts", "Receipts that came over HTTP, by what became of them", ["status"])


def exposition() -> Response:
    """All processes' numbers when ``PROMETHEUS_MULTIPROC_DIR`` is set (``pilot serve`` sets it), else this one's."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library is untyped here
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def register_metrics(app: Flask) -> None:
    """Count every request by its route (never its address) and status."""

    @app.after_request
    def count(response: Response) -> Response:
        if request.endpoint != "static":
            route = request.url_rule.rule if request.url_rule else "unknown"
            REQUESTS.labels(request.method, route, str(response.status_code)).inc()
            SECONDS.labels(route).observe(time.perf_counter() - g.get("started", time.perf_counter()))
        return response
