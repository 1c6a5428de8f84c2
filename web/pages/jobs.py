"""Long work: a page with a bar that moves by itself, and then goes on to what came of it."""

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.imports.model import RunState
from pilot.jobs import queries
from pilot.jobs.model import JobKind, JobRun, JobState
from pilot.planning.wizard import Step
from web import uploads
from web.auth import requires
from web.work import session, settings

pages = Blueprint("jobs", __name__, url_prefix="/jobs")

_STUDIES = (JobKind.SEARCH_DESIGNS, JobKind.REPLAY_DESIGN)


@pages.get("/<job>")
@requires(Permission.JOB_VIEW, of="job")
def show(job: JobRun) -> ResponseReturnValue:
    """The page of one job; a finished one sends on to its result."""
    if job.state == JobState.DONE:
        return redirect(_result_address(job))
    found = queries.progress(session(), job.code)
    return render_template("jobs/show.html", progress=found, back=_origin_address(job))


@pages.get("/<job>/progress")
@requires(Permission.JOB_VIEW, of="job")
def progress(job: JobRun) -> ResponseReturnValue:
    """The bar alone, asked for every second."""
    if job.state == JobState.DONE:
        response: Response = make_response("")
        response.headers["HX-Redirect"] = _result_address(job)
        return response
    found = queries.progress(session(), job.code)
    if "HX-Request" not in request.headers:
        return redirect(url_for("jobs.show", job=job.code))
    return render_template("jobs/_progress.html", progress=found, back=_origin_address(job))


def _result_address(job: JobRun) -> str:
    result = job.result or {}
    if job.kind in (JobKind.TAKE_LOOK, JobKind.EXPLORE):
        return url_for("reports.show", pilot=job.arguments["pilot"], report=result["report"])
    if job.kind in (JobKind.COMPARE_KNOWN, *_STUDIES):
        return _origin_address(job)
    token = job.arguments.get("token")
    if token and result["state"] != RunState.REFUSED:
        uploads.remove(settings(), token)  # checked rows are staged; the file itself holds more than they do
        token = None
    return url_for("imports.show", run=result["run"], file=token)


def _origin_address(job: JobRun) -> str:
    """Where the work was asked for: the place to go back to when it fails."""
    if job.kind in (JobKind.TAKE_LOOK, JobKind.EXPLORE):
        return url_for("pilots.stages", pilot=job.arguments["pilot"])
    if job.kind == JobKind.COMPARE_KNOWN:
        asked = job.arguments
        return url_for("reports.known", pilot=asked["pilot"], report=asked["report"], on=asked["on"] or None)
    if job.kind in _STUDIES:
        amending = job.arguments["amending"]
        return url_for("wizard.amend" if amending else "wizard.edit", pilot=job.arguments["pilot"], step=Step.DESIGN)
    if job.kind == JobKind.PUBLISH_IMPORT:
        return url_for("imports.show", run=job.arguments["run"])
    return url_for("imports.map_columns", token=job.arguments["token"])
