"""The wizard: a plan in steps that are saved one by one, for drafts and for amendments of a sealed plan."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from pilot.access.permissions import Permission
from pilot.assignment.exclusions import excluding
from pilot.errors import PilotError
from pilot.outcomes.lake import Lake
from pilot.planning import queries, service
from pilot.planning.blind import blind_guardrails
from pilot.planning.brief import among_rivals, propose_measures
from pilot.planning.calendar import conflicts
from pilot.planning.model import Pilot
from pilot.planning.plan import Objective, Plan
from pilot.planning.submission import problems_of
from pilot.planning.wizard import (
    Step,
    amendment_of,
    amendment_to_check,
    give_up_amendment,
    require_draft,
    save,
    submit_amendment,
    working_plan,
)
from pilot.words import translate
from web import difference_words, forms, plan_form, plan_refusals, plan_steps
from web.auth import actor, requires
from web.errors import status_of
from web.plan_shown import shown
from web.words import _
from web.work import before_the_transaction, roll_back, session, settings

pages = Blueprint("wizard", __name__, url_prefix="/pilots")


@dataclass(frozen=True, slots=True)
class Missing:
    """What stands against the plan, and the address at which it is mended."""

    text: str
    url: str


@pages.route("/<pilot>/edit/<step>", methods=["GET", "POST"])
@requires(Permission.PILOT_EDIT, of="pilot")
def edit(pilot: Pilot, step: str) -> ResponseReturnValue:
    """One step of a draft."""
    return _step(pilot, _known(step), amending=False)


@pages.route("/<pilot>/amend/<step>", methods=["GET", "POST"])
@requires(Permission.PILOT_AMEND, of="pilot")
def amend(pilot: Pilot, step: str) -> ResponseReturnValue:
    """One step of an amendment; nothing of the plan in force changes until it is submitted and signed."""
    return _step(pilot, _known(step), amending=True)


@pages.post("/<pilot>/amendment")
@requires(Permission.PILOT_AMEND, of="pilot")
def submit(pilot: Pilot) -> ResponseReturnValue:
    """A visible change of a sealed plan; its approvals become void."""
    code = pilot.code
    try:
        reason, now = forms.text("reason", _("Reason")), settings().now()
        with before_the_transaction() as reading:
            found = queries.pilot(reading, code)
            document = amendment_to_check(reading, found)
            lake, excluded = Lake(settings()), excluding(reading, found, Plan.from_document(document))
            checked = service.check_amendment(reading, found, document=document, lake=lake, excluded=excluded)
        pilot = queries.pilot(session(), code)
        submit_amendment(session(), pilot, reason=reason, checked=checked, actor=actor(), now=now)
    except PilotError as error:
        roll_back()
        found = queries.pilot(session(), code)
        return _page(found, Step.REVIEW, request.form, amending=True, error=error), status_of(type(error))
    flash(_("The amendment waits for its signatures."), "success")
    return redirect(url_for("pilots.show", pilot=code))


@pages.post("/<pilot>/amendment/give-up")
@requires(Permission.PILOT_AMEND, of="pilot")
def give_up(pilot: Pilot) -> ResponseReturnValue:
    """Forget the amendment that was being written."""
    give_up_amendment(session(), pilot, actor=actor(), now=settings().now())
    flash(_("The amendment is given up. The plan stays as it was sealed."), "success")
    return redirect(url_for("pilots.show", pilot=pilot.code))


def _known(step: str) -> Step:
    if step not in set(Step):
        abort(404)
    return Step(step)


def _step(pilot: Pilot, step: Step, *, amending: bool) -> ResponseReturnValue:
    if not amending:
        require_draft(pilot)
    plan = working_plan(session(), pilot)
    if request.method == "GET":
        return _page(pilot, step, shown(plan), amending=amending)
    code, document = pilot.code, plan.to_document()
    try:
        document = plan_form.read(step, request.form, document)
        if request.form.get("go") == "propose":
            objective = forms.choice("objective", _("Objective"), Objective)
            document = propose_measures(document, objective, blind_guardrails(Lake(settings())))
        save(session(), pilot, among_rivals(document), actor=actor(), now=settings().now())
    except PilotError as error:
        roll_back()
        found = queries.pilot(session(), code)
        return _page(found, step, request.form, amending=amending, error=error), status_of(type(error))
    return redirect(url_for("wizard.amend" if amending else "wizard.edit", pilot=code, step=_next(step)))


def _next(step: Step) -> str:
    """Where the pressed button leads: on, back, to a step of the list, or again to this one."""
    go = request.form.get("go", "next")
    if go in set(Step):
        return go
    return {"next": step.following, "back": step.preceding}.get(go, step).value


def _page(
    pilot: Pilot, step: Step, form: MultiDict[str, str], *, amending: bool, error: PilotError | None = None
) -> str:
    plan = working_plan(session(), pilot)
    values: dict[str, Any] = plan_steps.values_of(step, plan, form)
    if step is Step.REVIEW:
        values |= _review(pilot, plan, amending=amending)
    return render_template(
        f"pilots/steps/{step}.html",
        pilot=pilot,
        plan=plan,
        step=step.value,
        steps=plan_steps.steps(),
        form=form,
        amending=amending,
        error=plan_refusals.said(error, plan) if error else None,
        **values,
    )


def _review(pilot: Pilot, plan: Plan, *, amending: bool) -> dict[str, Any]:
    met = conflicts(session(), plan, after=pilot.last_started)
    try:
        against = problems_of(session(), pilot, plan)
    except PilotError as refused:
        against = [refused]
    found = [
        Missing(plan_refusals.said(one, plan), plan_refusals.mended_at(one, pilot, plan, amending=amending))
        for one in against
    ]
    stages = url_for("wizard.amend" if amending else "wizard.edit", pilot=pilot.code, step=Step.STAGES)
    found += [Missing(translate(one.message), stages) for one in met if one.is_refused]
    written = amendment_of(session(), pilot) if amending else None
    changes = difference_words.rows(queries.sealed_plan(session(), pilot).text(), plan.text()) if written else []
    return {
        "missing": found,
        "warnings": [translate(one.message) for one in met if not one.is_refused],
        "changes": changes,
        "written": written,
    }
