"""For operators: alive, ready, counters, and the page of the API."""

from datetime import timedelta

from flask import Blueprint, Response, jsonify, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from pilot.jobs.model import WorkerHeartbeat
from pilot.upkeep import migrating
from web.metrics import exposition
from web.work import database, session, settings

pages = Blueprint("operations", __name__)

WORKER_SILENT_AFTER = timedelta(minutes=2)


@pages.get("/healthz")
def healthz() -> ResponseReturnValue:
    """This process answers."""
    return jsonify(status="ok")


@pages.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Database reachable, schema at this version's head, a worker alive: 200, else 503 with what is missing."""
    checks = {"database": False, "schema": False, "worker": False}
    try:
        checks["schema"] = migrating.current(database()) == migrating.head()
        checks["database"] = True
        beat = session().get(WorkerHeartbeat, 1) if checks["schema"] else None
        checks["worker"] = beat is not None and settings().wall_clock() - beat.beat_at < WORKER_SILENT_AFTER
    except SQLAlchemyError:
        pass  # what could not be reached stays False in the answer
    ready = all(checks.values())
    return jsonify(status="ready" if ready else "not ready", checks=checks), 200 if ready else 503


@pages.get("/metrics")
def metrics() -> Response:
    return exposition()


@pages.get("/api/")
def api_page() -> ResponseReturnValue:
    """The API, described and ready to be tried."""
    return render_template("api.html")
