"""A new pilot: its brief, from which the draft is filled in with what the objective proposes."""

from datetime import datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.outcomes.lake import Lake
from pilot.planning.blind import blind_guardrails
from pilot.planning.brief import draft_from_brief
from pilot.planning.plan import Objective
from pilot.planning.wizard import Step
from pilot.programs import queries as programs
from pilot.programs.mechanics import spec_of
from pilot.programs.model import Program
from pilot.programs.service import add_variant, create_program
from pilot.words import translate
from web import forms, plan_steps, plan_words
from web.auth import actor, requires
from web.errors import FieldMissing, status_of
from web.pages.programs import code_from
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("brief", __name__, url_prefix="/pilots")

NEW_PROGRAM = "new"


@pages.route("/new", methods=["GET", "POST"])
@requires(Permission.PILOT_CREATE)
def create() -> ResponseReturnValue:
    """Name, objective, hypothesis, mechanic, program. The objective proposes the rest, with its reasons."""
    if request.method == "GET":
        return _page()
    now = settings().now()
    try:
        name = forms.text("name", _("Name"))
        objective = forms.choice("objective", _("Objective"), Objective)
        hypothesis = forms.text("hypothesis", _("Hypothesis"))
        mechanic = forms.optional("mechanic") or ""
        is_new = forms.text("program", _("Program")) == NEW_PROGRAM
        program = _new_program(mechanic, now) if is_new else programs.program(session(), request.form["program"])
        found = draft_from_brief(
            session(),
            code=code_from(name),
            name=name,
            program=program,
            objective=objective,
            hypothesis=hypothesis,
            mechanic=mechanic,
            stage_name=_("The first stores"),
            blind=blind_guardrails(Lake(settings())),
            actor=actor(),
            now=now,
        )
    except PilotError as error:
        roll_back()
        return _page(translate(error.message)), status_of(type(error))
    flash(_("The draft is there, filled in with what its objective proposes. Change what you like."), "success")
    return redirect(url_for("wizard.edit", pilot=found.code, step=Step.BRIEF))


def _new_program(mechanic: str, now: datetime) -> Program:
    """A program whose one variant waits for the terms of its offer."""
    name = forms.text("new_program", _("What the new one is called"))
    if not mechanic:
        raise FieldMissing(field=_("Mechanic"))
    title = translate(spec_of(mechanic).title)
    program = create_program(session(), code=code_from(name), name=name, actor=actor(), now=now)
    add_variant(session(), program, code=code_from(mechanic), name=title, actor=actor(), now=now)
    return program


def _page(error: str | None = None) -> str:
    found = [(program.code, program.name) for program in programs.programs(session())]
    return render_template(
        "pilots/create.html",
        programs=[*found, (NEW_PROGRAM, _("A new program"))],
        mechanics=[("", _("As the program has it")), *plan_steps.mechanics()],
        objectives=plan_words.objectives(),
        form=request.form,
        error=error,
    )
