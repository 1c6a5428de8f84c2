"""For operators: alive, ready, counters, and the page of the API."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from pilot.jobs.model import WorkerHeartbeat
from pilot.outcomes.inbox.alarm import is_behind
from pilot.outcomes.inbox.queries import Backlog, backlog
from pilot.outcomes.phases import phases_now
from pilot.upkeep import migrating
from web.api.receipts import reception
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
    answer = jsonify(status="ready" if ready else "not ready", checks=checks, inbox=_inbox(), writing=_writing())
    return answer, 200 if ready else 503


@pages.get("/metrics")
def metrics() -> Response:
    found = _backlog()
    return exposition(found, found.lag_seconds(settings().now()) if found else 0.0)


@pages.get("/api/")
def api_page() -> ResponseReturnValue:
    """The API, described and ready to be tried."""
    return render_template("api.html")


def _inbox() -> dict[str, Any] | None:
    """What waits in the inbox: a detail, for a server that takes receipts in is ready however slow the drain is."""
    found, now = _backlog(), settings().now()
    if found is None:
        return None
    behind = is_behind(found, settings().inbox_alarm_minutes, now)
    return {"waiting": found.receipts, "lag_seconds": round(found.lag_seconds(now), 1), "behind": behind}


def _writing() -> list[str]:
    """What processes of this machine write at this moment, such as a drain or a compaction: a detail as well."""
    return sorted({name for phases in phases_now(settings()).values() for name in phases})


def _backlog() -> Backlog | None:
    try:
        return backlog(reception().inbox)
    except SQLAlchemyError:
        return None  # not reachable or not migrated: the checks above say which
