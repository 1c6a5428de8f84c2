"""Acts on a stage: draw it, start it, take a look; and ending a pilot early."""

from flask import Blueprint, flash, redirect, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.evidence.service import record_exploration
from pilot.governance import service as governance
from pilot.jobs import service as jobs
from pilot.jobs.model import JobKind
from pilot.outcomes.lake import Lake
from pilot.planning import queries
from pilot.planning.model import Pilot
from pilot.words import translate
from web import plan_view
from web.auth import actor, requires
from web.errors import status_of
from web.words import _
from web.work import before_the_transaction, roll_back, session, settings

pages = Blueprint("stages", __name__, url_prefix="/pilots")


@pages.post("/<pilot>/stages/<int:stage>/draw")
@requires(Permission.STAGE_DRAW, of="pilot")
def draw(pilot: Pilot, stage: int) -> ResponseReturnValue:
    """The binding draw, from the seed that the seal made."""
    code = pilot.code
    try:
        lake, now, who = Lake(settings()), settings().now(), actor()
        with before_the_transaction() as reading:
            found = queries.pilot(reading, code)
            prepared = governance.prepare_draw(reading, found, stage, lake=lake, actor=who, now=now)
        governance.draw(session(), queries.pilot(session(), code), prepared, actor=actor(), now=now)
    except PilotError as error:
        return _refused(code, error)
    flash(_("The stage is drawn and the ledger is written."), "success")
    return redirect(url_for("pilots.assignment", pilot=code, stage=stage))


@pages.post("/<pilot>/stages/<int:stage>/start")
@requires(Permission.STAGE_START, of="pilot")
def start(pilot: Pilot, stage: int) -> ResponseReturnValue:
    """The go-ahead of a drawn stage."""
    code = pilot.code
    try:
        governance.start_stage(session(), pilot, stage, actor=actor(), now=settings().now())
    except PilotError as error:
        return _refused(code, error)
    flash(_("The stage has its go-ahead."), "success")
    return redirect(url_for("pilots.stages", pilot=code))


@pages.post("/<pilot>/stages/<int:stage>/report")
@requires(Permission.REPORT_MAKE, of="pilot")
def take_look(pilot: Pilot, stage: int) -> ResponseReturnValue:
    """One look: the report is computed in the background and frozen."""
    arguments = {"pilot": pilot.code, "stage": stage}
    job = jobs.enqueue(session(), JobKind.TAKE_LOOK, arguments, actor=actor(), now=settings().wall_clock())
    return redirect(url_for("jobs.show", job=job.code))


@pages.post("/<pilot>/stages/<int:stage>/today")
@requires(Permission.PILOT_VIEW, of="pilot")
def explore(pilot: Pilot, stage: int) -> ResponseReturnValue:
    """What the data say today: computed in the background, stamped exploratory, never frozen."""
    arguments = {"pilot": pilot.code, "stage": stage}
    job = jobs.enqueue(session(), JobKind.EXPLORE, arguments, actor=actor(), now=settings().wall_clock())
    record_exploration(session(), pilot, stage, actor=actor(), now=settings().now())
    return redirect(url_for("jobs.show", job=job.code))


def _refused(code: str, error: PilotError) -> ResponseReturnValue:
    roll_back()
    return plan_view.board(queries.pilot(session(), code), translate(error.message)), status_of(type(error))
