"""The last step before the signatures: whether a plan can be submitted as it stands, or an executive is asked first."""

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from pilot.access.permissions import Permission
from pilot.assignment.exclusions import excluding
from pilot.errors import PilotError
from pilot.governance.asking import ask_acceptance, asked_to_accept
from pilot.governance.signing import draft_hash
from pilot.outcomes.lake import Lake
from pilot.planning import queries, service
from pilot.planning.blind import blind_in
from pilot.planning.candidates import Exclusions
from pilot.planning.model import Pilot
from pilot.planning.plan import Plan
from pilot.planning.proving import Proving, unproven
from pilot.planning.submission import CheckedPlan, acceptance_of, as_submitted
from pilot.planning.wizard import amendment_to_check, working_plan
from pilot.words import translate
from web import plan_view
from web.auth import actor, requires
from web.errors import status_of
from web.words import _
from web.work import before_the_transaction, roll_back, session, settings

pages = Blueprint("submission", __name__, url_prefix="/pilots")


@pages.get("/<pilot>/submission")
@requires(Permission.PILOT_SUBMIT, of="pilot")
def show(pilot: Pilot) -> ResponseReturnValue:
    """As a part of a page: the button that submits the draft, or what stands against it and whom to ask."""
    return _shown(pilot, amending=False)


@pages.get("/<pilot>/amendment/submission")
@requires(Permission.PILOT_AMEND, of="pilot")
def show_amendment(pilot: Pilot) -> ResponseReturnValue:
    """The same of the amendment in writing."""
    return _shown(pilot, amending=True)


@pages.post("/<pilot>/submission/ask")
@requires(Permission.PILOT_SUBMIT, of="pilot")
def ask(pilot: Pilot) -> ResponseReturnValue:
    """Ask the executives to accept that the draft cannot prove its break-even."""

    def check(reading: Session, found: Pilot) -> CheckedPlan:
        return service.check_submission(reading, found, lake=Lake(settings()), excluded=excluding(reading, found))

    return _ask(pilot.code, check)


@pages.post("/<pilot>/amendment/submission/ask")
@requires(Permission.PILOT_AMEND, of="pilot")
def ask_in_amendment(pilot: Pilot) -> ResponseReturnValue:
    """Ask the same of the amendment in writing."""

    def check(reading: Session, found: Pilot) -> CheckedPlan:
        document = amendment_to_check(reading, found)
        excluded = excluding(reading, found, Plan.from_document(document))
        return service.check_amendment(reading, found, document=document, lake=Lake(settings()), excluded=excluded)

    return _ask(pilot.code, check)


def _ask(code: str, check: Callable[[Session, Pilot], CheckedPlan]) -> ResponseReturnValue:
    try:
        with before_the_transaction() as reading:
            checked = check(reading, queries.pilot(reading, code))
        pilot = queries.pilot(session(), code)
        ask_acceptance(session(), pilot, checked=checked, actor=actor(), now=settings().now())
    except PilotError as error:
        roll_back()
        return plan_view.page(queries.pilot(session(), code), translate(error.message)), status_of(type(error))
    flash(_("The executives are asked. You read here and by notice what becomes of it."), "success")
    return redirect(url_for("pilots.show", pilot=code))


def _shown(pilot: Pilot, *, amending: bool) -> str:
    plan = as_submitted(session(), pilot, working_plan(session(), pilot))
    excluded, lake = excluding(session(), pilot, plan), Lake(settings())
    return render_template(
        "pilots/_submit.html",
        pilot=pilot,
        amending=amending,
        unproven=_unproven(pilot, plan, lake, excluded),
        asked=asked_to_accept(session(), pilot),
        blind=blind_in(session(), lake, plan, excluded=excluded, after=pilot.last_started),
    )


def _unproven(pilot: Pilot, plan: Plan, lake: Lake, excluded: Callable[[int], Exclusions]) -> tuple[Proving, ...]:
    """The stages that cannot prove their break-even, unless somebody has accepted that of exactly this draft."""
    if acceptance_of(session(), pilot, draft_hash(session(), pilot)) is not None:
        return ()
    return unproven(session(), lake, plan, excluded=excluded, after=pilot.last_started)
